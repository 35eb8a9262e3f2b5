"""How many streams may be open: over all processes of the API together, and in each one.

The places are octets of a file in memory that is made before gunicorn forks (``preload_app``); who holds one has locked
it. The lock is the kernel's and ends with the process, so that no kill leaks a place. Processes that share no such
file each have all places, and still no more than their own bound.
"""

import fcntl
import os
import threading
from typing import Final

_ONE: Final = 1  # octet


class Slots:
    """``limit``: of all processes; ``own_limit``: of this one."""

    def __init__(self, limit: int, own_limit: int) -> None:
        self.limit = limit
        self.own_limit = own_limit
        self._file = os.memfd_create("streams", os.MFD_CLOEXEC)  # never closed: closing it would end all locks
        self._held: set[int] = set()
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many this process holds."""
        return len(self._held)

    def take(self) -> int | None:
        """Return a place; None when there is none."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._held = os.getpid(), set()
            if len(self._held) >= self.own_limit:
                return None
            return next((place for place in range(self.limit) if place not in self._held and self._locked(place)), None)

    def give(self, place: int) -> None:
        """Give a place back."""
        with self._lock:
            if place in self._held:
                self._held.discard(place)
                fcntl.lockf(self._file, fcntl.LOCK_UN, _ONE, place)

    def _locked(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, _ONE, place)
        except OSError:
            return False
        self._held.add(place)
        return True
