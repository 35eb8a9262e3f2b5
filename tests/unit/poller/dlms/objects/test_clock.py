"""The clock: deviation, daylight saving, status, methods."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData, ObjectUndefined
from poller.dlms.exchange import Exchange
from poller.dlms.objects import clock
from poller.dlms.objects.asking import NOTHING
from poller.dlms.objects.clock import CLOCK_NAME, Clock, ClockBase, ClockStatus, Zone
from tests.support.cosem_objects import Objects, integer, octets, run, structure

SUMMER = bytes.fromhex("07e8060f0614172d00ff8880")
LOCAL = bytes.fromhex("07e8060f0614172d00800080")
WINTER = bytes.fromhex("07e8010f0114172d00800000")
BEGIN = bytes.fromhex("fffffffe07020000ff8000ff")
SETTLED = datetime(2024, 6, 15, 18, 23, 45, tzinfo=UTC)


def meter(time: bytes = SUMMER) -> Objects:
    objects = Objects()
    objects.give(
        8,
        CLOCK_NAME,
        {
            2: octets(time),
            3: Data(DataType.INT16, -60),
            4: integer(0x83, DataType.UINT8),
            5: octets(BEGIN),
            6: octets(BEGIN),
            7: Data(DataType.INT8, 60),
            8: Data(DataType.BOOLEAN, True),
            9: Data(DataType.ENUM, 1),
        },
    )
    return objects


def test_a_clock_has_all_its_attributes() -> None:
    found = run(clock.read_clock(meter()))
    assert found == Clock(
        CLOCK_NAME,
        DateTime.from_bytes(SUMMER),
        Zone(-60, 60),
        ClockBase.CRYSTAL,
        ClockStatus.DAYLIGHT | ClockStatus.DOUBTFUL | ClockStatus.INVALID,
        DateTime.from_bytes(BEGIN),
        DateTime.from_bytes(BEGIN),
        True,
    )
    assert (found.moment, found.time_status) == (SETTLED, ClockStatus.DAYLIGHT)


def test_the_deviation_of_the_time_counts_before_the_zone() -> None:
    assert Zone(300, 0).to_datetime(DateTime.from_bytes(SUMMER)) == SETTLED


@pytest.mark.parametrize(
    ("zone", "octets", "hours"),
    [
        (Zone(-60, 60), LOCAL, 2),
        (Zone(-60, 60), WINTER, 1),
        (Zone(300, 60), LOCAL, -4),
        (Zone(300, 60), WINTER, -5),
        (Zone(), LOCAL, 0),
    ],
)
def test_without_a_deviation_the_zone_and_daylight_saving_count(zone: Zone, octets: bytes, hours: int) -> None:
    found = zone.to_datetime(DateTime.from_bytes(octets))
    assert found is not None
    assert found.utcoffset() == timedelta(hours=hours)
    assert found.hour == 20


def test_a_time_that_is_not_specified_is_no_moment() -> None:
    wild = DateTime.from_bytes(bytes.fromhex("ffffffffffffffffff8000ff"))
    assert Zone().to_datetime(wild) is None
    assert clock.clock_status(wild) == ClockStatus(0)


@pytest.mark.parametrize("zone", [(-1000, 0), (1000, 0), (0, 121), (0, -1)])
def test_a_zone_that_is_none_is_bad_data(zone: tuple[int, int]) -> None:
    with pytest.raises(BadData):
        Zone(*zone)


def test_a_clock_is_its_time_at_least() -> None:
    objects = Objects()
    objects.give(8, CLOCK_NAME, {2: Data(DataType.DATE_TIME, DateTime.from_bytes(SUMMER)), 3: integer(5000)})
    found = run(clock.read_clock(objects))
    assert (found.kind, found.zone, found.base, len(found.refused)) == (DataType.DATE_TIME, Zone(), None, 7)
    with pytest.raises(ObjectUndefined):
        run(clock.read_clock(Objects()))


@pytest.mark.parametrize("minutes", [60, -60])
def test_daylight_saving_goes_ahead_whatever_its_sign(minutes: int) -> None:
    objects = meter(LOCAL)
    objects.give(8, CLOCK_NAME, {7: Data(DataType.INT8, minutes)})
    assert run(clock.read_zone(objects)) == Zone(-60, 60)
    assert run(clock.read_clock(objects)).moment == SETTLED


def test_the_time_alone_is_read_again() -> None:
    objects = meter()
    known = run(clock.read_clock(objects))
    objects.asked.clear()
    objects.give(8, CLOCK_NAME, {2: octets(LOCAL)})
    again = run(clock.read_time(objects, known))
    assert (again.time, again.moment) == (DateTime.from_bytes(LOCAL), SETTLED)
    assert objects.asked == [AttributeRef(8, CLOCK_NAME, 2)]


def test_the_time_is_set() -> None:
    objects = meter()
    run(clock.set_time(objects, DateTime.from_bytes(WINTER)))
    run(clock.set_time(objects, DateTime.from_bytes(WINTER), kind=DataType.DATE_TIME))
    assert [data for _, data in objects.written] == [
        octets(WINTER),
        Data(DataType.DATE_TIME, DateTime.from_bytes(WINTER)),
    ]


MOMENTS = [DateTime.from_datetime(SETTLED.astimezone(timezone(timedelta(hours=hours)))) for hours in range(3)]


@pytest.mark.parametrize(
    ("method", "number", "parameters"),
    [
        (clock.adjust_to_quarter, 1, NOTHING),
        (clock.adjust_to_measuring_period, 2, NOTHING),
        (clock.adjust_to_minute, 3, NOTHING),
        (clock.adjust_to_preset_time, 4, NOTHING),
        (
            lambda objects: clock.preset_adjusting_time(objects, MOMENTS[0], MOMENTS[1], MOMENTS[2]),
            5,
            structure(*(octets(each.to_bytes()) for each in MOMENTS)),
        ),
        (partial(clock.shift_time, seconds=-900), 6, Data(DataType.INT16, -900)),
    ],
)
def test_methods(method: Callable[[Objects], Exchange[None]], number: int, parameters: Data) -> None:
    ref = MethodRef(8, CLOCK_NAME, number)
    objects = Objects(methods={ref: lambda _: None})
    run(method(objects))
    assert objects.invoked == [(ref, parameters)]


@pytest.mark.parametrize("seconds", [901, -901])
def test_a_shift_has_its_limit(seconds: int) -> None:
    with pytest.raises(BadData):
        run(clock.shift_time(Objects(), seconds))
