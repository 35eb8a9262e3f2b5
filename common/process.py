"""What every one of our processes does alike: stop signals, exit codes, a stack dump on request."""

import faulthandler
import gc
import os
import signal
import sys
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Final

MARK: Final = "SUPERVISOR_PID"  # in the environment of what supervisord starts: who its parent is
_STATM: Final = Path("/proc/self/statm")


class Exit(IntEnum):
    """Exit codes; supervisord does not restart 0, 75 and 78 (sysexits.h names the two)."""

    OK = 0
    BUG = 70
    LOCK_HELD = 75
    BAD_CONFIGURATION = 78


class StopFlag:
    """Set by SIGTERM or SIGINT; the loop looks at it. ``install`` also makes SIGUSR1 dump all stacks to stderr."""

    def __init__(self) -> None:
        self.is_set = False
        self._parent = _expected_parent()

    def install(self) -> None:
        """Take over the signals; only ``main.py`` calls this."""
        signal.signal(signal.SIGTERM, self._set)
        signal.signal(signal.SIGINT, self._set)
        faulthandler.enable(file=sys.stderr)
        faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)

    def orphaned(self) -> bool:
        """Return whether the process that started us is gone: nobody would restart or stop us any more."""
        return os.getppid() != self._parent

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def _expected_parent() -> int:
    """Return who started us: by its mark where it left one, because it may have ended before we could look."""
    mark = os.environ.get(MARK, "")
    return int(mark) if mark.isdecimal() else os.getppid()


def settle() -> None:
    """Take what the start made out of the garbage collector's sight; to be called once, when all is wired."""
    gc.collect()
    gc.freeze()


def tidy() -> None:
    """Give back what the interpreter keeps for later use; to be called once a minute.

    It keeps freed tuples and lists by the thousand, and makes a full collection only when a quarter of all that lasts
    is new: memory would creep up by about a per cent an hour. After ``settle`` this takes less than a millisecond.
    """
    gc.collect()


def usage() -> dict[str, float]:
    """Return resident memory in octets and CPU seconds of this process; what /proc does not tell is left out."""
    times = os.times()
    found = {"cpu_s": times.user + times.system}
    with suppress(OSError, ValueError):
        found["rss_bytes"] = float(int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
