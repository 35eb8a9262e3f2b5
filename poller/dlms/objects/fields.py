"""The parts that attributes are made of (IEC 62056-6-2, 4.1): Data in, Python values out.

Every function returns what the Data holds or raises BadData; which object and attribute it was, ``asking`` adds.
"""

from enum import IntEnum
from typing import Final, TypeVar

from common.obis import Obis
from poller.dlms.data import BitString, Data, DataType, DateTime
from poller.dlms.errors import BadData

_INTEGERS: Final = {
    DataType.INT8,
    DataType.INT16,
    DataType.INT32,
    DataType.INT64,
    DataType.UINT8,
    DataType.UINT16,
    DataType.UINT32,
    DataType.UINT64,
    DataType.ENUM,
}
_ARRAYS: Final = {DataType.ARRAY, DataType.COMPACT_ARRAY}
_UINT32: Final = 0xFFFF_FFFF
_MOMENT_OCTETS: Final = 12
_NAME_OCTETS: Final = 6

Choice = TypeVar("Choice", bound=IntEnum)


def array(data: Data) -> tuple[Data, ...]:
    """Return the elements of an array or a compact-array."""
    if data.type not in _ARRAYS or not isinstance(data.value, tuple):
        raise BadData(f"an array expected, not {data.type.name}")
    return data.value


def structure(data: Data, size: int) -> tuple[Data, ...]:
    """Return the first ``size`` members of a structure; later editions of the standard append some."""
    if data.type is not DataType.STRUCTURE or not isinstance(data.value, tuple):
        raise BadData(f"a structure expected, not {data.type.name}")
    if len(data.value) < size:
        raise BadData(f"a structure of {size} expected, not of {len(data.value)}")
    return data.value[:size]


def integer(data: Data) -> int:
    """Return a whole number of any size; an enumeration is one."""
    if data.type not in _INTEGERS or not isinstance(data.value, int):
        raise BadData(f"a whole number expected, not {data.type.name}")
    return data.value


def count(data: Data) -> int:
    """Return how many there are: a number as a double-long-unsigned holds it, of any type."""
    number = integer(data)
    if not 0 <= number <= _UINT32:
        raise BadData(f"a count of {number}")
    return number


def choice(data: Data, choices: type[Choice]) -> Choice:
    """Return the member of an enumeration that a number names."""
    number = integer(data)
    try:
        return choices(number)
    except ValueError:
        raise BadData(f"{number} is no {choices.__name__}") from None


def boolean(data: Data) -> bool:
    """Return a boolean; there are meters that send a number in its place."""
    if data.type is DataType.BOOLEAN and isinstance(data.value, bool):
        return data.value
    return integer(data) != 0


def octets(data: Data) -> bytes:
    """Return an octet-string."""
    if data.type is not DataType.OCTET_STRING or not isinstance(data.value, bytes):
        raise BadData(f"an octet-string expected, not {data.type.name}")
    return data.value


def text(data: Data) -> str:
    """Return a string; octets count as Latin-1, which every octet is."""
    return data.value if isinstance(data.value, str) else octets(data).decode("latin-1")


def bits(data: Data) -> BitString:
    """Return a bit-string."""
    if not isinstance(data.value, BitString):
        raise BadData(f"a bit-string expected, not {data.type.name}")
    return data.value


def logical_name(data: Data) -> Obis:
    """Return the OBIS code that six octets name."""
    name = octets(data)
    if len(name) != _NAME_OCTETS:
        raise BadData(f"a logical name has {_NAME_OCTETS} octets, not {len(name)}")
    return Obis.from_bytes(name)


def moment(data: Data) -> DateTime:
    """Return a date-time, which may be a value of its own or 12 octets (IEC 62056-6-2, 4.1.6.1)."""
    if isinstance(data.value, DateTime):
        return data.value
    return DateTime.from_bytes(octets(data))


def is_moment(data: Data) -> bool:
    """Say whether a value can be a date-time."""
    return isinstance(data.value, DateTime) or (isinstance(data.value, bytes) and len(data.value) == _MOMENT_OCTETS)


def encode_moment(value: DateTime, kind: DataType = DataType.OCTET_STRING) -> Data:
    """Return a date-time as 12 octets, or as the type of its own when ``kind`` says so."""
    return Data(kind, value) if kind is DataType.DATE_TIME else Data(DataType.OCTET_STRING, value.to_bytes())


def encode_name(obis: Obis) -> Data:
    """Return a logical name."""
    return Data(DataType.OCTET_STRING, obis.to_bytes())
