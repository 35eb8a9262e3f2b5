"""Values to words: numbers as they are, moments in ISO 8601, octets by what they most likely hold.

Goes in: Data. Comes out: text. What a value means beyond its type (scaler_unit, capture object, logical name, clock)
is told by its form (IEC 62056-6-2), as an analyser has to: it sees no object model.
"""

from typing import Final

from common.obis import Obis
from poller.dlms.cosem import scaler_unit, unit_name
from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.errors import BadData
from poller.dlms.explain.names import class_name, named

TYPES: Final = {
    DataType.NULL: "null-data", DataType.ARRAY: "array", DataType.STRUCTURE: "structure",
    DataType.BOOLEAN: "boolean", DataType.BIT_STRING: "bit-string", DataType.INT32: "double-long",
    DataType.UINT32: "double-long-unsigned", DataType.OCTET_STRING: "octet-string",
    DataType.VISIBLE_STRING: "visible-string", DataType.UTF8_STRING: "utf8-string", DataType.BCD: "bcd",
    DataType.INT8: "integer", DataType.INT16: "long", DataType.UINT8: "unsigned", DataType.UINT16: "long-unsigned",
    DataType.COMPACT_ARRAY: "compact-array", DataType.INT64: "long64", DataType.UINT64: "long64-unsigned",
    DataType.ENUM: "enum", DataType.FLOAT32: "float32", DataType.FLOAT64: "float64",
    DataType.DATE_TIME: "date-time", DataType.DATE: "date", DataType.TIME: "time", DataType.DONT_CARE: "dont-care",
}  # fmt: skip
_STATUS: Final = {
    0x01: "invalid value", 0x02: "doubtful value", 0x04: "different clock base", 0x08: "invalid clock status",
    0x80: "daylight saving active",
}  # fmt: skip
_YEARS: Final = range(1990, 2101)
_LOGICAL_NAME, _MOMENT, _GMAC = 6, 12, 17
_GMAC_CONTROL: Final = 0x10
_MAX_MEDIUM: Final = 15
_REGISTERS: Final = (DataType.UINT16, DataType.OCTET_STRING, DataType.INT8, DataType.UINT16)


def words(data: Data) -> str:
    """Return what a single value says."""
    value = data.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return octet_words(value)
    if isinstance(value, Date | Time | DateTime):
        return moment_words(value)
    return repr(value) if isinstance(value, str) else str(value)


def octet_words(octets: bytes) -> str:
    """Return octets in hexadecimal, and what they seem to be: a text, a logical name, a moment, a GMAC."""
    shown = octets.hex() or "empty"
    if octets and octets.isascii() and octets.decode("ascii").isprintable():
        return f"{shown} {octets.decode('ascii')!r}"
    if len(octets) == _LOGICAL_NAME and octets[5] == 0xFF and octets[0] <= _MAX_MEDIUM:
        return f"{shown} {named(Obis.from_bytes(octets))}"
    if len(octets) == _MOMENT and _is_moment(octets):
        return f"{shown} {moment_words(DateTime.from_bytes(octets))}"
    if len(octets) == _GMAC and octets[0] & _GMAC_CONTROL:
        return f"{shown} SC {octets[:1].hex()}, IC {octets[1:5].hex()}, tag {octets[5:].hex()}"
    return shown


def moment_words(value: Date | Time | DateTime) -> str:
    """Return ISO 8601 with the clock status, or the fields that are given."""
    try:
        moment = _iso(value)
    except BadData as fault:
        return fault.detail
    if moment is None:
        given = value.to_bytes()
        moment = f"{given.hex()}, {'not' if _is_open(given) else 'only partly'} specified"
    if not isinstance(value, DateTime):
        return moment
    texts = [moment] if value.deviation is not None else [moment, "deviation not specified"]
    return ", ".join(texts + [name for bit, name in _STATUS.items() if value.status is not None and value.status & bit])


def group_words(data: Data) -> str:
    """Return what a structure says as a whole: scaler_unit, or a reference to an attribute; else an empty text."""
    if not isinstance(data.value, tuple):
        return ""
    if tuple(part.type for part in data.value) == _REGISTERS:
        return _reference(data.value)
    try:
        scaling = scaler_unit(data)
    except BadData:
        return ""
    unit = unit_name(scaling.unit) or ("no unit" if scaling.unit == 0xFF else f"unit {scaling.unit}")
    return f"scaler_unit: 10^{scaling.scaler} {unit}"


def _reference(parts: tuple[Data, ...]) -> str:
    class_id, name, attribute, index = (part.value for part in parts)
    if not isinstance(name, bytes) or len(name) != _LOGICAL_NAME or not isinstance(class_id, int):
        return ""
    return f"{class_name(class_id)} {named(Obis.from_bytes(name))} attribute {attribute!r}, data index {index!r}"


def _iso(value: Date | Time | DateTime) -> str | None:
    if isinstance(value, DateTime):
        moment = value.to_datetime()
        return None if moment is None else moment.isoformat()
    if isinstance(value, Date):
        day = value.to_date()
        return None if day is None else day.isoformat()
    clock = value.to_time()
    return None if clock is None else clock.isoformat()


def _is_open(octets: bytes) -> bool:
    return set(octets[:9]) == {0xFF}


def _is_moment(octets: bytes) -> bool:
    """Whether 12 octets can be a date-time: year, month, day, hour, minute and second in their ranges, or left open."""
    year = int.from_bytes(octets[:2], "big")
    limits = zip(octets[2:8], (12, 31, 7, 23, 59, 59), strict=True)
    return (year in _YEARS or year == 0xFFFF) and all(part <= most or part >= 0xFD for part, most in limits)
