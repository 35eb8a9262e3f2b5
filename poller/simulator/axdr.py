"""A-XDR data (IEC 61334-6, IEC 62056-6-2) as the simulated meters write it.

Integers, texts and parts in; octets with their type tag out. It only writes: what a client sends is taken apart in
``services``. Nothing of the product may enter.
"""

import struct
from collections.abc import Sequence
from enum import Enum
from typing import Final

NULL: Final = b"\x00"


class Form(Enum):
    """How an integer is written: tag and format."""

    INT8 = (0x0F, "b")
    INT16 = (0x10, "h")
    INT32 = (0x05, "i")
    INT64 = (0x14, "q")
    UINT8 = (0x11, "B")
    UINT16 = (0x12, "H")
    UINT32 = (0x06, "I")
    UINT64 = (0x15, "Q")
    ENUM = (0x16, "B")

    def __init__(self, tag: int, code: str) -> None:
        self.size = struct.calcsize(f">{code}")
        self.pack = struct.Struct(f">B{code}").pack
        self.unpack = struct.Struct(f">{code}").unpack
        self.tag = tag

    def encode(self, number: int) -> bytes:
        """Return tag and number; struct.error when it does not fit, which is a mistake of the model."""
        return self.pack(self.tag, number)


def length(count: int) -> bytes:
    """Return a length: one octet to 127, else their number and the octets."""
    if count < 0x80:
        return bytes((count,))
    size = (count.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + count.to_bytes(size, "big")


def octet_string(octets: bytes) -> bytes:
    """Return an octet-string (9)."""
    return b"\x09" + length(len(octets)) + octets


def visible_string(text: str) -> bytes:
    """Return a visible-string (10)."""
    return b"\x0a" + length(len(text)) + text.encode("ascii")


def structure(parts: Sequence[bytes]) -> bytes:
    """Return a structure (2) of encoded parts."""
    return b"\x02" + length(len(parts)) + b"".join(parts)


def array(parts: Sequence[bytes]) -> bytes:
    """Return an array (1) of encoded parts."""
    return b"\x01" + length(len(parts)) + b"".join(parts)


def scaler_unit(scaler: int, unit: int) -> bytes:
    """Return the structure of attribute 3 of a register."""
    return structure((Form.INT8.encode(scaler), Form.ENUM.encode(unit)))


def boolean(truth: bool) -> bytes:
    """Return a boolean (3)."""
    return b"\x03\x01" if truth else b"\x03\x00"


def bit_string(octets: bytes) -> bytes:
    """Return a bit-string (4) of whole octets."""
    return b"\x04" + length(8 * len(octets)) + octets


def bits(truths: Sequence[bool]) -> bytes:
    """Return a bit-string (4), first bit highest."""
    octets = bytearray(-(-len(truths) // 8))
    for at, truth in enumerate(truths):
        octets[at // 8] |= truth << 7 - at % 8
    return b"\x04" + length(len(truths)) + octets
