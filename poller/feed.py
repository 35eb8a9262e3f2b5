"""The worker's half of the hand-over: readings and heartbeats out, acknowledgements, replay and commands back.

In: readings and heartbeats from the loop, envelopes from the bus. Out: a reading is in the journal before it is on the
bus; what the publisher asks for is read back from the journal. Nothing here looks at a meter, and nothing waits longer
than it was told to. The rules and crash points are in docs/ARCHITECTURE.md, "Hand-over".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from common.bus import DIAGNOSTICS, HEARTBEATS, READINGS, Inbound
from common.clock import Clock
from common.command import BadCommand, Command, CommandResult
from common.diagnostic import Diagnostic
from common.envelope import (
    BOOT_SIZE,
    NO_EPOCH,
    BadEnvelope,
    Envelope,
    Kind,
    UnknownKind,
    UnknownVersion,
    decode,
    encode,
)
from common.heartbeat import WorkerBeat
from common.journal import Gone, Journal
from common.reading import Reading
from common.rising import Rising

CLOSING_PAUSE_S: Final = 0.2  # one wait for acknowledgements; a worker never waits longer than 1 s
CLOSING_BEAT_S: Final = 1.0  # a heartbeat that got lost is said again while acknowledgements are collected
REFUSED_INTERVALS: Final = 3  # after so many without another try, as of a meter that is paused or away, it is over
BOUNDS: Final = ("journal_age", "journal_full", "journal_epochs")  # reasons for which a journal drops
STOPPING: Final = CommandResult(False, error_kind="stopping", error_detail="the worker is about to end")


class FeedBus(Protocol):
    """What the feed needs of a bus."""

    def publish(self, topic: bytes, octets: bytes) -> None:
        """Send to whoever subscribes."""

    def to_publisher(self, octets: bytes) -> bool:
        """Queue for the publisher; return False when it cannot be queued."""

    def to_supervisor(self, octets: bytes) -> bool:
        """Queue for the supervisor; return False when it cannot be queued."""

    def wait(self, timeout_s: float) -> Sequence[Inbound]:
        """Wait at most ``timeout_s``; return what came back."""

    def close(self, *, lingers: bool = True) -> None:
        """Close."""


class Feed:
    """One worker's way to the publisher and back."""

    def __init__(self, uid: bytes, journal: Journal, bus: FeedBus, clock: Clock, boot: bytes) -> None:
        self._uid, self._journal, self._bus, self._clock = uid, journal, bus, clock
        self._boot = boot[:BOOT_SIZE]
        self._beat = WorkerBeat()
        self._announced = b""
        self._counts: Counter[str] = Counter()
        self._refused_at: float | None = None
        self._rising = Rising()
        self._rising.rose("damaged", 0, clock.monotonic())  # what the journal found at its opening is news
        self._replays: dict[bytes, int] = {}

    def publish(self, reading: Reading, ts_ms: int | None = None, boot_ms: int | None = None) -> bool:
        """Take a reading: journal first, then the bus. Return False when the disk did not take it: it is counted.

        ``ts_ms`` (UTC) and ``boot_ms`` (CLOCK_BOOTTIME) say when it was measured; without them, now.
        """
        if self._journal.epoch != self._announced:
            self._announce()
        at = self._clock.wall_ms() if ts_ms is None else ts_ms
        boot_ms = self._clock.boottime_ms() if boot_ms is None else boot_ms
        body = reading.to_body()

        def encoded(epoch: bytes, seq: int) -> bytes:
            return encode(Envelope(Kind.READING, self._uid, epoch, seq, at, boot_ms, self._boot, body))

        appended = self._journal.append(encoded)
        self._refused_at = self._clock.monotonic() if appended is None else None
        if appended is None:
            return False
        self._counts["taken"] += 1
        self._bus.publish(READINGS, appended.octets)
        return True

    def beat(self, beat: WorkerBeat) -> None:
        """Send a heartbeat to publisher and supervisor, with the journal's spans and the counters of this module."""
        self._beat = beat
        self._journal.expire()
        self._announce()

    def pump(self, timeout_s: float) -> list[Command]:
        """Wait at most ``timeout_s``, see to the hand-over, and return the supervisor's commands."""
        commands: list[Command] = []
        for inbound in self._bus.wait(timeout_s):
            try:
                envelope = decode(inbound.octets)
                if envelope.kind is Kind.COMMAND and inbound.source == "supervisor":
                    commands.append(Command.from_body(envelope.body))
                else:
                    self._obey(envelope)
            except (BadEnvelope, UnknownKind, UnknownVersion, BadCommand) as error:
                self._counts[error.kind] += 1
        self._serve_replays()
        return commands

    def answer(self, command: Command, result: CommandResult) -> None:
        """Send a command's result to the supervisor; what cannot be sent expires by its deadline."""
        if not self._bus.to_supervisor(self._encode(Kind.RESULT, body=result.to_body(command.id))):
            self._counts["answers_lost"] += 1

    def position(self) -> tuple[bytes, int]:
        """Return the epoch that is being written, and its last number."""
        return self._journal.epoch, self.last_of(self._journal.epoch) or 0

    def last_of(self, epoch: bytes) -> int | None:
        """Return the last number of an epoch that the journal holds; None for one that it does not."""
        return next((span.last for span in self._journal.spans() if span.epoch == epoch), None)

    def waiting(self) -> int:
        """Return how many readings the publisher has not taken."""
        return sum(span.last - span.first_unacknowledged + 1 for span in self._journal.spans())

    def diagnose(self, diagnostic: Diagnostic) -> None:
        """Send the supervisor what went wrong on the line; what nobody hears is lost."""
        self._bus.publish(DIAGNOSTICS, self._encode(Kind.DIAGNOSTIC, body=diagnostic.to_body()))

    def drained(self) -> bool:
        """Return whether the publisher has everything."""
        return self._journal.drained()

    def close(self, patience_s: float = 5.0) -> None:
        """Collect acknowledgements for at most ``patience_s``, then close bus and journal; with none, at once."""
        limit = self._clock.monotonic() + patience_s
        next_beat = self._clock.monotonic()
        while not self.drained() and self._clock.monotonic() < limit:
            if self._clock.monotonic() >= next_beat:
                next_beat += CLOSING_BEAT_S
                self._announce()
            for command in self.pump(CLOSING_PAUSE_S):
                self.answer(command, STOPPING)
        self._bus.close(lingers=patience_s > 0)
        self._journal.close()

    def _obey(self, envelope: Envelope) -> None:
        if envelope.kind is Kind.ACK:
            self._journal.acknowledge(envelope.epoch, envelope.seq)
        elif envelope.kind is Kind.REPLAY:
            self._replays[envelope.epoch] = envelope.seq
        elif envelope.kind is Kind.HELLO:
            self._announce()
        else:
            self._counts["unexpected_kind"] += 1

    def _announce(self) -> None:
        """Say again what the loop said last, with what the journal holds now."""
        counters = {**self._beat.counters, **self._own_counters()}
        conditions = dict(self._beat.conditions)
        refused = self._journal.counters().get("disk_full", 0)
        if self._rising.rose("disk_full", refused, self._clock.monotonic()) or self._is_refused():
            conditions["disk"] = "the journal's disk is full: readings are dropped"
        bound = sum(self._journal.counters().get(reason, 0) for reason in BOUNDS)
        if self._rising.rose("bound", bound, self._clock.monotonic()):
            conditions["outbox"] = f"the journal is at its bound: the oldest readings are dropped, {bound} so far"
        damaged = self._journal.counters().get("damaged_files", 0)
        if self._rising.rose("damaged", damaged, self._clock.monotonic()):
            conditions["outbox"] = f"{damaged} damaged files in the journal: what is sound in them is delivered"
        beat = replace(self._beat, spans=self._journal.spans(), counters=counters, conditions=conditions)
        self._announced = self._journal.epoch
        self._bus.publish(HEARTBEATS, self._encode(Kind.HEARTBEAT, self._announced, body=beat.to_body()))

    def _is_refused(self) -> bool:
        """Return whether the disk did not take the last reading; one of long ago says nothing of the disk any more."""
        lately_s = REFUSED_INTERVALS * self._beat.interval_s
        return self._refused_at is not None and self._clock.monotonic() - self._refused_at < lately_s

    def _own_counters(self) -> dict[str, int]:
        own = {"taken": 0, "replayed": 0, "dropped_disk_full": 0, "dropped_too_large": 0, **self._counts}
        for name, count in self._journal.counters().items():
            own[name if name in {"damaged_files", "went_back"} else f"dropped_{name}"] = count
        return own

    def _serve_replays(self) -> None:
        """Answer each epoch that was asked for with one batch; of two questions about it the later one counts."""
        while self._replays:
            epoch, first = self._replays.popitem()
            self._replay(epoch, first)

    def _replay(self, epoch: bytes, first: int) -> None:
        batch = self._journal.read(epoch, first)
        for item in batch:
            if not self._bus.to_publisher(item.octets if not isinstance(item, Gone) else self._gone(epoch, item)):
                self._counts["replays_cut"] += 1
                return
            first = item.last + 1 if isinstance(item, Gone) else item.seq + 1
        self._counts["replayed"] += sum(not isinstance(item, Gone) for item in batch)
        self._bus.to_publisher(self._encode(Kind.REPLAY, epoch, first))
        if not batch:
            self._announce()

    def _gone(self, epoch: bytes, lost: Gone) -> bytes:
        return self._encode(Kind.GONE, epoch, lost.first, [lost.first, lost.last, lost.reason])

    def _encode(self, kind: Kind, epoch: bytes = NO_EPOCH, seq: int = 0, body: object = None) -> bytes:
        wall_ms, boot_ms = self._clock.wall_ms(), self._clock.boottime_ms()
        return encode(Envelope(kind, self._uid, epoch, seq, wall_ms, boot_ms, self._boot, body))
