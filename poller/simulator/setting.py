"""SET on the meter's side: single, in lists, in blocks.

A SET and the association it comes in; the answer and notes for the log out. It holds the block transfer under way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from poller.simulator import axdr, services
from poller.simulator.acse import BadRequest
from poller.simulator.association import Granted
from poller.simulator.faults import FaultKind
from poller.simulator.notes import Mood, Noting, noted
from poller.simulator.objects import DataAccess, ObjectBook
from poller.simulator.personality import CONFORMANCE_BLOCK_SET, CONFORMANCE_LIST, CONFORMANCE_SET
from poller.simulator.services import Block, GetNormal
from poller.simulator.values import Value, read_value, value_list, whole_value

MAX_LONG: Final = 65_536
"""Octets of a value that comes in blocks: eight times what any attribute takes."""
_NORMAL, _FIRST, _BLOCK, _LIST, _LIST_FIRST = 1, 2, 3, 4, 5


@dataclass(slots=True)
class _Long:
    invoke: int
    items: list[GetNormal]
    listed: bool
    octets: bytearray = field(default_factory=bytearray)
    number: int = 0


@dataclass(slots=True)
class Setting:
    """SET of one connection."""

    objects: ObjectBook
    note: Noting
    _long: _Long | None = None

    @property
    def under_way(self) -> bool:
        """Whether a value is only partly told."""
        return self._long is not None

    def forget(self) -> None:
        """End a block transfer."""
        self._long = None

    def answer(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the answer to a SET; raise BadRequest when it cannot be read."""
        if len(apdu) < 4:
            raise BadRequest("SET request is cut")
        choice, invoke = apdu[1], apdu[2]
        step = _STEPS.get(choice)
        if step is None:
            raise BadRequest(f"SET request choice {choice}")
        handler, needed = step
        if needed & ~granted.conformance:
            return services.exception(1, 2)
        if choice != _BLOCK:
            self._long = None
        answer = handler(self, invoke, apdu, granted, mood)
        if FaultKind.WRONG_INVOKE in mood:
            return answer[:2] + bytes((answer[2] ^ 0x07,)) + answer[3:]
        return answer

    def normal(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """SET of one attribute."""
        item, at = services.descriptor(invoke, apdu, 3)
        value, end = read_value(apdu, at)
        if end != len(apdu):
            raise BadRequest("octets after the value")
        return b"\xc5\x01%c%c" % (invoke, self._written(item, value, granted, mood))

    def with_list(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """SET of several attributes."""
        items, at = services.descriptors(invoke, apdu, 3)
        values, end = value_list(apdu, at)
        if end != len(apdu) or len(values) != len(items):
            raise BadRequest(f"{len(values)} values for {len(items)} attributes")
        return b"\xc5\x05%c" % invoke + self._all(items, values, granted, mood)

    def first(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """The first block of one attribute."""
        item, at = services.descriptor(invoke, apdu, 3)
        self._long = _Long(invoke, [item], listed=False)
        return self._more(self._long, invoke, services.parse_block(apdu, at), granted, mood)

    def list_first(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """The first block of several attributes."""
        items, at = services.descriptors(invoke, apdu, 3)
        self._long = _Long(invoke, items, listed=True)
        return self._more(self._long, invoke, services.parse_block(apdu, at), granted, mood)

    def block(self, invoke: int, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """A further block."""
        found = services.parse_block(apdu, 3)
        if self._long is None:
            return _last(invoke, DataAccess.NO_LONG_SET, found.number)
        return self._more(self._long, invoke, found, granted, mood)

    def _more(self, long: _Long, invoke: int, found: Block, granted: Granted, mood: Mood) -> bytes:
        """Take a block; what was told is written with the last one."""
        long.number += 1
        long.octets += found.raw
        if found.number != long.number or invoke & 0x0F != long.invoke & 0x0F:
            self._long = None
            return _last(invoke, DataAccess.BLOCK_NUMBER_INVALID, found.number)
        if len(long.octets) > MAX_LONG:
            self._long = None
            return _last(invoke, DataAccess.LONG_SET_ABORTED, found.number)
        if not found.last:
            return b"\xc5\x02%c%b" % (invoke, found.number.to_bytes(4, "big"))
        self._long = None
        return self._whole(long, invoke, found.number, granted, mood)

    def _whole(self, long: _Long, invoke: int, number: int, granted: Granted, mood: Mood) -> bytes:
        octets = bytes(long.octets)
        if not long.listed:
            return _last(invoke, self._written(long.items[0], whole_value(octets), granted, mood), number)
        values, end = value_list(octets)
        if end != len(octets) or len(values) != len(long.items):
            raise BadRequest(f"{len(values)} values for {len(long.items)} attributes")
        return b"\xc5\x04%c" % invoke + self._all(long.items, values, granted, mood) + number.to_bytes(4, "big")

    def _all(self, items: list[GetNormal], values: list[Value], granted: Granted, mood: Mood) -> bytes:
        """Write several; return how each went."""
        results = [self._written(item, value, granted, mood) for item, value in zip(items, values, strict=True)]
        if FaultKind.LIST_SHORT in mood:
            results = results[:-1]
        return axdr.length(len(results)) + bytes(results)

    def _written(self, item: GetNormal, value: Value, granted: Granted, mood: Mood) -> DataAccess:
        if FaultKind.BUSY in mood:
            outcome = DataAccess.TEMPORARY_FAILURE
        elif item.selection is not None:
            outcome = DataAccess.SCOPE_VIOLATED
        else:
            outcome = self.objects.write(item.key, value, granted)
        self.note(noted("set", item.key, item.invoke, outcome, value.raw.hex()))
        return outcome


_Step = Callable[[Setting, int, bytes, Granted, Mood], bytes]
_STEPS: Final[Mapping[int, tuple[_Step, int]]] = {
    _NORMAL: (Setting.normal, CONFORMANCE_SET),
    _FIRST: (Setting.first, CONFORMANCE_SET | CONFORMANCE_BLOCK_SET),
    _BLOCK: (Setting.block, CONFORMANCE_SET | CONFORMANCE_BLOCK_SET),
    _LIST: (Setting.with_list, CONFORMANCE_SET | CONFORMANCE_LIST),
    _LIST_FIRST: (Setting.list_first, CONFORMANCE_SET | CONFORMANCE_LIST | CONFORMANCE_BLOCK_SET),
}
"""Choice of a SET request, to what serves it and what must have been negotiated."""


def _last(invoke: int, outcome: DataAccess, number: int) -> bytes:
    """Return a set-response-last-datablock."""
    return b"\xc5\x03%c%c%b" % (invoke, outcome, number.to_bytes(4, "big"))
