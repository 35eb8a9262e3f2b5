"""A worker's whole loop on a clock that moves only by waiting: a night is played in a moment.

In: settings, orders at given times. Out: what the loop published and said. The feed here is a second, smaller kind of
``Out``: it keeps what it is given; waiting in it moves the clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from common.command import Command, CommandResult
from common.diagnostic import Diagnostic
from common.heartbeat import WorkerBeat
from common.meter_state import MeterState
from common.reading import Reading, Source
from common.worker_file import Limits
from poller.backfill_file import BackfillFile
from poller.line import LineLock
from poller.link import Parts
from poller.loop import Loop
from poller.refusal import RefusalRecord
from poller.resolver import Resolver
from poller.simulator import Fault, FaultKind, MeterSpec
from poller.turnstile import Turnstile
from poller.vitals import Vitals
from poller.watch import Watch
from tests.support.simulated import StillClock
from tests.support.wires import SimulatedWire
from tests.support.workers import UID, worker_file

BOOT = b"b" * 16
EPOCH = b"e" * 8
IDLE_TURNS = 1000  # turns of the loop without any time passing: it would turn for ever


class Ended:
    """A stop flag that the night sets."""

    is_set = False

    def orphaned(self) -> bool:
        return False


@dataclass
class KeptFeed:
    """Keeps readings with the time they were taken, heartbeats and results."""

    clock: StillClock
    stop: Ended
    until: float = 0.0
    readings: list[tuple[float, Reading]] = field(default_factory=list)
    beats: list[tuple[float, WorkerBeat]] = field(default_factory=list)
    rows: list[tuple[int, Reading]] = field(default_factory=list)
    answers: list[tuple[str, CommandResult]] = field(default_factory=list)
    results: dict[str, CommandResult] = field(default_factory=dict)
    plans: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    orders: list[Command] = field(default_factory=list)
    diagnostics: list[tuple[float, Diagnostic]] = field(default_factory=list)
    _idle: int = 0

    def publish(self, reading: Reading, ts_ms: int | None = None, boot_ms: int | None = None) -> bool:
        assert boot_ms is not None
        self.readings.append((boot_ms / 1000, reading))
        if reading.source is Source.PROFILE:
            assert ts_ms is not None
            self.rows.append((ts_ms, reading))
        return True

    def beat(self, beat: WorkerBeat) -> None:
        self.beats.append((self.clock.now, beat))

    def pump(self, timeout_s: float) -> list[Command]:
        self._idle = 0 if timeout_s else self._idle + 1
        assert self._idle < IDLE_TURNS, "the loop turns without waiting"
        self.clock.sleep(timeout_s)
        due = [plan for at, plan in self.plans if at <= self.clock.now]
        self.plans = [(at, plan) for at, plan in self.plans if at > self.clock.now]
        for plan in due:
            plan()
        self.stop.is_set = self.clock.now >= self.until
        orders, self.orders = self.orders, []
        return orders

    def answer(self, command: Command, result: CommandResult) -> None:
        self.answers.append((command.id, result))
        if not result.progress:
            self.results[command.id] = result

    def position(self) -> tuple[bytes, int]:
        return EPOCH, len(self.readings)

    def last_of(self, epoch: bytes) -> int | None:
        return len(self.readings) if epoch == EPOCH else None

    def waiting(self) -> int:
        return 0

    def diagnose(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append((self.clock.now, diagnostic))


class Night:
    """One worker with one simulated meter, from ``now`` 1000 s on."""

    def __init__(
        self, root: Path, spec: MeterSpec | None = None, clock: StillClock | None = None, **changes: object
    ) -> None:
        self.clock = clock or StillClock()
        self.start = self.clock.now
        self.path = root / "worker.json"
        file = replace(worker_file(root, 4059), interval_s=2.0, limits=Limits(), uid=UID)
        self.file = replace(file, **changes)  # type: ignore[arg-type]
        self.root = root
        self.wire = SimulatedWire(self.clock, spec)
        self.feed = KeptFeed(self.clock, Ended())
        self.lock = LineLock(Path(self.file.lock_dir))
        self.files: Callable[[Path], BackfillFile] = BackfillFile

    def at(self, seconds: float, plan: Callable[[], object]) -> None:
        """Do something so many seconds after the night's start."""
        self.feed.plans.append((self.start + seconds, lambda: _drop(plan())))

    def fault(self, kind: FaultKind, **details: object) -> None:
        """Make the meter misbehave from now on."""
        fault = Fault(kind, **details)  # type: ignore[arg-type]
        assert self.wire.device.faults.arm(fault, self.clock.now)

    def change(self, **values: object) -> None:
        """Write a new worker file."""
        self.file = replace(self.file, revision=self.file.revision + 1, **values)  # type: ignore[arg-type]
        self.file.dump(self.path)

    def order(self, verb: str, **arguments: object) -> None:
        """Give the worker a command, named by its verb."""
        self.feed.orders.append(Command(verb, verb, arguments, round(self.clock.now * 1000) + 60_000))

    def play(self, seconds: float) -> "Night":
        """Run a worker for so long; it is stopped in order at the end. Times of the night begin at 0."""
        self.file.dump(self.path)
        self.feed.until, self.feed.stop.is_set = self.clock.now + seconds, False
        missed = self.files(Path(self.file.journal_dir))
        loop = Loop(Watch(self.path, self.clock), self.feed, self.feed.stop, self.clock, missed)
        self.wire.pulse = loop.pulse
        records = RefusalRecord(Path(self.file.journal_dir), self.clock, BOOT)
        resolver = Resolver(self.clock, loop.pulse)
        turns = Turnstile(Path(self.file.lock_dir), self.clock)
        loop.run(Parts(self.wire, resolver, self.lock, records, self.clock, Vitals(self.clock), lambda: 0.5, turns))
        missed.close()
        return self

    @property
    def times(self) -> list[float]:
        """Return when the readings were taken."""
        return [round(at - self.start, 3) for at, _ in self.feed.readings]

    @property
    def last(self) -> WorkerBeat:
        """Return the last heartbeat."""
        return self.feed.beats[-1][1]

    def states(self) -> list[tuple[MeterState, str]]:
        """Return the states with their causes, in order, without repeats."""
        found: list[tuple[MeterState, str]] = []
        for _, beat in self.feed.beats:
            if not found or found[-1] != (beat.state, beat.cause):
                found.append((beat.state, beat.cause))
        return found


def _drop(_result: object) -> None:
    """A plan's result is nobody's business."""
