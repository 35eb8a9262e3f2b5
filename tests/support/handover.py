"""A worker and a publisher without a network between them: the real journal, feed, intake and outbox.

The transport is a second implementation of the bus's seam: lists, from which a test lets messages through, loses them,
doubles them or lets them overtake. Either side can be killed at any step and started again.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from common.bus import Inbound
from common.envelope import Envelope, decode
from common.heartbeat import WorkerBeat
from common.journal import Journal, JournalLimits
from common.journal_segment import RECORD_OVERHEAD, read_segment
from common.reading import Quantity, Reading, Source
from common.routes import Mode, Route
from poller.feed import Feed
from publisher.intake import Intake
from publisher.outbox import Lane, Outbox
from publisher.outbox_file import FILE
from publisher.outbox_salvage import PAGE
from tests.support.crashing import Crash, Disk, Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID = bytes(range(16))
ROUTE = Route(UID, "meter-1", Mode.GENERIC, "broker", "meters/meter-1/telemetry")
MAX_ROUNDS = 400  # of a heartbeat, all messages and a second, until everything must have arrived


def reading(number: int, size: int = 0, source: Source = Source.LIVE) -> Reading:
    """Return a reading that is told by its number; ``size`` makes it longer."""
    quantities = (Quantity("active_energy", "1-0:1.8.0*255", number, 0, 30), Quantity("note", "0-0:0", "x" * size))
    return Reading(quantities, source=source)


def number_of(octets: bytes) -> int:
    """Return the number of the reading in an envelope."""
    return cast("int", Reading.from_body(decode(octets).body).quantities[0].raw)


class Wire:
    """Three lanes of messages: by subscription and on the way back to the publisher, and to the worker."""

    def __init__(self) -> None:
        self.subscribed: list[bytes] = []
        self.back: list[bytes] = []
        self.to_worker_lane: list[bytes] = []

    def lane(self, number: int) -> list[bytes]:
        """Return one of the three."""
        return (self.subscribed, self.back, self.to_worker_lane)[number]


class WorkerEnd:
    """The worker's end of the wire; each message is a step."""

    def __init__(self, wire: Wire, fuse: Fuse) -> None:
        self._wire, self._fuse = wire, fuse

    def publish(self, topic: bytes, octets: bytes) -> None:
        self._fuse.step(lambda: self._wire.subscribed.append(octets))

    def to_publisher(self, octets: bytes) -> bool:
        self._fuse.step(lambda: self._wire.back.append(octets))
        return True

    def to_supervisor(self, octets: bytes) -> bool:
        return True

    def wait(self, timeout_s: float) -> Sequence[Inbound]:
        arrived = [Inbound("publisher", octets) for octets in self._wire.to_worker_lane]
        self._wire.to_worker_lane.clear()
        return arrived

    def close(self, *, lingers: bool = True) -> None:
        pass


class PublisherEnd:
    """The publisher's end of the wire; each message is a step. A worker that is down cannot be reached."""

    def __init__(self, wire: Wire, fuse: Fuse) -> None:
        self._wire, self._fuse = wire, fuse
        self.reaches = True

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        if self.reaches:
            self._fuse.step(lambda: self._wire.to_worker_lane.append(octets))
        return self.reaches


class World:
    """One meter's worker and the publisher on one machine, and a broker that remembers what it got."""

    def __init__(self, root: Path, limits: JournalLimits | None = None, max_octets: int = 1 << 30) -> None:
        self.root, self.limits, self.max_octets = root, limits or JournalLimits(), max_octets
        self.clock, self.boot = StepClock(), b"boot-one"
        self.wire = Wire()
        self.worker_fuse, self.publisher_fuse = Fuse(), Fuse()
        self.disk = Disk(self.worker_fuse)
        self.outbox_full = False
        self.end = PublisherEnd(self.wire, self.publisher_fuse)
        self.feed: Feed | None = None
        self.journal: Journal | None = None
        self.outbox: Outbox | None = None
        self.intake: Intake | None = None
        self.delivered: list[tuple[bytes, int, int]] = []

    @property
    def journal_dir(self) -> Path:
        return self.root / "journal" / UID.hex()

    # ---- the worker

    @contextmanager
    def as_worker(self) -> Iterator[None]:
        """Do something in the worker; when its fuse burns down it is killed."""
        try:
            with self.disk.watched():
                yield
        except Crash:
            self.kill_worker()

    def start_worker(self) -> None:
        if self.feed is not None:
            return
        with self.as_worker():
            self.journal = Journal.open(self.journal_dir, UID, self.clock, self.boot, self.limits)
            self.feed = Feed(UID, self.journal, WorkerEnd(self.wire, self.worker_fuse), self.clock, self.boot)
            self.feed.beat(WorkerBeat())

    def kill_worker(self) -> None:
        """End it as SIGKILL does: handles are closed by the kernel, what was on its way to it is lost."""
        self.worker_fuse.left = None
        if self.journal is not None:
            for handle in (self.journal._handle, self.journal._lock._handle):
                with suppress(OSError):
                    os.close(handle)
        self.feed = self.journal = None
        self.wire.to_worker_lane.clear()

    def lose_tail(self, count: int) -> list[int]:
        """Cut the last records off, as a power cut may; return the readings that neither journal nor outbox has."""
        segments = sorted(self.journal_dir.glob("*.seg"))
        if not segments or not count or self.outbox is None:
            return []
        octets = segments[-1].read_bytes()
        cut = read_segment(octets, UID).records[-count:]
        if cut:
            segments[-1].write_bytes(octets[: cut[0].begin - RECORD_OVERHEAD])
        lost = [octets[found.begin : found.end] for found in cut]
        return [number_of(item) for item in lost if not self._has(decode(item))]

    def _has(self, envelope: Envelope) -> bool:
        assert self.outbox is not None
        return (self.outbox.cursor(UID, envelope.epoch) or 0) >= envelope.seq

    def publish(self, number: int, size: int = 0, source: Source = Source.LIVE) -> bool | None:
        """Take a reading; return what the worker was told, None when it died on the way."""
        told: list[bool] = []
        with self.as_worker():
            told += [self.feed.publish(reading(number, size, source))] if self.feed else []
        return told[0] if told else None

    def beat(self) -> None:
        with self.as_worker():
            if self.feed:
                self.feed.beat(WorkerBeat())

    def pump(self) -> None:
        with self.as_worker():
            if self.feed:
                self.feed.pump(0.0)

    # ---- the publisher

    @contextmanager
    def as_publisher(self) -> Iterator[None]:
        """Do something in the publisher; when its fuse burns down it is killed."""
        try:
            yield
        except Crash:
            self.kill_publisher()

    def start_publisher(self) -> None:
        if self.intake is not None:
            return
        with self.as_publisher():
            self.outbox = Outbox.open(
                self.root / "outbox", self.clock, self.boot, max_age_s=1e6, max_octets=self.max_octets
            )
            writer = self.outbox._file
            writer._db = cast("object", FusedConnection(writer._db, self.publisher_fuse))  # type: ignore[assignment]  # the same methods
            self.intake = Intake(self.outbox, self.end, self.clock, os.urandom(8))
            self.intake.set_routes({UID: ROUTE})

    def kill_publisher(self) -> None:
        """End it as SIGKILL does: what was not committed is gone, and what had arrived as well."""
        self.publisher_fuse.left = None
        if self.outbox is not None:
            self.outbox._file.close()
        self.outbox = self.intake = None
        self.wire.back.clear()

    def behead_outbox(self) -> None:
        """Kill the publisher, then lose the first page of its file."""
        self.kill_publisher()
        path = self.root / "outbox" / FILE
        if path.exists() and path.stat().st_size > PAGE:
            with path.open("r+b") as stream:
                stream.write(bytes(PAGE))

    def handle(self, subscribed: int, back: int) -> None:
        """Let messages arrive and be handled as one turn."""
        if self.intake is None or self.outbox is None:
            return
        self.end.reaches = self.feed is not None
        cast("FusedConnection", self.outbox._file._db).full = self.outbox_full
        messages = self.wire.subscribed[:subscribed] + self.wire.back[:back]
        del self.wire.subscribed[:subscribed], self.wire.back[:back]
        with self.as_publisher():
            self.intake.handle(messages)

    def deliver(self, limit: int) -> None:
        """Let the broker take and acknowledge rows."""
        if self.outbox is None:
            return
        with self.as_publisher():
            rows = self.outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=limit, octets=1 << 20)
            self.delivered += [(row.epoch, row.seq, number_of(row.envelope)) for row in rows]
            self.outbox.acknowledge([row.id for row in rows])
            self.clock.now += 0.1
            self.outbox.flush()

    def rows_on_disk(self) -> tuple[int, int]:
        """Return how many rows wait, and their octets."""
        assert self.outbox is not None
        connection = cast("FusedConnection", self.outbox._file._db).real
        count = "SELECT COUNT(*), COALESCE(SUM(octets), 0) FROM rows WHERE aside IS NULL"
        return cast("tuple[int, int]", connection.execute(count).fetchone())

    # ---- the end

    def drain(self) -> None:
        """Heal everything and go on until the broker has all; fail when it does not end."""
        self.worker_fuse.left = self.publisher_fuse.left = None
        self.disk.full = self.outbox_full = False
        for _ in range(MAX_ROUNDS):
            self.start_worker()
            self.start_publisher()
            self.beat()
            for _ in range(4):
                self.handle(len(self.wire.subscribed), len(self.wire.back))
                self.pump()
            self.clock.now += 1.1
            self.deliver(1000)
            if self._is_still():
                return
        raise AssertionError("the hand-over does not come to an end")

    def _is_still(self) -> bool:
        assert self.feed is not None
        assert self.outbox is not None
        return self.feed.drained() and not self.outbox.tally(UID).waiting and not any(map(self.wire.lane, range(3)))
