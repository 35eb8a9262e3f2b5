"""Clocks and profiles: every deviation comes back, compressed rows are the whole ones, only our errors are raised."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import decode_whole, encode_data
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time
from poller.dlms.objects.association_ln import object_list
from poller.dlms.objects.association_sn import short_list
from poller.dlms.objects.clock import Clock, ClockStatus, Zone
from poller.dlms.objects.clock_setting import CorrectionLimits, Step, as_the_meter, plan_correction
from poller.dlms.objects.profile_entries import EntryReader
from poller.dlms.objects.profile_habits import UNKNOWN_HABITS
from poller.dlms.objects.profile_layout import ProfileLayout, capture_objects, read_layout
from poller.dlms.objects.profile_reading import read_profile
from poller.dlms.objects.profile_requests import ProfileRequests
from poller.dlms.objects.registry import CLASSES
from poller.dlms.objects.rows import Skips, decode_rows
from tests.support.cosem_objects import PROFILE, Objects, Profile, array, octets, run, structure

FIELD = st.one_of(st.none(), st.integers(0, 254))
DATES = st.builds(Date, st.one_of(st.none(), st.integers(0, 65534)), FIELD, FIELD, FIELD)
TIMES = st.builds(Time, FIELD, FIELD, FIELD, FIELD)
DEVIATIONS = st.one_of(st.none(), st.integers(-32767, 32767))
DATE_TIMES = st.builds(DateTime, DATES, TIMES, DEVIATIONS, FIELD)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS)
ZONES = st.builds(Zone, st.one_of(st.none(), st.integers(-960, 960)), st.integers(0, 120))
OCTETS = st.one_of(st.binary(max_size=13), DATE_TIMES.map(DateTime.to_bytes))
LEAVES = st.one_of(
    st.builds(Data, st.just(DataType.NULL), st.none()),
    st.builds(Data, st.just(DataType.UINT32), st.integers(0, 2**32 - 1)),
    st.builds(Data, st.just(DataType.INT8), st.integers(-128, 127)),
    st.builds(Data, st.just(DataType.ENUM), st.integers(0, 255)),
    st.builds(Data, st.just(DataType.BOOLEAN), st.booleans()),
    st.builds(Data, st.just(DataType.FLOAT64), st.floats()),
    st.builds(Data, st.just(DataType.DATE_TIME), DATE_TIMES),
    st.builds(
        Data, st.just(DataType.OCTET_STRING), st.one_of(st.binary(max_size=13), DATE_TIMES.map(DateTime.to_bytes))
    ),
    st.builds(Data, st.just(DataType.VISIBLE_STRING), st.text(st.characters(max_codepoint=255), max_size=5)),
    st.builds(Data, st.just(DataType.BIT_STRING), st.binary(max_size=4).map(lambda o: BitString(o, 8 * len(o)))),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Data, st.just(DataType.ARRAY), st.lists(inner, max_size=5).map(tuple)),
        st.builds(Data, st.just(DataType.STRUCTURE), st.lists(inner, max_size=7).map(tuple)),
    ),
    max_leaves=30,
)


@given(MOMENTS, st.integers(0, 255))
def test_every_moment_comes_back_from_a_meters_octets(moment: datetime, status: int) -> None:
    value = DateTime.from_datetime(moment, status & 0x7F)
    octets = value.to_bytes()
    back = DateTime.from_bytes(octets)
    assert back == value
    found = back.to_datetime()
    assert found is not None
    assert found == moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)
    assert found.utcoffset() == moment.utcoffset()


@given(DATE_TIMES, ZONES)
def test_a_zone_makes_moments_with_offsets_of_every_date_time(value: DateTime, zone: Zone) -> None:
    with suppress(BridgeError):
        moment = zone.to_datetime(value)
        assert moment is None or moment.utcoffset() is not None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), ZONES, st.booleans())
def test_local_time_is_ahead_in_summer(local: datetime, zone: Zone, summer: bool) -> None:
    value = DateTime.from_datetime(local, ClockStatus.DAYLIGHT if summer else 0)
    moment = zone.to_datetime(value)
    assert moment is not None
    behind = (zone.deviation or 0) - (zone.daylight if summer else 0)
    written = local.replace(microsecond=local.microsecond // 10_000 * 10_000, tzinfo=UTC)
    assert moment == written + timedelta(minutes=behind)


@given(DATE_TIMES, ZONES, st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_what_a_meter_is_told_means_our_time(shown: DateTime, zone: Zone, ours: datetime) -> None:
    clock = Clock(Obis(0, 0, 1, 0, 0), shown, zone)
    with suppress(BridgeError):
        told = as_the_meter(ours, clock)
        assert DateTime.from_bytes(told.to_bytes()) == told
        meant = zone.to_datetime(told)
        assert meant is not None
        assert abs(meant - ours) <= timedelta(seconds=0.5)


@given(MOMENTS, st.timedeltas(timedelta(days=-9), timedelta(days=9)), st.booleans(), st.booleans())
def test_a_correction_is_bounded(meter: datetime, ahead: timedelta, shift: bool, force: bool) -> None:
    limits = CorrectionLimits(shift=shift, force=force)
    plan = plan_correction(meter, meter + ahead, limits)
    assert plan.offset == ahead
    assert abs(plan.seconds) <= 900
    assert (plan.step is Step.NONE) == (abs(ahead) <= limits.tolerance)
    assert (plan.step is Step.REFUSED) == (abs(ahead) > limits.refuse and not force)


LAYOUT: ProfileLayout = run(read_layout(Profile(datetime(2024, 1, 1, tzinfo=UTC), 1).install(), PROFILE))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=OFFSETS),
    st.booleans(),
    st.data(),
)
def test_compressed_rows_are_the_whole_rows(
    cells: list[tuple[int, int]], start: datetime, newest_first: bool, draw: st.DataObject
) -> None:
    """Where a cell is as before, or a time as expected, the meter may leave it out: any subset of them."""
    layout = run(read_layout(Profile(start, 1, newest_first=newest_first).install(), PROFILE))
    step = timedelta(seconds=-900 if newest_first else 900)
    whole = [
        structure(
            octets(DateTime.from_datetime(start + number * step).to_bytes()),
            Data(DataType.UINT32, counter),
            Data(DataType.UINT8, status),
        )
        for number, (counter, status) in enumerate(cells)
    ]
    sent = [whole[0]]
    for before, row in pairwise(whole):
        assert isinstance(before.value, tuple)
        assert isinstance(row.value, tuple)
        kept = [draw.draw(st.booleans()) for _ in row.value]
        same = [True, before.value[1] == row.value[1], before.value[2] == row.value[2]]
        sent.append(
            structure(
                *(
                    Data(DataType.NULL, None) if may and not keep else cell
                    for cell, may, keep in zip(row.value, same, kept, strict=True)
                )
            )
        )
    plain = decode_rows(array(*whole), layout, (0, 1, 2), Skips())
    compressed = decode_rows(decode_whole(encode_data(array(*sent))), layout, (0, 1, 2), Skips())
    assert [(row.time, row.moment, row.status, row.values) for row in compressed] == [
        (row.time, row.moment, row.status, row.values) for row in plain
    ]


@given(VALUES)
def test_whatever_an_attribute_holds_only_our_errors_come(value: Data) -> None:
    for parse in (object_list, short_list, capture_objects, buffer):
        with suppress(BridgeError):
            parse(value)


def buffer(data: Data) -> object:
    return decode_rows(data, LAYOUT, (0, 1, 2), Skips())


READERS = {class_id: known.reader for class_id, known in CLASSES.items() if known.reader}


@given(st.sampled_from(sorted(READERS)), st.lists(VALUES, min_size=1, max_size=4), st.integers(0, 2**20 - 1))
def test_whatever_a_meter_answers_a_reader_raises_only_our_errors(
    class_id: int, values: list[Data], choice: int
) -> None:
    """Each attribute holds one of a few values."""
    objects = Objects()
    drawn = {attribute: values[(choice >> 2 * attribute - 4) % len(values)] for attribute in range(2, 12)}
    objects.give(class_id, PROFILE, drawn)
    with suppress(BridgeError):
        run(READERS[class_id](objects, PROFILE))


@given(
    st.integers(0, 400),
    st.integers(-50, 450),
    st.integers(0, 450),
    st.booleans(),
    st.lists(st.sampled_from(["range", "entry"]), unique=True),
)
def test_a_window_has_its_rows_whatever_the_meter_refuses(
    count: int, first: int, length: int, newest_first: bool, refused: list[str]
) -> None:
    start = datetime(2024, 5, 1, tzinfo=UTC)
    profile = Profile(start, count, newest_first=newest_first)
    if "range" in refused:
        profile.by_range = lambda profile, _: profile.last_row() if count else array()
    if "entry" in refused:
        profile.by_entry = lambda profile, _: profile.everything()
    low = start + timedelta(minutes=15 * first - 7)
    high = low + timedelta(minutes=15 * length)
    found = run(read_profile(profile.install(), PROFILE, low, high, UNKNOWN_HABITS))
    assert [row.time for row in found.rows] == [time for time in profile.times() if low <= time <= high]


START = datetime(2024, 5, 1, tzinfo=UTC)
ANSWERS = [
    *(Profile(START, 300).row(START + timedelta(minutes=15 * number)) for number in (0, 1, 50, 100, 299)),
    Data(DataType.NULL, None),
    structure(*[Data(DataType.NULL, None)] * 3),
    structure(octets(bytes(12)), Data(DataType.UINT8, 1), Data(DataType.UINT8, 1)),
]


@given(st.lists(st.lists(st.sampled_from(ANSWERS), max_size=3), max_size=40))
def test_entries_end_whatever_the_meter_answers(answers: list[list[Data]]) -> None:
    profile = Profile(START, 300)
    replies = iter(answers)
    profile.by_entry = lambda _profile, _parameters: array(*next(replies, []))
    requests = ProfileRequests(profile.install(), LAYOUT, (0, 1, 2))
    with suppress(BridgeError):
        run(EntryReader(requests).window(START + timedelta(hours=10), START + timedelta(days=2)))
