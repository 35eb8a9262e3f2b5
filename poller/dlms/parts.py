"""The blocks that a long SET or ACTION travels in (DataBlock-SA, IEC 62056-5-3, 8.3): splitting, octets of one block.

Goes in: an encoded value and the room there is, or received octets. Comes out: parts. What they are parts of, their
sender knows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from poller.dlms.axdr import Reader, encode_length
from poller.dlms.errors import BadParameter

HEAD_OCTETS: Final = 8
"""last-block, block-number, and a length of up to 65 535 in its long form."""


@dataclass(frozen=True, slots=True)
class Part:
    """A block of a long value."""

    last: bool
    number: int
    content: bytes

    def to_bytes(self) -> bytes:
        """Return last-block, block-number and raw-data."""
        return bytes((self.last,)) + self.number.to_bytes(4, "big") + encode_length(len(self.content)) + self.content


def part_of(reader: Reader) -> Part:
    """Read a block."""
    return Part(reader.octet() != 0, reader.unsigned(4), reader.take(reader.length()))


def parts(value: bytes, first_room: int, room: int) -> Iterator[Part]:
    """Yield the blocks of a value, numbered from 1: the first, and each further one, as long as its APDU has room.

    Raises BadParameter when there is no room for any octet.
    """
    if first_room <= HEAD_OCTETS or room <= HEAD_OCTETS:
        raise BadParameter(f"blocks of at most {min(first_room, room)} octets cannot carry a value")
    end = first_room - HEAD_OCTETS
    yield Part(end >= len(value), 1, value[:end])
    number = 1
    while end < len(value):
        number += 1
        start, end = end, end + room - HEAD_OCTETS
        yield Part(end >= len(value), number, value[start:end])
