"""The worker's half of the hand-over, with a bus in memory and a journal on disk."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from common.bus import HEARTBEATS, READINGS, Inbound, Source
from common.command import Command, CommandResult
from common.envelope import NO_EPOCH, Envelope, Kind, decode, encode
from common.heartbeat import EpochSpan, WorkerBeat
from common.journal import Journal, JournalLimits
from common.reading import Quantity, Reading
from common.rising import LATELY_S
from poller.feed import Feed
from tests.support.still_clock import StepClock

UID, BOOT = bytes(range(16)), b"boot-one"
READING = Reading((Quantity("active_power", "1-0:1.7.0*255", 230, 0, 27),))


class Memory:
    """A bus that is lists."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock
        self.published: list[tuple[bytes, Envelope]] = []
        self.back: list[Envelope] = []
        self.results: list[Envelope] = []
        self.inbound: list[Inbound] = []
        self.room = 1_000
        self.closed = False
        self.lingered = True

    def publish(self, topic: bytes, octets: bytes) -> None:
        self.published.append((topic, decode(octets)))

    def to_publisher(self, octets: bytes) -> bool:
        if len(self.back) >= self.room:
            return False
        self.back.append(decode(octets))
        return True

    def to_supervisor(self, octets: bytes) -> bool:
        if self.room:
            self.results.append(decode(octets))
        return bool(self.room)

    def wait(self, timeout_s: float) -> Sequence[Inbound]:
        self.clock.now += timeout_s
        inbound, self.inbound = self.inbound, []
        return inbound

    def close(self, *, lingers: bool = True) -> None:
        self.closed, self.lingered = True, lingers

    def send(
        self, kind: Kind, epoch: bytes = NO_EPOCH, seq: int = 0, body: object = None, by: str = "publisher"
    ) -> None:
        octets = encode(Envelope(kind, UID, epoch, seq, body=body))
        self.inbound.append(Inbound(cast("Source", by), octets))

    def beats(self) -> list[WorkerBeat]:
        return [WorkerBeat.from_body(envelope.body) for topic, envelope in self.published if topic == HEARTBEATS]


class Worker:
    """A feed with what belongs to it."""

    def __init__(self, path: Path, limits: JournalLimits | None = None) -> None:
        self.clock = StepClock()
        self.bus = Memory(self.clock)
        self.journal = Journal.open(path, UID, self.clock, BOOT, limits)
        self.feed = Feed(UID, self.journal, self.bus, self.clock, BOOT + b"the rest")
        self.epoch = self.journal.epoch


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_a_reading_is_in_the_journal_when_it_is_on_the_bus(worker: Worker) -> None:
    assert worker.feed.publish(READING, ts_ms=77, boot_ms=88)
    topic, envelope = worker.bus.published[-1]
    assert topic == READINGS
    assert (envelope.uid, envelope.epoch, envelope.seq, envelope.ts_ms, envelope.boot_ms, envelope.boot) == (
        UID,
        worker.epoch,
        1,
        77,
        88,
        BOOT,
    )
    assert Reading.from_body(envelope.body) == READING
    assert worker.journal.spans() == (EpochSpan(worker.epoch, 1, 1),)


def test_a_reading_without_times_is_of_now(worker: Worker) -> None:
    worker.feed.publish(READING)
    envelope = worker.bus.published[-1][1]
    assert (envelope.ts_ms, envelope.boot_ms) == (worker.clock.wall_ms(), worker.clock.boottime_ms())


def test_a_heartbeat_precedes_the_first_reading_of_an_epoch(worker: Worker) -> None:
    worker.feed.publish(READING)
    worker.feed.publish(READING)
    assert [topic for topic, _ in worker.bus.published] == [HEARTBEATS, READINGS, READINGS]
    assert worker.bus.beats()[0].spans == (EpochSpan(worker.epoch, 1, 0),)


def test_a_heartbeat_carries_spans_counters_and_what_the_loop_says(worker: Worker) -> None:
    worker.feed.publish(READING)
    worker.feed.beat(WorkerBeat(pid=5, counters={"cycles_ok": 3}))
    beat = worker.bus.beats()[-1]
    assert (beat.pid, beat.spans) == (5, (EpochSpan(worker.epoch, 1, 1),))
    assert beat.counters["cycles_ok"] == 3
    assert (beat.counters["taken"], beat.counters["replayed"], beat.counters["dropped_disk_full"]) == (1, 0, 0)
    assert beat.counters["dropped_too_large"] == 0, "there from the start: the first one is a rise"


def test_a_reading_that_the_disk_refuses_is_counted_and_an_alarm(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.feed.publish(READING)
    worker.feed.beat(WorkerBeat())

    def full(handle: int, octets: bytes) -> int:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert not worker.feed.publish(READING)
    worker.feed.beat(WorkerBeat(conditions={"clock": "adrift"}))
    beat = worker.bus.beats()[-1]
    assert beat.counters["dropped_disk_full"] == 1
    assert set(beat.conditions) == {"clock", "disk"}
    assert sum(topic == READINGS for topic, _ in worker.bus.published) == 1
    assert worker.feed.publish(READING)
    worker.feed.beat(WorkerBeat())
    assert set(worker.bus.beats()[-1].conditions) == {"disk"}  # for a minute: nobody misses a short one
    worker.clock.now += LATELY_S
    worker.feed.beat(WorkerBeat())
    assert not worker.bus.beats()[-1].conditions


def test_a_journal_at_its_bound_is_an_alarm_for_a_minute(tmp_path: Path) -> None:
    worker = Worker(tmp_path, JournalLimits(max_octets=16 << 10))
    worker.feed.beat(WorkerBeat())
    assert not worker.bus.beats()[-1].conditions
    for _ in range(400):
        worker.feed.publish(READING)
    worker.feed.beat(WorkerBeat())
    assert worker.bus.beats()[-1].conditions["outbox"].startswith("the journal is at its bound")
    worker.clock.now += LATELY_S
    worker.feed.beat(WorkerBeat())
    assert not worker.bus.beats()[-1].conditions


def test_what_a_journal_found_damaged_at_its_opening_is_an_alarm_for_a_minute(tmp_path: Path) -> None:
    before = Worker(tmp_path)
    before.feed.publish(READING)
    before.feed.close(0.0)
    (segment,) = tmp_path.glob("*.seg")
    segment.write_bytes(b"x" * 99 + segment.read_bytes())
    worker = Worker(tmp_path)
    worker.feed.beat(WorkerBeat())
    worker.clock.now += LATELY_S + 1.0
    worker.feed.beat(WorkerBeat())
    first, later = worker.bus.beats()
    assert "damaged" in first.conditions["outbox"]
    assert "outbox" not in later.conditions


def test_an_acknowledgement_drains_the_journal(worker: Worker) -> None:
    worker.feed.publish(READING)
    assert not worker.feed.drained()
    worker.bus.send(Kind.ACK, worker.epoch, 1)
    assert worker.feed.pump(0.0) == []
    assert worker.feed.drained()


def test_hello_is_answered_with_the_last_heartbeat(worker: Worker) -> None:
    worker.feed.beat(WorkerBeat(pid=9))
    worker.bus.send(Kind.HELLO, body=b"instance")
    worker.feed.pump(0.0)
    assert [beat.pid for beat in worker.bus.beats()] == [9, 9]


def test_replay_sends_a_batch_and_a_mark(worker: Worker) -> None:
    for _ in range(300):
        worker.feed.publish(READING)
    worker.bus.send(Kind.REPLAY, worker.epoch, 51)
    worker.feed.pump(0.0)
    readings, mark = worker.bus.back[:-1], worker.bus.back[-1]
    assert [envelope.seq for envelope in readings] == list(range(51, 251))
    assert {envelope.kind for envelope in readings} == {Kind.READING}
    assert (mark.kind, mark.epoch, mark.seq) == (Kind.REPLAY, worker.epoch, 251)
    worker.feed.beat(WorkerBeat())
    assert worker.bus.beats()[-1].counters["replayed"] == 200


def test_of_two_questions_about_an_epoch_the_later_counts(worker: Worker) -> None:
    for _ in range(10):
        worker.feed.publish(READING)
    worker.bus.send(Kind.REPLAY, worker.epoch, 2)
    worker.bus.send(Kind.REPLAY, worker.epoch, 9)
    worker.feed.pump(0.0)
    assert [envelope.seq for envelope in worker.bus.back] == [9, 10, 11]


def test_what_is_gone_is_said_in_its_place(tmp_path: Path) -> None:
    worker = Worker(tmp_path, JournalLimits(max_octets=20_000))
    for _ in range(400):
        worker.feed.publish(READING)
    worker.bus.send(Kind.REPLAY, worker.epoch, 1)
    worker.feed.pump(0.0)
    gone, first = worker.bus.back[:2]
    assert gone.kind is Kind.GONE
    assert isinstance(gone.body, list)
    assert gone.body[0] == 1
    assert gone.body[1:] == [first.seq - 1, "journal_full"]


def test_a_full_way_back_cuts_the_batch_without_a_mark(worker: Worker) -> None:
    for _ in range(10):
        worker.feed.publish(READING)
    worker.bus.room = 4
    worker.bus.send(Kind.REPLAY, worker.epoch, 1)
    worker.feed.pump(0.0)
    assert {envelope.kind for envelope in worker.bus.back} == {Kind.READING}


def test_an_epoch_that_is_not_held_is_answered_with_a_mark_and_a_heartbeat(worker: Worker) -> None:
    worker.bus.send(Kind.REPLAY, b"no-epoch", 5)
    worker.feed.pump(0.0)
    assert [(envelope.kind, envelope.seq) for envelope in worker.bus.back] == [(Kind.REPLAY, 5)]
    assert len(worker.bus.beats()) == 1


def test_commands_are_returned_and_answered(worker: Worker) -> None:
    command = Command("id-1", "ping")
    worker.bus.send(Kind.COMMAND, body=command.to_body(), by="supervisor")
    assert worker.feed.pump(0.5) == [command]
    worker.feed.answer(command, CommandResult(True))
    assert CommandResult.from_body(worker.bus.results[0].body) == ("id-1", CommandResult(True))


def test_nonsense_is_counted_and_harms_nothing(worker: Worker) -> None:
    worker.bus.inbound.append(Inbound("publisher", b"\xc1"))
    worker.bus.send(Kind.COMMAND, body=[1], by="supervisor")
    worker.bus.send(Kind.COMMAND, body=Command("id", "ping").to_body(), by="publisher")
    worker.bus.send(Kind.READING)
    assert worker.feed.pump(0.0) == []
    worker.feed.beat(WorkerBeat())
    counters = worker.bus.beats()[-1].counters
    assert (counters["bad_envelope"], counters["bad_command"], counters["unexpected_kind"]) == (1, 1, 2)


def test_an_answer_that_cannot_be_sent_is_counted(worker: Worker) -> None:
    worker.bus.room = 0
    worker.feed.answer(Command("id", "ping"), CommandResult(True))
    worker.feed.beat(WorkerBeat())
    assert worker.bus.beats()[-1].counters["answers_lost"] == 1


def test_closing_ends_at_once_when_all_is_acknowledged(worker: Worker) -> None:
    before = worker.clock.now
    worker.feed.close()
    assert worker.bus.closed
    assert worker.clock.now == before


def test_closing_without_patience_waits_for_nobody(worker: Worker) -> None:
    worker.feed.publish(READING)
    before = worker.clock.now
    worker.feed.close(0.0)
    assert worker.clock.now == before
    assert not worker.bus.lingered


def test_closing_says_what_is_held_and_waits_for_its_patience(worker: Worker) -> None:
    worker.feed.publish(READING)
    worker.bus.send(Kind.COMMAND, body=Command("late", "read").to_body(), by="supervisor")
    before = worker.clock.now
    worker.feed.close(3.0)
    assert 3.0 <= worker.clock.now - before < 3.3
    assert len(worker.bus.beats()) >= 3
    assert worker.bus.lingered
    assert CommandResult.from_body(worker.bus.results[0].body)[1].error_kind == "stopping"
