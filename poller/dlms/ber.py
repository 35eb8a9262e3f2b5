"""BER (ITU-T X.690) as far as ACSE needs it: definite lengths, one-octet tags. Octets to fields and back.

Every fault of received octets is UnexpectedReply.
"""

from collections.abc import Iterator
from typing import Final

from poller.dlms.errors import UnexpectedReply

_MAX_LENGTH_OCTETS: Final = 4
"""An APDU has no more than 65 535 octets; some meters use more length octets than they need."""


def encode_field(tag: int, content: bytes) -> bytes:
    """Return tag, length and content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def fields(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the (tag, content) pairs that octets consist of; raise UnexpectedReply when one is cut."""
    at = 0
    while at < len(octets):
        start, end = _content(octets, at)
        yield octets[at], octets[start:end]
        at = end


def only_field(octets: bytes, tag: int) -> bytes:
    """Return the content of the one field that octets are; raise UnexpectedReply for anything else."""
    found = list(fields(octets))
    if len(found) != 1 or found[0][0] != tag:
        raise UnexpectedReply(f"one field with tag {tag:02x} expected in {octets[:32].hex()}")
    return found[0][1]


def _content(octets: bytes, at: int) -> tuple[int, int]:
    start = at + 2
    if start > len(octets):
        raise UnexpectedReply(f"a field without length in {octets[:32].hex()}")
    size = octets[at + 1]
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= _MAX_LENGTH_OCTETS or start + count > len(octets):
            raise UnexpectedReply(f"a length of {count} octets in {octets[:32].hex()}")
        size = int.from_bytes(octets[start : start + count], "big")
        start += count
    if start + size > len(octets):
        raise UnexpectedReply(f"a field of {size} octets, of which {len(octets) - start} are there")
    return start, start + size
