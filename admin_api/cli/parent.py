"""A process that must not outlive the one that started it.

In: nothing. Out: SIGTERM to us when our parent ends, by the kernel (prctl(2), PR_SET_PDEATHSIG); it stays in force over
execve. The parent is checked again, because it may have ended before the kernel was asked.
"""

import ctypes
import os
import signal
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask for SIGTERM at the parent's end; ``parent``: its process id where the caller knows it, else as it is now."""
    expected = os.getppid() if parent is None else parent
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != expected:
        os.kill(os.getpid(), signal.SIGTERM)
