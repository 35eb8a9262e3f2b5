"""``TYPE:VALUE``: a value as it is typed on a command line or sent to a worker; what a meter sent as plain JSON. Pure.

In: a text. Out: Data, or BadValue that says what is wrong. Types have the standard's names and short ones; structures
and arrays are JSON lists of such texts::

    uint32:5                     double-long-unsigned:5            enum:1              boolean:true
    octet-string:0100010800ff    obis:1-0:1.8.0                    visible-string:hello
    date-time:2026-11-22T10:30:00+01:00   octet-date-time:2026-11-22T10:30:00    date:2026-11-22   time:10:30:00
    structure:["int8:-2", "enum:30"]      array:[{"structure": ["uint16:1", "null:"]}]
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from common.errors import BridgeError, Hopeless
from common.obis import Obis
from poller.dlms.axdr import encode_data
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time, Value
from poller.dlms.explain.values import TYPES

Json = None | bool | int | float | str | list["Json"]
MAX_TEXT: Final = 128 * 1024
"""Characters of one value; a longer one does not fit a command line."""
MAX_DEPTH: Final = 8
"""Nesting; the deepest object of the Blue Book needs 6."""


class BadValue(Hopeless):
    """A text that is no value of its type."""


def parse_value(text: str) -> Data:
    """Return the value that a text names; raise BadValue."""
    if len(text) > MAX_TEXT:
        raise BadValue(f"a value of more than {MAX_TEXT} characters")
    return _parse(text, 0)


def raw_of(data: Data) -> Json:
    """Return what the meter sent: numbers as they are, octets in hexadecimal, lists for arrays and structures."""
    value = data.value
    if isinstance(value, tuple):
        return [raw_of(item) for item in value]
    if isinstance(value, float) and not Decimal(value).is_finite():
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Date | Time | DateTime):
        return value.to_bytes().hex()
    return str(value) if isinstance(value, BitString) else value


def _parse(text: str, depth: int) -> Data:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadValue(f"{_short(text)} is not TYPE:VALUE")
    if name in {"structure", "array"}:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            raise BadValue(f"{name}: {_short(value)} is no JSON") from None
        return _group(name, found, depth)
    known = _PARSERS.get(name)
    if known is None:
        raise BadValue(f"{_short(name)} is no type; there are {', '.join(_PARSERS)}, structure, array")
    data_type, parse = known
    try:
        data = Data(data_type, parse(value))
        encode_data(data)
    except (BridgeError, ValueError, OverflowError) as error:
        detail = error.detail if isinstance(error, BridgeError) else "not such a value"
        raise BadValue(f"{name}: {_short(value)}: {detail}") from None
    return data


def _group(name: str, found: object, depth: int) -> Data:
    if depth >= MAX_DEPTH:
        raise BadValue(f"a value nested deeper than {MAX_DEPTH}")
    if not isinstance(found, list):
        raise BadValue(f"{name} needs a JSON list")
    data_type = DataType.STRUCTURE if name == "structure" else DataType.ARRAY
    return Data(data_type, tuple(_member(item, depth + 1) for item in found))


def _member(item: object, depth: int) -> Data:
    if isinstance(item, str):
        return _parse(item, depth)
    if isinstance(item, dict) and len(item) == 1:
        ((name, members),) = item.items()
        if name in {"structure", "array"}:
            return _group(name, members, depth)
    raise BadValue(f'{_short(json.dumps(item))} is neither "TYPE:VALUE" nor {{"structure": […]}} or {{"array": […]}}')


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _nothing(text: str) -> None:
    if text:
        raise ValueError


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text]


def _bits(text: str) -> BitString:
    if set(text) - {"0", "1"}:
        raise ValueError
    size = (len(text) + 7) // 8
    return BitString(int(text.ljust(size * 8, "0") or "0", 2).to_bytes(size, "big"), len(text))


def _moment(text: str) -> DateTime:
    return DateTime.from_datetime(datetime.fromisoformat(text))


def _day(text: str) -> Date:
    found = date.fromisoformat(text)
    return Date(found.year, found.month, found.day, found.isoweekday())


def _clock(text: str) -> Time:
    found = time.fromisoformat(text)
    return Time(found.hour, found.minute, found.second, found.microsecond // 10_000)


_SHORT_NAMES: Final = {
    "null": DataType.NULL, "int8": DataType.INT8, "int16": DataType.INT16, "int32": DataType.INT32,
    "int64": DataType.INT64, "uint8": DataType.UINT8, "uint16": DataType.UINT16, "uint32": DataType.UINT32,
    "uint64": DataType.UINT64,
}  # fmt: skip
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_CONTENTS: Final[dict[DataType, Callable[[str], Value]]] = {
    DataType.NULL: _nothing,
    DataType.DONT_CARE: _nothing,
    DataType.BOOLEAN: _boolean,
    DataType.BIT_STRING: _bits,
    DataType.OCTET_STRING: bytes.fromhex,
    DataType.VISIBLE_STRING: str,
    DataType.UTF8_STRING: str,
    DataType.FLOAT32: float,
    DataType.FLOAT64: float,
    DataType.DATE_TIME: _moment,
    DataType.DATE: _day,
    DataType.TIME: _clock,
}
_NESTED: Final = {DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY}
_TYPED: Final = {name: data_type for data_type, name in TYPES.items() if data_type not in _NESTED} | _SHORT_NAMES
_PARSERS: Final[Mapping[str, tuple[DataType, Callable[[str], Value]]]] = {
    **{name: (data_type, _CONTENTS.get(data_type, int)) for name, data_type in _TYPED.items()},
    "obis": (DataType.OCTET_STRING, lambda text: Obis.parse(text).to_bytes()),
    "octet-date-time": (DataType.OCTET_STRING, lambda text: _moment(text).to_bytes()),
}
