"""General block transfer (IEC 62056-5-3, 6.5; Green Book 9.4.6.13): one block of an APDU and what it acknowledges.

Goes in: fields, or a received APDU. Comes out: octets, or typed fields. Which block comes next is the business of
``blocks`` and ``listening``. Every fault of received octets is UnexpectedReply.
"""

from dataclasses import dataclass
from typing import Final

from poller.dlms.axdr import encode_length
from poller.dlms.errors import BadParameter, UnexpectedReply
from poller.dlms.xdlms import apdu_reader

GENERAL_BLOCK: Final = 0xE0
MAX_WINDOW: Final = 63
"""What the six bits of the block control can name."""
MAX_NUMBER: Final = 0xFFFF
HEAD_OCTETS: Final = 9
"""Tag, block control, two numbers, and a length of up to 65 535 in its long form."""
_LAST: Final = 0x80
_STREAMING: Final = 0x40


@dataclass(frozen=True, slots=True)
class GeneralBlock:
    """One block; without ``data`` it only acknowledges."""

    number: int
    data: bytes = b""
    last: bool = True
    """Whether its sender has nothing more to send."""
    streaming: bool = False
    """Whether another block follows without being asked for."""
    window: int = 1
    """How many blocks its sender takes before it acknowledges."""
    acknowledged: int = 0
    """The last block that its sender has received with none missing before it."""

    @property
    def aborts(self) -> bool:
        """Whether the sender gives the transfer up: a last block without number, acknowledgement and data."""
        return self.last and not self.streaming and not self.data and self.number == self.acknowledged == 0


def encode_general_block(block: GeneralBlock) -> bytes:
    """Return a general-block-transfer; raise BadParameter when a number does not fit its field."""
    if not 0 <= block.window <= MAX_WINDOW:
        raise BadParameter(f"a window of {block.window} blocks, {MAX_WINDOW} at most can be named")
    if not 0 <= block.number <= MAX_NUMBER or not 0 <= block.acknowledged <= MAX_NUMBER:
        raise BadParameter(f"block {block.number}, acknowledging {block.acknowledged}: numbers end at {MAX_NUMBER}")
    control = block.last * _LAST | block.streaming * _STREAMING | block.window
    numbers = block.number.to_bytes(2, "big") + block.acknowledged.to_bytes(2, "big")
    return bytes((GENERAL_BLOCK, control)) + numbers + encode_length(len(block.data)) + block.data


def decode_general_block(octets: bytes) -> GeneralBlock:
    """Return the fields of a general-block-transfer."""
    with apdu_reader(octets, "general-block-transfer") as reader:
        tag = reader.octet()
        if tag != GENERAL_BLOCK:
            raise UnexpectedReply(f"a general-block-transfer expected, not an APDU with tag {tag:02x}")
        control = reader.octet()
        number, acknowledged = reader.unsigned(2), reader.unsigned(2)
        return GeneralBlock(
            number,
            reader.take(reader.length()),
            last=bool(control & _LAST),
            streaming=bool(control & _STREAMING),
            window=control & MAX_WINDOW,
            acknowledged=acknowledged,
        )
