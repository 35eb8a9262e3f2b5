"""The directory of one journal: its lock, its segment files, its ledger.

In it: ``lock``, ``ledger`` and ``ledger.copy``, ``0000000000000001.seg`` and so on, and at most MAX_BAD files ``.bad``
that were set aside. Here are names, octets and errors of the system; what the octets mean is decided elsewhere.
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.errors import Again
from common.files import write_atomically
from common.journal_ledger import MAX_LEDGER, Ledger, decode_ledger
from common.journal_segment import Header, encode_header

MAX_BAD: Final = 4  # damaged files kept for a person to look at
MAX_SEGMENT_FILE: Final = 4 << 20  # octets; ours are smaller: a larger file is not ours
LOCK_PAUSE_S: Final = 0.02
_SEGMENT: Final = ".seg"
_BAD: Final = ".bad"
_DRAFT: Final = ".new"
_LEDGER: Final = "ledger"
_LEDGERS: Final = (_LEDGER, f"{_LEDGER}.copy")  # two, written in this order: what is gone is known nowhere else


class LockHeld(Again):
    """Another process has this journal open; names the directory."""


class DirectoryLock:
    """An flock on the file ``lock``: the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._handle = -1

    def acquire(self, clock: Clock, patience_s: float) -> None:
        """Take the lock, waiting for at most ``patience_s``; raise LockHeld."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        limit = clock.monotonic() + patience_s
        while not self._try():
            if clock.monotonic() >= limit:
                self.release()
                raise LockHeld(f"{self._path.parent}: another process has this journal open")
            clock.sleep(LOCK_PAUSE_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go; harmless when the lock is not held."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1


def is_free(directory: Path) -> bool:
    """Return whether nobody holds a journal's lock; a directory without a lock was never a journal."""
    try:
        handle = os.open(directory / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


class JournalFiles:
    """Segments by number, and the ledger."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def numbers(self) -> list[int]:
        """Return the numbers of all segment files, ascending."""
        names = (path.stem for path in self.directory.glob(f"*{_SEGMENT}"))
        return sorted(int(name) for name in names if name.isdecimal() and name.isascii())

    def clean(self) -> None:
        """Remove drafts that a dead process left."""
        for pattern in (f"*{_DRAFT}", f".{_LEDGER}.*"):
            for path in self.directory.glob(pattern):
                with suppress(OSError):
                    path.unlink()

    def read(self, number: int) -> bytes:
        """Return a segment's octets; none for a file that is gone or too large to be ours. May raise OSError."""
        with suppress(FileNotFoundError), self._path(number).open("rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size <= MAX_SEGMENT_FILE:
                return stream.read()
        return b""

    def create(self, number: int, header: Header) -> int:
        """Make a segment with its header and return a handle to append to it; it appears whole or not at all."""
        draft, content = self._path(number, _DRAFT), encode_header(header)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            write_whole(handle, content, 0)
            draft.rename(self._path(number))
        except OSError:
            os.close(handle)
            with suppress(OSError):
                draft.unlink()
            raise
        return handle

    def append_to(self, number: int) -> int:
        """Return a handle to append to a segment that exists."""
        return os.open(self._path(number), os.O_WRONLY | os.O_APPEND)

    def remove(self, number: int, *, keep: bool) -> None:
        """Remove a segment; ``keep`` sets it aside instead, and the oldest that was set aside makes room."""
        with suppress(OSError):
            if keep:
                self._path(number).rename(self._path(number, _BAD))
                _prune(self.directory.glob(f"*{_BAD}"))
            else:
                self._path(number).unlink()

    def load_ledgers(self, uid: bytes) -> list[Ledger]:
        """Return the sound ledgers, the newer first; there are two, unless one is damaged or the journal is new."""
        ledgers = (decode_ledger(self._octets(name), uid) for name in _LEDGERS)
        return [ledger for ledger in ledgers if ledger is not None]

    def save_ledger(self, ledger: Ledger) -> bool:
        """Replace the ledger and its copy; return False when the disk did not take them."""
        try:
            for name in _LEDGERS:
                write_atomically(self.directory / name, ledger.encode())
        except OSError:
            return False
        return True

    def _octets(self, name: str) -> bytes:
        with suppress(OSError), (self.directory / name).open("rb") as stream:
            return stream.read(MAX_LEDGER + 1)
        return b""

    def _path(self, number: int, suffix: str = _SEGMENT) -> Path:
        return self.directory / f"{number:016d}{suffix}"


def write_whole(handle: int, octets: bytes, size: int) -> None:
    """Append all octets to a file of ``size`` octets, or none of them; raise OSError."""
    try:
        written = os.write(handle, octets)
    except OSError:
        os.ftruncate(handle, size)
        raise
    if written != len(octets):
        os.ftruncate(handle, size)
        raise OSError(f"only {written} of {len(octets)} octets were taken")


def _prune(bad: Iterable[Path]) -> None:
    for path in sorted(bad)[:-MAX_BAD]:
        path.unlink()
