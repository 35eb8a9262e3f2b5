"""All clients against one meter, by turns: rounds of some cycles in each mode, measured in the clients themselves."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.bench.dlms.client import WARM_UP
from tests.bench.dlms.facts import Mode
from tests.bench.dlms.reader import WHERE

CYCLES: Final = 20
"""Of one turn: long against what is measured around it, short against what else the machine does."""
FEW_CYCLES: Final = 2
"""Of one turn of a client that needs milliseconds for a request."""
FEW: Final = frozenset({("gurux-dlms", Mode.CIPHERED_VALUE)})
FLOOR_OF: Final = {mode: Mode.HDLC_VALUE if mode.port == "hdlc" else Mode.WRAPPER_VALUE for mode in Mode}
"""Every mode is compared with the plain socket that exchanges value by value over the same transport."""


@dataclass(slots=True)
class Figures:
    """One client in one mode: per cycle, one entry for each round."""

    cpu_us: list[float] = field(default_factory=list)
    wall_us: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    """To the floor of the same round."""
    trips: float = 0.0
    wrong: int = 0
    reason: str = ""
    """Why there are no figures."""

    @property
    def ratio(self) -> float:
        """The median of the ratios to the floor."""
        return median(self.ratios)


class Process:
    """A program of the bench, asked line by line."""

    def __init__(self, *words: str, processor: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._name = words[-1]
        os.sched_setaffinity(self._process.pid, {processor})

    def hear(self) -> str:
        """Return the next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended early")
        return line

    def ask(self, question: str = "") -> str:
        """Send a line, return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self.hear()

    def end(self) -> None:
        """End it: its standard input ends, and so does it."""
        self._process.communicate(timeout=10)


@contextmanager
def _processes(*, apart: bool) -> Iterator[tuple[Process, dict[str, Process]]]:
    with ExitStack() as stack:
        processors = sorted(os.sched_getaffinity(0))
        meter = Process("tests.bench.dlms.meter", processor=processors[0 if apart else -1])
        stack.callback(meter.end)
        clients = {}
        for name in WHERE:
            clients[name] = Process("tests.bench.dlms.client", name, processor=processors[-1])
            stack.callback(clients[name].end)
        yield meter, clients


def measure(rounds: int, *, apart: bool = False) -> dict[Mode, dict[str, Figures]]:
    """Return the figures of every client in every mode."""
    figures: dict[Mode, dict[str, Figures]] = {mode: {name: Figures() for name in WHERE} for mode in Mode}
    with _processes(apart=apart) as (meter, clients):
        ports = json.loads(meter.hear())
        for mode, name in ((mode, name) for mode in Mode for name in WHERE):
            answer = json.loads(clients[name].ask(json.dumps(["open", mode.name, ports[mode.port]])))
            figures[mode][name].reason = answer or ""
        for _ in range(rounds):
            _one_round(figures, meter, clients)
    return figures


def _one_round(figures: dict[Mode, dict[str, Figures]], meter: Process, clients: dict[str, Process]) -> None:
    """Let every client have its turn in every mode, and compare it with the floor of this round."""
    for mode, name in ((mode, name) for mode in Mode for name in WHERE if not figures[mode][name].reason):
        entry = figures[mode][name]
        cycles = FEW_CYCLES if (name, mode) in FEW else CYCLES
        before = int(meter.ask())
        told = json.loads(clients[name].ask(json.dumps(["run", mode.name, cycles])))
        entry.trips = (int(meter.ask()) - before) / (cycles + WARM_UP)
        entry.wrong += told["wrong"]
        entry.wall_us.append(told["wall"] / cycles * 1e6)
        entry.cpu_us.append(told["cpu"] / cycles * 1e6)
    for mode, of_mode in figures.items():
        floor = figures[FLOOR_OF[mode]]["floor"].cpu_us[-1]
        for entry in of_mode.values():
            if entry.cpu_us:
                entry.ratios.append(entry.cpu_us[-1] / floor)
