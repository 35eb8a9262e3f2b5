"""Rows of a window, from meters that keep to what they are asked and from those that do not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from poller.dlms.data import Data, DataType
from poller.dlms.errors import (
    AccessDenied,
    BadData,
    BadParameter,
    ExceptionResponse,
    ObjectUndefined,
    OtherReason,
    TemporaryFailure,
    TypeUnmatched,
)
from poller.dlms.objects import profile_entries, profile_reading, profile_requests
from poller.dlms.objects.profile_habits import UNKNOWN_HABITS, Access, ProfileHabits, ProfileRead
from poller.dlms.objects.profile_layout import read_layout
from poller.dlms.objects.profile_reading import read_last, read_profile, read_rows
from tests.support.cosem_objects import PROFILE, QUARTER, Objects, Profile, array, octets, run, structure

START = datetime(2024, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Window = tuple[datetime, datetime]

MORNING: Window = (START + timedelta(hours=6), START + timedelta(hours=12))
EVERYTHING: Window = (START - DAY, START + 20 * DAY)
BEFORE: Window = (START - 3 * DAY, START - 2 * DAY)
AFTER: Window = (START + 30 * DAY, START + 31 * DAY)
ONE: Window = (START + timedelta(hours=6), START + timedelta(hours=6, minutes=5))
LAST: Window = (START + timedelta(hours=20), START + 2 * DAY)
WINDOWS = [MORNING, EVERYTHING, BEFORE, AFTER, ONE, LAST]


def refuse(_profile: Profile, _parameters: Data) -> Data:
    raise OtherReason("other-reason (250)")


def complain(_profile: Profile, _parameters: Data) -> Data:
    raise ExceptionResponse("service-not-allowed, service-not-supported")


def with_last_row(profile: Profile, _parameters: Data) -> Data:
    return profile.last_row()


def with_everything(profile: Profile, _parameters: Data) -> Data:
    return profile.everything()


def with_nothing(_profile: Profile, _parameters: Data) -> Data:
    return array()


def read(profile: Profile, window: Window, habits: ProfileHabits = UNKNOWN_HABITS) -> ProfileRead:
    return run(read_profile(profile.install(), PROFILE, *window, habits))


def expected(profile: Profile, window: Window) -> list[datetime]:
    return [time for time in profile.times() if window[0] <= time <= window[1]]


def times(found: ProfileRead) -> list[datetime | None]:
    return [row.time for row in found.rows]


def test_rows_have_time_status_and_exact_values() -> None:
    found = read(Profile(START, 96), MORNING)
    first = found.rows[0]
    assert (first.time, first.status) == (MORNING[0], 7)
    assert first.values[1:] == (Decimal("102.4"), 7)
    assert first.raw[1] == 1024
    assert [column.unit for column in found.columns] == [None, "Wh", None]
    assert (found.more, found.skipped, found.habits.access, found.habits.proven) == (None, (), Access.RANGE, True)


ODD = {
    "as it should": {},
    "no range": {"by_range": refuse},
    "the last row": {"by_range": with_last_row},
    "everything": {"by_range": with_everything},
    "nothing": {"by_range": with_nothing},
    "exceptions": {"by_range": complain, "by_entry": complain},
    "neither": {"by_range": refuse, "by_entry": refuse},
    "last row always": {"by_range": with_last_row, "by_entry": with_last_row},
    "everything always": {"by_range": with_everything, "by_entry": with_everything},
    "nothing always": {"by_range": with_nothing, "by_entry": with_nothing},
    "no entry": {"by_entry": refuse},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("newest_first", "clock_column"), [(False, 0), (True, 1)])
def test_whatever_the_meter_does_the_rows_are_those_of_the_window(
    odd: dict[str, Callable[[Profile, Data], Data]], window: Window, newest_first: bool, clock_column: int
) -> None:
    profile = Profile(START, 250, newest_first=newest_first, clock_column=clock_column, **odd)  # type: ignore[arg-type]
    found = read(profile, window)
    assert times(found) == expected(profile, window)
    assert found.more is None
    again = read(profile, window, found.habits)
    assert times(again) == expected(profile, window)


@pytest.mark.parametrize(
    ("odd", "access"),
    [
        ({"by_range": with_last_row}, Access.ENTRY),
        ({"by_range": with_everything}, Access.ENTRY),
        ({"by_range": refuse}, Access.ENTRY),
        ({"by_range": refuse, "by_entry": refuse}, Access.WHOLE),
        ({"by_range": with_last_row, "by_entry": with_last_row}, Access.WHOLE),
    ],
)
def test_a_habit_is_found_out_once(odd: dict[str, Callable[[Profile, Data], Data]], access: Access) -> None:
    profile = Profile(START, 96, **odd)  # type: ignore[arg-type]
    found = read(profile, MORNING)
    assert found.habits.access is access
    assert found.habits.reasons
    profile.requests.clear()
    assert times(read(profile, MORNING, found.habits)) == expected(profile, MORNING)
    assert set(profile.requests) == {{Access.ENTRY: 2, Access.WHOLE: 0}[access]}


def test_a_meter_known_to_keep_to_ranges_is_asked_once() -> None:
    profile = Profile(START, 96)
    habits = read(profile, MORNING).habits
    profile.requests.clear()
    assert times(read(profile, BEFORE, habits)) == []
    assert profile.requests == [1]


def test_the_last_row_inside_of_the_window_is_no_proof() -> None:
    profile = Profile(START, 96, by_range=with_last_row)
    window = START + timedelta(hours=20), START + timedelta(hours=30)
    assert times(read(profile, window)) == expected(profile, window)


def test_one_row_that_is_right_proves_the_range() -> None:
    profile = Profile(START, 5, period=DAY)
    window = START + timedelta(hours=1), START + timedelta(hours=26)
    found = read(profile, window)
    assert times(found) == [START + DAY]
    assert found.habits == ProfileHabits(proven=True)


def test_what_can_be_confirmed_in_no_way_is_said() -> None:
    profile = Profile(START, 5, by_range=with_last_row, by_entry=refuse, period=DAY)
    objects = profile.install()
    whole = profile.buffer

    def no_whole(selection: object) -> Data:
        if selection is None:
            raise AccessDenied("read-write-denied (3)")
        return whole(selection)  # type: ignore[arg-type]

    objects.give(7, PROFILE, {2: no_whole})
    found = run(read_profile(objects, PROFILE, START, START + 9 * DAY))
    assert times(found) == [START + 4 * DAY]
    assert found.habits == UNKNOWN_HABITS
    assert any("not confirmed" in reason for reason in found.skipped)


def test_bounds_as_date_times_where_octets_are_refused() -> None:
    def only_date_times(profile: Profile, parameters: Data) -> Data:
        assert isinstance(parameters.value, tuple)
        if parameters.value[1].type is not DataType.DATE_TIME:
            raise TypeUnmatched("type-unmatched (12)")
        return profile.ranged(parameters)

    profile = Profile(START, 96, by_range=only_date_times)
    found = read(profile, MORNING)
    assert times(found) == expected(profile, MORNING)
    assert (found.habits.access, found.habits.bounds, found.habits.proven) == (Access.RANGE, DataType.DATE_TIME, True)
    profile.requests.clear()
    read(profile, MORNING, found.habits)
    assert profile.requests == [1]


def test_a_long_window_is_asked_in_pieces_and_no_row_comes_twice() -> None:
    profile = Profile(START, 1000)
    found = read(profile, (START, START + 11 * DAY))
    assert times(found) == profile.times()
    assert profile.requests.count(1) == 6


def test_rows_at_no_regular_times_are_asked_at_once() -> None:
    profile = Profile(START, 500)
    objects = profile.install()
    objects.give(7, PROFILE, {4: Data(DataType.UINT32, 0)})
    assert len(run(read_profile(objects, PROFILE, *EVERYTHING)).rows) == 500
    assert profile.requests == [1]


@pytest.mark.parametrize("odd", [{}, {"by_range": refuse}, {"by_range": refuse, "by_entry": refuse}])
@pytest.mark.parametrize("newest_first", [False, True])
def test_what_is_beyond_the_limit_is_read_by_the_next_reading(
    odd: dict[str, Callable[[Profile, Data], Data]], newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_reading, "MAX_ROWS", 200)
    monkeypatch.setattr(profile_entries, "MAX_ROWS", 200)
    profile = Profile(START, 700, newest_first=newest_first, **odd)  # type: ignore[arg-type]
    rows: list[datetime | None] = []
    at: datetime | None = EVERYTHING[0]
    habits = UNKNOWN_HABITS
    for _ in range(10):
        if at is None:
            break
        found = read(profile, (at, EVERYTHING[1]), habits)
        rows += times(found)
        at, habits = found.more, found.habits
    assert rows == profile.times()


def test_requests_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_requests, "MAX_REQUESTS", 3)
    profile = Profile(START, 700)
    found = read(profile, (START, START + 7 * DAY))
    assert found.more == START + 6 * DAY
    assert times(found) == expected(profile, (START, START + 6 * DAY - QUARTER))


def test_a_meter_that_ignores_deviations_is_asked_in_its_local_time() -> None:
    def local(profile: Profile, parameters: Data) -> Data:
        assert isinstance(parameters.value, tuple)
        low, high = (profile.bound(each).replace(tzinfo=None) for each in parameters.value[1:3])
        return array(*(row for time, row in profile.rows() if low <= time.replace(tzinfo=None) <= high))

    zone = timezone(timedelta(hours=2))
    start = START.astimezone(zone)
    profile = Profile(start, 96, by_range=local, zone=-60)
    found = read(profile, MORNING)
    assert times(found) == expected(profile, MORNING)
    assert found.habits.access is Access.RANGE


def test_columns_are_chosen_and_the_time_is_always_among_them() -> None:
    profile = Profile(START, 96, clock_column=1)
    objects = profile.install()
    layout = run(read_layout(objects, PROFILE))

    def narrow(selection: object) -> Data:
        rows = profile.buffer(selection)  # type: ignore[arg-type]
        assert isinstance(rows.value, tuple)
        return array(*(structure(*row.value[:2]) for row in rows.value if isinstance(row.value, tuple)))

    wide = run(read_rows(objects, layout, *MORNING, columns=[0]))
    objects.give(7, PROFILE, {2: narrow})
    narrowed = run(read_rows(objects, layout, *MORNING, columns=[0]))
    assert wide.rows == narrowed.rows
    assert [len(row.values) for row in wide.rows] == [2] * 25
    with pytest.raises(BadParameter):
        run(read_rows(objects, layout, *MORNING, columns=[3]))


@pytest.mark.parametrize("count", [0, 1, 10, 200, 900])
@pytest.mark.parametrize("odd", [{}, {"by_entry": refuse}])
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_newest_rows(count: int, odd: dict[str, Callable[[Profile, Data], Data]], newest_first: bool) -> None:
    profile = Profile(START, 700, newest_first=newest_first, **odd)  # type: ignore[arg-type]
    objects = profile.install()
    layout = run(read_layout(objects, PROFILE))
    found = run(read_last(objects, layout, count))
    assert times(found) == (profile.times()[-count:] if count else [])
    known = run(read_last(objects, layout, count, ProfileHabits(Access.WHOLE)))
    assert times(known) == times(found)


def test_an_empty_profile_has_no_rows() -> None:
    profile = Profile(START, 0)
    objects = profile.install()
    assert read(profile, MORNING).rows == ()
    assert run(read_last(objects, run(read_layout(objects, PROFILE)), 5)).rows == ()


def test_a_row_captured_meanwhile_costs_no_row() -> None:
    """The buffer is full: each capture drops the oldest row and moves all places by one."""
    profile = Profile(START, 700, by_range=refuse)
    window = START + DAY, START + 6 * DAY
    wanted = expected(profile, window)

    def moving(profile: Profile, parameters: Data) -> Data:
        answer = profile.placed(parameters)
        profile.start += QUARTER
        return answer

    profile.by_entry = moving
    assert times(read(profile, window)) == wanted


@pytest.mark.parametrize("error", [TemporaryFailure("busy"), ObjectUndefined("object-undefined (4)")])
@pytest.mark.parametrize("access", [Access.RANGE, Access.ENTRY])
def test_what_is_no_habit_is_raised(error: TemporaryFailure | ObjectUndefined, access: Access) -> None:
    def raising(_profile: Profile, _parameters: Data) -> Data:
        raise error

    profile = Profile(START, 96, by_range=raising, by_entry=raising)
    with pytest.raises(type(error), match=r"1-0:99\.1\.0 \(class 7\) attribute 2"):
        read(profile, MORNING, ProfileHabits(access))


@pytest.mark.parametrize(
    "window", [(MORNING[1], MORNING[0]), (START.replace(tzinfo=None), MORNING[1]), (START, START.replace(tzinfo=None))]
)
def test_a_window_is_a_window(window: Window) -> None:
    with pytest.raises(BadParameter):
        read(Profile(START, 96), window)


def test_a_window_of_the_whole_calendar_has_all_rows() -> None:
    profile = Profile(START, 96)
    objects = profile.install()
    objects.give(8, "0-0:1.0.0", {3: Data(DataType.INT16, -60), 7: Data(DataType.INT8, 60)})
    ever = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert times(run(read_profile(objects, PROFILE, *ever))) == profile.times()


def test_a_profile_without_times_has_no_windows() -> None:
    objects = Objects()
    objects.give(
        7,
        PROFILE,
        {
            3: array(
                structure(
                    Data(DataType.UINT16, 1),
                    octets(PROFILE.to_bytes()),
                    Data(DataType.INT8, 2),
                    Data(DataType.UINT16, 0),
                )
            )
        },
    )
    with pytest.raises(BadData, match="no windows"):
        run(read_profile(objects, PROFILE, *MORNING))


def test_a_scaler_that_is_not_known_is_said_and_costs_no_row() -> None:
    profile = Profile(START, 96)
    objects = profile.install()
    objects.attributes = {ref: value for ref, value in objects.attributes.items() if ref.class_id == 7}
    found = run(read_profile(objects, PROFILE, *MORNING))
    assert len(found.rows) == 25
    assert found.rows[0].values[1] is None
    assert found.rows[0].raw[1] == 1024
    assert found.skipped == ("1-0:1.8.0: its scaler is not known, its values are only raw",)
