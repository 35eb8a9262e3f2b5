"""The worker's loop, played on a clock that moves only by waiting."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from common.meter_state import DesiredState, MeterState
from common.reading import Quality
from common.secret import Secret
from common.worker_file import Limits, Measurement
from poller.errors import LineHeld
from poller.line import LineLock
from poller.simulator import FaultKind, MeterSpec
from tests.support.nights import Night
from tests.support.workers import MEASUREMENTS


def test_an_hour_is_read_every_two_seconds_without_drift(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(0.05, 0.05))).play(3600)
    assert len(night.times) == 1800
    gaps = {round(b - a, 3) for a, b in pairwise(night.times[1:])}
    assert gaps == {2.0}
    assert night.last.counters["missed_ticks"] == 0


def test_heartbeats_come_every_five_seconds_and_at_each_change(tmp_path: Path) -> None:
    night = Night(tmp_path).play(60)
    times = [at for at, _ in night.feed.beats]
    assert max(b - a for a, b in pairwise(times)) <= 5.5
    assert night.states() == [(MeterState.STARTING, ""), (MeterState.ACTIVE, "")]


def test_heartbeats_go_on_while_a_meter_answers_slowly(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(4.0, 4.0))).play(120)
    times = [at for at, _ in night.feed.beats]
    assert max(b - a for a, b in pairwise(times)) <= 5.5
    assert night.times


def test_a_worker_whose_meter_is_very_slow_goes_on_request_by_request(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(4.5, 4.5)))
    night.play(300)
    since: dict[int, float] = {}
    for at, beat in night.feed.beats:
        since.setdefault(beat.last_progress_boot_ms, at)
    assert max(b - a for a, b in pairwise(since.values())) <= 10.5


def test_a_cycle_longer_than_its_interval_misses_ticks_and_says_what_to_drop(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(0.45, 0.45))).play(60)
    assert night.last.counters["missed_ticks"] > 0
    assert night.last.conditions["performance"].endswith("raise it or drop active_energy")


def test_measurements_have_intervals_of_their_own(tmp_path: Path) -> None:
    slow = (*MEASUREMENTS[:4], replace(MEASUREMENTS[4], interval_s=60.0))
    night = Night(tmp_path, measurements=slow).play(600)
    with_energy = [reading for _, reading in night.feed.readings if len(reading.quantities) == 5]
    assert len(night.feed.readings) == 300
    assert 10 <= len(with_energy) <= 11


def test_a_failed_read_is_made_once_more(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.BUSY, count=1))
    night.play(60)
    assert all(reading.failures == () for _, reading in night.feed.readings)


def test_a_quantity_that_fails_twice_is_named_and_asked_again_in_the_next_cycle(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.BUSY, count=2))
    night.play(60)
    partial = [reading for _, reading in night.feed.readings if reading.failures]
    assert [[(item.key, item.kind) for item in reading.failures] for reading in partial] == [
        [("voltage_l1", "temporary_failure")]
    ]
    assert partial[0].quality == (Quality.PARTIAL,)
    assert len(partial[0].quantities) == 4
    assert night.last.counters["cycles_partial"] == 1


def test_a_meter_that_has_nothing_of_what_is_wished_says_so_until_the_wish_is_another(tmp_path: Path) -> None:
    wrong = tuple(replace(item, obis=item.obis.replace("1-1:", "1-0:")) for item in MEASUREMENTS)
    night = Night(tmp_path, measurements=wrong)
    night.at(60, lambda: night.change(measurements=MEASUREMENTS))
    night.play(120)
    said = [beat for _, beat in night.feed.beats if beat.state is MeterState.ERROR]
    assert "nothing of what is to be read: object-undefined" in said[-1].conditions["process"]
    assert night.states()[-2:] == [(MeterState.ERROR, "object_undefined"), (MeterState.ACTIVE, "")]
    assert "process" not in night.last.conditions
    assert 60 <= night.times[0] <= 65


def test_five_failed_cycles_are_a_reconnect(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.BUSY, lasting=14.0))
    night.play(60)
    assert night.last.counters["reconnects"] == 1
    assert night.last.counters["cycles_failed"] >= 5
    assert night.wire.device.counters.associations == 2
    assert night.wire.device.counters.discs == 2


def test_a_link_that_breaks_keeps_what_was_read(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(0.1, 0.1)))
    night.at(10.2, lambda: night.fault(FaultKind.RST, on=frozenset(["get"])))
    night.play(60)
    partial = [reading for _, reading in night.feed.readings if reading.failures]
    assert len(partial) <= 1
    assert night.last.counters["reconnects"] == 1
    assert all({item.kind for item in reading.failures} == {"peer_reset"} for reading in partial)


def test_silence_is_a_lost_link_after_two_waits(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.DEAF, lasting=100.0))
    night.play(300)
    lost = [beat for _, beat in night.feed.beats if beat.state is MeterState.UNREACHABLE]
    assert lost
    assert night.last.state is MeterState.ACTIVE
    assert night.last.counters["reconnects"] == 1
    gap = max(b - a for a, b in pairwise(night.times))
    assert gap < 100 + 60 + 20


def test_an_unreachable_meter_is_tried_for_ever_with_growing_pauses(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.wire.reachable = False
    night.at(7200, lambda: setattr(night.wire, "reachable", True))
    night.play(7400)
    assert 100 < night.wire.connects < 140
    assert night.states()[:2] == [(MeterState.STARTING, ""), (MeterState.UNREACHABLE, "connect_refused")]
    assert "open" in {beat.facts.get("breaker") for _, beat in night.feed.beats}
    assert night.last.state is MeterState.ACTIVE
    assert night.last.facts["breaker"] == "closed"
    assert 7200 < night.times[0] < 7263


def test_more_than_ten_reconnects_in_an_hour_pause_for_five_minutes(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for n in range(11):
        night.at(60 + 30 * n, lambda: night.fault(FaultKind.RST, on=frozenset(["get"])))
    night.play(1200)
    assert night.last.counters["reconnects"] == 11
    assert (MeterState.UNREACHABLE, "circuit_breaker") in night.states()
    assert max(b - a for a, b in pairwise(night.times)) == pytest.approx(302, abs=3)
    assert "circuit_breaker" in night.last.conditions
    night.play(3600)
    assert "circuit_breaker" not in night.last.conditions


def refusing(root: Path) -> Night:
    """Return a night with a password that the meter does not take."""
    return Night(root, authentication="lls", client_id=1, password=Secret("33333333"))


def test_a_refused_password_gets_two_tries_then_one_in_half_an_hour(tmp_path: Path) -> None:
    night = refusing(tmp_path).play(1700)
    assert night.wire.device.counters.refused == 2
    assert night.last.state is MeterState.AUTH_FAILED
    assert "auth" in night.last.conditions
    night.play(1000)  # a restart in between, and thirty minutes pass
    assert night.wire.device.counters.refused == 3
    night.play(800)
    assert night.wire.device.counters.refused == 3


def test_new_credentials_are_tried_at_once(tmp_path: Path) -> None:
    night = refusing(tmp_path)
    night.at(100, lambda: night.change(password=Secret("22222222")))
    night.play(110)
    assert night.wire.device.counters.refused == 2
    assert 100 <= night.times[0] < 105
    assert night.last.conditions == {}


def test_a_command_does_not_hammer_a_meter_that_refuses(tmp_path: Path) -> None:
    night = refusing(tmp_path)
    for n, verb in enumerate(("read", "test", "reconnect")):
        night.at(100 + n, partial(night.order, verb))
    night.play(200)
    assert {verb: result.error_kind for verb, result in night.feed.results.items()} == dict.fromkeys(
        ("read", "test", "reconnect"), "not_readable"
    )
    assert night.wire.device.counters.refused == 2


def test_ten_minutes_without_a_value_force_a_reconnect(tmp_path: Path) -> None:
    gone = (Measurement("nothing", "1-1:99.99.9"),)
    night = Night(tmp_path, measurements=gone)
    night.play(1300)
    assert night.wire.device.counters.associations == 3
    # It is known why nothing is read, so that this is no watchdog's alarm; and it stays known over a new association.
    assert night.last.conditions.keys() == {"process"}
    assert night.states()[1:] == [(MeterState.ACTIVE, ""), (MeterState.ERROR, "object_undefined")]


def test_ten_minutes_of_failed_reads_are_the_watchdogs_alarm_until_one_succeeds(tmp_path: Path) -> None:
    night = Night(tmp_path, limits=Limits(failed_cycles_to_reconnect=0))
    night.at(10, lambda: night.fault(FaultKind.BUSY, count=100_000, on=frozenset(["get"])))
    night.at(620, lambda: night.wire.device.faults.clear())
    night.play(700)
    held = [at - night.start for at, beat in night.feed.beats if "watchdog" in beat.conditions]
    assert held
    assert 600 <= held[0] < 620
    assert night.last.conditions == {}
    assert night.last.state is MeterState.ACTIVE


def test_a_breaker_that_opens_is_an_alarm_until_the_meter_lets_us_in(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.wire.reachable = False
    night.at(1500, lambda: setattr(night.wire, "reachable", True))
    night.play(1700)
    held = [at - night.start for at, beat in night.feed.beats if "circuit_breaker" in beat.conditions]
    assert held[0] > 100
    assert any(beat.facts.get("breaker") == "open" for _, beat in night.feed.beats)
    assert night.last.conditions == {}


def test_damaged_frames_are_an_alarm_until_the_line_is_quiet_for_five_minutes(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for at in (10, 700, 1400, 2100, 2800, 2900):
        night.at(at, lambda: night.fault(FaultKind.BAD_FCS, count=1, on=frozenset(["get"])))
    night.play(3600)
    held = [at - night.start for at, beat in night.feed.beats if "hdlc" in beat.conditions]
    assert 2800 <= held[0] < 2810
    assert 3195 <= held[-1] < 3205
    assert night.last.conditions == {}


def test_fifteen_hdlc_errors_in_a_row_are_a_new_link(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: night.fault(FaultKind.BAD_FCS, count=16, probability=0.5, on=frozenset(["get"])))
    night.play(120)
    assert night.last.counters["bad_frames"] >= 15
    assert night.last.counters["reconnects"] >= 1
    assert "hdlc" in night.last.conditions


def test_an_idle_link_is_kept_alive_before_the_meter_drops_it(tmp_path: Path) -> None:
    night = Night(tmp_path, interval_s=900.0).play(3600)
    assert night.wire.device.counters.associations == 1
    assert night.wire.device.counters.expired == 0
    assert night.wire.device.counters.requests > 20


def test_connection_age_and_number_of_reads_reconnect_only_when_asked_to(tmp_path: Path) -> None:
    night = Night(tmp_path, limits=replace(Limits(), connection_max_age_s=60.0)).play(601)
    assert 9 <= night.wire.device.counters.associations <= 11
    assert night.last.counters["reconnects"] == 0


def test_a_pause_lets_go_of_the_meter_and_a_resume_takes_it_again(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(60, lambda: night.change(desired_state=DesiredState.PAUSED))
    night.at(120, lambda: night.change(desired_state=DesiredState.RUNNING))
    night.play(180)
    gap = max(pairwise(night.times), key=lambda pair: pair[1] - pair[0])
    assert 58 <= gap[0] < 62
    assert 120 <= gap[1] < 124
    assert (MeterState.PAUSED, "paused") in night.states()
    assert night.last.counters["reconnects"] == 0
    assert night.wire.device.counters.discs == 2


def test_a_worker_that_starts_paused_never_connects(tmp_path: Path) -> None:
    night = Night(tmp_path, desired_state=DesiredState.PAUSED).play(60)
    assert night.wire.connects == 0
    assert night.last.state is MeterState.PAUSED


def test_a_lock_held_at_the_first_attempt_ends_the_worker(tmp_path: Path) -> None:
    night = Night(tmp_path)
    other = LineLock(Path(night.file.lock_dir))
    other.take("127.0.0.1", night.file.port)
    with pytest.raises(LineHeld):
        night.play(10)
    other.release()


def test_a_shared_line_is_let_go_after_each_cycle(tmp_path: Path) -> None:
    night = Night(tmp_path, line_mode="shared").play(21)
    assert len(night.times) in {10, 11}
    assert night.wire.device.counters.associations == len(night.times)
    assert night.last.counters["reconnects"] == 0
    assert night.last.counters["scaler_misses"] == len(MEASUREMENTS)


def test_an_implausible_value_is_marked_and_published(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.at(10, lambda: setattr(night.wire.device.registers, "energy", 5))
    night.play(30)
    marked = [reading for _, reading in night.feed.readings if Quality.IMPLAUSIBLE in reading.quality]
    assert len(marked) == 1
    assert len(marked[0].quantities) == 5
    assert any("plausibility" in beat.conditions for _, beat in night.feed.beats)
    assert "plausibility" not in night.last.conditions


def test_everything_is_let_go_at_the_end(tmp_path: Path) -> None:
    night = Night(tmp_path).play(10)
    assert night.wire.device.counters.discs == 1
    LineLock(Path(night.file.lock_dir)).take("127.0.0.1", night.file.port)
