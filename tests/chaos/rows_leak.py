"""L: what grows over many reconnections, over time, and what happens where memory ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.outcome import Outcome
from tests.chaos.plant import Plant
from tests.chaos.row import POLL_S, Listed, Moment, OwnRow, Rounds, Row, Stage, Touched, touched
from tests.soak.samples import Look, look
from tests.support.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
LIMITS: Final = {
    "reconnect_delay_s": "0.001",
    "backoff_first_s": "0.001",
    "backoff_max_s": "0.002",
    "breaker_failures": "1000",
    "reconnects_per_hour": "3600",
    "reconnect_pause_s": "0.001",
    "connects_per_s": "1000",
    "failed_cycles_to_reconnect": "1",
}
"""Nothing pauses, so that a night of reconnections takes minutes."""
IMPATIENT: Final = Stage(
    "impatient workers", words=tuple(word for name, value in LIMITS.items() for word in ("--limit", f"{name}={value}"))
)
HUNGRY: Final = Stage("hungry workers", environment={"PYTHONPATH": str(Path(__file__).parent / "memory_hook")})
GROUP_OCTETS: Final = 128 << 20
RECONNECTS: Final = 10_000
RECONNECTS_SHORT: Final = 300
WARM: Final = 100  # reconnections before the first look: what an error needs is loaded by then
ALLOWED: Final = 1.02
PAGES: Final = 64 << 10  # octets: what an allocator may hold back, beside the two percent
IN_A_ROW: Final = 900  # connections that fail: the breaker opens at a thousand, and a minute passes between two
READ_S: Final = 20.0
PATIENCE_S: Final = 1200.0
SETTLED_S: Final = 3.0
SOAK_MINUTES: Final = 10
GROUPS: Final = Path("/sys/fs/cgroup/memory")
SHORT_OF_S: Final = 10.0


class Reconnects(Row):
    """L1: the meter ends every connection at the first question."""

    id = "L1"
    fault = "a meter ends its connection again and again: 10 000 reconnections"
    rounds = Rounds(1, 1)
    stage = IMPATIENT
    may_raise = frozenset({"connection", "circuit_breaker", "performance", "hdlc"})

    def __init__(self) -> None:
        self._before: Look | None = None
        self._after: Look | None = None
        self._way: list[Look | None] = []  # after each of IN_A_ROW: a leak grows evenly, a cache stops
        self._connections = 0
        self._took_s = 0.0

    def bound_s(self, plant: Plant) -> float:
        return 5.0 + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.meters[0]
        return touched([meter], note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (meter,) = hit.unread
        pid = plant.system.pid_of(plant.system.worker(meter))
        begun = connections(plant, meter)
        started = time.monotonic()
        self._refuse(plant, meter, begun + WARM)
        self._let_read(plant, meter)
        time.sleep(SETTLED_S)
        self._before = look(pid)
        last = begun + (RECONNECTS_SHORT if plant.short else RECONNECTS)
        for count in range(begun + IN_A_ROW, last, IN_A_ROW):
            self._refuse(plant, meter, count)
            self._let_read(plant, meter)
            self._way.append(look(pid))
        self._refuse(plant, meter, last)
        self._took_s = time.monotonic() - started
        plant.system.simulator.do("clear", meter)
        self._connections = connections(plant, meter) - begun

    def _refuse(self, plant: Plant, meter: str, count: int) -> None:
        """Let the meter end every connection until it has seen so many."""
        plant.system.simulator.do("rst", meter, on="get", lasting=PATIENCE_S, probability=1)
        wait_until(lambda: connections(plant, meter) >= count, PATIENCE_S, f"{count} connections")

    def _let_read(self, plant: Plant, meter: str) -> None:
        """Let the meter be read once."""
        plant.system.simulator.do("clear", meter)
        plant.system.wait_for_readings(1, READ_S + plant.interval_s, [meter])

    def clear(self, plant: Plant, hit: Touched) -> None:
        (meter,) = hit.unread
        plant.system.simulator.do("clear", meter)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        (meter,) = hit.unread
        time.sleep(SETTLED_S)
        before, after = self._before, look(plant.system.pid_of(plant.system.worker(meter)))
        self._after = after
        if before is None or after is None:
            return ("nothing can be compared",)
        wrong = [f"{after.fds} descriptors, {before.fds} before"] if after.fds > before.fds else []
        if after.rss > before.rss * ALLOWED + PAGES:
            wrong.append(f"{after.rss >> 10} KiB resident, {before.rss >> 10} before")
        return wrong

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        if self._before is None or self._after is None or not self._took_s:
            return {}
        return {
            "reconnections": float(self._connections),
            "per second": round(self._connections / self._took_s, 1),
            "RSS KiB": " ".join(str(each.rss >> 10) for each in (self._before, *self._way, self._after) if each),
            "descriptors": f"{self._before.fds} to {self._after.fds}",
        }


class Soak(OwnRow):
    """L2: a soak of ten minutes; `make soak` is the long one."""

    id = "L2"
    fault = f"nothing at all, for {SOAK_MINUTES} minutes, 200 meters"
    rounds = Rounds(0, 1)
    by_name_only = True

    def play(self, directory: Path, *, short: bool) -> Outcome:
        result = directory / "soak.txt"
        started = time.monotonic()
        words = ("--minutes", str(SOAK_MINUTES), "--result", str(result))
        done = subprocess.run([sys.executable, "-m", "tests.soak", *words], cwd=ROOT, check=False)
        text = result.read_text(encoding="utf-8") if result.exists() else ""
        wrong = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("BEYOND")]
        if done.returncode and not wrong:
            wrong.append(f"the soak ended with {done.returncode}")
        took_s = round(time.monotonic() - started, 1)
        return Outcome(self.id, self.fault, recoveries=[0.0], wrong=wrong, took_s=took_s)


class OutOfMemory(Row):
    """L3: a worker asks for memory without end; its memory group has an end, and the kernel kills in that group."""

    id = "L3"
    fault = "the kernel kills a worker for its memory"
    rounds = Rounds(1, 3)
    stage = HUNGRY
    needs_root = True
    may_raise = frozenset({"process"})

    def why_not(self) -> str:
        return "" if (GROUPS / "memory.limit_in_bytes").exists() else "no memory groups (cgroup v1) here"

    def bound_s(self, plant: Plant) -> float:
        return 2.0 + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], programs=plant.workers(meter), kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (program,) = hit.programs
        pid = plant.system.pid_of(program)
        group = GROUPS / f"dlms-chaos-{pid}"
        group.mkdir()
        try:
            (group / "memory.limit_in_bytes").write_text(str(GROUP_OCTETS), encoding="ascii")
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
            os.kill(pid, signal.SIGUSR2)
            plant.system.wait_replaced(program, pid, SHORT_OF_S)
        finally:
            wait_until(lambda: _removed(group), SHORT_OF_S, "the group to be empty")


def connections(plant: Plant, meter: str) -> int:
    """Return how often somebody has associated with a meter."""
    return plant.simulated()[meter]["associations"]


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


ROWS: Final[tuple[Listed, ...]] = (Reconnects(), Soak(), OutOfMemory())
