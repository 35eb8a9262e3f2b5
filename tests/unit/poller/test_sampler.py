"""COSEM values to quantities."""

from decimal import Decimal

import pytest

from common.reading import MAX_TEXT
from common.worker_file import Measurement
from poller.dlms.cosem import ScalerUnit
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time
from poller.dlms.errors import BadData
from poller.sampler import octets_text, quantity, raw_value

VOLTAGE = Measurement("voltage_l1", "1-1:32.7.0")
MOMENT = bytes.fromhex("07ea0b1506173b00ffff8800")
NOWHERE = bytes.fromhex("ffffffffffffffffff800000")


def test_a_number_keeps_its_integer_scaler_and_unit() -> None:
    found = quantity(VOLTAGE, Data(DataType.UINT32, 13_130), ScalerUnit(-2, 35))
    assert (found.key, found.obis, found.raw, found.scaler, found.unit) == ("voltage_l1", "1-1:32.7.0", 13_130, -2, 35)
    assert found.exact() == Decimal("131.30")


@pytest.mark.parametrize("data", [Data(DataType.BOOLEAN, True), Data(DataType.VISIBLE_STRING, "on")])
def test_what_is_no_number_has_no_scaler(data: Data) -> None:
    found = quantity(VOLTAGE, data, ScalerUnit(-2, 35))
    assert (found.scaler, found.unit) == (None, None)


@pytest.mark.parametrize(
    ("data", "raw"),
    [
        (Data(DataType.INT8, -1), -1),
        (Data(DataType.UINT64, 2**64 - 1), 2**64 - 1),
        (Data(DataType.FLOAT32, 0.5), 0.5),
        (Data(DataType.BOOLEAN, False), False),
        (Data(DataType.ENUM, 3), 3),
        (Data(DataType.VISIBLE_STRING, "abc"), "abc"),
        (Data(DataType.OCTET_STRING, b"SIM 1.0"), "SIM 1.0"),
        (Data(DataType.OCTET_STRING, b"\x00\x01"), "0001"),
        (Data(DataType.OCTET_STRING, b""), ""),
        (Data(DataType.BIT_STRING, BitString(b"\xa0", 3)), "101"),
        (Data(DataType.DATE, Date(2026, 11, 21, 6)), "2026-11-21"),
        (Data(DataType.TIME, Time(23, 59, 0, 0)), "23:59:00"),
        (Data(DataType.DATE, Date(2026, 0xFE, 21, 6)), "07eafe1506"),
    ],
)
def test_every_single_value_has_a_raw_form(data: Data, raw: object) -> None:
    assert raw_value(data) == raw
    assert type(raw_value(data)) is type(raw)


def test_the_clock_is_a_moment_and_other_octets_are_not() -> None:
    assert raw_value(Data(DataType.OCTET_STRING, MOMENT), moment=True) == "2026-11-21T23:59:00+02:00"
    assert raw_value(Data(DataType.OCTET_STRING, MOMENT)) == MOMENT.hex()
    assert raw_value(Data(DataType.DATE_TIME, DateTime.from_bytes(MOMENT))) == "2026-11-21T23:59:00+02:00"


def test_a_moment_that_is_not_specified_stays_in_octets() -> None:
    assert raw_value(Data(DataType.OCTET_STRING, NOWHERE), moment=True) == NOWHERE.hex()


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.NULL, None),
        Data(DataType.STRUCTURE, (Data(DataType.INT8, 1),)),
        Data(DataType.ARRAY, ()),
        Data(DataType.FLOAT64, float("nan")),
        Data(DataType.FLOAT64, float("inf")),
        Data(DataType.VISIBLE_STRING, "x" * (MAX_TEXT + 1)),
    ],
)
def test_what_is_no_single_value_is_bad_data(data: Data) -> None:
    with pytest.raises(BadData):
        raw_value(data)


def test_control_characters_are_shown_in_hexadecimal() -> None:
    assert octets_text(b"a\nb") == "610a62"
