"""The three requests: what is asked, in whose time."""

from datetime import UTC, datetime, timedelta

import pytest

from poller.dlms.data import DataType, DateTime
from poller.dlms.descriptors import Selection
from poller.dlms.errors import BadData
from poller.dlms.objects import profile_requests
from poller.dlms.objects.profile_layout import ProfileLayout, read_layout
from poller.dlms.objects.profile_requests import ProfileRequests, within_calendar
from poller.dlms.selection import Column, by_entry, by_range
from tests.support.cosem_objects import PROFILE, Objects, Profile, run

START = datetime(2024, 5, 1, tzinfo=UTC)
END = START + timedelta(hours=1)


def requests(profile: Profile, chosen: tuple[int, ...] = (0, 1, 2)) -> tuple[ProfileRequests, list[Selection | None]]:
    objects = profile.install()
    layout = run(read_layout(objects, PROFILE))
    seen: list[Selection | None] = []

    def buffer(selection: Selection | None):  # type: ignore[no-untyped-def]
        seen.append(selection)
        return profile.everything()

    objects.give(7, PROFILE, {2: buffer})
    return ProfileRequests(objects, layout, chosen), seen


@pytest.mark.parametrize(
    ("zone", "start"), [(None, "07e8050103000000000000" + "00"), (-60, "07e8050103010000" + "00ffc400")]
)
def test_a_range_is_asked_in_the_meters_local_time(zone: int | None, start: str) -> None:
    asking, seen = requests(Profile(START, 4, zone=zone))
    assert len(run(asking.by_range(START, END, DataType.OCTET_STRING))) == 4
    (selection,) = seen
    assert selection is not None
    bound = DateTime.from_bytes(bytes.fromhex(start))
    assert selection.parameters.value[1].value == bound.to_bytes()  # type: ignore[index, union-attr]


def test_columns_are_named_when_they_are_not_all() -> None:
    asking, seen = requests(Profile(START, 4), (0, 1))
    run(asking.by_range(START, END, DataType.DATE_TIME))
    clock, energy = (asking.layout.columns[place].captured for place in (0, 1))
    assert isinstance(clock, Column)
    bounds = [DateTime.from_datetime(each) for each in (START, END)]
    selection = by_range(bounds[0], bounds[1], (clock, energy), clock)
    (found,) = seen
    assert found is not None
    assert found.parameters.value[3] == selection.parameters.value[3]  # type: ignore[index]
    assert found.parameters.value[1].value == bounds[0]  # type: ignore[index, union-attr]


def test_entries_and_everything_are_counted() -> None:
    asking, seen = requests(Profile(START, 4))
    run(asking.by_entry(2, 3))
    run(asking.whole())
    assert seen == [by_entry(2, 3), None]
    assert run(asking.entries_in_use()) == 4
    assert (asking.made, asking.received, asking.exhausted) == (3, 4, False)


def test_requests_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_requests, "MAX_REQUESTS", 1)
    asking, _ = requests(Profile(START, 4))
    assert not asking.exhausted
    run(asking.whole())
    assert asking.exhausted


def test_a_profile_without_times_has_no_ranges() -> None:
    asking = ProfileRequests(Objects(), ProfileLayout(PROFILE, ()), ())
    with pytest.raises(BadData):
        run(asking.by_range(START, END, DataType.OCTET_STRING))


def test_bounds_stay_within_the_calendar_of_every_zone() -> None:
    lowest, highest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert within_calendar(START) == START
    assert lowest < within_calendar(lowest) < START < within_calendar(highest) < highest
