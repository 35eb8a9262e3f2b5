"""What the processes of a running product use, sampled from /proc: memory, descriptors, threads, CPU.

In: a ``System``. Out: for each process its samples over time. Read from outside: no process under test is touched.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.figures import KIB, cpu_s
from tests.support.system import System

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one process. Memory in octets; ``cpu_s`` since its start."""

    at: float
    rss: int
    uss: int
    fds: int
    threads: int
    cpu_s: float


@dataclass(slots=True)
class Record:
    """One process over time; ``kind``: what the table calls it, the same for all workers."""

    name: str
    kind: str
    pid: int
    looks: list[Look] = field(default_factory=list)


@dataclass(slots=True)
class Recorder:
    """All processes of a product. ``zombies``: the most seen at one time; ``files``: the largest sizes seen."""

    system: System
    records: dict[int, Record] = field(default_factory=dict)
    zombies: int = 0
    files: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Sample all processes once, and the files that may grow."""
        parents = _parents()
        named = self._named(parents)
        for pid, (name, kind) in named.items():
            found = look(pid)
            if found is not None:
                self.records.setdefault(pid, Record(name, kind, pid)).looks.append(found)
        self.zombies = max(self.zombies, sum(_is_zombie(pid) for pid, parent in parents.items() if parent in named))
        for name, size in self._sizes().items():
            self.files[name] = max(size, self.files.get(name, 0))

    def _named(self, parents: dict[int, int]) -> dict[int, tuple[str, str]]:
        """Return the processes by id: supervisord's programs, their children, supervisord, its parent, the broker."""
        named: dict[int, tuple[str, str]] = {}
        for name, pid in self.system.pids().items():
            named[pid] = (name, "worker" if name.startswith("meter-") else name)
            supervisord = parents.get(pid, 0)
            named[supervisord] = ("supervisord", "supervisord")
            named[parents.get(supervisord, 0)] = ("meterctl run", "meterctl run")
        for pid, parent in parents.items():
            if parent in named and pid not in named and named[parent][0] != "meterctl run":
                named[pid] = (f"{named[parent][0]} child", f"{named[parent][1]} child")
        named[self.system.broker.pid] = ("broker", "broker (not ours)")
        named.pop(0, None)
        return named

    def _sizes(self) -> dict[str, int]:
        state = self.system.state
        wals = {path.name: path.stat().st_size for path in state.rglob("*.db-wal")}
        logs = sum(path.stat().st_size for path in self.system.paths.log.iterdir())
        journals = sum(_size(path) for path in self.system.paths.journal.rglob("*") if path.is_file())
        databases = {path.name: path.stat().st_size for path in state.rglob("*.db")}
        return {**wals, **databases, "logs": logs, "journals": journals}


def look(pid: int) -> Look | None:
    """Return what a process uses now; None when it is gone."""
    at = time.monotonic()
    try:
        memory = _memory(pid)
        fds = _entries(pid, "fd")
        threads = _entries(pid, "task")
        return Look(at, memory["Rss"], memory["Private_Clean"] + memory["Private_Dirty"], fds, threads, cpu_s(pid))
    except (OSError, KeyError):
        return None


def _entries(pid: int, name: str) -> int:
    return sum(1 for _ in (PROC / str(pid) / name).iterdir())


def _memory(pid: int) -> dict[str, int]:
    lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {line.partition(":")[0]: KIB * int(line.split()[1]) for line in lines}


def _parents() -> dict[int, int]:
    """Return the parent of every process of this machine."""
    found = {}
    for path in PROC.iterdir():
        if path.name.isdigit():
            fields = _stat(int(path.name))
            if fields:
                found[int(path.name)] = int(fields[1])
    return found


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]


def _stat(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a segment that was freed meanwhile
