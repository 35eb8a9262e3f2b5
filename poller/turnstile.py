"""Connections one after the other, over all workers of this machine: a gateway that everybody dials at once breaks.

In: a directory that the workers share, a rate. Out: how long to wait before the next connection. The next free turn is
a time of CLOCK_BOOTTIME in a file under flock(2). A fleet that starts, or comes back, spreads by it; one worker alone
never waits. It is a courtesy: what keeps the file from being used keeps nobody from connecting.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from common.clock import Clock

NAME: Final = "turnstile"
SIZE: Final = 8
FURTHEST_MS: Final = 60_000  # a turn further away is of another boot, or damaged: a thousand meters take 33 s
TRIES: Final = 20  # to get the lock; its holder needs microseconds, unless it is suspended
PAUSE_S: Final = 0.005


class Turnstile:
    """The turns of one directory."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._path = directory / NAME
        self._clock = clock

    def wait_s(self, per_second: int) -> float:
        """Take the next turn; return the seconds until it comes."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0.0
        try:
            return self._take(handle, per_second) if self._lock(handle) else 0.0
        except OSError:
            return 0.0
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> bool:
        for _ in range(TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._clock.sleep(PAUSE_S)
            else:
                return True
        return False

    def _take(self, handle: int, per_second: int) -> float:
        now_ms = self._clock.boottime_ms()
        turn_ms = int.from_bytes(os.pread(handle, SIZE, 0), "big")
        if not now_ms < turn_ms <= now_ms + FURTHEST_MS:
            turn_ms = now_ms
        os.pwrite(handle, (turn_ms + -(-1000 // per_second)).to_bytes(SIZE, "big"), 0)
        return (turn_ms - now_ms) / 1000
