"""How much of what a meter should give arrives: reads that succeed, readings that are delivered in time. Pure.

In: judgements once a second, counters of heartbeats among them, and the time. Out: ``Figures`` for the alarms. Only
what happened while this supervisor ran is counted; a counter that fell belongs to a new process. Both figures recover
by themselves after a fault: success is judged anew by the last minutes, a reading that is delivered is not overdue.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from common.heartbeat import Delivery
from supervisor_qos.health import NOT_HEARD
from supervisor_qos.judged import Judged

SUCCESS_MIN: Final = 0.98  # the target of SPEC section 8
SUCCESS_AGAIN: Final = 0.99  # of the last minutes: better than the target, or it would come back at once
MIN_READS: Final = 100  # fewer say nothing: one failure of 50 would be two per cent
BUCKET_MS: Final = 300_000
BUCKETS: Final = 12  # an hour
WINDOW_FLOOR_S: Final = 60.0  # readings of at least so long are what a share is of
WINDOW_INTERVALS: Final = 10.0
COUNTERS: Final = ("reads_ok", "reads_failed", "taken")
SAMPLES: Final = 32  # of a meter's production, over the window and the limit before it


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one meter. ``delivered``: the share of readings delivered within their limit.

    ``reads``: what to say of reads that fail too often, empty while they do not.
    """

    now_s: float = 0.0
    delivered: float = 1.0
    reads: str = ""


@dataclass(slots=True)
class _Reads:
    """Reads of one meter, by five minutes: [start, succeeded, failed]."""

    buckets: deque[list[int]] = field(default_factory=lambda: deque(maxlen=BUCKETS))
    low: bool = False

    def add(self, succeeded: int, failed: int, now_ms: int) -> None:
        start = now_ms - now_ms % BUCKET_MS
        if not self.buckets or self.buckets[-1][0] != start:
            self.buckets.append([start, 0, 0])
        self.buckets[-1][1] += succeeded
        self.buckets[-1][2] += failed

    def judge(self, now_ms: int) -> str:
        """Low by the hour and by the last minutes; low no more when the last minutes are good, or the hour is.

        A meter that is not read at all any more has another alarm.
        """
        hour, hour_share = self._share(now_ms - BUCKET_MS * BUCKETS)
        latest, latest_share = self._share(now_ms - BUCKET_MS)
        if self.low:
            recovered = latest >= MIN_READS and latest_share >= SUCCESS_AGAIN
            self.low = not recovered and latest > 0 and hour_share < SUCCESS_AGAIN
        else:
            self.low = hour >= MIN_READS and hour_share < SUCCESS_MIN and latest > 0 and latest_share < SUCCESS_MIN
        return f"{100 * hour_share:.1f} % of the last hour's reads succeeded" if self.low else ""

    def _share(self, since_ms: int) -> tuple[int, float]:
        """Return how many reads there were in buckets that end after a time, and which part of them succeeded."""
        wanted = [bucket for bucket in self.buckets if bucket[0] + BUCKET_MS > since_ms]
        succeeded, failed = sum(bucket[1] for bucket in wanted), sum(bucket[2] for bucket in wanted)
        total = succeeded + failed
        return total, succeeded / total if total else 1.0


@dataclass(frozen=True, slots=True)
class _Sample:
    """How much had come by when."""

    at_ms: int
    produced: int
    entered: int


@dataclass(slots=True)
class _Meter:
    """What is remembered of one meter. ``produced`` by its worker and ``entered`` into the outbox, since we count."""

    pid: int = 0
    replaced_ms: int = 0
    heard_ms: int = 0
    counters: list[int] = field(default_factory=lambda: [0] * len(COUNTERS))
    produced: int = 0
    taken: int = -1
    entered: int = 0
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    reads: _Reads = field(default_factory=_Reads)


@dataclass(slots=True)
class Shares:
    """See the module's text. ``expected`` and ``overdue``: readings of all meters at the last look."""

    meters: dict[bytes, _Meter] = field(default_factory=dict)
    expected: int = 0
    overdue: int = 0

    @property
    def delivered(self) -> float:
        """The share of all meters' readings delivered within their limit."""
        return _rest(self.overdue, self.expected)

    def look(self, judged: list[Judged], now_ms: int) -> dict[bytes, Figures]:
        """Take in what was judged; return the figures of each meter. Meters that are gone are forgotten."""
        for uid in self.meters.keys() - {item.meter.uid for item in judged}:
            del self.meters[uid]
        self.expected = self.overdue = 0
        return {item.meter.uid: self._look(item, now_ms) for item in judged}

    def _look(self, judged: Judged, now_ms: int) -> Figures:
        known = self.meters.setdefault(judged.meter.uid, _Meter())
        _enter(known, judged.worker.delivery)
        if judged.worker.heard_ms != known.heard_ms:
            _count(known, judged, now_ms)
        expected, overdue = _overdue(known, judged, now_ms)
        self.expected += expected
        self.overdue += overdue
        return Figures(now_ms / 1000, _rest(overdue, expected), known.reads.judge(now_ms))


def _window_ms(judged: Judged) -> int:
    return round(1000 * max(WINDOW_FLOOR_S, WINDOW_INTERVALS * judged.meter.wish.interval_s))


def _count(known: _Meter, judged: Judged, now_ms: int) -> None:
    """Take in a heartbeat: what happened since the one before, which is where counting begins when it is the first."""
    beat = judged.worker.beat
    counters = [beat.counters.get(name, 0) for name in COUNTERS]
    before = known.counters if beat.pid == known.pid else [0] * len(COUNTERS)
    first = not known.heard_ms
    if known.pid and beat.pid != known.pid:
        known.replaced_ms = now_ms
    rises = [0 if first else max(0, new - old) for new, old in zip(counters, before, strict=True)]
    known.pid, known.heard_ms, known.counters = beat.pid, judged.worker.heard_ms, counters
    known.reads.add(rises[0], rises[1], now_ms)
    known.produced += rises[2]
    apart_ms = (_window_ms(judged) + round(1000 * judged.stale_s)) // (SAMPLES - 2)
    if not known.samples or now_ms - known.samples[-1].at_ms >= apart_ms:
        known.samples.append(_Sample(now_ms, known.produced, known.entered))


def _enter(known: _Meter, delivery: Delivery) -> None:
    """Follow what the publisher took of a meter; a count that fell is that of another outbox."""
    known.entered += max(0, delivery.taken - known.taken) if known.taken >= 0 else 0
    known.taken = delivery.taken


def _overdue(known: _Meter, judged: Judged, now_ms: int) -> tuple[int, int]:
    """Return how many readings should have been delivered by now, of the window's, and how many of them were not.

    Those that wait are the youngest of a stream in order; what came within the limit may wait, and what waited when we
    began to count is not judged until as much time has passed. Journal and outbox are judged each by the words of its
    own keeper: a reading may be told of by both, and by one of them seconds earlier.
    """
    limit = now_ms - round(1000 * judged.stale_s)
    if not known.samples or known.samples[0].at_ms > limit:
        return 0, 0
    is_new = known.replaced_ms > limit  # a new process has yet to hear what of its journal was taken
    spans = () if is_new or judged.health in NOT_HEARD else judged.worker.beat.spans
    journaled = sum(max(0, span.last - span.first_unacknowledged + 1) for span in spans)
    due, before = _by(known, limit), _by(known, limit - _window_ms(judged))
    overdue = (
        journaled - (known.produced - due.produced),
        judged.worker.delivery.waiting - (known.entered - due.entered),
    )
    return max(due.produced - before.produced, 0), max(0, *overdue)


def _by(known: _Meter, at_ms: int) -> _Sample:
    """Return how much there was at a time; before the first sample, as much as at that."""
    found = known.samples[0]
    for sample in known.samples:
        if sample.at_ms > at_ms:
            break
        found = sample
    return found


def _rest(overdue: int, expected: int) -> float:
    """Return the share that is not overdue; where nothing was expected, all or nothing."""
    return max(0.0, 1.0 - overdue / max(expected, 1))
