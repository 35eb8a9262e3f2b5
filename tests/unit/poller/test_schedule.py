"""Facts about when quantities are due."""

import math
from itertools import pairwise

import pytest

from poller.schedule import FIRST_READ_S, Schedule, phase


def served(schedule: Schedule, until: float, cost: float = 0.0) -> list[tuple[float, tuple[str, ...]]]:
    """Play a loop that sleeps to each tick and takes ``cost`` seconds for a cycle."""
    now, cycles = 0.0, []
    while (now := max(now, schedule.next_due())) <= until:
        due = schedule.due(now)
        if due.keys:
            cycles.append((round(now, 6), due.keys))
            now += cost
    return cycles


def test_ticks_do_not_drift() -> None:
    cycles = served(Schedule({"u": 2.0}, 0.0, 0.0), 7200.0, cost=0.3)
    assert [at for at, _ in cycles] == [2.0 * n for n in range(3601)]


def test_a_tick_that_passed_during_a_cycle_is_counted_not_queued() -> None:
    schedule = Schedule({"u": 2.0}, 0.0, 0.0)
    assert schedule.due(0.0).keys == ("u",)
    late = schedule.due(7.5)
    assert (late.keys, late.missed) == ((), 3)
    assert schedule.next_due() == 8.0
    assert schedule.due(8.0).missed == 0


def test_a_slightly_late_tick_is_served_and_does_not_shift_the_others() -> None:
    schedule = Schedule({"u": 2.0}, 0.0, 0.0)
    schedule.due(0.0)
    assert schedule.due(2.9).keys == ("u",)
    assert schedule.next_due() == 4.0


def test_a_cycle_just_longer_than_the_interval_loses_no_second_reading() -> None:
    cycles = served(Schedule({"u": 2.0}, 0.0, 0.0), 100.0, cost=2.001)
    assert len(cycles) >= 49


def test_nothing_is_due_before_its_time() -> None:
    schedule = Schedule({"u": 2.0}, 10.0, 0.5)
    assert schedule.due(10.9).keys == ()
    assert schedule.due(11.0).keys == ("u",)


def test_measurements_have_intervals_of_their_own_and_share_ticks() -> None:
    cycles = served(Schedule({"u": 2.0, "e": 6.0, "i": 2.0}, 0.0, 0.7), 30.0)
    with_energy = [at for at, keys in cycles if "e" in keys]
    assert all(keys in {("u", "i"), ("u", "e", "i")} for _, keys in cycles)
    assert with_energy[0] == cycles[0][0]
    assert {round(b - a, 6) for a, b in pairwise(with_energy[1:])} == {6.0}


def test_a_long_interval_is_read_early_once_then_spread() -> None:
    cycles = served(Schedule({"e": 900.0}, 0.0, 0.5), 2000.0)
    assert [at for at, _ in cycles] == [FIRST_READ_S / 2, 450.0, 1350.0]


def test_after_a_long_absence_the_present_tick_is_served_if_it_is_not_old() -> None:
    schedule = Schedule({"e": 900.0}, 0.0, 0.0)
    schedule.due(0.0)
    assert schedule.due(900.0 * 3 + 20.0).keys == ("e",)


def test_ticks_that_passed_before_the_first_read_are_counted() -> None:
    schedule = Schedule({"e": 60.0}, 0.0, 0.5)
    due = schedule.due(200.0)
    assert (due.keys, due.missed) == (("e",), 2)
    assert schedule.next_due() == 210.0


def test_rounding_never_steps_back() -> None:
    schedule = Schedule({"u": 0.1}, 0.0, 0.3)
    for _ in range(100_000):
        due = schedule.due(schedule.next_due())
        assert (due.keys, due.missed) == (("u",), 0)


def test_an_empty_schedule_is_never_due() -> None:
    schedule = Schedule({}, 0.0, 0.5)
    assert schedule.next_due() == math.inf
    assert schedule.due(1e9).keys == ()


def test_phases_of_a_fleet_are_spread() -> None:
    phases = [phase(bytes([n]) + bytes(15)) for n in range(256)]
    assert min(phases) == 0.0
    assert max(phases) == pytest.approx(255 / 256)
