"""The recovery ladder under any order of events."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from common.breaker import Breaker
from common.worker_file import Limits
from poller import recovery
from poller.recovery import History

LIMITS = Limits()


@dataclass(frozen=True)
class Event:
    """What happens next, and how long after the event before."""

    name: str
    after: float


EVENTS = st.lists(
    st.builds(Event, st.sampled_from(["fails", "connects", "regains", "refuses"]), st.floats(0.0, 2000.0)), max_size=200
)


def play(events: list[Event]) -> list[tuple[float, History]]:
    """Return the histories that the events lead to, with their times."""
    now, history, found = 0.0, History(), []
    for event in events:
        now += event.after
        history = recovery.probing(history)
        if event.name == "fails":
            history = recovery.connect_failed(history, LIMITS)
        elif event.name == "refuses":
            history = recovery.refused(history)
        else:
            history = recovery.connected(history, now, regained=event.name == "regains")
        found.append((now, history))
    return found


@given(EVENTS, st.floats(0.0, 1.0, exclude_max=True))
def test_a_meter_is_always_tried_again_and_never_at_once(events: list[Event], draw: float) -> None:
    for now, history in play(events):
        delays = (
            recovery.delay_after_failure(history, LIMITS, draw),
            recovery.delay_after_loss(history, now, LIMITS),
            recovery.delay_after_refusal(history, LIMITS, draw),
        )
        assert all(1.0 <= delay <= 1800.0 for delay in delays)


@given(EVENTS)
def test_the_breaker_is_open_exactly_after_too_many_failures(events: list[Event]) -> None:
    for _, history in play(events):
        many = history.failed_connects >= LIMITS.breaker_failures
        assert (history.breaker is Breaker.OPEN) == many


@given(EVENTS)
def test_a_link_is_never_regained_more_than_ten_times_an_hour_without_the_long_pause(events: list[Event]) -> None:
    for now, history in play(events):
        lately = recovery.reconnects_lately(history, now)
        pause = recovery.delay_after_loss(history, now, LIMITS)
        assert (pause == LIMITS.reconnect_pause_s) == (lately >= LIMITS.reconnects_per_hour)


@given(EVENTS)
def test_what_is_remembered_is_bounded(events: list[Event]) -> None:
    for _, history in play(events):
        assert len(history.reconnects) <= recovery.MAX_RECONNECTS


@given(EVENTS)
def test_a_third_refusal_in_a_row_waits_as_long_as_the_second(events: list[Event]) -> None:
    for _, history in play(events):
        if history.refusals >= recovery.AUTH_TRIES:
            assert recovery.delay_after_refusal(history, LIMITS, 0.5) == LIMITS.auth_retry_s
