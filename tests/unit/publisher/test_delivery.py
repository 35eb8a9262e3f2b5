"""The tables of a connection: states, delays, verdicts, strikes."""

from itertools import product

import pytest

from publisher.delivery import (
    LADDERS,
    MAX_REJECTIONS,
    PUBACK,
    STEPS,
    Death,
    Fault,
    IllegalStep,
    Life,
    Record,
    Seen,
    State,
    Verdict,
    delay_s,
    ended,
    fault_of_code,
    is_strike,
    rejection_delay_s,
    step,
    to_set_aside,
    verdict,
)


@pytest.mark.parametrize(("state", "seen"), list(product(State, Seen)))
def test_every_pair_is_a_step_or_is_illegal(state: State, seen: Seen) -> None:
    if (state, seen) in STEPS:
        assert step(state, seen) is STEPS[state, seen]
    else:
        with pytest.raises(IllegalStep, match=seen.name):
            step(state, seen)


def test_every_state_can_be_left_and_reached() -> None:
    assert {state for state, _ in STEPS} == set(State) == set(STEPS.values())


def record_after(*lives: Life) -> Record:
    record = Record()
    for life in lives:
        record = ended(record, life)
    return record


def test_every_fault_has_a_ladder() -> None:
    assert set(LADDERS) == set(Fault)


def test_a_broker_that_is_away_is_tried_soon_and_then_every_three_seconds() -> None:
    delays = [delay_s(record_after(*[Life(Fault.UNREACHABLE)] * count), 0.0) for count in range(1, 8)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0]


def test_a_lost_session_and_the_refused_connects_after_it_climb_one_ladder() -> None:
    record = record_after(Life(Fault.LOST, 100.0, 5), Life(Fault.UNREACHABLE), Life(Fault.UNREACHABLE))
    assert record.count == 3


def test_a_session_that_delivered_for_a_while_earns_the_first_delay_again() -> None:
    early = [Life(Fault.LOST, 1.0, 5)] * 4
    assert delay_s(record_after(*early), 0.0) == 1.6
    assert delay_s(record_after(*early, Life(Fault.LOST, 30.0, 5)), 0.0) == 0.2
    assert delay_s(record_after(*early, Life(Fault.LOST, 30.0, 0)), 0.0) == 3.0


def test_jitter_shortens_a_delay_by_a_fifth_at_most() -> None:
    record = record_after(*[Life(Fault.UNREACHABLE)] * 9)
    assert delay_s(record, 1.0) == pytest.approx(2.4)


def test_refused_credentials_are_not_hammered() -> None:
    record = record_after(*[Life(Fault.REFUSED)] * 20)
    assert delay_s(Record(Fault.REFUSED, 1), 0.0) == 5.0
    assert delay_s(record, 0.0) == 60.0


def test_a_session_that_keeps_being_taken_over_waits_for_minutes() -> None:
    record = record_after(*[Life(Fault.TAKEN_OVER, 15.0, 9)] * 6)
    assert delay_s(record, 0.0) == 300.0
    assert record_after(Life(Fault.TAKEN_OVER, 15.0, 9), Life(Fault.LOST, 61.0, 9)).count == 1


def test_short_sessions_in_a_row_are_a_takeover_where_no_cause_is_named() -> None:
    short = Life(Fault.LOST, 0.5, 3)
    assert record_after(*[short] * 4).fault is Fault.LOST
    assert record_after(*[short] * 5).fault is Fault.TAKEN_OVER
    assert record_after(*[short] * 4, Life(Fault.UNREACHABLE), short).fault is Fault.LOST
    named = Life(Fault.LOST, 0.5, 3, code=0x8B)
    assert record_after(*[named] * 9).fault is Fault.LOST


def test_after_a_takeover_a_session_of_less_than_a_minute_is_one_more() -> None:
    taken = [Life(Fault.LOST, 0.5, 3)] * 5
    again = record_after(*taken, Life(Fault.LOST, 20.0, 9))
    assert (again.fault, again.count) == (Fault.TAKEN_OVER, 2)
    assert record_after(*taken, Life(Fault.LOST, 61.0, 9)).fault is Fault.LOST


@pytest.mark.parametrize(
    ("code", "opened", "fault"),
    [
        (0x87, False, Fault.REFUSED),
        (0x86, False, Fault.REFUSED),
        (0x85, False, Fault.REFUSED),
        (0x88, False, Fault.BUSY),
        (0x9F, False, Fault.BUSY),
        (0x80, False, Fault.BUSY),
        (0x8E, True, Fault.TAKEN_OVER),
        (0x8B, True, Fault.LOST),
        (0x97, True, Fault.BUSY),
        (0x98, True, Fault.LOST),
        (0x81, True, Fault.LOST),
    ],
)
def test_a_code_of_the_broker_is_one_fault(code: int, opened: bool, fault: Fault) -> None:
    assert fault_of_code(code, opened=opened) is fault


def test_a_quota_pauses_the_connection_and_every_other_code_the_lane() -> None:
    assert {code for code, what in PUBACK.items() if what is Verdict.PAUSE} == {0x97}
    assert verdict(0xEE) is Verdict.RETRY


def test_only_a_permanent_code_sets_a_row_aside_and_only_after_its_tries() -> None:
    assert not to_set_aside(0x90, MAX_REJECTIONS - 1)
    assert to_set_aside(0x90, MAX_REJECTIONS)
    assert to_set_aside(0x99, MAX_REJECTIONS)
    assert not to_set_aside(0x87, 1000)
    assert not to_set_aside(0x97, 1000)


def test_a_refused_packet_waits_up_to_a_minute() -> None:
    assert [rejection_delay_s(count) for count in (1, 2, 3, 7, 100)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert [rejection_delay_s(count, code=0x87) for count in (1, 2, 3, 4)] == [15.0, 30.0, 60.0, 60.0]
    assert rejection_delay_s(100, quota=True) == 30.0


@pytest.mark.parametrize(
    ("death", "strike"),
    [
        (Death(alone=True, session_age_s=11.0, acknowledged_others=1, since_sent_s=0.5), True),
        (Death(alone=False, session_age_s=11.0, acknowledged_others=1, since_sent_s=0.5), False),
        (Death(alone=True, session_age_s=9.0, acknowledged_others=1, since_sent_s=0.5), False),
        (Death(alone=True, session_age_s=11.0, acknowledged_others=0, since_sent_s=0.5), False),
        (Death(alone=True, session_age_s=11.0, acknowledged_others=1, since_sent_s=2.5), False),
    ],
)
def test_a_death_is_a_strike_only_with_all_the_evidence(death: Death, strike: bool) -> None:
    assert is_strike(death) is strike
