"""What COSEM attributes mean (IEC 62056-6-2): scaler and unit, exact values. Data in, numbers out."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from common.units import unit_name
from poller.dlms.data import Data, DataType, Value
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import BadData

__all__ = ["AttributeRef", "ScalerUnit", "exact", "scaled", "scaler_attribute", "scaler_unit", "unit_name"]

_SCALERS: Final = {DataType.INT8, DataType.INT16, DataType.INT32}
_UNITS: Final = {DataType.ENUM, DataType.UINT8}


@dataclass(frozen=True, slots=True)
class ScalerUnit:
    """value = raw × 10**scaler, in ``unit`` of the standard's table."""

    scaler: int
    unit: int


def scaler_unit(data: Data) -> ScalerUnit:
    """Return the scaler_unit that attribute 3 of a register holds; raise BadData when it is none.

    A scaler beyond one octet, and an unsigned in place of the enumeration, are tolerated as far as the values fit.
    """
    if data.type is not DataType.STRUCTURE or not isinstance(data.value, tuple) or len(data.value) != 2:
        raise BadData(f"a scaler_unit is a structure of two, not {data.type.name}")
    scaler, unit = data.value
    if scaler.type not in _SCALERS or unit.type not in _UNITS:
        raise BadData(f"a scaler_unit is an integer and an enumeration, not {scaler.type.name} and {unit.type.name}")
    if not isinstance(scaler.value, int) or not -128 <= scaler.value <= 127 or not isinstance(unit.value, int):
        raise BadData(f"a scaler of {scaler.value!r}")
    return ScalerUnit(scaler.value, unit.value)


def scaled(raw: int | float, scaler: int) -> Decimal:
    """Return raw × 10**scaler without rounding; raise BadData when raw is not a finite number."""
    if not math.isfinite(raw):
        raise BadData(f"{raw} is not a number that can be scaled")
    sign, digits, exponent = Decimal(raw).as_tuple()
    return Decimal((sign, digits, int(exponent) + scaler))


def exact(raw: Value, scaler: int) -> Decimal | None:
    """Return raw × 10**scaler where raw is a finite number, else None."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return scaled(raw, scaler)


def scaler_attribute(class_id: int, attribute: int) -> int | None:
    """Return the attribute that scales a value attribute (IEC 62056-6-2, 4.3.2 to 4.3.4), None where nothing does.

    Register and extended register scale attribute 2 by 3; a demand register scales 2 and 3 by 4.
    """
    if class_id in {3, 4} and attribute == 2:
        return 3
    if class_id == 5 and attribute in {2, 3}:
        return 4
    return None
