"""The recovery table: a row for every leaf, and the ladder's counts."""

import inspect
from dataclasses import replace
from types import ModuleType

import pytest

from common.breaker import Breaker
from common.errors import Again, Barred, BridgeError, Hopeless, Reassociate, Relink, Skip
from common.worker_file import Limits
from poller import errors as worker_errors
from poller.dlms import errors as dlms_errors
from poller.recovery import (
    AUTH_TRIES,
    STEPS,
    Cause,
    History,
    Link,
    Step,
    connect_failed,
    connected,
    cycle_ended,
    damage_seen,
    delay_after_failure,
    delay_after_loss,
    delay_after_refusal,
    probing,
    reason_to_relink,
    reconnects_lately,
    refused,
    step_after,
)

FAMILIES = (Again, Skip, Relink, Reassociate, Barred, Hopeless)
LIMITS = Limits()
MIDDLE = 0.5


def leaves(module: ModuleType) -> list[type[BridgeError]]:
    """Return the errors that a module defines."""
    found = (value for _, value in inspect.getmembers(module, inspect.isclass))
    return [kind for kind in found if issubclass(kind, BridgeError) and kind.__module__ == module.__name__]


LEAVES = [*leaves(dlms_errors), *leaves(worker_errors)]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_has_a_row_and_one_family(leaf: type[BridgeError]) -> None:
    assert leaf in STEPS
    assert sum(issubclass(leaf, family) for family in FAMILIES) == 1


def test_the_table_has_no_row_for_what_does_not_exist() -> None:
    assert set(STEPS) == set(LEAVES)
    assert len(LEAVES) > 30


ALLOWED = {
    Again: {Step.RETRY},
    Skip: {Step.DROP, Step.RETRY},
    Relink: {Step.RELINK, Step.RETRY},
    Reassociate: {Step.REASSOCIATE},
    Barred: {Step.BAR, Step.REST},
    Hopeless: {Step.STOP},
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_row_agrees_with_its_family(leaf: type[BridgeError]) -> None:
    (family,) = (family for family in FAMILIES if issubclass(leaf, family))
    assert STEPS[leaf] in ALLOWED[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unknown_leaf_follows_its_family(family: type[BridgeError]) -> None:
    unknown = type("Unknown", (family,), {})
    assert step_after(unknown("x")) in ALLOWED[family]


def test_an_error_of_no_family_costs_the_link() -> None:
    assert step_after(BridgeError("x")) is Step.RELINK


def test_fifteen_failed_connects_open_the_breaker_and_one_probe_follows() -> None:
    history = History()
    for _ in range(14):
        history = connect_failed(history, LIMITS)
    assert history.breaker is Breaker.CLOSED
    history = connect_failed(history, LIMITS)
    assert history.breaker is Breaker.OPEN
    history = probing(history)
    assert history.breaker is Breaker.HALF_OPEN
    assert connect_failed(history, LIMITS).breaker is Breaker.OPEN
    assert connected(history, 0.0, regained=False).breaker is Breaker.CLOSED


def test_probing_leaves_a_closed_breaker_alone() -> None:
    assert probing(History()) == History()


def test_an_open_breaker_rests_thirty_seconds_at_least() -> None:
    limits = replace(LIMITS, backoff_max_s=10.0)
    history = History(failed_connects=20, breaker=Breaker.OPEN)
    assert delay_after_failure(history, limits, MIDDLE) == 30.0
    assert delay_after_failure(history, LIMITS, MIDDLE) == 60.0


@pytest.mark.parametrize(("failures", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0)])
def test_failed_connects_back_off(failures: int, seconds: float) -> None:
    assert delay_after_failure(History(failed_connects=failures), LIMITS, MIDDLE) == pytest.approx(seconds)


def test_the_eleventh_reconnect_within_an_hour_waits_five_minutes() -> None:
    history = History()
    for minute in range(10):
        assert delay_after_loss(history, minute * 60.0, LIMITS) == 1.0
        history = connected(history, minute * 60.0, regained=True)
    assert delay_after_loss(history, 600.0, LIMITS) == 300.0
    assert delay_after_loss(history, 3601.0, LIMITS) == 1.0
    assert reconnects_lately(history, 600.0) == 10


def test_a_link_let_go_by_our_own_wish_is_no_reconnect() -> None:
    assert connected(History(), 1.0, regained=False).reconnects == ()


def test_old_reconnects_are_forgotten() -> None:
    history = connected(connected(History(), 0.0, regained=True), 4000.0, regained=True)
    assert history.reconnects == (4000.0,)


def test_a_success_forgives_everything_but_reconnects() -> None:
    worse = History(5, 4, 3, 1, Breaker.HALF_OPEN, (1.0,))
    assert connected(worse, 2.0, regained=False) == History(reconnects=(1.0,))


def test_a_refused_password_is_tried_twice_then_in_half_an_hour() -> None:
    once = refused(History(failed_connects=7))
    assert once.failed_connects == 0
    assert delay_after_refusal(once, LIMITS, MIDDLE) == pytest.approx(2.0)
    twice = refused(once)
    assert twice.refusals == AUTH_TRIES
    assert delay_after_refusal(twice, LIMITS, MIDDLE) == 1800.0
    assert delay_after_refusal(refused(twice), LIMITS, MIDDLE) == 1800.0


STANDING = Link(since=0.0, last_success=100.0, reads=50, interval=2.0)


@pytest.mark.parametrize(
    ("history", "now", "limits", "cause"),
    [
        (History(), 101.0, LIMITS, None),
        (History(failed_cycles=4), 101.0, LIMITS, None),
        (History(failed_cycles=5), 101.0, LIMITS, Cause.FAILED_CYCLES),
        (History(hdlc_errors=14), 101.0, LIMITS, None),
        (History(hdlc_errors=15), 101.0, LIMITS, Cause.HDLC_ERRORS),
        (History(), 699.0, LIMITS, None),
        (History(), 700.0, LIMITS, Cause.NO_SUCCESS),
        (History(), 101.0, replace(LIMITS, connection_max_age_s=100.0), Cause.AGE),
        (History(), 101.0, replace(LIMITS, reconnect_after_reads=50), Cause.READS),
        (
            History(failed_cycles=99, hdlc_errors=99),
            9e9,
            replace(LIMITS, failed_cycles_to_reconnect=0),
            Cause.HDLC_ERRORS,
        ),
    ],
)
def test_reasons_to_give_up_a_link(history: History, now: float, limits: Limits, cause: Cause | None) -> None:
    assert reason_to_relink(history, STANDING, now, limits) is cause


def test_age_and_number_of_reads_are_no_reason_by_default() -> None:
    link = Link(since=0.0, last_success=1e6, reads=10**9, interval=2.0)
    assert reason_to_relink(History(), link, 1e6, LIMITS) is None


def test_a_meter_read_every_quarter_of_an_hour_is_not_barked_at() -> None:
    link = Link(since=0.0, last_success=100.0, reads=1, interval=900.0)
    assert reason_to_relink(History(), link, 1000.0, LIMITS) is None
    assert reason_to_relink(History(), link, 2800.0, LIMITS) is Cause.NO_SUCCESS


def test_one_good_cycle_breaks_the_row_of_failed_ones() -> None:
    history = History()
    for succeeded in (False, False, False, False, True, False):
        history = cycle_ended(history, succeeded=succeeded)
    assert history.failed_cycles == 1


def test_one_clean_cycle_breaks_the_row_of_hdlc_errors() -> None:
    assert damage_seen(damage_seen(History(), 3), 4).hdlc_errors == 7
    assert damage_seen(History(hdlc_errors=14), 0).hdlc_errors == 0
