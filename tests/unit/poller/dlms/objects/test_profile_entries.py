"""Rows by their places."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from poller.dlms.data import Data
from poller.dlms.errors import BadData
from poller.dlms.objects.profile_entries import EntryReader
from poller.dlms.objects.profile_layout import read_layout
from poller.dlms.objects.profile_requests import ProfileRequests
from tests.support.cosem_objects import NULL, PROFILE, Profile, array, integer, octets, run, structure

START = datetime(2024, 5, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def reader(profile: Profile) -> EntryReader:
    objects = profile.install()
    return EntryReader(ProfileRequests(objects, run(read_layout(objects, PROFILE)), (0, 1, 2)))


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("low", "high"),
    [(HOUR, 2 * HOUR), (-DAY, -HOUR), (30 * DAY, 31 * DAY), (timedelta(0), 30 * DAY), (3 * DAY, 3 * DAY)],
)
def test_a_window(newest_first: bool, low: timedelta, high: timedelta) -> None:
    profile = Profile(START, 500, newest_first=newest_first)
    found = run(reader(profile).window(START + low, START + high))
    assert [row.time for row in found.rows] == [t for t in profile.times() if START + low <= t <= START + high]
    assert len(profile.requests) < 20


def test_one_row_and_none() -> None:
    assert len(run(reader(Profile(START, 1)).window(START, START)).rows) == 1
    assert run(reader(Profile(START, 0)).window(START, START)).rows == []
    assert run(reader(Profile(START, 0)).last(5)) == []


def test_fewer_rows_than_asked_for_are_taken_and_the_rest_asked_again() -> None:
    def stingy(profile: Profile, parameters: Data) -> Data:
        rows = profile.placed(parameters).value
        assert isinstance(rows, tuple)
        return array(*rows[:50])

    profile = Profile(START, 300, by_entry=stingy)
    assert [row.time for row in run(reader(profile).window(START, START + 9 * DAY)).rows] == profile.times()
    assert [row.time for row in run(reader(profile).last(120))] == profile.times()[-120:]


def one(profile: Profile, parameters: Data) -> Data:
    rows = profile.placed(parameters).value
    assert isinstance(rows, tuple)
    return array(*rows[:1])


def more(profile: Profile, _parameters: Data) -> Data:
    return profile.everything()


def none(_profile: Profile, _parameters: Data) -> Data:
    return array()


def last(profile: Profile, _parameters: Data) -> Data:
    return profile.last_row()


def timeless(_profile: Profile, _parameters: Data) -> Data:
    return array(structure(NULL, integer(1), integer(1)))


@pytest.mark.parametrize("odd", [one, more, none, last, timeless])
def test_answers_that_contradict_the_places_are_bad_data(odd: Callable[[Profile, Data], Data]) -> None:
    with pytest.raises(BadData):
        run(reader(Profile(START, 500, by_entry=odd)).window(START + DAY, START + 9 * DAY))


def test_a_piece_without_one_good_row_is_passed_over() -> None:
    """Places 193 to 384 cannot be read; what is around them can."""

    def damaged(profile: Profile, parameters: Data) -> Data:
        rows = profile.placed(parameters).value
        assert isinstance(rows, tuple)
        good = profile.times()[:192] + profile.times()[384:]
        kept = {octets_of(profile.row(time)) for time in good}
        return array(*(row if octets_of(row) in kept or len(rows) == 1 else integer(0) for row in rows))

    def octets_of(row: Data) -> object:
        assert isinstance(row.value, tuple)
        return row.value[0].value

    profile = Profile(START, 500, by_entry=damaged)
    found = run(reader(profile).window(START, START + 9 * DAY))
    assert [row.time for row in found.rows] == profile.times()[:192] + profile.times()[384:]
    assert octets(b"") != NULL
