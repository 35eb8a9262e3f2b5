"""Image transfer to a simulated meter (class 18, IEC 62056-6-2): blocks in any order, their bitmap, verify, activate.

Methods in; the state they lead to, out. What the image holds is kept until the next one and never looked at.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.objects import DataAccess, Done, Forge, ObjectBook, Reading, number
from poller.simulator.values import BOOLEAN, OCTETS, Value

NAME: Final = bytes((0, 0, 44, 0, 0, 255))
_CLASS: Final = 18
BLOCK: Final = 128
"""Octets of each block but the last."""
MAX_IMAGE: Final = 1 << 20
"""Octets of an image: far more than a test wants to send."""


class Status(IntEnum):
    """image_transfer_status."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


@dataclass(slots=True)
class Image:
    """One image on its way, or the last that came."""

    enabled: bool = True
    status: Status = Status.NOT_INITIATED
    identifier: bytes = b""
    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """How many blocks the image has."""
        return -(-self.size // BLOCK)

    @property
    def missing(self) -> int:
        """The first block that is not there; their number when all are."""
        return next((at for at in range(self.expected) if at not in self.blocks), self.expected)

    def initiate(self, value: Value, _granted: Granted) -> Done:
        """Method 1: identifier and size."""
        if len(value.parts) != 2 or value.parts[0].tag != OCTETS or value.parts[1].tag != Form.UINT32.tag:
            return Done(DataAccess.TYPE_UNMATCHED)
        if not self.enabled or not 0 < value.parts[1].number <= MAX_IMAGE:
            return Done(DataAccess.OTHER_REASON)
        self.identifier, self.size = value.parts[0].octets, value.parts[1].number
        self.blocks.clear()
        self.status = Status.INITIATED
        return Done()

    def take(self, value: Value, _granted: Granted) -> Done:
        """Method 2: a block's number, from 0, and its octets."""
        if len(value.parts) != 2 or value.parts[0].tag != Form.UINT32.tag or value.parts[1].tag != OCTETS:
            return Done(DataAccess.TYPE_UNMATCHED)
        at, octets = value.parts[0].number, value.parts[1].octets
        if self.status is Status.NOT_INITIATED or not self.enabled:
            return Done(DataAccess.OTHER_REASON)
        if at >= self.expected or len(octets) != min(BLOCK, self.size - at * BLOCK):
            return Done(DataAccess.OTHER_REASON)
        self.blocks[at] = octets
        return Done()

    def verify(self, _value: Value, _granted: Granted) -> Done:
        """Method 3: good when all blocks are there."""
        whole = self.size > 0 and self.missing == self.expected
        self.status = Status.VERIFIED if whole else Status.VERIFICATION_FAILED
        return Done(DataAccess.SUCCESS if whole else DataAccess.OTHER_REASON)

    def activate(self, _value: Value, _granted: Granted) -> Done:
        """Method 4: after a good verification."""
        good = self.status is Status.VERIFIED
        self.status = Status.ACTIVATED if good else Status.ACTIVATION_FAILED
        return Done(DataAccess.SUCCESS if good else DataAccess.OTHER_REASON)

    def enable(self, value: Value, _granted: Granted) -> DataAccess:
        """Let images come, or not."""
        if value.tag != BOOLEAN:
            return DataAccess.TYPE_UNMATCHED
        self.enabled = bool(value.number)
        return DataAccess.SUCCESS

    def _bitmap(self, _forge: Forge | None) -> Reading:
        present = [at in self.blocks for at in range(self.expected)]
        return Reading(axdr.bits(present), f"{sum(present)} of {len(present)} blocks")

    def _activation(self, _forge: Forge | None) -> Reading:
        whole = self.status in {Status.VERIFIED, Status.ACTIVATED}
        parts = (Form.UINT32.encode(self.size), axdr.octet_string(self.identifier), axdr.octet_string(b""))
        return Reading(axdr.array([axdr.structure(parts)] if whole else []), self.identifier.hex())

    def install(self, book: ObjectBook) -> None:
        """Add the object."""
        book.add(
            _CLASS,
            NAME,
            {
                2: number(Form.UINT32, BLOCK),
                3: self._bitmap,
                4: lambda _forge: Reading(Form.UINT32.encode(self.missing), self.missing),
                5: lambda _forge: Reading(axdr.boolean(self.enabled), int(self.enabled)),
                6: lambda _forge: Reading(Form.ENUM.encode(self.status), int(self.status)),
                7: self._activation,
            },
        )
        book.takes(NAME, {5: self.enable})
        book.does(NAME, {1: self.initiate, 2: self.take, 3: self.verify, 4: self.activate})
