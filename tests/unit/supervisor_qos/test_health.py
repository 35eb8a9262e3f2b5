"""The table of health: every row by a case that only it decides, and the order of the rows."""

import pytest

from common.meter_state import MeterState
from common.process_state import ProcessState
from supervisor_qos.health import (
    CONSEQUENCES,
    NOT_HEARD,
    ROWS,
    Ages,
    Facts,
    Health,
    Limits,
    judge,
    pending_since,
    went_stale_together,
)

LIMITS = Limits()
ACTIVE = MeterState.ACTIVE

ONE_CASE_PER_ROW = [
    (Health.OFF, Facts(wanted=False, process=ProcessState.STOPPED)),
    (Health.DOWN, Facts(process=ProcessState.FATAL)),
    (Health.DOWN, Facts(process=ProcessState.BACKOFF)),
    (Health.DOWN, Facts(process=ProcessState.EXITED)),
    (Health.SILENT, Facts(said=ACTIVE, ages=Ages(heard_s=12.1))),
    (Health.SILENT, Facts(said=MeterState.PAUSED, ages=Ages(heard_s=13.0))),
    (Health.PAUSED, Facts(said=MeterState.PAUSED, ages=Ages(read_s=1e6))),
    (Health.HONEST, Facts(said=MeterState.UNREACHABLE, answers=True, ages=Ages(read_s=1e6, progress_s=1e6))),
    (Health.HONEST, Facts(said=MeterState.AUTH_FAILED, ages=Ages(read_s=1e6))),
    (Health.HONEST, Facts(said=ACTIVE, breaker_open=True, ages=Ages(read_s=1e6))),
    (Health.STARTING, Facts(spoken=False, ages=Ages(heard_s=35.0))),
    (Health.STUCK, Facts(said=ACTIVE, answers=True, ages=Ages(read_s=21.0, progress_s=21.0))),
    (Health.STALE, Facts(said=ACTIVE, answers=True, ages=Ages(read_s=21.0, progress_s=1.0))),
    (Health.STALE, Facts(said=ACTIVE, answers=True, reply_s=30.0, ages=Ages(read_s=60.0, progress_s=59.0))),
    (Health.STALE, Facts(said=ACTIVE, ages=Ages(read_s=21.0, progress_s=21.0))),
    (Health.STARTING, Facts(said=MeterState.STARTING, ages=Ages(read_s=19.0))),
    (Health.STALE, Facts(said=MeterState.STARTING, ages=Ages(read_s=21.0))),
    (Health.UNTAKEN, Facts(said=ACTIVE, ages=Ages(untaken_s=21.0, undelivered_s=30.0))),
    (Health.UNDELIVERED, Facts(said=ACTIVE, ages=Ages(undelivered_s=21.0))),
    (Health.FINE, Facts(said=ACTIVE, ages=Ages(heard_s=12.0, read_s=20.0, untaken_s=20.0, undelivered_s=20.0))),
    (Health.STARTING, Facts(process=ProcessState.ABSENT)),
]


@pytest.mark.parametrize(("health", "facts"), ONE_CASE_PER_ROW)
def test_each_row_has_its_case(health: Health, facts: Facts) -> None:
    assert judge(facts, LIMITS) is health


def test_every_health_has_a_row_a_case_and_a_consequence() -> None:
    assert {health for health, _ in ROWS} == set(Health) == set(CONSEQUENCES)
    assert {health for health, _ in ONE_CASE_PER_ROW} == set(Health)


def test_a_slow_meter_is_stale_after_three_intervals_not_after_twenty_seconds() -> None:
    slow = Facts(said=ACTIVE, interval_s=60.0, ages=Ages(read_s=179.0))
    assert judge(slow, LIMITS) is Health.FINE
    assert judge(Facts(said=ACTIVE, interval_s=60.0, ages=Ages(read_s=181.0)), LIMITS) is Health.STALE


def test_only_silence_and_being_stuck_replace_a_worker() -> None:
    assert {health for health, what in CONSEQUENCES.items() if what.replace} == {Health.SILENT, Health.STUCK}


def test_a_meter_that_is_honest_keeps_its_own_state() -> None:
    assert CONSEQUENCES[Health.HONEST].state is None


def test_what_waits_is_as_old_as_its_first() -> None:
    since = pending_since(0, produced=100, consumed=50)
    assert since == 100
    since = pending_since(since, produced=300, consumed=50)
    assert since == 100
    assert pending_since(since, produced=300, consumed=310) == 0
    assert pending_since(since, produced=300, consumed=150) == 300


def test_nothing_waits_where_the_later_stage_is_ahead() -> None:
    assert pending_since(0, produced=100, consumed=101) == 0
    assert pending_since(0, produced=0, consumed=0) == 0


def _fleet(**counts: int) -> dict[bytes, Health]:
    healths = [Health[name.upper()] for name, count in counts.items() for _ in range(count)]
    return {number.to_bytes(16): health for number, health in enumerate(healths)}


def test_five_of_sixteen_are_together_five_of_seventeen_are_not() -> None:
    assert went_stale_together(_fleet(stale=5, fine=11), 0.3, 5)
    assert not went_stale_together(_fleet(stale=5, fine=12), 0.3, 5)


def test_four_are_never_a_fleet() -> None:
    assert not went_stale_together(_fleet(stale=4), 0.3, 5)


def test_workers_that_are_not_heard_neither_count_nor_are_counted() -> None:
    assert {Health.OFF, Health.DOWN, Health.SILENT} == NOT_HEARD
    assert went_stale_together(_fleet(honest=2, stale=3, silent=100), 0.3, 5)
    assert not went_stale_together(_fleet(silent=100, fine=1), 0.3, 5)
