"""B: the broker is away, answers nothing, or refuses. B1L is a long absence on a stand of its own."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench import away
from tests.bench.figures import percentile
from tests.chaos.figures import rss_mib
from tests.chaos.outcome import Outcome
from tests.chaos.plant import Plant, now
from tests.chaos.row import PROXIED, RULED, Listed, Moment, OwnRow, Rounds, Row, Touched, touched

BACK_S: Final = 10.0
"""The delay between two tries to connect is at most 3 s; the rest is for a busy machine and the test's subscriber."""
NO_PUBACK_S: Final = 30.0
LIVE_P99_S: Final = 2.0
FASTER: Final = 5.0
MOST_MEMORY_MIB: Final = 16.0
SLOWEST: Final = 3.0
"""Readings may pile up so many times slower than the interval says before the row gives up."""


class Away(Row):
    """B1: stopped, and started again after seconds."""

    id = "B1"
    fault = "the broker is away at full rate"
    rounds = Rounds(1, 3)
    may_raise = frozenset({"publish", "connection"})
    short_s = 5.0
    long_s = (10.0, 60.0, 120.0)

    def __init__(self) -> None:
        self._round = 0
        self._drains: list[Mapping[str, float]] = []

    def bound_s(self, plant: Plant) -> float:
        return BACK_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        self._round += 1
        return self.short_s if plant.short else self.long_s[(self._round - 1) % len(self.long_s)]

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters)

    def inject(self, plant: Plant, hit: Touched) -> None:
        plant.system.broker.stop()
        self._began = now()

    def clear(self, plant: Plant, hit: Touched) -> None:
        if not plant.system.broker.running:
            plant.system.broker.start()

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        """Wait until the backlog has arrived: five times as fast as readings are made, without delaying them."""
        rate = len(plant.meters) / plant.interval_s
        backlog = (since.mono - self._began.mono) * rate
        limit = BACK_S + backlog / (FASTER * rate)
        figures = self._drained(plant, since, limit)
        self._drains.append(figures)
        wrong = []
        if figures["drained s"] > limit:
            took = f"{figures['backlog']:.0f} readings drained in {figures['drained s']:.1f} s"
            wrong.append(f"{took}, bound {limit:.1f} s")
        if figures["live p99 s"] > LIVE_P99_S:
            wrong.append(f"live p99 was {figures['live p99 s']:.2f} s while draining, bound {LIVE_P99_S:g} s")
        return wrong

    def _drained(self, plant: Plant, since: Moment, limit: float) -> dict[str, float]:
        """Return what the drain was like, from the record, when nothing came for some time that is older than it.

        Live readings are judged from the first delivery on: before it the publisher has yet to find the broker.
        """
        deadline = time.monotonic() + limit * SLOWEST
        while time.monotonic() < deadline:
            arrivals = plant.record.all_arrivals(since.mono)
            old = [arrival.at for arrival in arrivals if arrival.ts_ms < since.wall_ms]
            if plant.record.missing == 0 and old and time.monotonic() - max(old) > max(2.0, plant.interval_s):
                break
            time.sleep(0.5)
        begin, end = (min(old), max(old)) if old else (since.mono, since.mono)
        offset = time.time() - time.monotonic()
        live = sorted(
            arrival.at + offset - arrival.ts_ms / 1000
            for arrival in arrivals
            if arrival.ts_ms / 1000 >= begin + offset and arrival.at <= end + plant.interval_s
        )
        rate = len(old) / max(end - begin, 0.1)
        return {
            "backlog": float(len(old)),
            "drained s": end - since.mono,
            "drained per s": rate,
            "times live": rate / (len(plant.meters) / plant.interval_s),
            "live p50 s": live[len(live) // 2] if live else 0.0,
            "live p99 s": live[int(len(live) * 0.99)] if live else 0.0,
        }

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        largest = max(self._drains, key=lambda drain: drain["backlog"], default={})
        return {name: round(value, 3) for name, value in largest.items()}


class AwayLong(OwnRow):
    """B1L: without meters, so that an hour takes a minute; the rest is real (tests/bench/away.py)."""

    id = "B1L"
    fault = "the broker is away until 200 000 readings wait"
    rounds = Rounds(0, 1)

    def play(self, directory: Path, *, short: bool) -> Outcome:
        started = time.monotonic()
        outage = away.run(directory, away.READINGS)
        bound = outage.waited * away.INTERVAL_S / away.METERS / away.TARGET_RATIO
        p50, p99 = (percentile(outage.live_s, share) for share in (0.5, 0.99))
        return Outcome(
            self.id,
            self.fault,
            bound_s=round(bound, 1),
            recoveries=[outage.drained_s],
            lost=outage.lost,
            repeated=outage.verdict.repeats,
            wrong=[*outage.verdict.faults, *([] if outage.is_good else ["a target was missed"])],
            figures={
                "backlog": float(outage.waited),
                "times live": round(outage.ratio, 1),
                "live p50 s": round(p50, 3),
                "live p99 s": round(p99, 3),
            },
            took_s=round(time.monotonic() - started, 1),
        )


class Mute(Row):
    """B2: TCP is accepted, no CONNACK ever comes."""

    id = "B2"
    fault = "the broker accepts and never answers CONNECT"
    rounds = Rounds(1, 2)
    stage = PROXIED
    may_raise = frozenset({"publish", "connection", "no_puback"})

    def bound_s(self, plant: Plant) -> float:
        return BACK_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        return 6.0 if plant.short else 45.0

    def touch(self, plant: Plant) -> Touched:
        self._memory = rss_mib(plant.system.pid_of("publisher"))
        return touched(undelivered=plant.meters)

    def inject(self, plant: Plant, hit: Touched) -> None:
        plant.broker_link.gate("mute")
        plant.broker_link.reset()

    def clear(self, plant: Plant, hit: Touched) -> None:
        plant.broker_link.mend()

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        grown = rss_mib(plant.system.pid_of("publisher")) - self._memory
        return [f"the publisher's memory grew by {grown:.1f} MiB"] if grown > MOST_MEMORY_MIB else []


class NoPuback(Mute):
    """B2P: everything reaches the broker, nothing comes back."""

    id = "B2P"
    fault = "the broker's PUBACKs never come"
    rounds = Rounds(0, 2)

    def bound_s(self, plant: Plant) -> float:
        return NO_PUBACK_S + BACK_S + plant.interval_s

    def inject(self, plant: Plant, hit: Touched) -> None:
        plant.broker_link.bend(down={"swallow": True})


class Refusing(Row):
    """B3: one topic is denied; the others go on, and the denied one goes on when it is allowed again."""

    id = "B3"
    fault = "the broker refuses one meter's topic (0x87)"
    rounds = Rounds(0, 2)
    stage = RULED
    may_raise = frozenset({"publish", "connection"})

    def bound_s(self, plant: Plant) -> float:
        return BACK_S + 60.0 + plant.interval_s if not plant.short else 20.0

    def holds_s(self, plant: Plant) -> float:
        return 6.0 if plant.short else 40.0

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=[plant.chance.choice(plant.meters)])

    def inject(self, plant: Plant, hit: Touched) -> None:
        (meter,) = hit.undelivered
        rules = [f"topic write meters/{name}/telemetry" for name in plant.meters if name != meter]
        plant.broker_rules(["topic read #", "topic write bridges/#", "topic write meters/+/status", *rules])

    def clear(self, plant: Plant, hit: Touched) -> None:
        plant.broker_rules([])


ROWS: Final[tuple[Listed, ...]] = (Away(), AwayLong(), Mute(), NoPuback(), Refusing())
