"""The observer: last words, ages, and what it makes of what it cannot read."""

import pytest

from common.command import CommandResult
from common.diagnostic import Diagnostic, LineFrame
from common.envelope import Envelope, Kind, encode
from common.heartbeat import Delivery, PublisherBeat, WorkerBeat
from common.meter_state import MeterState
from common.reading import Quantity, Reading, Source
from supervisor_qos.health import NEVER_S
from supervisor_qos.observer import Observer

UID = bytes(range(16))
EPOCH = b"epoch-01"


def beat(**values: object) -> bytes:
    body = WorkerBeat(pid=7, state=MeterState.ACTIVE).to_body() | values
    return encode(Envelope(Kind.HEARTBEAT, UID, body=body))


def publisher_beat(delivery: Delivery) -> bytes:
    return encode(Envelope(Kind.PUBLISHER_HEARTBEAT, body=PublisherBeat(pid=8, meters={UID: delivery}).to_body()))


def reading(seq: int, boot_ms: int) -> bytes:
    body = Reading((Quantity("voltage_l1", "1-1:32.7.0*255", 13000, -2, 35),)).to_body()
    return encode(Envelope(Kind.READING, UID, EPOCH, seq, 1, boot_ms, body=body))


def spans(first: int, last: int) -> list[list[object]]:
    return [[EPOCH, first, last]]


def test_a_heartbeat_is_the_last_word() -> None:
    observer = Observer()
    observer.take(beat(), 1000)
    observer.take(beat(state="paused"), 2000)
    worker = observer.workers[UID]
    assert (worker.beat.pid, worker.beat.state, worker.heard_ms) == (7, MeterState.PAUSED, 2000)


def test_ages_are_since_the_last_word_of_the_present_process() -> None:
    observer = Observer()
    observer.take(beat(last_read_boot_ms=4000, last_progress_boot_ms=4500), 5000)
    ages = observer.ages(UID, 7, 1000, 8000)
    assert (ages.heard_s, ages.progress_s, ages.read_s) == (3.0, 3.5, 4.0)


def test_a_new_process_has_said_nothing_since_its_start() -> None:
    observer = Observer()
    observer.take(beat(last_read_boot_ms=4000), 5000)
    ages = observer.ages(UID, 9, 7000, 8000)
    assert (ages.heard_s, ages.progress_s, ages.read_s) == (1.0, 1.0, 1.0)


def test_nothing_known_is_older_than_everything() -> None:
    ages = Observer().ages(UID, 9, 0, 8000)
    assert ages.heard_s == ages.read_s == NEVER_S
    assert (ages.untaken_s, ages.undelivered_s) == (0.0, 0.0)


def test_readings_that_the_publisher_does_not_take_grow_old() -> None:
    observer = Observer()
    observer.take(publisher_beat(Delivery(last_taken_boot_ms=900, last_acknowledged_boot_ms=950)), 1000)
    observer.take(beat(last_read_boot_ms=2000, spans=spans(5, 6)), 2000)
    observer.take(beat(last_read_boot_ms=7000, spans=spans(5, 8)), 7000)
    assert observer.ages(UID, 7, 1, 9000).untaken_s == 7.0
    observer.take(publisher_beat(Delivery(last_taken_boot_ms=9000, last_acknowledged_boot_ms=9100)), 9000)
    assert observer.ages(UID, 7, 1, 9000).untaken_s == 0.0


def test_an_empty_journal_waits_for_nobody() -> None:
    observer = Observer()
    observer.take(beat(last_read_boot_ms=2000, spans=spans(9, 8)), 2000)
    assert observer.ages(UID, 7, 1, 90_000).untaken_s == 0.0


def test_rows_that_the_broker_does_not_acknowledge_grow_old() -> None:
    observer = Observer()
    observer.take(publisher_beat(Delivery(last_taken_boot_ms=2000, last_acknowledged_boot_ms=1500, waiting=1)), 2000)
    observer.take(publisher_beat(Delivery(last_taken_boot_ms=9000, last_acknowledged_boot_ms=1500, waiting=5)), 9000)
    assert observer.ages(UID, 7, 1, 10_000).undelivered_s == 8.0
    observer.take(publisher_beat(Delivery(last_taken_boot_ms=9000, last_acknowledged_boot_ms=1500)), 10_000)
    assert observer.ages(UID, 7, 1, 10_000).undelivered_s == 0.0


def test_a_meter_answers_when_octets_came_since_its_last_reading() -> None:
    observer = Observer()
    observer.take(beat(last_read_boot_ms=2000, counters={"octets_received": 100}), 2000)
    assert not observer.answers(UID)
    observer.take(beat(last_read_boot_ms=2000, counters={"octets_received": 150}), 7000)
    assert observer.answers(UID)
    observer.take(beat(last_read_boot_ms=8000, counters={"octets_received": 200}), 9000)
    assert not observer.answers(UID)


def test_the_last_reading_of_each_meter_is_given_once() -> None:
    observer = Observer()
    observer.take(beat(), 1000)
    observer.take(reading(1, 1100), 1100)
    observer.take(reading(2, 2100), 2100)
    assert [item.envelope.seq for item in observer.take_latest().values()] == [2]
    assert observer.take_latest() == {}
    assert observer.ages(UID, 7, 1, 3100).read_s == 1.0


def test_results_are_kept_until_somebody_takes_them() -> None:
    observer = Observer()
    body = CommandResult(ok=True, result={"pong": True}).to_body("id-1")
    observer.take(encode(Envelope(Kind.RESULT, UID, body=body)), 1000)
    assert [number for number, _ in observer.results] == ["id-1"]


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"", "bad_envelope"),
        (b"\xc1", "bad_envelope"),
        (b"\x91\x63", "unknown_version"),
        (encode(Envelope(Kind.HEARTBEAT, UID, body=[])), "bad_heartbeat"),
        (encode(Envelope(Kind.HEARTBEAT, UID, body={"state": "merry"})), "bad_heartbeat"),
        (encode(Envelope(Kind.HEARTBEAT, UID, body={"pid": "7"})), "bad_heartbeat"),
        (encode(Envelope(Kind.PUBLISHER_HEARTBEAT, body={"meters": {b"x": 1}})), "bad_heartbeat"),
        (encode(Envelope(Kind.READING, UID, body=[1])), "bad_reading"),
        (encode(Envelope(Kind.RESULT, UID, body=[])), "bad_command"),
        (encode(Envelope(Kind.COMMAND, UID, body=[])), "unexpected"),
    ],
)
def test_what_cannot_be_read_is_counted_and_passed_over(octets: bytes, kind: str) -> None:
    observer = Observer()
    observer.take(octets, 1000)
    assert observer.refused == {kind: 1}
    assert observer.workers == {}


def test_the_publishers_silence_is_that_of_its_present_process() -> None:
    observer = Observer()
    observer.take(publisher_beat(Delivery()), 1000)
    assert observer.publisher_silent_s(8, 500, 4000) == 3.0
    assert observer.publisher_silent_s(9, 3500, 4000) == 0.5


def test_a_meter_that_is_gone_is_forgotten() -> None:
    observer = Observer()
    observer.take(beat(), 1000)
    observer.forget(UID)
    assert UID not in observer.workers


def test_diagnostics_wait_to_be_written_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    event = Diagnostic(5, "warning", "hdlc", "bad_frame", "wrong check sequence", (LineFrame("sent", 3, b"\x7e"),), 2)
    octets = encode(Envelope(Kind.DIAGNOSTIC, UID, body=event.to_body()))
    monkeypatch.setattr("supervisor_qos.observer.MAX_DIAGNOSTICS", 2)
    observer = Observer()
    for _ in range(3):
        observer.take(octets, 1000)
    assert observer.diagnostics == [(UID, event)] * 2
    observer.take(encode(Envelope(Kind.DIAGNOSTIC, UID, body={})), 1000)
    assert observer.refused == {"diagnostics_full": 2}
    observer.diagnostics.clear()
    observer.take(encode(Envelope(Kind.DIAGNOSTIC, UID, body={})), 1000)
    assert observer.refused["bad_diagnostic"] == 1


def test_a_row_of_the_load_profile_is_no_sign_that_the_meter_is_read() -> None:
    observer = Observer()
    observer.take(beat(), 1000)
    row = Reading((Quantity("active_energy", "1-0:1.8.0", 7),), source=Source.PROFILE)
    observer.take(encode(Envelope(Kind.READING, UID, EPOCH, 1, 500, 900, body=row.to_body())), 1000)
    assert observer.take_latest() == {}
    assert observer.workers[UID].read_ms == 0


def test_every_reading_of_a_known_meter_is_folded_those_of_its_memory_too() -> None:
    observer = Observer()
    observer.take(reading(1, 1000), 1000)
    observer.take(beat(), 1000)
    for seq in (2, 3):
        observer.take(reading(seq, 2000), 2000)
    body = Reading((Quantity("voltage_l1", "1-1:32.7.0*255", 13000, -2, 35),), source=Source.PROFILE).to_body()
    observer.take(encode(Envelope(Kind.READING, UID, EPOCH, 4, 1, 2000, body=body)), 3000)
    rows = list(observer.folding.over(None, {}))
    assert [(row.uid, row.resolution_s, row.readings) for row in rows] == [(UID, 60, 2), (UID, 900, 1)]
