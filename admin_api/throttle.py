"""Who asks too often, and who guesses: counted over all processes of the API, in memory that they share.

In: a kind and a name (an address, a person, a token), time. Out: whether to go on, or how many seconds to wait. The
memory is made before gunicorn forks (``preload_app``); its lock is the kernel's and ends with the process that holds
it. The table has SLOTS places: of WAYS names that fall together the one that was longest unused goes.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from common.clock import Clock

WAYS: Final = 8
BUCKETS: Final = 1024
SLOTS: Final = WAYS * BUCKETS  # 256 KiB; an attacker with more addresses than that has enough to wait for none
FAILURES: Final = 10  # in a row, with less than WINDOW_S between two
WINDOW_S: Final = 300.0
FIRST_BLOCK_S: Final = 30.0  # after FAILURES, doubled by each one more
LONGEST_BLOCK_S: Final = 900.0
BURST_S: Final = 10.0  # of its rate may somebody use at once: a page that asks for everything it shows
_TRIES: Final = 50  # a millisecond each; then somebody was stopped with the lock in hand, and a count may be one off
_EMPTY: Final = bytes(8)
_SLOT: Final = struct.Struct("<8sddd")  # key, last used, count or theoretical arrival, blocked until


@dataclass(slots=True)
class _Entry:
    at: int  # where in the memory
    key: bytes
    used: float = 0.0
    value: float = 0.0
    until: float = 0.0


class Throttle:
    """See the module's text. Times are seconds since the machine's start, the same in all processes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._file = os.memfd_create("throttle", os.MFD_CLOEXEC)
        os.ftruncate(self._file, SLOTS * _SLOT.size)
        self._memory = mmap.mmap(self._file, SLOTS * _SLOT.size)
        self._salt = os.urandom(16)  # nobody outside can choose names that fall together
        self._threads = threading.Lock()

    def take(self, kind: str, name: str, per_minute: float, burst_s: float = BURST_S) -> float:
        """Count a request; return 0, or how long to wait before the next is taken (it was not counted then).

        As many as come in ``burst_s`` at this rate may come at once.
        """
        now, apart = self._now(), 60.0 / per_minute
        burst = max(apart, burst_s)
        with self._entry(kind, name, now) as entry:
            arrival = max(entry.value, now)
            if arrival - now > burst - apart:
                return arrival - now - (burst - apart)
            entry.value = arrival + apart
        return 0.0

    def fail(self, kind: str, name: str) -> float:
        """Count a failure; return for how long nothing is taken from this name now."""
        now = self._now()
        with self._entry(kind, name, now) as entry:
            if now > max(entry.until, entry.used) + WINDOW_S:
                entry.value = 0.0
            entry.value += 1
            beyond = int(entry.value) - FAILURES
            if beyond >= 0:
                entry.until = now + min(FIRST_BLOCK_S * 2 ** min(beyond, 10), LONGEST_BLOCK_S)
            return max(0.0, entry.until - now)

    def blocked(self, kind: str, name: str) -> float:
        """Return for how long nothing is taken from this name."""
        now = self._now()
        with self._entry(kind, name, now, touch=False) as entry:
            return min(max(0.0, entry.until - now), LONGEST_BLOCK_S)

    def forgive(self, kind: str, name: str) -> None:
        """Forget the failures of a name."""
        with self._entry(kind, name, self._now()) as entry:
            entry.value = entry.until = 0.0

    def _now(self) -> float:
        return self._clock.boottime_ms() / 1000

    @contextmanager
    def _entry(self, kind: str, name: str, now: float, *, touch: bool = True) -> Iterator[_Entry]:
        """Give the place of a name, ours alone meanwhile; written back with what became of it."""
        key = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8, key=self._salt).digest()
        with self._threads:
            held = self._lock()
            try:
                entry = self._find(key)
                yield entry
                if touch:
                    _SLOT.pack_into(self._memory, entry.at, key, now, entry.value, entry.until)
            finally:
                if held:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._clock.sleep(0.001)
            else:
                return True
        return False

    def _find(self, key: bytes) -> _Entry:
        """Return the place that holds a key, or that of the one longest unused, emptied."""
        first = int.from_bytes(key, "little") % BUCKETS * WAYS
        oldest, last = first, float("inf")
        for number in range(first, first + WAYS):
            found, used, value, until = _SLOT.unpack_from(self._memory, number * _SLOT.size)
            if found == key:
                return _Entry(number * _SLOT.size, key, used, value, until)
            since = -1.0 if found == _EMPTY else max(used, until)
            if since < last:
                oldest, last = number, since
        return _Entry(oldest * _SLOT.size, key)
