"""What arrived at the broker, kept so that it can be asked again and again while a run goes on.

In: the subscriber's record, looked at from where the last look ended. Out: per meter when its readings were taken and
when they arrived, how many numbers are missing, how many came twice. It judges nothing: the auditor does.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.row import Moment
from tests.support.mosquitto import Received, Subscriber

PROFILE: Final = "profile"


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first arrival of a reading: when it was taken (UTC), when it came (monotonic), in which lane."""

    ts_ms: int
    at: float
    lane: str


@dataclass(slots=True)
class Series:
    """One meter's readings in the order of their arrival."""

    arrivals: list[Arrival] = field(default_factory=list)
    newest_ms: int = 0


class Record:
    """Everything that arrived so far; not for several threads."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._looked = 0
        self._series: dict[str, Series] = defaultdict(Series)
        self._numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
        self.repeats = 0

    def look(self) -> None:
        """Take in what came since the last look."""
        fresh = self._subscriber.since(self._looked)
        self._looked += len(fresh)
        for item in fresh:
            self._take(item)

    def _take(self, item: Received) -> None:
        body = json.loads(item.payload)
        seen = self._numbers[body["uid"], body["epoch"]]
        if body["seq"] in seen:
            self.repeats += 1
            return
        seen.add(body["seq"])
        if body.get("source") == PROFILE:
            return
        series = self._series[body["meter"]]
        series.arrivals.append(Arrival(body["ts"], item.at, item.lane))
        series.newest_ms = max(series.newest_ms, body["ts"])

    @property
    def readings(self) -> int:
        """Return how many different readings arrived."""
        self.look()
        return sum(map(len, self._numbers.values()))

    @property
    def missing(self) -> int:
        """Return how many numbers are missing below the highest of their epoch."""
        self.look()
        return sum(max(seen) - len(seen) for seen in self._numbers.values() if seen)

    def all_fresh(self, meters: Iterable[str], since: Moment) -> bool:
        """Return whether a reading of each meter has arrived that was taken after a moment."""
        self.look()
        return all(self._series[meter].newest_ms > since.wall_ms for meter in meters)

    def stale(self, meters: Iterable[str], since: Moment) -> list[str]:
        """Return the meters of which no such reading has arrived."""
        self.look()
        return [meter for meter in meters if self._series[meter].newest_ms <= since.wall_ms]

    def arrivals(self, meter: str, since: float = 0.0) -> list[Arrival]:
        """Return a meter's readings that arrived after a monotonic moment, in the order of arrival."""
        found = self._series[meter].arrivals
        return found[bisect_left(found, since, key=lambda arrival: arrival.at) :]

    def all_arrivals(self, since: float = 0.0) -> list[Arrival]:
        """Return the readings of all meters that arrived after a moment, in the order of arrival."""
        self.look()
        found = [arrival for meter in self._series for arrival in self.arrivals(meter, since)]
        return sorted(found, key=lambda arrival: arrival.at)
