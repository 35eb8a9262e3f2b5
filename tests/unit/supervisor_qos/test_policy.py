"""The ladder: each rung by what must and what must not be done."""

import pytest

from common.process_state import ProcessState
from supervisor_qos.health import Health
from supervisor_qos.policy import Act, Budget, Case, History, decide, delay_s, plan

BUDGET = Budget()
RUNNING, EXITED, FATAL, STOPPED = (
    ProcessState.RUNNING,
    ProcessState.EXITED,
    ProcessState.FATAL,
    ProcessState.STOPPED,
)
NAME = "meter-00"


def act(
    health: Health = Health.FINE,
    process: ProcessState = RUNNING,
    history: History | None = None,
    *,
    now: float = 1000.0,
    planned: bool = False,
    worker: bool = True,
) -> Act | None:
    case = Case(NAME, health, process, history or History(), planned=planned, worker=worker)
    decision = decide(case, BUDGET, now)
    return None if decision is None else decision.act


def starts(count: int, at: float = 900.0) -> History:
    return History(starts=tuple(at + place for place in range(count)), counted=count)


@pytest.mark.parametrize(
    "health",
    [
        Health.FINE,
        Health.STARTING,
        Health.PAUSED,
        Health.HONEST,
        Health.STALE,
        Health.UNTAKEN,
        Health.UNDELIVERED,
        Health.OFF,
    ],
)
def test_no_restart_for_causes_outside_the_process(health: Health) -> None:
    assert act(health) is None


@pytest.mark.parametrize("health", [Health.SILENT, Health.STUCK])
def test_silence_is_asked_for_its_stacks_then_killed(health: Health) -> None:
    assert act(health) is Act.DUMP
    assert act(health, history=History(dumped=999.5)) is None
    assert act(health, history=History(dumped=999.0)) is Act.KILL
    assert act(health, history=History(dumped=990.0, killed=998.0)) is None
    assert act(health, history=History(dumped=990.0, killed=995.0)) is Act.KILL


@pytest.mark.parametrize(("count", "delay"), [(0, 0.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (20, 60.0)])
def test_delays_double(count: int, delay: float) -> None:
    assert delay_s(count) == delay


@pytest.mark.parametrize("process", [EXITED, FATAL, STOPPED])
def test_what_supervisord_does_not_start_again_we_do_after_the_delay(process: ProcessState) -> None:
    ended = History(starts=(900.0, 910.0), ended=997.0)
    assert act(Health.DOWN, process, ended) is None
    assert act(Health.DOWN, process, ended, now=1001.0) is Act.START


def test_what_all_meters_depend_on_waits_fifteen_seconds_at_most() -> None:
    history = History(starts=tuple(map(float, range(900, 960, 6))), ended=985.0)
    case = Case("publisher", Health.FINE, FATAL, history, worker=False)
    assert decide(case, BUDGET, 999.5) is None
    assert decide(case, BUDGET, 1000.0) is not None


def test_the_first_start_again_is_at_once() -> None:
    assert act(Health.DOWN, FATAL, History(ended=1000.0)) is Act.START


def test_an_unexpected_exit_is_supervisords_for_five_seconds() -> None:
    case = Case(NAME, Health.DOWN, EXITED, History(ended=995.5), expected_exit=False)
    assert decide(case, BUDGET, 1000.0) is None
    assert decide(case, BUDGET, 1000.5) is not None


def test_supervisords_own_retry_is_left_alone() -> None:
    assert act(Health.DOWN, ProcessState.BACKOFF) is None


def test_five_starts_are_within_the_budget_six_are_not() -> None:
    assert act(history=starts(5)) is None
    assert act(history=starts(6)) is Act.BLOCK


@pytest.mark.parametrize(("health", "process"), [(Health.DOWN, EXITED), (Health.SILENT, RUNNING)])
def test_a_sixth_start_is_not_even_begun(health: Health, process: ProcessState) -> None:
    assert act(health, process, starts(5)) is Act.BLOCK


def test_a_blocked_worker_gets_one_start_each_retry_time() -> None:
    blocked = History(starts=starts(6).starts, blocked=700.0, ended=700.0)
    assert act(Health.DOWN, STOPPED, blocked, now=999.9) is None
    assert act(Health.DOWN, STOPPED, blocked, now=1000.0) is Act.START
    tried = History(starts=blocked.starts, blocked=700.0, tried=1000.0, ended=1001.0)
    assert act(Health.DOWN, FATAL, tried, now=1299.0) is None
    assert act(Health.DOWN, FATAL, tried, now=1300.0) is Act.START


def test_a_trial_that_ends_is_not_followed_by_supervisords_restart() -> None:
    trial = History(starts=(990.0, 1001.0), started=1001.0, blocked=700.0, tried=1000.0)
    assert act(history=trial, now=1002.0) is None
    again = History(starts=(990.0, 1001.0, 1003.0), started=1003.0, blocked=700.0, tried=1000.0)
    assert act(history=again, now=1004.0) is Act.STOP
    assert act(process=ProcessState.BACKOFF, history=again, now=1004.0) is Act.STOP


def test_a_trial_that_lives_is_trusted_again_unless_it_is_silent() -> None:
    trial = History(starts=(1001.0,), started=1001.0, blocked=700.0, tried=1000.0)
    assert act(history=trial, now=1060.0) is None
    assert act(history=trial, now=1061.0) is Act.TRUST
    assert act(Health.SILENT, history=trial, now=1061.0) is Act.DUMP


def test_a_person_who_asks_for_a_restart_gets_it_whatever_the_budget() -> None:
    assert act(history=starts(9), planned=True) is Act.STOP
    assert act(Health.DOWN, STOPPED, starts(9), planned=True) is Act.START
    assert act(Health.DOWN, ProcessState.STOPPING, planned=True) is None


def test_a_static_program_is_never_blocked_and_stays_stopped_if_a_person_stopped_it() -> None:
    assert act(history=starts(50), worker=False) is None
    assert act(process=FATAL, history=History(ended=0.0), worker=False) is Act.START
    assert act(process=STOPPED, history=History(ended=0.0), worker=False) is None
    assert act(Health.SILENT, worker=False) is Act.DUMP


def test_going_stale_together_replaces_nobody_who_is_heard() -> None:
    cases = [Case("a", Health.STUCK, RUNNING), Case("b", Health.SILENT, RUNNING)]
    assert [item.name for item in plan(cases, BUDGET, 0.0, together=True)] == ["b"]
    assert [item.name for item in plan(cases, BUDGET, 0.0)] == ["a", "b"]


def test_at_most_ten_replacements_are_begun_in_a_minute() -> None:
    cases = [Case(str(number), Health.SILENT, RUNNING) for number in range(30)]
    assert len(plan(cases, BUDGET, 0.0)) == 10
    assert len(plan(cases, BUDGET, 0.0, replaced=8)) == 2
    begun = [Case(str(number), Health.SILENT, RUNNING, History(dumped=0.0)) for number in range(30)]
    assert [item.act for item in plan(begun, BUDGET, 1.0, replaced=10)] == [Act.KILL] * 30
