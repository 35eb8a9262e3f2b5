"""The schedule against its definition, for any intervals, starts and costs of a cycle."""

import math

from hypothesis import given
from hypothesis import strategies as st

from poller.schedule import LATE, Schedule

INTERVALS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 3600.0, allow_nan=False), min_size=1, max_size=6)
SPREADS = st.floats(0.0, 1.0, exclude_max=True)
STEPS = st.lists(st.floats(0.0, 500.0), min_size=1, max_size=60)


@given(INTERVALS, st.floats(0.0, 1e7), SPREADS, STEPS)
def test_ticks_are_served_or_counted_and_never_both(
    intervals: dict[str, float], start: float, spread: float, steps: list[float]
) -> None:
    schedule = Schedule(intervals, start, spread)
    now = start
    for step in steps:
        before = schedule.next_due()
        now += step
        due = schedule.due(now)
        assert due.missed >= 0
        if now < before:
            assert due.keys == ()
            assert due.missed == 0
        else:
            assert due.keys or due.missed
        assert schedule.next_due() > now - max(intervals.values()) * 1e-6
        assert schedule.due(now).keys == ()


@given(st.floats(0.1, 3600.0), st.floats(0.0, 1e6), SPREADS, STEPS)
def test_served_and_missed_ticks_add_up_to_the_time_that_passed(
    interval: float, start: float, spread: float, steps: list[float]
) -> None:
    schedule = Schedule({"a": interval}, start, spread)
    first = schedule.next_due()
    now, served, missed = start, 0, 0
    for step in steps:
        now += step
        due = schedule.due(now)
        served += bool(due.keys)
        missed += due.missed
    passed = max(0.0, (now - first) / interval)
    assert passed - 2 <= served + missed <= passed + 3


@given(st.floats(0.1, 3600.0), SPREADS, st.floats(0.0, 0.4))
def test_a_loop_in_time_serves_every_tick_on_its_grid(interval: float, spread: float, share: float) -> None:
    schedule = Schedule({"a": interval}, 0.0, spread)
    schedule.due(schedule.next_due())
    origin = schedule.next_due()
    for n in range(200):
        at = schedule.next_due()
        assert math.isclose(at, origin + n * interval, rel_tol=1e-9)
        due = schedule.due(at + share * interval * LATE)
        assert due.keys == ("a",)
        assert due.missed == 0


@given(INTERVALS, SPREADS)
def test_the_first_read_comes_within_the_shortest_interval_or_ten_seconds(
    intervals: dict[str, float], spread: float
) -> None:
    schedule = Schedule(intervals, 0.0, spread)
    assert 0.0 <= schedule.next_due() <= min(10.0, *intervals.values(), 3600.0)
