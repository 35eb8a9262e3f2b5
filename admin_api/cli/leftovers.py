"""Processes that a supervisord left behind when it was killed, found by what it put into their environment.

In: the path of supervisord's socket, which names one state directory and no other. Out: process ids; and their end.
"""

import os
import signal
from pathlib import Path
from typing import Final

from common.clock import Clock

PROC: Final = Path("/proc")
PATIENCE_S: Final = 8.0  # a worker collects acknowledgements for up to 5 s
LOOK_S: Final = 0.1


def left_over(socket: Path) -> list[int]:
    """Return the processes that were started by the supervisord of this socket; never this one or its ancestors."""
    mark = b"SUPERVISOR_SERVER_URL=unix://" + os.fsencode(socket)
    ours = _ancestors()
    found = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in found if pid not in ours and mark in _environment(pid)]


def end(socket: Path, clock: Clock) -> int:
    """End them, by SIGTERM and after PATIENCE_S by SIGKILL; return how many there were."""
    first = left_over(socket)
    _signal(first, signal.SIGTERM)
    deadline = clock.monotonic() + PATIENCE_S
    while left_over(socket) and clock.monotonic() < deadline:
        clock.sleep(LOOK_S)
    _signal(left_over(socket), signal.SIGKILL)
    return len(first)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _environment(pid: int) -> list[bytes]:
    """Return a process's environment; nothing where it is gone, another user's, or a zombie."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid and pid not in found:
        found.add(pid)
        pid = _parent(pid)
    return found


def _parent(pid: int) -> int:
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return int(fields[1])
