"""The last words of every worker and of the publisher, as they come over the bus.

In: envelopes (heartbeats, readings, results of commands, diagnostics) and the time they came. Out: what is known of
each, ages among it. What cannot be decoded is counted by the kind of its error and otherwise passed over. No socket,
no store.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from common.command import CommandResult
from common.diagnostic import Diagnostic
from common.envelope import Envelope, Kind, decode
from common.errors import BridgeError
from common.heartbeat import Delivery, PublisherBeat, WorkerBeat
from common.reading import Reading, Source
from supervisor_qos.folding import Folding
from supervisor_qos.health import NEVER_S, Ages, pending_since

MAX_METERS: Final = 20_000  # more uids than this are not ours
MAX_DIAGNOSTICS: Final = 1000  # not written yet: 16 MB at most; a fleet that loses its network has many at once
MAX_RESULTS: Final = 10_000  # results between two looks of the loop


@dataclass(frozen=True, slots=True)
class Worker:
    """What is known of one worker. Times are CLOCK_BOOTTIME in milliseconds; 0: never.

    ``octets_at_read``: octets from the meter as counted at its last reading, to tell whether it still answers.
    """

    beat: WorkerBeat = field(default_factory=WorkerBeat)
    heard_ms: int = 0
    read_ms: int = 0
    octets_at_read: int = 0
    delivery: Delivery = field(default_factory=Delivery)
    untaken_since: int = 0
    undelivered_since: int = 0


@dataclass(frozen=True, slots=True)
class Latest:
    """A meter's last reading with the name it has in the stream."""

    envelope: Envelope
    reading: Reading


@dataclass(slots=True)
class Observer:
    """See the module's text. ``latest``, ``results``, ``diagnostics`` and ``folding`` are emptied by whoever takes."""

    workers: dict[bytes, Worker] = field(default_factory=dict)
    publisher: PublisherBeat = field(default_factory=PublisherBeat)
    publisher_heard_ms: int = 0
    latest: dict[bytes, Latest] = field(default_factory=dict)
    results: list[tuple[str, CommandResult]] = field(default_factory=list)
    diagnostics: list[tuple[bytes, Diagnostic]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    folding: Folding = field(default_factory=Folding)

    def take(self, octets: bytes, now_ms: int) -> None:
        """Take in one message."""
        try:
            self._take(decode(octets), now_ms)
        except BridgeError as error:
            self.refused[error.kind] += 1

    def _take(self, envelope: Envelope, now_ms: int) -> None:
        match envelope.kind:
            case Kind.HEARTBEAT:
                self._hear_worker(envelope.uid, WorkerBeat.from_body(envelope.body), now_ms)
            case Kind.PUBLISHER_HEARTBEAT:
                self._hear_publisher(PublisherBeat.from_body(envelope.body), now_ms)
            case Kind.READING:
                self._keep_latest(envelope)
            case Kind.DIAGNOSTIC if len(self.diagnostics) < MAX_DIAGNOSTICS:
                self.diagnostics.append((envelope.uid, Diagnostic.from_body(envelope.body)))
            case Kind.DIAGNOSTIC:
                self.refused["diagnostics_full"] += 1
            case Kind.RESULT if len(self.results) < MAX_RESULTS:
                self.results.append(CommandResult.from_body(envelope.body))
            case _:
                self.refused["unexpected"] += 1

    def _hear_worker(self, uid: bytes, beat: WorkerBeat, now_ms: int) -> None:
        old = self.workers.get(uid, Worker())
        if uid not in self.workers and len(self.workers) >= MAX_METERS:
            self.refused["too_many_meters"] += 1
            return
        octets = beat.counters.get("octets_received", 0)
        same_life = beat.pid == old.beat.pid and beat.last_read_boot_ms == old.beat.last_read_boot_ms
        self.workers[uid] = replace(
            old,
            beat=beat,
            heard_ms=now_ms,
            read_ms=max(old.read_ms, beat.last_read_boot_ms),
            octets_at_read=old.octets_at_read if same_life else octets,
            untaken_since=_untaken_since(old, beat, old.delivery.last_taken_boot_ms),
        )

    def _hear_publisher(self, beat: PublisherBeat, now_ms: int) -> None:
        self.publisher, self.publisher_heard_ms = beat, now_ms
        for uid, delivery in beat.meters.items():
            old = self.workers.get(uid, Worker())
            taken, acknowledged = delivery.last_taken_boot_ms, delivery.last_acknowledged_boot_ms
            self.workers[uid] = replace(
                old,
                delivery=delivery,
                untaken_since=_untaken_since(old, old.beat, taken),
                undelivered_since=pending_since(old.undelivered_since, taken, acknowledged) if delivery.waiting else 0,
            )

    def _keep_latest(self, envelope: Envelope) -> None:
        reading = Reading.from_body(envelope.body)
        if envelope.uid not in self.workers:
            return  # its heartbeat comes first or soon
        self.folding.take(envelope.uid, envelope.ts_ms, reading)
        if reading.source is Source.PROFILE:
            return  # rows of a load profile are no sign that the meter is read
        worker = self.workers[envelope.uid]
        if reading.quantities:
            self.workers[envelope.uid] = replace(worker, read_ms=max(worker.read_ms, envelope.boot_ms))
        self.latest[envelope.uid] = Latest(envelope, reading)

    def take_latest(self) -> Mapping[bytes, Latest]:
        """Return the last reading of each meter that sent one since the last call."""
        found, self.latest = self.latest, {}
        return found

    def facts(self, names: Sequence[str]) -> dict[bytes, dict[str, str]]:
        """Return what workers found out of their meters, of these names."""
        return {
            uid: {name: worker.beat.facts[name] for name in names if name in worker.beat.facts}
            for uid, worker in self.workers.items()
        }

    def forget(self, uid: bytes) -> None:
        """A meter is gone."""
        self.workers.pop(uid, None)
        self.latest.pop(uid, None)

    def ages(self, uid: bytes, pid: int, started_ms: int, now_ms: int) -> Ages:
        """Return how long ago everything was. Words of an earlier process count as unsaid since ``started_ms``."""
        worker = self.workers.get(uid, Worker())
        own = worker.beat.pid == pid
        return Ages(
            heard_s=_age(now_ms, worker.heard_ms if own else 0, started_ms),
            progress_s=_age(now_ms, worker.beat.last_progress_boot_ms if own else 0, started_ms),
            read_s=_age(now_ms, worker.read_ms, started_ms),
            untaken_s=_age(now_ms, worker.untaken_since) if worker.untaken_since else 0.0,
            undelivered_s=_age(now_ms, worker.undelivered_since) if worker.undelivered_since else 0.0,
        )

    def answers(self, uid: bytes) -> bool:
        """Return whether octets came from the meter since its last reading."""
        worker = self.workers.get(uid, Worker())
        return worker.beat.counters.get("octets_received", 0) > worker.octets_at_read

    def publisher_silent_s(self, pid: int, started_ms: int, now_ms: int) -> float:
        """Return for how long the publisher's present process has said nothing."""
        return _age(now_ms, self.publisher_heard_ms if self.publisher.pid == pid else 0, started_ms)


def _untaken_since(old: Worker, beat: WorkerBeat, taken_ms: int) -> int:
    """Return since when a reading waits in the worker's journal; 0 when its last word was that none does."""
    if not any(span.first_unacknowledged <= span.last for span in beat.spans):
        return 0
    return pending_since(old.untaken_since, beat.last_read_boot_ms, taken_ms)


def _age(now_ms: int, *times_ms: int) -> float:
    """Return the seconds since the latest of several times; those that are 0 never were."""
    latest = max(times_ms)
    return max(0.0, (now_ms - latest) / 1000) if latest else NEVER_S
