"""The checksum of HDLC frames (ISO/IEC 13239, FCS-16), as the simulated meters compute it.

Octets in, two octets out. Deliberately another algorithm than the one of the poller's core: a table, octet by octet,
so that a mistake cannot hide by being made twice. Nothing of the product may enter.
"""

from typing import Final

_POLYNOMIAL: Final = 0x8408
INITIAL: Final = 0xFFFF
GOOD: Final = 0xF0B8
"""What the register holds after an undamaged stretch and its own checksum."""


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = (octet >> 1) ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_TABLE: Final = tuple(_entry(octet) for octet in range(256))
_BY_HIGH_OCTET: Final = {entry >> 8: index for index, entry in enumerate(_TABLE)}


def register(octets: bytes, start: int = INITIAL) -> int:
    """Return the 16-bit register after the octets."""
    table = _TABLE
    for octet in octets:
        start = (start >> 8) ^ table[(start ^ octet) & 0xFF]
    return start


def checksum(octets: bytes) -> bytes:
    """Return the two octets that follow these on the line, low octet first."""
    return (register(octets) ^ 0xFFFF).to_bytes(2, "little")


def forge(prefix: bytes, wanted: bytes) -> bytes:
    """Return the two octets after which the checksum of the whole is ``wanted`` (two octets, as on the line).

    They always exist and are the only ones: sixteen free bits decide a sixteen-bit checksum.
    """
    start = register(prefix)
    end = int.from_bytes(wanted, "little") ^ 0xFFFF
    second = _BY_HIGH_OCTET[end >> 8]
    first = _BY_HIGH_OCTET[(end ^ _TABLE[second]) & 0xFF]
    middle = (start >> 8) ^ _TABLE[first]
    return bytes((first ^ (start & 0xFF), second ^ (middle & 0xFF)))
