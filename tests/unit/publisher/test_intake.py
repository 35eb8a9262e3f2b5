"""From the bus to the outbox: what is taken, what is asked for, what is acknowledged, what is refused by count."""

from pathlib import Path
from typing import cast

import pytest

from common.envelope import NO_EPOCH, Envelope, Kind, decode, encode
from common.heartbeat import EpochSpan, WorkerBeat
from common.routes import Mode, Route
from publisher.intake import MAX_METERS, MAX_REPLAYS, Intake
from publisher.outbox import Lane, Outbox
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID, EPOCH, NEWER, BOOT = bytes(range(16)), b"epoch-01", b"epoch-02", b"boot-one"
ROUTE = Route(UID, "meter-1", Mode.GENERIC, "broker", "topic")


class Back:
    """The way back, as a list; an absent worker takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.absent = False

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        if not self.absent:
            self.sent.append(decode(octets))
        return not self.absent

    def said(self, kind: Kind) -> list[tuple[bytes, int]]:
        """Return and forget what was sent of a kind."""
        said = [(envelope.epoch, envelope.seq) for envelope in self.sent if envelope.kind is kind]
        self.sent = [envelope for envelope in self.sent if envelope.kind is not kind]
        return said


class Publisher:
    """An intake with what belongs to it."""

    def __init__(self, path: Path) -> None:
        self.clock, self.back = StepClock(), Back()
        self.outbox = Outbox.open(path, self.clock, BOOT, max_age_s=1e6, max_octets=1 << 30)
        self.intake = Intake(self.outbox, self.back, self.clock, b"instance")
        self.intake.set_routes({UID: ROUTE})

    def hear(self, *messages: bytes) -> None:
        self.intake.handle(messages)

    def numbers(self) -> list[tuple[bytes, int]]:
        rows = self.outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=1000, octets=1 << 30)
        return [(row.epoch, row.seq) for row in rows]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def reading(seq: int, epoch: bytes = EPOCH, uid: bytes = UID) -> bytes:
    return encode(Envelope(Kind.READING, uid, epoch, seq, boot=BOOT, body=[]))


def beat(*spans: tuple[bytes, int, int], uid: bytes = UID) -> bytes:
    body = WorkerBeat(spans=tuple(EpochSpan(*span) for span in spans)).to_body()
    return encode(Envelope(Kind.HEARTBEAT, uid, body=body))


def gone(first: object, last: object, reason: object = "damaged", epoch: bytes = EPOCH) -> bytes:
    return encode(Envelope(Kind.GONE, UID, epoch, body=[first, last, reason]))


def mark(seq: int, epoch: bytes = EPOCH) -> bytes:
    return encode(Envelope(Kind.REPLAY, UID, epoch, seq))


def test_an_announced_epoch_is_taken_and_acknowledged_once_per_turn(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1), reading(2), reading(3))
    assert publisher.numbers() == [(EPOCH, 1), (EPOCH, 2), (EPOCH, 3)]
    assert publisher.back.said(Kind.ACK) == [(EPOCH, 3)]
    assert publisher.back.said(Kind.REPLAY) == []


def test_a_new_epoch_starts_at_its_first_unacknowledged(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 41, 42)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 41)]
    publisher.hear(reading(41), reading(42), mark(43))
    assert publisher.back.said(Kind.ACK) == [(EPOCH, 42)]


def test_a_worker_that_is_not_known_is_greeted_until_it_says_what_it_holds(publisher: Publisher) -> None:
    publisher.hear(reading(5))
    assert (publisher.numbers(), len(publisher.back.said(Kind.HELLO))) == ([], 1)
    publisher.hear(reading(6))
    assert publisher.back.said(Kind.HELLO) == []
    publisher.clock.now += 1.1
    publisher.hear(reading(7))
    assert len(publisher.back.said(Kind.HELLO)) == 1
    publisher.hear(beat((EPOCH, 1, 7)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]
    publisher.clock.now += 1.1
    publisher.hear(beat((EPOCH, 1, 7)))
    assert publisher.back.said(Kind.HELLO) == []


def test_an_epoch_that_appears_unannounced_is_asked_about(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)))
    publisher.back.said(Kind.HELLO)
    publisher.clock.now += 1.1
    publisher.hear(reading(1, NEWER))
    assert publisher.numbers() == []
    assert len(publisher.back.said(Kind.HELLO)) == 1


def test_a_gap_is_asked_for_and_not_inserted(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1), reading(3))
    assert publisher.numbers() == [(EPOCH, 1)]
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 2)]
    assert publisher.intake.counters()["gaps"] == 1
    publisher.hear(reading(2), reading(3), mark(4))
    assert publisher.numbers() == [(EPOCH, 1), (EPOCH, 2), (EPOCH, 3)]
    assert publisher.back.said(Kind.REPLAY) == []


def test_a_lost_last_reading_is_noticed_by_the_heartbeat(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1))
    publisher.hear(beat((EPOCH, 1, 2)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 2)]


def test_a_repeat_is_acknowledged_again_and_counted(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1))
    publisher.back.said(Kind.ACK)
    publisher.hear(reading(1))
    assert publisher.back.said(Kind.ACK) == [(EPOCH, 1)]
    assert publisher.intake.counters()["repeats"] == 1


def test_a_lost_acknowledgement_is_given_again_at_the_heartbeat_and_only_then(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1))
    publisher.back.said(Kind.ACK)
    publisher.hear(beat((EPOCH, 1, 1)))
    assert publisher.back.said(Kind.ACK) == [(EPOCH, 1)]
    publisher.hear(mark(2))
    assert publisher.back.said(Kind.ACK) == []


def test_older_epochs_come_first(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 2), (NEWER, 1, 1)), reading(1, NEWER))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]
    publisher.hear(reading(1), reading(2), mark(3))
    assert publisher.back.said(Kind.REPLAY) == [(NEWER, 1)]
    publisher.hear(reading(1, NEWER), mark(2, NEWER))
    assert publisher.numbers() == [(EPOCH, 1), (EPOCH, 2), (NEWER, 1)]


def test_replay_goes_on_batch_by_batch_and_one_at_a_time(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 6)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]
    publisher.hear(reading(1), reading(2))
    publisher.hear(beat((EPOCH, 1, 6)))
    assert publisher.back.said(Kind.REPLAY) == []
    publisher.hear(mark(3))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 3)]


def test_a_batch_without_progress_is_not_asked_for_again_at_once(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 6)))
    publisher.back.said(Kind.REPLAY)
    publisher.hear(mark(1))
    assert publisher.back.said(Kind.REPLAY) == []
    publisher.clock.now += 1.1
    publisher.hear()
    publisher.hear(beat((EPOCH, 1, 6)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]


def test_not_too_many_replays_are_under_way(publisher: Publisher) -> None:
    uids = [number.to_bytes(16, "big") for number in range(1, MAX_REPLAYS + 6)]
    publisher.hear(*(beat((EPOCH, 1, 5), uid=uid) for uid in uids))
    assert len(publisher.back.said(Kind.REPLAY)) == MAX_REPLAYS
    publisher.clock.now += 1.1
    publisher.hear()
    publisher.hear(*(beat((EPOCH, 1, 5), uid=uid) for uid in uids[-5:]))
    assert len(publisher.back.said(Kind.REPLAY)) == 5


def test_what_is_gone_is_counted_in_its_place(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 5)))
    publisher.hear(reading(1), gone(2, 4), reading(5), mark(6))
    assert publisher.numbers() == [(EPOCH, 1), (EPOCH, 5)]
    assert publisher.outbox.tally(UID).dropped == {"damaged": 3}
    assert publisher.back.said(Kind.ACK)[-1] == (EPOCH, 5)


@pytest.mark.parametrize(
    "message",
    [gone(0, 4), gone(4, 2), gone("a", 2), gone(1, 2**62), gone(1, 2, b"x"), gone(None, None)],
)
def test_a_gone_of_another_form_is_counted_and_passed_over(publisher: Publisher, message: bytes) -> None:
    publisher.hear(beat((EPOCH, 1, 5)))
    publisher.hear(message)
    assert publisher.outbox.cursor(UID, EPOCH) == 0
    assert publisher.intake.counters()["bad_gone"] == 1


def test_an_epoch_that_vanished_is_counted_as_lost(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1), reading(4))
    publisher.hear(beat((NEWER, 1, 0)))
    assert publisher.outbox.tally(UID).dropped == {"journal_lost": 3}
    publisher.hear(reading(1, NEWER))
    assert publisher.numbers() == [(EPOCH, 1), (NEWER, 1)]


@pytest.mark.parametrize("span", [(b"short", 1, 5), (EPOCH, 0, 5), (EPOCH, 9, 5), (EPOCH, 1, 2**62), (EPOCH, -4, 5)])
def test_an_implausible_span_is_passed_over(publisher: Publisher, span: tuple[bytes, int, int]) -> None:
    publisher.hear(beat(span))
    assert publisher.back.said(Kind.REPLAY) == []
    assert publisher.outbox.cursor(UID, EPOCH) is None


def test_nonsense_is_counted_and_harms_nothing(publisher: Publisher) -> None:
    publisher.hear(
        b"\xc1",
        encode(Envelope(Kind.HEARTBEAT, UID, body=[1])),
        encode(Envelope(Kind.RESULT, UID)),
        b"\x99\x02" + b"\xc0" * 8,
        b"\x99\x01\x63" + b"\xc0" * 7,
        beat((EPOCH, 1, 0)),
        reading(1),
    )
    counters = publisher.intake.counters()
    named = ("bad_envelope", "bad_heartbeat", "unexpected_kind", "unknown_version", "unknown_kind")
    assert [counters[name] for name in named] == [1, 1, 1, 1, 1]
    assert publisher.numbers() == [(EPOCH, 1)]


def test_an_unknown_meter_is_kept_and_delivered_when_its_route_comes(publisher: Publisher) -> None:
    publisher.intake.set_routes({})
    publisher.hear(beat((EPOCH, 1, 0)), reading(1))
    assert publisher.numbers() == []
    assert set(publisher.outbox.unrouted()) == {UID}
    publisher.intake.set_routes({UID: ROUTE})
    assert publisher.numbers() == [(EPOCH, 1)]


def test_a_full_disk_acknowledges_nothing_and_does_not_spin(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)))
    writer = publisher.outbox._file
    fused = FusedConnection(writer._db, Fuse())
    writer._db, fused.full = cast("object", fused), True  # type: ignore[assignment]  # the same methods
    for seq in range(1, 50):
        publisher.hear(reading(seq), mark(seq))
    assert publisher.back.said(Kind.ACK) == []
    assert publisher.back.said(Kind.REPLAY) == []
    fused.full = False
    publisher.clock.now += 1.1
    publisher.hear(beat((EPOCH, 1, 49)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]


def test_a_worker_that_is_gone_is_asked_when_it_is_back(publisher: Publisher) -> None:
    publisher.back.absent = True
    publisher.hear(beat((EPOCH, 1, 3)))
    publisher.back.absent = False
    publisher.hear(beat((EPOCH, 1, 3)))
    assert publisher.back.said(Kind.REPLAY) == [(EPOCH, 1)]


def test_deliveries_are_told_when_they_change(publisher: Publisher) -> None:
    publisher.hear(beat((EPOCH, 1, 0)), reading(1), reading(1))
    told = publisher.intake.deliveries()[UID]
    assert (told.taken, told.waiting, told.repeats, told.delivered) == (1, 1, 1, 0)
    assert told.last_taken_boot_ms == publisher.clock.boottime_ms()
    assert publisher.intake.deliveries() == {}
    rows = publisher.outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=1, octets=1000)
    publisher.outbox.acknowledge([row.id for row in rows])
    publisher.clock.now += 1.0
    publisher.outbox.flush()
    told = publisher.intake.deliveries()[UID]
    assert (told.delivered, told.waiting, told.last_acknowledged_boot_ms) == (1, 0, publisher.clock.boottime_ms())


def test_the_number_of_meters_that_are_remembered_is_bounded(publisher: Publisher) -> None:
    publisher.back.absent = True
    message = encode(Envelope(Kind.RESULT, epoch=NO_EPOCH))
    place = message.index(bytes(16))
    for number in range(MAX_METERS + 5):
        publisher.hear(message[:place] + number.to_bytes(16, "big") + message[place + 16 :])
    assert publisher.intake.counters()["too_many_meters"] == 5
