"""A-XDR data as a simulated meter reads it: what a client sends with SET, ACTION, ACCESS and selections.

Octets in, Values and the octets they took out; BadRequest when they are cut, unknown or nested too deep. The writer is
``axdr``. Nothing of the product may enter.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from poller.simulator.acse import BadRequest

MAX_DEPTH: Final = 16
"""Structures inside structures; no object of a meter needs more than five."""
NULL, ARRAY, STRUCTURE, BOOLEAN, BITS = 0x00, 0x01, 0x02, 0x03, 0x04
OCTETS, VISIBLE, UTF8, BCD = 0x09, 0x0A, 0x0C, 0x0D
ENUM, DATE_TIME = 0x16, 0x19
_NUMBERS: Final[Mapping[int, struct.Struct]] = {
    0x05: struct.Struct(">i"),
    0x06: struct.Struct(">I"),
    0x0D: struct.Struct(">b"),
    0x0F: struct.Struct(">b"),
    0x10: struct.Struct(">h"),
    0x11: struct.Struct(">B"),
    0x12: struct.Struct(">H"),
    0x14: struct.Struct(">q"),
    0x15: struct.Struct(">Q"),
    0x16: struct.Struct(">B"),
}
_FIXED: Final[Mapping[int, int]] = {0x17: 4, 0x18: 8, 0x19: 12, 0x1A: 5, 0x1B: 4}
"""Floating point numbers, date-time, date and time are kept as their octets."""


class Value(NamedTuple):
    """One data: its tag, its number, octets or elements (the one that its tag has), and how it was written."""

    tag: int
    number: int = 0
    octets: bytes = b""
    parts: tuple["Value", ...] = ()
    raw: bytes = b""

    @property
    def date_time(self) -> bytes | None:
        """The twelve octets of a date-time, written as such or as an octet-string; None when it is none."""
        return self.octets if self.tag in {OCTETS, DATE_TIME} and len(self.octets) == 12 else None

    @property
    def is_number(self) -> bool:
        """Whether this is an integer of any size."""
        return self.tag in _NUMBERS and self.tag not in {BCD, ENUM}


def read_length(octets: bytes, at: int) -> tuple[int, int]:
    """Return a length and where it ends."""
    if at >= len(octets):
        raise BadRequest("a length is cut")
    first = octets[at]
    if first < 0x80:
        return first, at + 1
    end = at + 1 + (first & 0x7F)
    if end > len(octets) or first > 0x84:
        raise BadRequest("a length is cut")
    return int.from_bytes(octets[at + 1 : end], "big"), end


def read_octets(octets: bytes, at: int) -> tuple[bytes, int]:
    """Return octets behind their length, and where they end."""
    size, start = read_length(octets, at)
    return take(octets, start, size), start + size


def take(octets: bytes, at: int, size: int) -> bytes:
    """Return so many octets; raise BadRequest when there are fewer."""
    if at + size > len(octets):
        raise BadRequest(f"{size} octets at {at} are cut")
    return octets[at : at + size]


def read_value(octets: bytes, at: int = 0, depth: int = 0) -> tuple[Value, int]:
    """Return one data and where it ends."""
    if depth > MAX_DEPTH or at >= len(octets):
        raise BadRequest("data is cut, or nested too deep")
    tag = octets[at]
    reader = _READERS.get(tag)
    if reader is None:
        raise BadRequest(f"data with tag {tag:#04x}")
    value, end = reader(octets, at + 1, depth)
    return value._replace(tag=tag, raw=octets[at:end]), end


def whole_value(octets: bytes) -> Value:
    """Return the one data that these octets are; raise BadRequest when anything is left."""
    value, end = read_value(octets)
    if end != len(octets):
        raise BadRequest(f"{len(octets) - end} octets after the data")
    return value


def value_list(octets: bytes, at: int = 0) -> tuple[list[Value], int]:
    """Return a SEQUENCE OF Data and where it ends."""
    count, at = read_length(octets, at)
    values = []
    for _ in range(min(count, len(octets))):
        value, at = read_value(octets, at)
        values.append(value)
    if len(values) != count:
        raise BadRequest(f"list of {count} data is cut")
    return values, at


def _number(octets: bytes, at: int, _depth: int) -> tuple[Value, int]:
    form = _NUMBERS[octets[at - 1]]
    return Value(0, number=form.unpack(take(octets, at, form.size))[0]), at + form.size


def _boolean(octets: bytes, at: int, _depth: int) -> tuple[Value, int]:
    return Value(0, number=int(take(octets, at, 1) != b"\x00")), at + 1


def _fixed(octets: bytes, at: int, _depth: int) -> tuple[Value, int]:
    size = _FIXED[octets[at - 1]]
    return Value(0, octets=take(octets, at, size)), at + size


def _text(octets: bytes, at: int, _depth: int) -> tuple[Value, int]:
    content, end = read_octets(octets, at)
    return Value(0, octets=content), end


def _bits(octets: bytes, at: int, _depth: int) -> tuple[Value, int]:
    count, start = read_length(octets, at)
    size = (count + 7) // 8
    return Value(0, number=count, octets=take(octets, start, size)), start + size


def _several(octets: bytes, at: int, depth: int) -> tuple[Value, int]:
    count, at = read_length(octets, at)
    if count > len(octets):
        raise BadRequest(f"{count} elements are cut")
    parts = []
    for _ in range(count):
        part, at = read_value(octets, at, depth + 1)
        parts.append(part)
    return Value(0, parts=tuple(parts)), at


_READERS: Final[Mapping[int, Callable[[bytes, int, int], tuple[Value, int]]]] = {
    NULL: lambda _octets, at, _depth: (Value(0), at),
    ARRAY: _several,
    STRUCTURE: _several,
    BOOLEAN: _boolean,
    BITS: _bits,
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys((OCTETS, VISIBLE, UTF8), _text),
    **dict.fromkeys(_FIXED, _fixed),
}
