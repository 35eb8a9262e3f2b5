"""A night with an outage: the rows of the load profile come afterwards, each once, and disturb no live reading."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from common.meter_state import DesiredState
from common.obis import Obis
from common.reading import Quality, Reading, Source
from common.worker_file import Measurement
from poller.simulator import FaultKind, MeterSpec, personality
from poller.simulator.personality import ClockSetting, Personality, ProfileHabit, ProfileSetting
from poller.simulator.profiles import load_row
from tests.support.nights import Night
from tests.support.simulated import RunningClock

STEP = 900_000
HOURS = 3 * 3600


def microstar(*habits: ProfileHabit, depth: int = 500, **changes: object) -> Personality:
    """Return a meter with a load profile of some days."""
    profile = ProfileSetting(depth=depth, habits=frozenset(habits))
    return replace(personality("microstar"), profile=profile, **changes)  # type: ignore[arg-type]


def night(root: Path, kind: Personality | None = None, delay: float = 0.0, **changes: object) -> Night:
    """Return a night of a meter whose gaps are filled."""
    spec = MeterSpec("sim-1", kind or microstar(), delay=(delay, delay))
    return Night(root, spec, RunningClock(), **{"backfill": True, **changes})


def away(played: Night, begin: float, seconds: float) -> None:
    """Let nobody be there for a while."""
    played.at(begin, lambda: _unplug(played))
    played.at(begin + seconds, lambda: setattr(played.wire, "reachable", True))


def _unplug(played: Night) -> None:
    played.wire.reachable = False
    played.wire.close()


def stamps_within(played: Night, begin: float, end: float) -> list[int]:
    """Return the moments of rows between two times of the night."""
    wall = played.clock.wall + round(1000 * (played.start - 1000.0))
    first, last = wall + round(1000 * begin), wall + round(1000 * end)
    return list(range(first // STEP * STEP + STEP, last + 1, STEP))


def stamps(played: Night) -> list[int]:
    """Return the moments of the rows that were published, as they came."""
    return [stamp for stamp, _ in played.feed.rows]


def live(played: Night) -> list[tuple[float, Reading]]:
    """Return the live readings."""
    return [(at, reading) for at, reading in played.feed.readings if reading.source is Source.LIVE]


def test_a_meter_away_for_three_hours_has_its_twelve_rows_afterwards_and_none_twice(tmp_path: Path) -> None:
    played = night(tmp_path)
    away(played, 600, HOURS)
    played.play(600 + HOURS + 300)
    assert stamps(played) == stamps_within(played, 600, 600 + HOURS)
    assert len(stamps(played)) == 12
    assert played.last.counters["backfilled"] == 12
    assert played.last.gauges["backfill_pending_s"] == 0


def test_rows_carry_the_profiles_values_under_the_keys_of_the_measurements(tmp_path: Path) -> None:
    names = (Measurement("active_energy_export", "1-1:2.8.0"),)
    played = night(tmp_path, row_names=names)
    away(played, 600, 3600)
    played.play(5000)
    for stamp, reading in played.feed.rows:
        row = load_row(0, stamp)
        assert {item.key: item.raw for item in reading.quantities} == {
            "0-0:96.10.1/2": row.status,
            "active_energy": row.imported,
            "active_energy_export": row.exported,
            "1-1:3.8.0/2": row.reactive,
            "voltage_l1": row.voltage,
        }
        assert {item.key: (item.scaler, item.unit) for item in reading.quantities}["voltage_l1"] == (-2, 35)
        assert (reading.source, reading.quality, reading.failures) == (Source.PROFILE, (), ())


def test_a_meter_whose_clock_is_ahead_is_asked_for_the_right_rows(tmp_path: Path) -> None:
    played = night(tmp_path, microstar(clock=ClockSetting(offset=7 * 3600, zone=-60, summer=True)))
    away(played, 600, HOURS)
    played.play(600 + HOURS + 300)
    shift = 7 * 3600
    assert stamps(played) == stamps_within(played, 600 + shift, 600 + HOURS + shift)


def test_a_clock_that_was_moved_on_while_the_meter_was_away_counts_as_time_away(tmp_path: Path) -> None:
    played = night(tmp_path)
    away(played, 600, 120)
    played.at(650, lambda: played.wire.device.time.jump(HOURS))
    played.play(1200)
    assert stamps(played) == stamps_within(played, 600, 720 + HOURS)


@pytest.mark.parametrize("habit", ProfileHabit)
def test_meters_with_their_own_ideas_of_access_give_the_same_rows(tmp_path: Path, habit: ProfileHabit) -> None:
    played = night(tmp_path, microstar(habit, depth=100))
    away(played, 600, HOURS)
    played.play(600 + HOURS + 900)
    assert stamps(played) == stamps_within(played, 600, 600 + HOURS)


def test_a_meter_that_gives_its_buffer_only_whole_is_read_whole(tmp_path: Path) -> None:
    played = night(tmp_path, microstar(ProfileHabit.NO_RANGE, ProfileHabit.NO_ENTRY, depth=100))
    away(played, 600, HOURS)
    played.play(600 + HOURS + 900)
    assert stamps(played) == stamps_within(played, 600, 600 + HOURS)
    assert played.last.counters["backfill_windows"] <= 2


def test_live_readings_go_on_while_rows_are_read_over_a_slow_line(tmp_path: Path) -> None:
    played = night(tmp_path, delay=0.3)
    away(played, 600, 24 * 3600)
    end = 600 + 24 * 3600
    played.play(end + 3600)
    assert stamps(played) == stamps_within(played, 600, end)
    back = [at for at, _ in live(played) if at - played.start > end + 90]
    assert max(b - a for a, b in pairwise(back)) <= 12
    assert len(back) > 0.9 * 3500 / 2


def test_what_a_stopped_worker_missed_is_read_by_the_next_one(tmp_path: Path) -> None:
    played = night(tmp_path).play(600)
    played.clock.sleep(HOURS)
    played.play(300)
    assert stamps(played) == stamps_within(played, 600, 600 + HOURS)


def test_a_pause_is_a_gap(tmp_path: Path) -> None:
    played = night(tmp_path)
    played.at(600, lambda: played.change(desired_state=DesiredState.PAUSED))
    played.at(600 + HOURS, lambda: played.change(desired_state=DesiredState.RUNNING))
    played.play(600 + HOURS + 300)
    assert stamps(played) == stamps_within(played, 600, 600 + HOURS)


def test_a_reconnect_of_seconds_is_no_gap(tmp_path: Path) -> None:
    played = night(tmp_path)
    for n in range(9):
        away(played, 880 + 900 * n, 20)
    played.play(9000)
    assert stamps(played) == []


def test_without_a_wish_nothing_is_missed(tmp_path: Path) -> None:
    played = night(tmp_path, backfill=False)
    away(played, 600, HOURS)
    played.at(600 + HOURS + 100, lambda: played.change(backfill=True))
    played.play(600 + HOURS + 600)
    assert stamps(played) == []
    assert played.last.facts["backfill"] == "on"


@pytest.mark.parametrize(("gone", "says"), [("1-0:99.1.0", "off: no load profile"), ("0-0:1.0.0", "off: no clock")])
def test_a_meter_without_profile_or_clock_is_read_as_ever_and_says_so(tmp_path: Path, gone: str, says: str) -> None:
    played = night(tmp_path)
    played.wire.device.objects.hidden.add(Obis.parse(gone).to_bytes())
    away(played, 600, HOURS)
    played.play(600 + HOURS + 600)
    assert stamps(played) == []
    assert played.last.facts["backfill"].startswith(says)
    assert played.last.counters["cycles_failed"] == 1
    assert played.last.counters["reconnects"] == 1
    back = [at for at, _ in live(played) if at - played.start > 600 + HOURS + 10]
    assert max(b - a for a, b in pairwise(back)) <= 2


def test_a_window_that_costs_the_association_twice_is_left_out_for_an_hour(tmp_path: Path) -> None:
    played = night(tmp_path)
    away(played, 600, 4 * 3600)
    back = 600 + 4 * 3600
    played.at(back, lambda: played.fault(FaultKind.EXCEPTION, count=2, on=frozenset(["get"]), skip=30))
    played.play(back + 3600)
    assert sorted(stamps(played)) == stamps_within(played, 600, back)
    assert len(stamps(played)) == 16


@pytest.mark.parametrize(
    "kind",
    [FaultKind.BUSY, FaultKind.RST, FaultKind.DROP, FaultKind.BAD_FCS, FaultKind.HALF, FaultKind.WRONG_INVOKE],
)
def test_faults_of_the_line_cost_no_row_and_bring_none_twice(tmp_path: Path, kind: FaultKind) -> None:
    played = night(tmp_path, delay=0.02)
    away(played, 600, 24 * 3600)
    back = 600 + 24 * 3600
    played.at(back, lambda: played.fault(kind, probability=0.05, lasting=600.0, on=frozenset(["get"])))
    played.play(back + 2 * 3600)
    assert len(stamps(played)) == len(set(stamps(played)))
    assert set(stamps(played)) >= set(stamps_within(played, 600, back))
    assert len(stamps(played)) <= 96 + 2  # a fault may make the meter unreachable once more


def test_an_invalid_clock_marks_its_rows(tmp_path: Path) -> None:
    played = night(tmp_path, microstar(clock=ClockSetting(status=1)))
    away(played, 600, 3600)
    played.play(5000)
    assert {reading.quality for _, reading in played.feed.rows} == {(Quality.CLOCK_UNSYNCED,)}


def test_a_range_by_hand_is_delivered_with_progress_and_a_result(tmp_path: Path) -> None:
    played = night(tmp_path, delay=0.05)
    wall = played.clock.wall
    begin, end = wall - 100 * STEP, wall - 1
    played.at(60, partial(played.order, "backfill", from_ms=begin, to_ms=end))
    played.play(900)
    first = -(-begin // STEP) * STEP
    assert stamps(played) == list(range(first, end + 1, STEP))
    result = played.feed.results["backfill"]
    assert result.ok
    assert result.result["rows"] == len(stamps(played))
    said = [answer.progress for _, answer in played.feed.answers if answer.progress]
    assert said
    assert all(" rows in " in text for text in said)


def test_a_range_by_hand_is_read_without_a_wish_and_again(tmp_path: Path) -> None:
    played = night(tmp_path, backfill=False)
    wall = played.clock.wall
    for at in (60, 200):
        played.at(at, partial(played.order, "backfill", from_ms=wall - 3_600_000, to_ms=wall))
    played.play(400)
    assert len(stamps(played)) == 8
    assert len(set(stamps(played))) == 4


def test_a_paused_meter_refuses_a_range(tmp_path: Path) -> None:
    played = night(tmp_path, desired_state=DesiredState.PAUSED)
    played.at(60, partial(played.order, "backfill", from_ms=1, to_ms=2))
    played.play(100)
    result = played.feed.results["backfill"]
    assert (result.error_kind, result.error_detail) == ("not_readable", "the meter is paused: resume it first")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"from_ms": 5, "to_ms": 4},
        {"from_ms": "a", "to_ms": 4},
        {"from_ms": 1, "to_ms": 1_700_000_000_000},
        {"from_ms": (1 << 48) - 1, "to_ms": 1 << 48},
    ],
)
def test_a_range_that_is_none_is_refused(tmp_path: Path, arguments: dict[str, object]) -> None:
    played = night(tmp_path)
    played.at(60, partial(played.order, "backfill", **arguments))
    played.play(100)
    assert played.feed.results["backfill"].error_kind == "bad_range"


def test_a_range_by_hand_that_is_cancelled_ends_and_stays_ended(tmp_path: Path) -> None:
    played = night(tmp_path, delay=0.2)
    wall = played.clock.wall
    played.at(60, partial(played.order, "backfill", from_ms=wall - 100 * STEP, to_ms=wall - 1))
    played.at(75, partial(played.order, "cancel", id="backfill"))
    played.play(85)
    result = played.feed.results["backfill"]
    assert (result.ok, result.error_kind) == (False, "cancelled")
    assert 0 < len(stamps(played)) < 90
    assert 0 < int(str(result.result["rows"])) <= len(stamps(played))
    assert [each for each, _ in played.feed.answers].count("backfill") >= 2
    before = len(stamps(played))
    played.play(300)
    assert len(stamps(played)) == before
    played.at(301, partial(played.order, "cancel", id="backfill"))
    played.play(10)
    assert played.feed.results["backfill"].result == {}
