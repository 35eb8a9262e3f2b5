"""A-XDR (IEC 61334-6) as far as the type Data needs it: octets to values and back.

Goes in: octets of an APDU. Comes out: Data and where it ended. What may not happen, whatever the octets: an error
other than BadData, a recursion deeper than MAX_DEPTH, more than MAX_ELEMENTS values, or memory for a length that is
not there.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time, Value
from poller.dlms.errors import BadData, BadParameter

MAX_DEPTH: Final = 16
"""Nesting; the deepest object of the Blue Book needs 6."""
MAX_ELEMENTS: Final = 200_000
"""Values in one answer; the largest load profiles have some ten thousand."""
MAX_EMPTY: Final = 16
"""Values that an octet of a compact-array may stand for. Its description can announce 65535 values without content, and
those in every element: without a limit twenty octets become MAX_ELEMENTS values."""
_NESTED: Final = {DataType.ARRAY, DataType.STRUCTURE}

_TYPES: Final = {int(data_type): data_type for data_type in DataType}
NUMBERS: Final = {
    DataType.INT8: struct.Struct(">b"),
    DataType.INT16: struct.Struct(">h"),
    DataType.INT32: struct.Struct(">i"),
    DataType.INT64: struct.Struct(">q"),
    DataType.UINT8: struct.Struct(">B"),
    DataType.UINT16: struct.Struct(">H"),
    DataType.UINT32: struct.Struct(">I"),
    DataType.UINT64: struct.Struct(">Q"),
    DataType.ENUM: struct.Struct(">B"),
    DataType.BCD: struct.Struct(">B"),
    DataType.FLOAT32: struct.Struct(">f"),
    DataType.FLOAT64: struct.Struct(">d"),
}


def decode_data(octets: bytes) -> tuple[Data, int]:
    """Return the value that octets begin with and how many octets it takes; raise BadData."""
    reader = Reader(octets)
    data = reader.data()
    return data, reader.at


def decode_whole(octets: bytes) -> Data:
    """Return the one value that octets are; raise BadData when there is none, or something behind it."""
    data, end = decode_data(octets)
    if end != len(octets):
        raise BadData(f"{len(octets) - end} octets follow the value")
    return data


def encode_length(length: int) -> bytes:
    """Return a length or count: one octet to 127, then 81, 82, … and the number."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


class Reader:
    """Reads values and the parts around them from octets, in order; every method raises BadData when they end."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        self._elements = 0
        self._most = MAX_ELEMENTS

    @property
    def left(self) -> int:
        """Octets not read yet."""
        return len(self.octets) - self.at

    def take(self, count: int) -> bytes:
        """Return the next octets."""
        if count > len(self.octets) - self.at:
            raise BadData(f"{count} octets expected at octet {self.at}, but only {self.left} are left")
        self.at += count
        return self.octets[self.at - count : self.at]

    def octet(self) -> int:
        """Return the next octet."""
        if self.at >= len(self.octets):
            raise BadData(f"the value ends at octet {self.at}, where more was expected")
        self.at += 1
        return self.octets[self.at - 1]

    def unsigned(self, size: int) -> int:
        """Return an unsigned number of ``size`` octets."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """Return a length or count in its short or long form."""
        first = self.octet()
        if first < 0x80:
            return first
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise BadData(f"a length of {size} octets at octet {self.at - 1}")
        return self.unsigned(size)

    def data(self, depth: int = 0) -> Data:
        """Return the next value, with its tag before it."""
        tag = self.octet()
        data_type = _TYPES.get(tag)
        if data_type is None:
            raise BadData(f"unknown data type {tag} at octet {self.at - 1}")
        return Data(data_type, self._content(data_type, depth))

    def _content(self, data_type: DataType, depth: int) -> Value:
        """Return the content of a value whose type is known."""
        self._count(1)
        if number := NUMBERS.get(data_type):
            value: int | float = number.unpack(self.take(number.size))[0]
            return value
        if data_type in _NESTED:
            return self._sequence(depth)
        return _CONTENTS[data_type](self, depth)

    def _sequence(self, depth: int) -> tuple[Data, ...]:
        count = self.length()
        self._check_depth(depth)
        if count > self.left:  # the smallest element is one octet
            raise BadData(f"{count} elements announced at octet {self.at}, but only {self.left} octets are left")
        return tuple([self.data(depth + 1) for _ in range(count)])

    def bit_string(self, _depth: int) -> BitString:
        """Return the content of a bit-string; its padding bits read as 0."""
        length = self.length()
        octets = bytearray(self.take((length + 7) // 8))
        if length % 8:
            octets[-1] &= 0xFF << 8 - length % 8 & 0xFF
        return BitString(bytes(octets), length)

    def text(self, encoding: str) -> str:
        """Return the content of a string."""
        octets = self.take(self.length())
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            raise BadData(f"{octets[:32].hex()} is no {encoding} text") from None

    def compact_array(self, depth: int) -> tuple[Data, ...]:
        """Read a compact-array: one description, then the contents without tags (IEC 62056-5-3, 8.3)."""
        begin = self.at
        described = self._description(depth)
        end = self.length() + self.at
        if end > len(self.octets):
            raise BadData(f"a compact-array ends at octet {end} of {len(self.octets)}")
        self._most = min(MAX_ELEMENTS, self._elements + MAX_EMPTY * (end - begin))
        elements = []
        while self.at < end:
            start = self.at
            elements.append(self._described(described, depth + 1))
            if self.at == start:
                raise BadData("a compact-array of elements without content")
        if self.at != end:
            raise BadData(f"the elements of a compact-array end at octet {self.at}, not {end}")
        self._most = MAX_ELEMENTS
        return tuple(elements)

    def _description(self, depth: int) -> "_Description":
        self._check_depth(depth)
        self._count(1)
        tag = self.octet()
        data_type = _TYPES.get(tag)
        if data_type is None or data_type is DataType.COMPACT_ARRAY:
            raise BadData(f"a compact-array cannot have elements of type {tag}")
        if data_type is DataType.ARRAY:
            count = self.unsigned(2)
            return _Description(data_type, (self._description(depth + 1),), count)
        if data_type is DataType.STRUCTURE:
            count = self.length()
            if count > self.left:
                raise BadData(f"a structure of {count} elements described in {self.left} octets")
            return _Description(data_type, tuple([self._description(depth + 1) for _ in range(count)]), 1)
        return _Description(data_type, (), 0)

    def _described(self, described: "_Description", depth: int) -> Data:
        if described.type not in _NESTED:
            return Data(described.type, self._content(described.type, depth))
        self._count(1)
        members = [self._described(part, depth + 1) for _ in range(described.repeat) for part in described.parts]
        return Data(described.type, tuple(members))

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > self._most:
            raise BadData(f"more than {self._most} elements in one value")

    @staticmethod
    def _check_depth(depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise BadData(f"a value nested deeper than {MAX_DEPTH}")


@dataclass(frozen=True, slots=True)
class _Description:
    """The type of a compact-array's elements: ``parts`` repeated ``repeat`` times, when they are nested."""

    type: DataType
    parts: "tuple[_Description, ...]"
    repeat: int


_CONTENTS: Final[dict[DataType, Callable[[Reader, int], Value]]] = {
    DataType.NULL: lambda _reader, _depth: None,
    DataType.DONT_CARE: lambda _reader, _depth: None,
    DataType.BOOLEAN: lambda reader, _depth: reader.octet() != 0,
    DataType.BIT_STRING: Reader.bit_string,
    DataType.OCTET_STRING: lambda reader, _depth: reader.take(reader.length()),
    DataType.VISIBLE_STRING: lambda reader, _depth: reader.text("latin-1"),
    DataType.UTF8_STRING: lambda reader, _depth: reader.text("utf-8"),
    DataType.COMPACT_ARRAY: Reader.compact_array,
    DataType.DATE_TIME: lambda reader, _depth: DateTime.from_bytes(reader.take(12)),
    DataType.DATE: lambda reader, _depth: Date.from_bytes(reader.take(5)),
    DataType.TIME: lambda reader, _depth: Time.from_bytes(reader.take(4)),
}


def encode_data(data: Data) -> bytes:
    """Return tag and content; raise BadParameter when a value does not fit its type, or is nested too deeply."""
    level: Sequence[Data] = (data,)
    for _ in range(MAX_DEPTH + 1):  # one for the values that hold no others
        level = [member for each in level if isinstance(each.value, tuple) for member in each.value]
    if level:
        raise BadParameter(f"a value nested deeper than {MAX_DEPTH}")
    return _tagged(data)


def _tagged(data: Data) -> bytes:
    return bytes((data.type,)) + _encoded(data)


def _encoded(data: Data) -> bytes:
    value = data.value
    if number := NUMBERS.get(data.type):
        try:
            return number.pack(value)
        except (struct.error, OverflowError):
            raise BadParameter(f"{value!r} is no {data.type.name}") from None
    match data.type, value:
        case ((DataType.NULL | DataType.DONT_CARE), None):
            return b""
        case DataType.BOOLEAN, bool():
            return bytes((value,))
        case DataType.OCTET_STRING, bytes():
            return encode_length(len(value)) + value
        case DataType.BIT_STRING, BitString() if len(value.octets) == (value.length + 7) // 8:
            return encode_length(value.length) + value.octets
        case ((DataType.ARRAY | DataType.STRUCTURE), tuple()):
            return encode_length(len(value)) + b"".join(map(_tagged, value))
        case _:
            return _encoded_further(data)


def _encoded_compact(elements: tuple[Data, ...]) -> bytes:
    """Return one description and the contents of elements that are all alike; of none, that of null-data."""
    described = _description_of(elements[0]) if elements else bytes((DataType.NULL,))
    if any(_description_of(element) != described for element in elements):
        raise BadParameter("the elements of a compact-array must all have the same type")
    contents = b"".join(map(_bare, elements))
    if elements and not contents:
        raise BadParameter("the elements of a compact-array must have a content")
    return described + encode_length(len(contents)) + contents


def _description_of(data: Data) -> bytes:
    """Return a TypeDescription (IEC 62056-5-3, 8.3): of an array, how many of which; of a structure, each."""
    if data.type is DataType.COMPACT_ARRAY:
        raise BadParameter("a compact-array cannot hold another")
    if data.type not in _NESTED or not isinstance(data.value, tuple):
        return bytes((data.type,))
    parts = [_description_of(member) for member in data.value]
    if data.type is DataType.STRUCTURE:
        return bytes((data.type,)) + encode_length(len(parts)) + b"".join(parts)
    kinds = set(parts) or {bytes((DataType.NULL,))}
    if len(kinds) > 1 or len(parts) > 0xFFFF:
        raise BadParameter("an array in a compact-array has at most 65535 members, all of the same type")
    return bytes((data.type,)) + len(parts).to_bytes(2, "big") + kinds.pop()


def _bare(data: Data) -> bytes:
    """Return a content without any tag or count that the description holds already."""
    if data.type in _NESTED and isinstance(data.value, tuple):
        return b"".join(map(_bare, data.value))
    return _encoded(data)


def _encoded_further(data: Data) -> bytes:
    match data.type, data.value:
        case DataType.VISIBLE_STRING, str(text):
            return _encoded_text(text, "latin-1")
        case DataType.UTF8_STRING, str(text):
            return _encoded_text(text, "utf-8")
        case DataType.COMPACT_ARRAY, tuple(elements):
            return _encoded_compact(elements)
        case (DataType.DATE_TIME, DateTime() as moment):
            return moment.to_bytes()
        case (DataType.DATE, Date() as day):
            return day.to_bytes()
        case (DataType.TIME, Time() as clock):
            return clock.to_bytes()
        case _:
            raise BadParameter(f"{data.value!r} cannot be encoded as {data.type.name}")


def _encoded_text(text: str, encoding: str) -> bytes:
    try:
        octets = text.encode(encoding)
    except UnicodeEncodeError:
        raise BadParameter(f"{text!r} has characters beyond {encoding}") from None
    return encode_length(len(octets)) + octets
