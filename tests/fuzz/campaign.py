"""A long run in worker processes, which can be stopped anywhere and goes on where it ended.

Goes in: how many inputs, a seed, a file. Comes out: the file, written anew every few seconds: for each target inputs,
outcomes, the slowest and largest input, violations with the input that did it; the growth of the workers' memory.
"""

import json
import os
import resource
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz.sessions import SESSION
from tests.fuzz.targets import PARSERS, Target
from tests.fuzz.trial import Tally, batch

TARGETS: Final = {target.name: target for target in (*PARSERS.values(), SESSION)}
BATCHES_OF: Final = 200
"""In so many batches each target's inputs are cut: a run that is stopped has done the same part of all."""
SMALLEST_BATCH: Final = 20
WORKER_OCTETS: Final = 1 << 30
"""Address space of a worker: an input that takes more dies of MemoryError, and not the machine."""
SETTLED: Final = 4
"""Batches after which a worker's memory is looked at first: what is loaded by then belongs to it."""
MOST_GROWTH_MIB: Final = 64.0
"""Of a worker's memory from then to the end. Tracing the memory of sampled inputs itself keeps some 1.5 MiB for each
million inputs; without it nothing grows."""
WRITTEN_EVERY_S: Final = 5.0


@dataclass
class Plan:
    """What a run is made of; another plan is another run."""

    inputs: int
    seed: int
    only: tuple[str, ...] = ()

    def batches(self) -> Iterator[tuple[str, int, int]]:
        """Yield target, number and size of each batch, the targets in turn."""
        chosen = [target for target in TARGETS.values() if not self.only or target.name in self.only]
        whole = sum(target.share for target in chosen)
        sizes = {target.name: self._size(target, whole) for target in chosen}
        counts = {target.name: round(self.inputs * target.share / whole) for target in chosen}
        for number in range(BATCHES_OF):
            for name, size in sizes.items():
                left = counts[name] - number * size
                if left > 0:
                    yield name, number, min(size, left)

    def _size(self, target: Target, whole: float) -> int:
        return max(SMALLEST_BATCH, -int(-self.inputs * target.share / whole // BATCHES_OF))


@dataclass
class Result:
    """What a run has found so far."""

    plan: Plan
    batches_done: int = 0
    wall_s: float = 0.0
    growth_mib: float = 0.0
    finished: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def violations(self) -> list[dict[str, str | int]]:
        """All of them."""
        return [each for tally in self.tallies.values() for each in tally.violations]

    @property
    def inputs(self) -> int:
        """Done so far."""
        return sum(tally.inputs for tally in self.tallies.values())

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"inputs_done": self.inputs} | asdict(self), indent=1) + "\n", encoding="utf-8")
        new.replace(path)


def resumed(path: Path, plan: Plan) -> Result:
    """Return the result in a file when it is of the same plan, else an empty one."""
    if not path.exists():
        return Result(plan)
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if found["plan"] != json.loads(json.dumps(asdict(plan))):
        raise SystemExit(f"{path} is of another run: {found['plan']}")
    result = Result(plan, found["batches_done"], found["wall_s"], found["growth_mib"])
    for name, fields in found["tallies"].items():
        result.tallies[name] = Tally()
        result.tallies[name].add(Tally(**fields))
    return result


def run(plan: Plan, path: Path | None, workers: int, seconds: float | None) -> Result:
    """Do what is left of a plan; a violation is noted, and the run goes on."""
    result = resumed(path, plan) if path else Result(plan)
    began = time.monotonic()
    spent, written = result.wall_s, began
    for name, tally, growth in _done(plan, result.batches_done, workers, None if seconds is None else began + seconds):
        result.tallies.setdefault(name, Tally()).add(tally)
        result.batches_done += 1
        result.growth_mib = max(result.growth_mib, growth)
        result.wall_s = spent + time.monotonic() - began
        if path and time.monotonic() - written > WRITTEN_EVERY_S:
            result.write(path)
            written = time.monotonic()
    result.finished = result.batches_done == sum(1 for _ in plan.batches())
    if path:
        result.write(path)
    return result


def _done(plan: Plan, skip: int, workers: int, until: float | None) -> Iterator[tuple[str, Tally, float]]:
    """Yield what batches found, in their order, a few of them under way."""
    left = iter(list(plan.batches())[skip:])
    under_way: deque[tuple[tuple[str, int, int], Future[tuple[Tally, float]]]] = deque()
    with ProcessPoolExecutor(workers, initializer=_confined) as pool:
        while True:
            late = until is not None and time.monotonic() > until
            while not late and len(under_way) < 2 * workers and (task := next(left, None)):
                under_way.append((task, pool.submit(_batch, task, plan.seed)))
            if not under_way:
                return
            (name, number, size), future = under_way.popleft()
            try:
                tally, growth = future.result()
            except BrokenProcessPool:
                raise SystemExit(f"a worker died near batch {number} of {name}, {size} inputs") from None
            yield name, tally, growth


_settled: list[float] = []


def _confined() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_OCTETS, WORKER_OCTETS))


def _batch(task: tuple[str, int, int], seed: int) -> tuple[Tally, float]:
    name, number, size = task
    tally = batch(TARGETS[name], seed, number, size)
    _settled.append(_resident_mib())
    first = _settled[min(len(_settled), SETTLED * len(TARGETS)) - 1]
    return tally, _settled[-1] - first


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
