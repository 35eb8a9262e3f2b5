"""The link's rarer ways: association anew, refusals of other kinds, lines held by others."""

from pathlib import Path

import pytest

from common.meter_state import DesiredState, MeterState
from poller.line import LineLock
from poller.simulator import Asked, FaultKind
from poller.turnstile import Turnstile
from tests.support.nights import Night

GETS = frozenset([Asked.GET])
POLLS = frozenset([Asked.POLL])


def test_an_exception_response_is_an_association_anew_on_the_same_connection(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.EXCEPTION, count=1, on=GETS))
    night.play(60)
    assert night.wire.connects == 1
    assert night.wire.device.counters.associations == 2
    assert night.last.counters["reconnects"] == 1
    assert len(night.times) >= 29


def test_an_association_that_cannot_be_made_anew_is_a_lost_link(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.EXCEPTION, count=2, on=GETS))
    night.play(60)
    assert night.wire.connects == 2
    assert night.last.state is MeterState.ACTIVE


def test_associations_anew_are_bounded_like_reconnects(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for n in range(30):
        night.at(10 + 5 * n, lambda: night.fault(FaultKind.EXCEPTION, count=1, on=GETS))
    night.play(400)
    assert (MeterState.UNREACHABLE, "circuit_breaker") in night.states()
    assert night.last.counters["reconnects"] <= 11


def test_an_association_refused_for_another_reason_rests_a_minute(tmp_path: Path) -> None:
    night = Night(tmp_path, client_id=99).play(600)
    assert night.last.state is MeterState.UNREACHABLE
    assert night.last.cause == "association_refused"
    assert night.wire.connects < 40


@pytest.mark.parametrize(("asked", "line"), [(Asked.SNRM, "silent"), (Asked.AARQ, "speaks"), (Asked.GET, "associates")])
def test_a_link_that_fails_tells_how_far_it_came(tmp_path: Path, asked: Asked, line: str) -> None:
    """The answer to the DISC by which a failed link is left is none."""
    night = Night(tmp_path)
    night.fault(FaultKind.DEAF, count=1000, on=frozenset([asked]))
    night.play(60)
    assert (night.last.state, night.last.facts["line"]) == (MeterState.UNREACHABLE, line)


def test_a_line_taken_by_another_during_a_pause_is_asked_for_again(tmp_path: Path) -> None:
    night = Night(tmp_path)
    other = LineLock(Path(night.file.lock_dir))
    night.at(20, lambda: night.change(desired_state=DesiredState.PAUSED))
    night.at(25, lambda: other.take("127.0.0.1", night.file.port))
    night.at(30, lambda: night.change(desired_state=DesiredState.RUNNING))
    night.at(60, other.release)
    night.play(90)
    assert (MeterState.UNREACHABLE, "line_held") in night.states()
    assert night.last.state is MeterState.ACTIVE
    assert 60 <= next(at for at in night.times if at > 25) < 66


def test_a_shared_line_waits_for_its_turn_without_complaint(tmp_path: Path) -> None:
    night = Night(tmp_path, line_mode="shared")
    other = LineLock(Path(night.file.lock_dir))
    night.at(10, lambda: other.take("127.0.0.1", night.file.port))
    night.at(11.5, other.release)
    night.play(30)
    assert night.last.conditions == {}
    assert {state for state, _ in night.states()} == {MeterState.STARTING, MeterState.ACTIVE}
    assert len(night.times) >= 13


def test_a_keep_alive_that_finds_the_meter_gone_is_a_lost_link(tmp_path: Path) -> None:
    night = Night(tmp_path, interval_s=3600.0)
    night.at(100, lambda: night.fault(FaultKind.RST, count=1, on=POLLS))
    night.play(400)
    assert night.last.counters["reconnects"] == 1
    assert night.last.state is MeterState.ACTIVE


def test_a_short_outage_leaves_the_state_active(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.FIN, count=1, on=GETS))
    night.play(60)
    assert [state for state, _ in night.states()] == [MeterState.STARTING, MeterState.ACTIVE]


def test_a_crowd_that_connects_is_spread_and_the_wait_counts_as_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path)
    turns = Turnstile(Path(night.file.lock_dir), night.clock)
    for _ in range(60):
        turns.wait_s(night.file.limits.connects_per_s)
    night.play(10)
    assert 2.0 <= night.times[0] < 4.5
    assert night.last.counters["connects"] == night.wire.connects == 1
    assert {state for state, _ in night.states()} == {MeterState.STARTING, MeterState.ACTIVE}
