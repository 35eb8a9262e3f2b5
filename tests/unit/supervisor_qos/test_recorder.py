"""The recorder against a real store: what is written, when, and what is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.diagnostic import Diagnostic, LineFrame
from common.envelope import Envelope, Kind
from common.heartbeat import Delivery, PublisherBeat, WorkerBeat
from common.meter_state import MeterState
from common.process_state import Process, ProcessState
from common.reading import Failure, Quality, Quantity, Reading
from common.store.engine import Store, open_store
from common.store.errors import StoreUnavailable
from common.store.model import LAST_ERROR_MS, AlarmFilter, Change, Severity
from common.vault import Vault
from supervisor_qos.alarms import Alarm
from supervisor_qos.episodes import View
from supervisor_qos.health import Health
from supervisor_qos.judged import Judged
from supervisor_qos.observer import Latest, Worker
from supervisor_qos.policy import History
from supervisor_qos.recorder import Recorder, publisher_state
from tests.support.installation import StillClock, wish

BEAT = WorkerBeat(
    pid=7,
    revision=2,
    state=MeterState.ACTIVE,
    counters={"reads_ok": 5, "cycles_failed": 1, "octets_received": 90},
    gauges={"cycle_ms_avg": 2.5},
    facts={"serial_number": "42", "firmware_version": "1.0", "breaker": "closed"},
)


def judged(store: Store, worker: Worker, health: Health = Health.FINE) -> Judged:
    meters = store.meters.list()
    meter = meters[0] if meters else store.meters.add(wish(), "test")
    return Judged(meter, worker, Process("meter-00", ProcessState.RUNNING, pid=7), History(), health, 20.0)


def test_a_state_carries_the_workers_words_in_utc(store: Store, clock: StillClock) -> None:
    delivery = Delivery(last_taken_boot_ms=999_500, last_acknowledged_boot_ms=999_600, waiting=3, delivered=9)
    item = judged(store, Worker(beat=BEAT, heard_ms=999_900, read_ms=999_000, delivery=delivery))
    Recorder(store, clock).states([item])
    row = store.states.get(item.meter.uid)
    now = clock.wall_ms()
    assert (row.status, row.revision, row.process_id, row.serial_number) == (MeterState.ACTIVE, 2, 7, "42")
    assert (row.last_seen_ms, row.last_read_ms) == (now - 100, now - 1000)
    assert (row.last_taken_ms, row.last_acknowledged_ms) == (now - 500, now - 400)
    assert (row.metrics["delivery_waiting"], row.metrics["reads_ok"]) == (3, 5)
    assert row.network == {"octets_received": 90}
    assert (row.error_count, row.facts["health"]) == (1, "fine")


def test_what_did_not_change_is_not_written(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    item = judged(store, Worker(beat=BEAT, heard_ms=999_900))
    recorder.states([item])
    before = store.states.get(item.meter.uid)
    clock.sleep(5.0)
    recorder.states([item])
    assert store.states.get(item.meter.uid) == before


def test_what_the_supervisor_found_is_the_cause(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    recorder.states([judged(store, Worker(beat=BEAT), Health.UNDELIVERED)])
    (row,) = store.states.list()
    assert (row.status, row.cause) == (MeterState.STALE, "not_acknowledged")
    recorder.states([judged(store, Worker(beat=BEAT))])
    (row,) = store.states.list()
    assert (row.status, row.cause, row.last_error) == (MeterState.ACTIVE, "", "not_acknowledged")


def test_a_restarted_supervisor_keeps_what_it_does_not_know_yet(store: Store, clock: StillClock) -> None:
    item = judged(store, Worker(beat=BEAT, heard_ms=999_900, read_ms=999_000))
    Recorder(store, clock).states([item])
    again = Recorder(store, clock)
    again.load()
    again.states([replace(item, worker=Worker())])
    row = store.states.get(item.meter.uid)
    assert (row.last_read_ms, row.serial_number, row.revision) == (clock.wall_ms() - 1000, "42", 2)


def test_the_latest_values_are_floats_under_their_published_keys(store: Store, clock: StillClock) -> None:
    uid = judged(store, Worker()).meter.uid
    reading = Reading(
        (Quantity("voltage_l1", "1-1:32.7.0", 13369, -2, 35),), (Failure("frequency", "timeout"),), (Quality.PARTIAL,)
    )
    envelope = Envelope(Kind.READING, uid, b"epoch-01", 12, clock.wall_ms(), 1, body=None)
    Recorder(store, clock).latest({uid: Latest(envelope, reading)}, {uid: {"voltage_l1": "u1"}})
    row = store.states.latest(uid)
    assert row is not None
    assert (row.seq, row.values, row.failed) == (12, {"u1": 133.69}, {"frequency": "timeout"})
    assert row.units == {"u1": "V"}
    assert row.quality == ("partial",)


def active(store: Store) -> dict[str, tuple[str, int]]:
    return {alarm.dedup_key: (alarm.message, alarm.count) for alarm in store.alarms.active()}


OFF = Alarm("clock", "off", Severity.WARNING, component="system")


def look(recorder: Recorder, *alarms: Alarm, after_s: float = 0.0) -> list[tuple[Change, str]]:
    assert isinstance(recorder.clock, StillClock)
    recorder.clock.sleep(after_s)
    view = View(recorder.clock.boottime_ms(), {alarm.key: alarm for alarm in alarms})
    return [(step.change, step.dedup_key) for step in recorder.alarms(view)]


def test_an_alarm_is_raised_once_updated_when_it_says_something_else_and_cleared(
    store: Store, clock: StillClock
) -> None:
    recorder = Recorder(store, clock)
    assert look(recorder, OFF) == [(Change.RAISED, "clock:system")]
    assert look(recorder, OFF, after_s=1) == []
    assert look(recorder, replace(OFF, message="far off"), after_s=59) == [(Change.UPDATED, "clock:system")]
    assert active(store) == {"clock:system": ("far off", 1)}
    assert look(recorder) == []
    assert look(recorder, after_s=30) == [(Change.CLEARED, "clock:system")]
    assert active(store) == {}
    assert store.alarms.list(AlarmFilter(active=False))[1] == 1


def test_an_alarm_of_an_earlier_supervisor_is_neither_raised_twice_nor_left(store: Store, clock: StillClock) -> None:
    look(Recorder(store, clock), OFF)
    again = Recorder(store, clock)
    again.load()
    assert look(again, OFF, after_s=5) == []
    assert active(store) == {"clock:system": ("off", 1)}
    look(again, after_s=1)
    assert look(again, after_s=30) == [(Change.CLEARED, "clock:system")]


def test_a_store_that_was_away_is_told_afterwards(store: Store, clock: StillClock, tmp_path: Path) -> None:
    recorder = Recorder(store, clock)
    vault = Vault.load(tmp_path / "store" / "master.key")
    recorder.store = open_store(f"sqlite:///{tmp_path}/nowhere/store.db", vault, clock=clock)
    with pytest.raises(StoreUnavailable):
        look(recorder, OFF)
    recorder.store = store
    assert look(recorder, OFF, after_s=1) == [(Change.RAISED, "clock:system")]


def test_diagnostics_go_to_the_store(store: Store, clock: StillClock) -> None:
    event = Diagnostic(5, "warning", "hdlc", "bad_frame", "wrong check sequence", (LineFrame("sent", 3, b"\x7e"),), 2)
    Recorder(store, clock).diagnostics([(b"u" * 16, event)])
    (row,) = store.diagnostics.list(b"u" * 16)
    assert (row.kind, row.frames[0].octets) == ("bad_frame", "7e")


def test_components_say_when_they_spoke(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    recorder.states([])
    beat = PublisherBeat(pid=8, targets={"default": ("online", "")}, counters={"taken": 3})
    recorder.component("publisher", publisher_state(beat), 999_000)
    row = store.states.components()["publisher"]
    assert row.updated_ms == clock.wall_ms() - 1000
    assert (row.state["targets"], row.state["counters"]) == ({"default": ["online", ""]}, {"taken": 3})


def test_a_clock_step_moves_the_offset_a_jitter_does_not(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    item = judged(store, Worker(beat=BEAT, heard_ms=999_900))
    recorder.states([item])
    first = store.states.get(item.meter.uid).last_seen_ms
    recorder.clock = _Stepped(clock, 100)
    recorder.states([item])
    assert store.states.get(item.meter.uid).last_seen_ms == first
    recorder.clock = _Stepped(clock, 3_600_000)
    recorder.states([item])
    assert store.states.get(item.meter.uid).last_seen_ms == (first or 0) + 3_600_000


class _Stepped(StillClock):
    """Another clock's time with the wall clock set forward."""

    def __init__(self, base: StillClock, step_ms: int) -> None:
        super().__init__()
        self.passed_s, self._step_ms = base.passed_s, step_ms

    def wall_ms(self) -> int:
        return super().wall_ms() + self._step_ms


def test_the_last_error_keeps_the_time_at_which_it_began(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    well, away = Worker(beat=BEAT), Worker(beat=replace(BEAT, cause="connect_refused", detail="nobody"))
    times = []
    for worker in (away, away, well, well, away):
        clock.sleep(5.0)
        recorder.states([judged(store, worker)])
        times.append(int(store.states.list()[0].facts[LAST_ERROR_MS]) - clock.wall_ms())
    assert times == [0, -5000, -10_000, -15_000, 0]


def test_a_pause_is_no_error(store: Store, clock: StillClock) -> None:
    recorder = Recorder(store, clock)
    recorder.states([judged(store, Worker(beat=replace(BEAT, state=MeterState.PAUSED, cause="paused")))])
    (row,) = store.states.list()
    assert (row.status, row.cause, row.last_error) == (MeterState.PAUSED, "paused", "")
