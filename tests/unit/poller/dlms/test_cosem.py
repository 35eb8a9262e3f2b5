"""Scaler, unit and exact values."""

from decimal import Decimal

import pytest

from poller.dlms.cosem import ScalerUnit, exact, scaled, scaler_attribute, scaler_unit
from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData

VOLT = Data(DataType.ENUM, 35)


@pytest.mark.parametrize(
    ("raw", "scaler", "text"),
    [
        (4991, -3, "4.991"),
        (13438, -2, "134.38"),
        (23013, 0, "23013"),
        (12, 3, "12E+3"),
        (-1179, -1, "-117.9"),
        (2**64 - 1, -30, "1.8446744073709551615E-11"),
        (0, -2, "0.00"),
        (12.5, -1, "1.25"),
    ],
)
def test_values_are_exact(raw: int | float, scaler: int, text: str) -> None:
    assert scaled(raw, scaler) == Decimal(text)
    assert scaled(raw, scaler).as_tuple() == Decimal(text).as_tuple()


def test_a_float_keeps_every_digit() -> None:
    assert scaled(0.1, -2) * 100 != Decimal("0.1")
    assert float(scaled(0.1, 0)) == 0.1
    tenth = 0.1
    assert scaled(tenth, -2) == Decimal(tenth) / 100 or len(scaled(tenth, -2).as_tuple().digits) == 55


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_cannot_be_scaled(raw: float) -> None:
    with pytest.raises(BadData):
        scaled(raw, -2)


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (structure(Data(DataType.INT8, -2), VOLT), ScalerUnit(-2, 35)),
        (structure(Data(DataType.INT16, 3), VOLT), ScalerUnit(3, 35)),
        (structure(Data(DataType.INT8, 0), Data(DataType.UINT8, 255)), ScalerUnit(0, 255)),
    ],
)
def test_scaler_units(data: Data, expected: ScalerUnit) -> None:
    assert scaler_unit(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.NULL, None),
        Data(DataType.UINT32, 5),
        Data(DataType.ARRAY, (Data(DataType.INT8, -2), VOLT)),
        structure(),
        structure(VOLT),
        structure(Data(DataType.INT8, -2), VOLT, VOLT),
        structure(VOLT, VOLT),
        structure(Data(DataType.INT8, -2), Data(DataType.INT8, 35)),
        structure(Data(DataType.INT16, 300), VOLT),
        structure(Data(DataType.NULL, None), VOLT),
    ],
)
def test_what_is_no_scaler_unit_is_bad_data(data: Data) -> None:
    with pytest.raises(BadData):
        scaler_unit(data)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(12, Decimal("1.2")), (12.5, Decimal("1.25")), (True, None), ("12", None), (None, None), (float("nan"), None)],
)
def test_what_is_no_finite_number_is_none(raw: bool | float | str | None, value: Decimal | None) -> None:
    assert exact(raw, -1) == value


@pytest.mark.parametrize(
    ("class_id", "attribute", "scaler"),
    [(3, 2, 3), (4, 2, 3), (5, 2, 4), (5, 3, 4), (3, 4, None), (4, 5, None), (5, 6, None), (1, 2, None), (8, 2, None)],
)
def test_what_scales_an_attribute(class_id: int, attribute: int, scaler: int | None) -> None:
    assert scaler_attribute(class_id, attribute) == scaler
