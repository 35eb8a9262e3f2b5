"""Values in words."""

import pytest

from poller.dlms.data import Data, DataType, Date, DateTime, Time
from poller.dlms.explain.values import group_words, moment_words, octet_words, words


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", "empty"),
        (b"text", "74657874 'text'"),
        (bytes.fromhex("0100010800ff"), "0100010800ff 1-0:1.8.0 (active energy import)"),
        (bytes.fromhex("f000010800ff"), "f000010800ff"),
        (bytes.fromhex("07e50603040e091700ffc400"), "07e50603040e091700ffc400 2021-06-03T14:09:23+01:00"),
        (bytes.fromhex("07e5ffff040e091700ffc4ff"), "07e5ffff040e091700ffc4ff 07e5ffff040e091700ffc4ff, only partly"),
        (bytes.fromhex("000001020304050607080900"), "000001020304050607080900"),
        (bytes.fromhex("00" * 17), "00" * 17),
        (bytes.fromhex("1000001a90e6d2221fa2fd85eed61acc22"), "1000001a90e6d2221fa2fd85eed61acc22 SC 10, IC 00001a90"),
    ],
)
def test_octets_are_told_by_what_they_seem_to_be(octets: bytes, expected: str) -> None:
    assert octet_words(octets).startswith(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Date(2024, 11, 21, 4), "2024-11-21"),
        (Date(2024, 2, 31, None), "07e8021fff is no day of the calendar"),
        (Date(None, None, None, None), "ffffffffff, not specified"),
        (Time(8, 30, 15, 23), "08:30:15.230000"),
        (Time(None, 30, None, None), "ff1effff, only partly specified"),
    ],
)
def test_dates_and_times_are_told(value: Date | Time, expected: str) -> None:
    assert moment_words(value) == expected


def test_a_clock_status_is_told_bit_by_bit() -> None:
    moment = DateTime(Date(2024, 11, 21, 4), Time(8, 30, 0, 0), 0, 0x8F)
    assert moment_words(moment) == (
        "2024-11-21T08:30:00+00:00, invalid value, doubtful value, different clock base, invalid clock status, "
        "daylight saving active"
    )


def structure(*members: tuple[DataType, int | bytes]) -> Data:
    return Data(DataType.STRUCTURE, tuple(Data(data_type, value) for data_type, value in members))


def test_groups_are_told_by_their_form() -> None:
    assert group_words(structure((DataType.INT8, 3), (DataType.ENUM, 30))) == "scaler_unit: 10^3 Wh"
    assert group_words(structure((DataType.INT8, 0), (DataType.ENUM, 255))) == "scaler_unit: 10^0 no unit"
    assert group_words(structure((DataType.INT8, 0), (DataType.ENUM, 254))) == "scaler_unit: 10^0 unit 254"
    name = (DataType.OCTET_STRING, bytes.fromhex("0000010000ff"))
    clock = structure((DataType.UINT16, 8), name, (DataType.INT8, 2), (DataType.UINT16, 0))
    assert group_words(clock) == "Clock 0-0:1.0.0 (clock) attribute 2, data index 0"
    assert group_words(Data(DataType.INT8, 0)) == ""
    assert group_words(structure((DataType.INT8, 0))) == ""
    parts = (DataType.UINT16, 8), (DataType.OCTET_STRING, b"short"), (DataType.INT8, 2), (DataType.UINT16, 0)
    assert group_words(structure(*parts)) == ""


def test_texts_and_nothing_are_told() -> None:
    assert words(Data(DataType.UTF8_STRING, "å")) == "'å'"
    assert words(Data(DataType.NULL, None)) == ""
    assert words(Data(DataType.BOOLEAN, False)) == "false"
    assert words(Data(DataType.DATE, Date(2024, 11, 21, None))) == "2024-11-21"
    assert words(Data(DataType.INT8, -5)) == "-5"
    moment = DateTime(Date(2024, 11, 21, 4), Time(8, 30, 0, 0), None, None)
    assert words(Data(DataType.DATE_TIME, moment)) == "2024-11-21T08:30:00, deviation not specified"
