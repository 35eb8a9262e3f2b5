"""What heartbeats are made of."""

import os

from common.heartbeat import TOOK, WorkerBeat
from common.meter_state import MeterState
from poller.vitals import BEAT_S, KEPT_CYCLES, SECOND_BEAT_S, SLOW_MS, Vitals, resources
from tests.support.simulated import StillClock


def beat(vitals: Vitals) -> WorkerBeat:
    return vitals.beat(revision=3, interval_s=2.0, next_attempt_s=0.0, counters={"frames_sent": 7})


def test_a_heartbeat_is_due_at_once_soon_again_and_every_five_seconds() -> None:
    clock = StillClock()
    vitals = Vitals(clock)
    assert vitals.is_due()
    beat(vitals)
    assert not vitals.is_due()
    clock.sleep(SECOND_BEAT_S)
    assert vitals.is_due()
    beat(vitals)
    clock.sleep(BEAT_S - 0.1)
    assert not vitals.is_due()
    clock.sleep(0.1)
    assert vitals.is_due()


def test_a_change_of_state_cause_or_conditions_makes_one_due() -> None:
    vitals = Vitals(StillClock())
    beat(vitals)
    assert vitals.enter(MeterState.UNREACHABLE, "connect_refused", "nobody")
    assert vitals.is_due()
    beat(vitals)
    assert not vitals.enter(MeterState.UNREACHABLE, "connect_refused", "somebody")
    assert not vitals.is_due()
    vitals.condition("connection", "text")
    assert vitals.is_due()
    beat(vitals)
    vitals.condition("connection", "another text")
    assert not vitals.is_due()
    vitals.condition("connection", "")
    vitals.condition("connection", "")
    assert vitals.is_due()


def test_a_heartbeat_tells_everything() -> None:
    clock = StillClock()
    vitals = Vitals(clock)
    vitals.cycle(100)
    vitals.cycle(300)
    vitals.counters["reads_ok"] += 5
    vitals.facts["serial_number"] = "123"
    clock.sleep(1.0)
    vitals.read_succeeded()
    vitals.progress()
    told = beat(vitals)
    assert (told.pid, told.revision, told.interval_s) == (os.getpid(), 3, 2.0)
    assert told.last_read_boot_ms == told.last_progress_boot_ms == clock.boottime_ms()
    assert told.counters["reads_ok"] == 5
    assert told.counters["frames_sent"] == 7
    assert told.counters["missed_ticks"] == 0
    assert [told.gauges[f"cycle_ms_{name}"] for name in ("last", "avg", "min", "max")] == [300, 200, 100, 300]
    assert told.facts == {"serial_number": "123"}
    assert WorkerBeat.from_body(told.to_body()) == told


def test_old_cycles_are_forgotten() -> None:
    vitals = Vitals(StillClock())
    vitals.cycle(9999)
    for _ in range(KEPT_CYCLES):
        vitals.cycle(1)
    assert beat(vitals).gauges["cycle_ms_max"] == 1.0


def test_resources_are_those_of_this_process() -> None:
    found = resources()
    assert found["rss_bytes"] > 1 << 20
    assert found["open_fds"] >= 3
    assert found["cpu_s"] > 0


def test_every_cycle_is_counted_with_its_length_and_the_slow_ones_apart() -> None:
    vitals = Vitals(StillClock())
    for duration_ms in [*[100] * (2 * KEPT_CYCLES), SLOW_MS, SLOW_MS + 1, SLOW_MS - 1]:
        vitals.cycle(duration_ms)
    counters = beat(vitals).counters
    assert counters["cycle_ms_total"] == 2 * KEPT_CYCLES * 100 + 3 * SLOW_MS
    assert counters["cycles_slow"] == 2


def test_each_cycle_is_counted_once_under_the_least_bound_that_it_keeps() -> None:
    vitals = Vitals(StillClock())
    for took_ms in (0, 50, 51, 30_000, 30_001, 90_000):
        vitals.cycle(took_ms)
    told = beat(vitals).counters
    assert {name: told[name] for name in TOOK if name in told} == {
        "took_50_ms": 2,
        "took_100_ms": 1,
        "took_30000_ms": 1,
        "took_longer": 2,
    }
