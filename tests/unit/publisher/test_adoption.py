"""Journals without an owner, taken in by the publisher."""

from pathlib import Path
from typing import cast

import pytest

from common.envelope import Envelope, Kind, encode
from common.journal import MAX_BATCH, Journal
from common.routes import Mode, Route
from publisher.adoption import HOLD_S, ORPHAN_S, Adoption
from publisher.intake import Intake
from publisher.outbox import Lane, Outbox
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID, BOOT = bytes(range(16)), b"boot-one"


class Nobody:
    """A bus without a worker."""

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        return False


class Publisher:
    """An adoption with what belongs to it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "journal"
        self.path.mkdir()
        self.clock = StepClock()
        self.outbox = Outbox.open(path / "outbox", self.clock, BOOT, max_age_s=1e6, max_octets=1 << 30)
        intake = Intake(self.outbox, Nobody(), self.clock, b"instance")
        intake.set_routes({UID: Route(UID, "m", Mode.GENERIC, "t")})
        self.adoption = Adoption(self.path, self.outbox, intake, self.clock, BOOT)

    def journal(self, patience_s: float = 0.0) -> Journal:
        return Journal.open(self.path / UID.hex(), UID, self.clock, BOOT, patience_s=patience_s)

    def leave(self, count: int) -> None:
        journal = self.journal()
        for _ in range(count):
            journal.append(lambda epoch, seq: encode(Envelope(Kind.READING, UID, epoch, seq, boot=BOOT)))
        journal.close()

    def turns(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(round(seconds / step)):
            self.adoption.turn()
            self.clock.now += step

    def numbers(self) -> list[int]:
        rows = self.outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=10_000, octets=1 << 30)
        return [row.seq for row in rows]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def test_an_orphan_is_taken_in_after_its_time_and_not_before(publisher: Publisher) -> None:
    publisher.leave(5)
    publisher.turns(ORPHAN_S - 1.0)
    assert publisher.numbers() == []
    publisher.turns(4.0)
    assert publisher.numbers() == [1, 2, 3, 4, 5]
    assert publisher.adoption.adopted == 5
    journal = publisher.journal()
    assert journal.drained()
    assert journal.spans()[0].last == 5


def test_a_journal_with_an_owner_is_left_alone(publisher: Publisher) -> None:
    publisher.leave(5)
    owner = publisher.journal()
    publisher.turns(60.0)
    assert publisher.numbers() == []
    owner.close()


def test_a_worker_that_starts_gets_the_lock_within_its_patience(publisher: Publisher) -> None:
    publisher.leave(20 * MAX_BATCH)
    publisher.turns(ORPHAN_S + 3.0, step=1.0)
    assert 0 < publisher.adoption.adopted < 20 * MAX_BATCH
    held = 0.0
    while publisher.adoption._journal is not None:
        publisher.adoption.turn()
        publisher.clock.now += 0.1
        held += 0.1
    assert held <= HOLD_S + 0.2
    worker = publisher.journal()
    before = publisher.adoption.adopted
    publisher.turns(30.0)
    assert publisher.adoption.adopted == before
    worker.close()
    publisher.turns(60.0, step=0.1)
    assert publisher.numbers() == list(range(1, 20 * MAX_BATCH + 1))


def test_what_the_outbox_refuses_stays_in_the_journal(publisher: Publisher) -> None:
    publisher.leave(3)
    writer = publisher.outbox._file
    fused = FusedConnection(writer._db, Fuse())
    writer._db, fused.full = cast("object", fused), True  # type: ignore[assignment]  # the same methods
    publisher.turns(30.0)
    assert publisher.adoption.adopted == 0
    fused.full = False
    publisher.turns(30.0)
    assert publisher.numbers() == [1, 2, 3]


def test_other_names_are_not_touched(publisher: Publisher) -> None:
    for name in ("readme", "x" * 32, "0" * 32):
        (publisher.path / name).mkdir()
    publisher.turns(30.0)
    assert list((publisher.path / ("0" * 32)).iterdir()) == []


def test_the_directory_may_be_missing(publisher: Publisher) -> None:
    publisher.path.rmdir()
    publisher.turns(5.0)
    publisher.adoption.close()
