"""K: a process is killed, or several at once."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final

from common.process_state import ProcessState
from tests.chaos.figures import is_alive
from tests.chaos.plant import SUPERVISORD, Plant
from tests.chaos.row import POLL_S, Listed, Moment, Rounds, Row, Touched, touched
from tests.support.system import CORE

KILLED: Final = frozenset({"process"})
"""A start that nobody asked for is told of."""
ALL_STALE: Final = frozenset({"process", "connection", "publish", "heartbeat"})
RESTART_S: Final = 2.0
ORPHANS_S: Final = 2.0
ENDS_S: Final = 0.04
"""What the orderly end of one worker costs on two processors; they all end at once."""
FLEET_S: Final = 10.0
STARTS_S: Final = 0.17
"""What one more worker adds to a fleet's start on two processors: each is a program of its own, started by exec."""
METRICS_S: Final = 3.0


class Worker(Row):
    """K1."""

    id = "K1"
    fault = "a worker is killed, at random"
    rounds = Rounds(2, 50)
    may_raise = KILLED

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], programs=plant.workers(meter), kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (program,) = hit.programs
        plant.system.kill(program)


class Workers(Row):
    """K2."""

    id = "K2"
    fault = "all workers are killed at once"
    rounds = Rounds(1, 2)
    may_raise = ALL_STALE

    def bound_s(self, plant: Plant) -> float:
        return max(FLEET_S, len(plant.meters) * STARTS_S) + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(plant.meters, programs=plant.workers(), kills=len(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        for program, pid in plant.pids().items():
            if program in hit.programs:
                os.kill(pid, signal.SIGKILL)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        states = {name: process.state for name, process in plant.system.processes().items()}
        return [f"{name} is FATAL" for name in hit.programs if states.get(name) is ProcessState.FATAL]


class Publisher(Row):
    """K3."""

    id = "K3"
    fault = "the publisher is killed at full rate"
    rounds = Rounds(2, 20)
    may_raise = KILLED

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters, programs=["publisher"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        plant.system.kill("publisher")


class Together(Row):
    """K7."""

    id = "K7"
    fault = "publisher, supervisor_qos, API and a worker at once"
    rounds = Rounds(1, 10)
    may_raise = KILLED

    def bound_s(self, plant: Plant) -> float:
        return 2 * RESTART_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], plant.meters, [*CORE, *plant.workers(meter)], kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        for program in hit.programs:
            plant.system.kill(program)


class Supervisor(Row):
    """K4: both of those that nobody needs for a reading."""

    id = "K4"
    fault = "supervisor_qos and the API are killed"
    rounds = Rounds(2, 10)
    may_raise = KILLED

    def bound_s(self, plant: Plant) -> float:
        return METRICS_S

    def touch(self, plant: Plant) -> Touched:
        return touched(programs=["supervisor_qos", "api"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        for program in hit.programs:
            plant.system.kill(program)

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        running = plant.system.pids()
        return all(name in running for name in hit.programs) and plant.metrics() != ""


class SupervisordKilled(Row):
    """K5."""

    id = "K5"
    fault = "supervisord is killed"
    rounds = Rounds(1, 2)
    may_raise = ALL_STALE

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._killed = 0.0
        self._gone: list[float] = []
        self._left: set[int] = set()

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + FLEET_S + POLL_S + plant.interval_s + len(plant.meters) / 10

    def touch(self, plant: Plant) -> Touched:
        self._before = plant.pids()
        return touched(plant.meters, programs=self._before, kills=len(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        os.kill(self._before[SUPERVISORD], signal.SIGKILL)
        self._killed, self._left = time.monotonic(), set(self._before.values())

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        if self._left:
            self._left = set(filter(is_alive, self._left))
            if self._left:
                return False
            self._gone.append(time.monotonic() - self._killed)
        return super().is_back(plant, hit, since)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        took, bound = self._gone[-1], ORPHANS_S + len(plant.meters) * ENDS_S
        text = f"the last of supervisord's processes ended {took:.1f} s after it, bound {bound:.1f} s"
        late = [text] if took > bound else []
        return [*late, *two_at_one_meter(plant)]

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        return {"its processes ended within s": round(max(self._gone, default=0.0), 1)}


class Broker(Row):
    """K6."""

    id = "K6"
    fault = "the broker is killed and comes back after 0.1, 5 or 60 s"
    rounds = Rounds(1, 6)
    may_raise = frozenset({"publish", "connection"})

    def __init__(self) -> None:
        self._round = 0

    def bound_s(self, plant: Plant) -> float:
        return 10.0 + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        self._round += 1
        return 0.1 if plant.short else (0.1, 5.0, 60.0)[(self._round - 1) % 3]

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters)

    def inject(self, plant: Plant, hit: Touched) -> None:
        plant.system.broker.kill()

    def clear(self, plant: Plant, hit: Touched) -> None:
        if not plant.system.broker.running:
            plant.system.broker.start()


def two_at_one_meter(plant: Plant) -> list[str]:
    """Return which meters were ever served to two clients at the same time: two workers had it."""
    meters = plant.simulated()
    return [f"{name} had two clients at a time" for name, counts in meters.items() if counts["associated_max"] > 1]


ROWS: Final[tuple[Listed, ...]] = (
    Worker(),
    Workers(),
    Publisher(),
    Supervisor(),
    SupervisordKilled(),
    Broker(),
    Together(),
)
