"""What a worker knows of itself: state, counters, timings, conditions; the content of its heartbeats.

In: what the loop noticed, resources from /proc. Out: WorkerBeat. Nothing is sent here. Names of counters and gauges are
those of the heartbeat's contract; the feed adds the counters of its own.
"""

import os
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.heartbeat import BOUNDS_MS, TOOK, WorkerBeat
from common.meter_state import MeterState
from common.process import usage

BEAT_S: Final = 5.0
SECOND_BEAT_S: Final = 1.0  # the first heartbeat may come before anybody has subscribed
KEPT_CYCLES: Final = 60  # of which average, shortest and longest are told
SLOW_MS: Final = 2000  # the target of SPEC section 8 for a cycle
_DESCRIPTORS: Final = Path("/proc/self/fd")
_OWN: Final = (
    "cycles_ok",
    "cycles_partial",
    "cycles_failed",
    "cycles_slow",
    "cycle_ms_total",
    "reads_ok",
    "reads_failed",
    "missed_ticks",
    "connects",
    "connect_failures",
    "reconnects",
    "associations",
    "auth_refusals",
    "backfilled",
    "backfill_windows",
    "backfill_failed",
    "backfill_skipped",
)


class Vitals:
    """Everything that a heartbeat tells, but for the journal's spans."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_boot_ms = clock.boottime_ms()
        self._cycles_ms: deque[int] = deque(maxlen=KEPT_CYCLES)
        self._told: tuple[object, ...] = ()
        self._next_beat = clock.monotonic()
        self.counters: Counter[str] = Counter(dict.fromkeys(_OWN, 0))
        self.gauges: dict[str, float] = {}
        self.facts: dict[str, str] = {}
        self.conditions: dict[str, str] = {}
        self.state = MeterState.STARTING
        self.cause = ""
        self.detail = ""
        self.last_read_boot_ms = 0
        self.last_progress_boot_ms = self._started_boot_ms

    def enter(self, state: MeterState, cause: str = "", detail: str = "") -> bool:
        """Take a state; return whether state or cause changed."""
        changed = (self.state, self.cause) != (state, cause)
        self.state, self.cause, self.detail = state, cause, detail
        return changed

    def condition(self, category: str, text: str) -> None:
        """Hold a condition that the supervisor makes an alarm of; an empty text ends it."""
        if text:
            self.conditions[category] = text
        else:
            self.conditions.pop(category, None)

    def cycle(self, duration_ms: int) -> None:
        """Note how long a cycle took that brought a value."""
        self._cycles_ms.append(duration_ms)
        self.counters["cycle_ms_total"] += duration_ms
        self.counters["cycles_slow"] += duration_ms >= SLOW_MS
        self.counters[TOOK[bisect_left(BOUNDS_MS, duration_ms)]] += 1

    def progress(self) -> None:
        """The loop has come round; a worker that hangs stops saying so."""
        self.last_progress_boot_ms = self._clock.boottime_ms()

    def read_succeeded(self) -> None:
        """The meter answered with at least one value."""
        self.last_read_boot_ms = self._clock.boottime_ms()

    def is_due(self) -> bool:
        """Return whether a heartbeat is due: by time, or because state, cause or conditions changed."""
        return self._clock.monotonic() >= self._next_beat or self._told != self._tellable()

    def beat(
        self, *, revision: int, interval_s: float, next_attempt_s: float, counters: Mapping[str, int]
    ) -> WorkerBeat:
        """Return the heartbeat of this moment; ``counters`` are added to its own."""
        self._next_beat = self._clock.monotonic() + (BEAT_S if self._told else SECOND_BEAT_S)
        self._told = self._tellable()
        return WorkerBeat(
            pid=os.getpid(),
            started_boot_ms=self._started_boot_ms,
            revision=revision,
            state=self.state,
            cause=self.cause,
            detail=self.detail,
            interval_s=interval_s,
            last_read_boot_ms=self.last_read_boot_ms,
            last_progress_boot_ms=self.last_progress_boot_ms,
            next_attempt_s=next_attempt_s,
            counters={**self.counters, **counters},
            gauges={**self.gauges, **self._timings(), **resources()},
            facts=dict(self.facts),
            conditions=dict(self.conditions),
        )

    def _tellable(self) -> tuple[object, ...]:
        return self.state, self.cause, tuple(self.conditions), tuple(self.facts.values())

    def _timings(self) -> dict[str, float]:
        cycles = self._cycles_ms
        if not cycles:
            return {}
        return {
            "cycle_ms_last": float(cycles[-1]),
            "cycle_ms_avg": sum(cycles) / len(cycles),
            "cycle_ms_min": float(min(cycles)),
            "cycle_ms_max": float(max(cycles)),
        }


def resources() -> dict[str, float]:
    """Return memory, descriptors and CPU time of this process; what /proc does not tell is left out."""
    found = usage()
    with suppress(OSError):
        found["open_fds"] = float(sum(1 for _ in _DESCRIPTORS.iterdir()))
    return found
