"""Dates and times."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from poller.dlms.data import BitString, Date, DateTime, Time
from poller.dlms.errors import BadData, BadParameter

WHOLE = DateTime.from_bytes(bytes.fromhex("07e8060f0614172d32ff8880"))


def test_a_date_time_keeps_every_field() -> None:
    assert DateTime(Date(2024, 6, 15, 6), Time(20, 23, 45, 50), -120, 0x80) == WHOLE
    assert WHOLE.to_bytes() == bytes.fromhex("07e8060f0614172d32ff8880")


@pytest.mark.parametrize(
    "value",
    [
        Date(0x10000, 1, 1, 1),
        Date(2024, 256, 1, 1),
        Time(-1, 0, 0, 0),
        DateTime(WHOLE.date, WHOLE.time, 0x8000, 0),
        DateTime(WHOLE.date, WHOLE.time, 0, 256),
        DateTime(WHOLE.date, Time(300, 0, 0, 0), 0, 0),
    ],
)
def test_a_field_that_has_no_room_is_our_own_mistake(value: Date | Time | DateTime) -> None:
    with pytest.raises(BadParameter, match="does not fit"):
        value.to_bytes()


def test_the_deviation_is_utc_minus_local_time() -> None:
    expected = datetime(2024, 6, 15, 20, 23, 45, 500000, timezone(timedelta(hours=2)))
    assert WHOLE.to_datetime() == expected
    assert expected.astimezone(UTC).hour == 18


def test_no_deviation_is_naive_and_zero_is_utc() -> None:
    naive = DateTime(WHOLE.date, WHOLE.time, None, None).to_datetime()
    utc = DateTime(WHOLE.date, WHOLE.time, 0, 0).to_datetime()
    assert naive is not None
    assert utc is not None
    assert (naive.tzinfo, utc.tzinfo) == (None, UTC)


def test_what_is_not_specified_is_none_and_survives() -> None:
    octets = bytes.fromhex("ffffffffffffffffff8000ff")
    nothing = DateTime.from_bytes(octets)
    assert nothing == DateTime(Date(None, None, None, None), Time(None, None, None, None), None, None)
    assert nothing.to_bytes() == octets
    assert nothing.to_datetime() is None


@pytest.mark.parametrize(
    ("octets", "expected"),
    [("07e80b15ff", date(2024, 11, 21)), ("ffff0b15ff", None), ("07e8ff15ff", None), ("07e80bffff", None)],
)
def test_dates(octets: str, expected: date | None) -> None:
    assert Date.from_bytes(bytes.fromhex(octets)).to_date() == expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [("081e0f17", time(8, 30, 15, 230000)), ("081effff", time(8, 30)), ("08ff0000", None), ("ff000000", None)],
)
def test_times(octets: str, expected: time | None) -> None:
    assert Time.from_bytes(bytes.fromhex(octets)).to_time() == expected


@pytest.mark.parametrize(
    "octets",
    [
        "07e80d0101000000000000ff",
        "07e8021e01000000000000ff",
        "07e8fe0101000000000000ff",
        "0000010101000000000000ff",
        "07e8010101180000000000ff",
        "07e80101010000003c0000ff"[:16] + "640000ff",
        "07e80101010000000005a0ff",
        "07e80101010000000007fffe",
        "07e8010101000000008001ff",
    ],
)
def test_what_no_calendar_or_clock_has_is_bad_data(octets: str) -> None:
    moment = DateTime.from_bytes(bytes.fromhex(octets))
    assert moment.to_bytes().hex() == octets
    with pytest.raises(BadData):
        moment.to_datetime()


@pytest.mark.parametrize(("made", "size"), [(Date, 5), (Time, 4), (DateTime, 12)])
def test_other_lengths_are_bad_data(made: type[Date] | type[Time] | type[DateTime], size: int) -> None:
    for length in (0, size - 1, size + 1):
        with pytest.raises(BadData, match=str(size)):
            made.from_bytes(bytes(length))


def test_bits_print_in_their_order() -> None:
    assert str(BitString(b"\xa5\xf0", 12)) == "101001011111"


@pytest.mark.parametrize("hours", [-12, -5, 0, 2, 14])
def test_a_moment_becomes_a_date_time_and_comes_back(hours: int) -> None:
    moment = datetime(2024, 6, 15, 20, 23, 45, 500000, timezone(timedelta(hours=hours)))
    value = DateTime.from_datetime(moment, 0x80)
    assert (value.deviation, value.status, value.date.weekday) == (-60 * hours, 0x80, 6)
    assert value.to_datetime() == moment


def test_a_moment_without_offset_has_no_deviation() -> None:
    value = DateTime.from_datetime(datetime(2024, 6, 15, 20, 23, 45, 500000), None, hundredths=False)
    assert value.to_bytes() == bytes.fromhex("07e8060f0614172dff8000ff")


def test_an_offset_of_seconds_cannot_be_said() -> None:
    with pytest.raises(BadParameter):
        DateTime.from_datetime(datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=1172))))
