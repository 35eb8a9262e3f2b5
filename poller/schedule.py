"""When each quantity is due: absolute ticks on the monotonic clock, never shifted by how long a cycle takes.

In: intervals by key, a start, a fraction that spreads meters apart. Out: keys that are due, the next tick, how many
were missed. Pure: time is an argument. Intervals that divide one another share their ticks, so that one cycle serves
both.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST_READ_S: Final = 10.0  # a meter read every hour is read once soon after the start, then on its ticks
LATE: Final = 0.5  # of an interval: a tick found later than this is missed; one found earlier is served late


def phase(uid: bytes) -> float:
    """Return a fraction from 0 up to 1 that follows from a meter's uid alone: 128 random bits spread a fleet evenly."""
    return int.from_bytes(uid[:4], "big") / 2**32


@dataclass(frozen=True, slots=True)
class Due:
    """What one look at the schedule found."""

    keys: tuple[str, ...] = ()
    missed: int = 0


@dataclass(slots=True)
class _Grid:
    """Ticks at ``origin`` + n * ``interval``; ``ticks`` of them lie behind us, served or missed."""

    interval: float
    origin: float
    early: float | None
    keys: tuple[str, ...]
    ticks: int = 0

    def next(self) -> float:
        if self.early is not None:
            return self.early
        return self.origin + self.ticks * self.interval

    def take(self, now: float) -> tuple[bool, int]:
        """Return whether a tick is to be served now, and how many were missed; step over both."""
        if self.early is not None and now >= self.early:
            self.early = None
            return True, self._skip(now)
        if self.early is not None or now < self.next():
            return False, 0
        latest = self._latest(now)
        late = now - (self.origin + latest * self.interval)
        missed, self.ticks = latest - self.ticks, latest + 1
        return (True, missed) if late <= self.interval * LATE else (False, missed + 1)

    def _latest(self, now: float) -> int:
        """Return the number of the last tick that is not after ``now``, which is after the next one; rounding aside."""
        latest = max(math.floor((now - self.origin) / self.interval), self.ticks)
        return latest + 1 if self.origin + (latest + 1) * self.interval <= now else latest

    def _skip(self, now: float) -> int:
        """Step over the ticks that passed before the early read; it stands for the last of them."""
        passed = self._latest(now) + 1 if now >= self.origin else 0
        self.ticks = passed
        return max(0, passed - 1)


class Schedule:
    """The ticks of one meter. ``spread`` from 0 up to 1 shifts them against those of other meters."""

    def __init__(self, intervals: Mapping[str, float], start: float, spread: float) -> None:
        groups: dict[float, list[str]] = {}
        for key, interval in intervals.items():
            groups.setdefault(interval, []).append(key)
        base = min(groups, default=1.0)
        self._order = tuple(intervals)
        self._grids = [_grid(interval, keys, base, start, spread) for interval, keys in groups.items()]

    def next_due(self) -> float:
        """Return the time of the next tick; infinity where nothing is scheduled."""
        return min((grid.next() for grid in self._grids), default=math.inf)

    def due(self, now: float) -> Due:
        """Return the keys to read now, in the order given, and step over ticks that can no longer be served."""
        served: set[str] = set()
        missed = 0
        for grid in self._grids:
            serve, lost = grid.take(now)
            missed += lost
            if serve:
                served.update(grid.keys)
        return Due(tuple(key for key in self._order if key in served), missed)


def _grid(interval: float, keys: list[str], base: float, start: float, spread: float) -> _Grid:
    """Lay the grid's origin on a tick of the shortest interval, so that long intervals coincide with short ones."""
    first = start + spread * min(base, FIRST_READ_S)
    origin = start + spread * base
    if interval > base:
        origin += math.floor(spread * interval / base) * base
    return _Grid(interval, origin, first if origin > first else None, tuple(keys))
