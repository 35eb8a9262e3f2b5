"""What is measured of every meter and of the system, once a second: what is to be added to the store's periods. Pure.

In: judgements with the last heartbeats, the publisher's last words, the time. Out: counts by period and meter, until
they are written. Rules: counters of a process begin at 0 with its life, so that another life is counted from 0; what a
life had counted before we looked first is not ours; nothing is counted twice, and nothing is ever subtracted. Lengths
are of CLOCK_BOOTTIME, and the wall clock only says which period they are added to.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from common.heartbeat import TOOK, Delivery, PublisherBeat, WorkerBeat
from common.meter_state import DesiredState
from common.store.model import PERIOD_MS
from supervisor_qos.judged import Judged

GAP_MS: Final = 2000  # between two looks: we did not run, and the time is measured for nobody
BATCH: Final = 100  # meters at a time, each of which is two rows in the store: nobody waits long for the write lock
FORGET_MS: Final = 15_000  # a longer gap: what was counted in it is not ours either; heartbeats come every 5 s
MAX_PERIODS: Final = 24  # two hours that the store did not take; then the oldest are forgotten, and counted

COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "cycles": ("cycles_ok", "cycles_partial"),
    "cycles_slow": ("cycles_slow",),
    "cycle_ms": ("cycle_ms_total",),
    "reads_ok": ("reads_ok",),
    "reads_failed": ("reads_failed",),
    "connect_failures": ("connect_failures",),
    "reconnects": ("reconnects",),
    "hdlc_errors": ("bad_frames", "out_of_sequence"),
    "dropped": ("dropped_disk_full",),
    "backfilled": ("backfilled",),
    **{name: (name,) for name in ("frames_sent", "frames_received", "octets_sent", "octets_received")},
}
"""Counts of a period, and the counters of a worker's heartbeat that they are made of."""
SYSTEM_COUNTERS: Final = ("mqtt_disconnects", "mqtt_sessions", "mqtt_messages", "mqtt_octets")
DELIVERIES: Final = ("taken", "delivered", "dropped")
JOURNALED: Final = "taken"  # the worker's own counter of that name
NOTHING: Final = Delivery()
NONE: Final = (0, 0)
CYCLES: Final = (*TOOK, "cycle_ms_total")  # a worker's counters of how long its cycles take
Life = tuple[int, int]  # process id and start: what counters belong to
Key = tuple[int, bytes]
Counts = Mapping[str, int]
Add = Callable[[Mapping[Key, Counts], Mapping[int, Counts]], None]


@dataclass(frozen=True, slots=True)
class Look:
    """What is so just now. ``grace``: what is not known to be well may be so only because we did not listen."""

    now_ms: int
    wall_ms: int
    grace: bool = False
    unplanned_starts: int = 0
    publisher_silent: bool = False


@dataclass(frozen=True, slots=True)
class Stride:
    """From the last look to this one: the time that is measured, and whether what was counted in it is ours."""

    look: Look
    measured_ms: int
    ours: bool


@dataclass(slots=True)
class Known:
    """What was last counted of one meter; ``wished_ms``: since when it is wished running, None: it is not."""

    delivery: Delivery | None
    life: Life = NONE
    counters: Mapping[str, int] = field(default_factory=dict)
    starts: int = 0
    wished_ms: int | None = None
    waiting: int = 0
    journaled: int = 0  # since what waits was last looked at, and the store took that


@dataclass(slots=True)
class Measuring:
    """See the module's text. ``seen``: meters that an earlier supervisor had looked at; set before the first look.

    ``took``: how long the cycles of all meters took, since this supervisor's first look.
    """

    seen: Collection[bytes] = frozenset()
    meters: dict[Key, Counter[str]] = field(default_factory=dict)
    system: dict[int, Counter[str]] = field(default_factory=dict)
    forgotten: int = 0
    took: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CYCLES, 0)))
    _known: dict[bytes, Known] = field(default_factory=dict)
    _publisher: Known = field(default_factory=lambda: Known(None))
    _unplanned: int = 0
    _began_ms: int = 0
    _looked_ms: int = 0
    _unwritten: list[Key] = field(default_factory=list)
    _at_ms: int = 0

    def look(self, judged: Iterable[Judged], publisher: PublisherBeat, look: Look) -> None:
        """Count what happened since the last look."""
        first = not self._looked_ms
        self._began_ms = self._began_ms or look.now_ms
        gap = 0 if first else look.now_ms - self._looked_ms
        self._looked_ms, self._at_ms = look.now_ms, look.wall_ms - look.wall_ms % PERIOD_MS
        stride = Stride(look, gap if gap <= GAP_MS else 0, ours=gap <= FORGET_MS)
        living = {item.meter.uid: item for item in judged}
        for uid, item in living.items():
            if uid not in self._known:
                self._known[uid] = Known(None if uid in self.seen else Delivery())
                self._known[uid].wished_ms = 0 if first and uid in self.seen else None
            if found := self._of_meter(item, self._known[uid], stride):
                self.meters.setdefault((self._at_ms, uid), Counter()).update(found)
        for uid in self._known.keys() - living.keys():
            del self._known[uid]
        self.system.setdefault(self._at_ms, Counter()).update(self._of_system(publisher, stride))

    def settle(self) -> None:
        """Look at what waits for the broker; to be called about once a minute, before the counts are written.

        What waits was taken within the last minute, or it is overdue.
        """
        for uid, known in self._known.items():
            overdue = max(0, known.waiting - known.journaled)
            key = self._at_ms, uid
            if overdue or key in self.meters:
                self.meters.setdefault(key, Counter())["overdue"] = overdue

    def write(self, add: Add) -> bool:
        """Give the store a batch of what was measured by its first; return whether there is another.

        The system's counts go with the first. What the store does not take is kept, and settled anew.
        """
        if not self._unwritten:
            self.settle()
            self.bound()
            self._unwritten = sorted(self.meters)
        batch, rest = self._unwritten[:BATCH], self._unwritten[BATCH:]
        self._unwritten = []
        add({key: self.meters[key] for key in batch}, dict(self.system))
        self.written(batch)
        self._unwritten = rest
        return bool(rest)

    def finish(self, add: Add) -> None:
        """Give the store everything."""
        self._unwritten = []
        while self.write(add):
            pass

    def written(self, keys: Iterable[Key] | None = None) -> None:
        """The store has taken these, or everything."""
        for key in list(self.meters) if keys is None else keys:
            del self.meters[key]
            if key[1] in self._known:
                self._known[key[1]].journaled = 0
        self.system.clear()

    def bound(self) -> None:
        """The store has not taken it: keep what it may take later, within bounds."""
        periods = sorted({*self.system, *(at_ms for at_ms, _ in self.meters)})
        for at_ms in periods[:-MAX_PERIODS]:
            self.system.pop(at_ms, None)
            self.forgotten += 1
        for key in [key for key in self.meters if key[0] not in periods[-MAX_PERIODS:]]:
            del self.meters[key]

    def _of_meter(self, item: Judged, known: Known, stride: Stride) -> Counter[str]:
        found = _time(item, known, stride)
        told, beat = item.worker.delivery, item.worker.beat
        rises = self._rises(known, beat, stride)
        known.journaled += rises[JOURNALED]
        self.took.update({name: rises[name] for name in CYCLES if name in rises})
        found.update({name: sum(rises[part] for part in parts) for name, parts in COUNTERS.items()})
        if told != NOTHING:
            base = told if known.delivery is None or not stride.ours else known.delivery
            found.update({name: max(0, getattr(told, name) - getattr(base, name)) for name in DELIVERIES})
            known.delivery = told
        starts, known.starts = item.history.counted - known.starts, item.history.counted
        found["starts"] = starts if stride.ours else 0
        known.waiting = _waiting(told, beat)
        return +found

    def _of_system(self, publisher: PublisherBeat, stride: Stride) -> Counter[str]:
        look = stride.look
        rises = self._rises(self._publisher, publisher, stride)
        unplanned, self._unplanned = look.unplanned_starts - self._unplanned, look.unplanned_starts
        found = Counter({name: rises[name] for name in SYSTEM_COUNTERS})
        found["measured_ms"] = stride.measured_ms
        found["unplanned_starts"] = unplanned if stride.ours else 0
        found["publisher_silent_ms"] = stride.measured_ms * look.publisher_silent
        return +found

    def _rises(self, known: Known, beat: WorkerBeat | PublisherBeat, stride: Stride) -> Counter[str]:
        """Return by how much each counter of a process rose; nothing of what it counted before it was ours."""
        life = beat.pid, beat.started_boot_ms
        if beat.pid == 0 or (life == known.life and beat.counters is known.counters):
            return Counter()
        same = life == known.life
        ours = stride.ours and (same or known.life != NONE or beat.started_boot_ms >= self._began_ms)
        before: Mapping[str, int] = known.counters if same else {}
        known.life, known.counters = life, beat.counters
        if not ours:
            return Counter()
        return Counter({name: max(0, count - before.get(name, 0)) for name, count in beat.counters.items()})


def _time(item: Judged, known: Known, stride: Stride) -> Counter[str]:
    """Return the time measured of a meter; a meter that is only now wished running has its limit to be read in.

    In the supervisor's grace a meter that is read is well, and of any other nothing is known.
    """
    if item.meter.wish.desired_state is not DesiredState.RUNNING:
        known.wished_ms = None
        return Counter()
    now = stride.look.now_ms
    if known.wished_ms is None:
        known.wished_ms = now
    up = now - max(item.worker.read_ms, known.wished_ms) <= item.stale_s * 1000
    measured = stride.measured_ms if up or not stride.look.grace else 0
    return Counter({"measured_ms": measured, "up_ms": measured if up else 0})


def _waiting(told: Delivery, beat: WorkerBeat) -> int:
    """Return how many readings a meter's worker or the publisher hold, those set aside among them."""
    held = sum(max(0, span.last - span.first_unacknowledged + 1) for span in beat.spans)
    return held + max(0, told.taken - told.delivered - told.dropped)
