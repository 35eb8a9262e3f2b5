"""COSEM values to quantities of a reading.

In: decoded data, the scaler and unit that belong to it. Out: a raw value that is exact, or BadData when the attribute
holds no single value. Numbers stay the meter's integers; no scaling happens here. Pure.
"""

import math
from datetime import date, datetime, time
from typing import Final

from common.reading import MAX_TEXT, Quantity, Raw
from common.worker_file import Measurement
from poller.dlms.cosem import ScalerUnit
from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.errors import BadData

CLOCK_CLASS: Final = 8
_MOMENT_OCTETS: Final = 12


def quantity(measurement: Measurement, data: Data, scaling: ScalerUnit | None) -> Quantity:
    """Return the quantity that an answer holds; raise BadData when it holds no single value."""
    raw = raw_value(data, moment=measurement.class_id == CLOCK_CLASS)
    if scaling is None or isinstance(raw, bool | str):
        return Quantity(measurement.key, measurement.obis, raw)
    return Quantity(measurement.key, measurement.obis, raw, scaling.scaler, scaling.unit)


def raw_value(data: Data, *, moment: bool = False) -> Raw:
    """Return a number, boolean or text. ``moment``: an octet-string of 12 octets is a date-time.

    Octet-strings are text where they are printable ASCII, else hexadecimal; dates and times are ISO 8601.
    """
    value = data.value
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadData(f"{value} is not a measured number")
        return value
    text = _text(data, moment=moment)
    if len(text) > MAX_TEXT:
        raise BadData(f"a text of {len(text)} characters is longer than a reading carries ({MAX_TEXT})")
    return text


def _text(data: Data, *, moment: bool) -> str:
    value = data.value
    if moment and isinstance(value, bytes) and len(value) == _MOMENT_OCTETS:
        value = DateTime.from_bytes(value)
    if isinstance(value, bytes):
        return octets_text(value)
    if isinstance(value, Date | Time | DateTime):
        return moment_text(value)
    if value is None or isinstance(value, tuple):
        raise BadData(f"a single value was expected, not {DataType(data.type).name}")
    return str(value)


def octets_text(octets: bytes) -> str:
    """Return octets as the text they are, if they are printable ASCII, else in hexadecimal."""
    text = octets.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() and text else octets.hex()


def moment_text(value: Date | Time | DateTime) -> str:
    """Return ISO 8601, or the octets in hexadecimal where fields are left open or have special meanings."""
    try:
        moment = _moment(value)
    except BadData:
        moment = None
    return value.to_bytes().hex() if moment is None else moment.isoformat()


def _moment(value: Date | Time | DateTime) -> date | time | datetime | None:
    if isinstance(value, DateTime):
        return value.to_datetime()
    return value.to_date() if isinstance(value, Date) else value.to_time()
