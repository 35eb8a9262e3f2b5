"""P: the power fails, and comes back to a system whose parts appear in any order."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from common.process_state import ProcessState
from tests.chaos.links import Link
from tests.chaos.outcome import Outcome
from tests.chaos.plant import Plant
from tests.chaos.row import POLL_S, PROXIED, Listed, Moment, OwnRow, Rounds, Row, Touched, touched

ROOT: Final = Path(__file__).parents[2]
POWER: Final = "test_power*.py"
POWER_S: Final = 1200.0
LONG_ROUNDS: Final = 30
APART_S: Final = (0.5, 4.0)
BACK_OFF_S: Final = 60.0
"""A meter that was not there is tried again after at most so long."""


class PowerLoss(OwnRow):
    """P1: what was acknowledged to a worker is on the disk, at whatever write the power fails."""

    id = "P1"
    fault = "power fails under the outbox and the journals (a copy of the disk at random moments)"
    rounds = Rounds(0, 1)
    needs_root = True

    def why_not(self) -> str:
        return "" if self._tests() else "no test of power loss here"

    def _tests(self) -> list[str]:
        return [str(path) for path in sorted((ROOT / "tests").glob(f"*/{POWER}"))]

    def play(self, directory: Path, *, short: bool) -> Outcome:
        started = time.monotonic()
        words = ("-q", "-x", f"--basetemp={directory / 'tests'}", *self._tests())
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=ROOT,
            check=False,
            timeout=POWER_S,
            env=os.environ | ({} if short else {"POWER_ROUNDS": str(LONG_ROUNDS)}),
            capture_output=True,
            text=True,
        )
        last = (done.stdout.strip().splitlines() or ["nothing was said"])[-1]
        outcome = Outcome(self.id, self.fault, took_s=round(time.monotonic() - started, 1), figures={"tests": last})
        if done.returncode:
            outcome.wrong.append(last)
        else:
            outcome.recoveries.append(0.0)
        return outcome


class ColdBoot(Row):
    """P2: everything is started at once, and network, broker and meters come when they come."""

    id = "P2"
    fault = "a cold boot: broker and meters appear one after the other, in any order"
    rounds = Rounds(1, 3)
    stage = PROXIED
    may_raise = frozenset({"connection", "publish", "process", "circuit_breaker", "performance"})

    def bound_s(self, plant: Plant) -> float:
        return BACK_OFF_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(plant.meters, programs=plant.pids(), kills=len(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        links = [plant.meter_link(name) for name in plant.meters]
        for link in (*links, plant.broker_link):
            link.gate("refused")
            link.reset()
        plant.system.stop()
        plant.system.start()
        half = len(links) // 2
        appearing: list[Callable[[], None]] = [
            lambda: plant.broker_link.gate("open"),
            lambda: _open(links[:half]),
            lambda: _open(links[half:]),
        ]
        plant.chance.shuffle(appearing)
        for appear in appearing:
            time.sleep(plant.chance.uniform(*APART_S))
            appear()

    def clear(self, plant: Plant, hit: Touched) -> None:
        for link in (*map(plant.meter_link, plant.meters), plant.broker_link):
            link.gate("open")

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        states = plant.system.processes()
        return [f"{name} is FATAL" for name, process in states.items() if process.state is ProcessState.FATAL]


def _open(links: Sequence[Link]) -> None:
    for link in links:
        link.gate("open")


ROWS: Final[tuple[Listed, ...]] = (PowerLoss(), ColdBoot())
