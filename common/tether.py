"""A program that must not outlive the process that starts it: the kernel ends it (prctl(2), PR_SET_PDEATHSIG).

In: a command. Out: the same command behind ``setpriv --pdeathsig`` of util-linux, which replaces itself with it and so
costs it no memory (ctypes in the process itself was measured at 220 KiB, times the number of meters). Where there is no
``setpriv`` this module does the same, as ``python -m common.tether SIGNAL PARENT COMMAND…``. A parent that ended before
the kernel was asked is noticed by ``common.process.StopFlag``, which is told its id by MARK.
"""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from common.process import MARK, Exit

PR_SET_PDEATHSIG: Final = 1
UNKNOWN: Final = "0"  # the parent is whoever it is, and has left its mark itself
BUSYBOX: Final = "busybox"  # its setpriv has no --pdeathsig: nothing would start
USAGE: Final = "usage: python -m common.tether SIGNAL PARENT COMMAND..."


def tethered(command: Sequence[str], scripts: Path, at_parents_end: str = "TERM") -> list[str]:
    """Return a command whose process gets a signal, named without SIG, when its parent ends."""
    setpriv = shutil.which("setpriv")
    if setpriv is not None and Path(setpriv).resolve().name != BUSYBOX:
        return [setpriv, "--pdeathsig", at_parents_end, "--", *command]
    return [*_ourselves(scripts), at_parents_end, UNKNOWN, *command]


def tethered_root(command: Sequence[str], scripts: Path, parent: int) -> list[str]:
    """Return a command that is killed when ``parent`` ends, and whose children know its process id by MARK."""
    return [*_ourselves(scripts), "KILL", str(parent), *command]


def _ourselves(scripts: Path) -> list[str]:
    return [str(scripts / "python"), "-P", "-m", "common.tether"]


def main(argv: Sequence[str]) -> int:
    """Become the command."""
    if len(argv) < 3 or f"SIG{argv[0]}" not in signal.Signals.__members__ or not argv[1].isdecimal():
        sys.stderr.write(f"{USAGE}\n")
        return Exit.BAD_CONFIGURATION
    if _tie(signal.Signals[f"SIG{argv[0]}"], int(argv[1])):
        os.execvp(argv[2], list(argv[2:]))  # noqa: S606  # no shell is wanted
    return Exit.OK  # nobody is left who wants the command


def _tie(number: signal.Signals, parent: int) -> bool:
    """Ask the kernel for the signal; leave our mark if we are the first; return whether the parent still lives."""
    import ctypes  # who only wants a command does not pay for it

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if not parent:
        return os.environ.get(MARK, str(os.getppid())) == str(os.getppid())
    os.environ[MARK] = str(os.getpid())
    return os.getppid() == parent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
