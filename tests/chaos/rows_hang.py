"""H: a process is there and does nothing; stopped by a signal, or turning on one spot."""

import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from tests.chaos.figures import cpu_ticks, is_alive
from tests.chaos.plant import SUPERVISORD, Plant
from tests.chaos.row import POLL_S, PROXIED, Listed, Moment, Rounds, Row, Touched, touched
from tests.chaos.rows_kill import ALL_STALE, FLEET_S, two_at_one_meter

REPLACED_S: Final = 20.0
HUNG_SUPERVISORD_S: Final = 20.0
LOOKS_S: Final = 3.0
SILENT: Final = frozenset({"heartbeat", "process", "connection", "publish"})


class StoppedWorker(Row):
    """H1."""

    id = "H1"
    fault = "a worker hangs (SIGSTOP)"
    rounds = Rounds(1, 6)
    may_raise = SILENT
    must_raise = frozenset({"heartbeat"})

    def __init__(self) -> None:
        self._pid = 0

    def bound_s(self, plant: Plant) -> float:
        return REPLACED_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], programs=plant.workers(meter), kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (program,) = hit.programs
        self._pid = plant.system.kill(program, signal.SIGSTOP)

    def clear(self, plant: Plant, hit: Touched) -> None:
        _let_go(self._pid)


class TurningWorker(StoppedWorker):
    """H4: the poll loop turns for ever while the other threads of the process live."""

    id = "H4"
    fault = "a worker's loop turns on one spot"
    rounds = Rounds(0, 3)
    stage = PROXIED

    def inject(self, plant: Plant, hit: Touched) -> None:
        (program,) = hit.programs
        self._pid = plant.system.kill(program, signal.SIGUSR2)
        before = cpu_ticks(self._pid)
        time.sleep(1.0)
        assert cpu_ticks(self._pid) > before + 10, "the worker does not turn: the hook is not in it"

    def clear(self, plant: Plant, hit: Touched) -> None:
        pass


class StoppedPublisher(Row):
    """H2."""

    id = "H2"
    fault = "the publisher hangs (SIGSTOP)"
    rounds = Rounds(0, 3)
    may_raise = SILENT
    must_raise = frozenset({"heartbeat"})

    def __init__(self) -> None:
        self._pid = 0

    def bound_s(self, plant: Plant) -> float:
        return REPLACED_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters, programs=["publisher"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        self._pid = plant.system.kill("publisher", signal.SIGSTOP)

    def clear(self, plant: Plant, hit: Touched) -> None:
        _let_go(self._pid)


class StoppedSupervisord(Row):
    """H3."""

    id = "H3"
    fault = "supervisord hangs (SIGSTOP)"
    rounds = Rounds(0, 2)
    may_raise = ALL_STALE

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def bound_s(self, plant: Plant) -> float:
        return HUNG_SUPERVISORD_S + LOOKS_S + FLEET_S + POLL_S + plant.interval_s + len(plant.meters) / 10

    def touch(self, plant: Plant) -> Touched:
        self._before = plant.pids()
        return touched(plant.meters, programs=self._before, kills=len(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        os.kill(self._before[SUPERVISORD], signal.SIGSTOP)

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        """All goes on while it hangs, too: back means that there is another one, and its workers deliver."""
        if is_alive(self._before[SUPERVISORD]) or plant.supervisord() == 0:
            return False
        pids = plant.pids()
        return all(name in pids for name in hit.programs) and super().is_back(plant, hit, since)

    def clear(self, plant: Plant, hit: Touched) -> None:
        _let_go(self._before.get(SUPERVISORD, 0))

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        return two_at_one_meter(plant)


def _let_go(pid: int) -> None:
    """Let a stopped process run, if it is still there."""
    if pid and is_alive(pid):
        os.kill(pid, signal.SIGCONT)


ROWS: Final[tuple[Listed, ...]] = (StoppedWorker(), StoppedPublisher(), StoppedSupervisord(), TurningWorker())
