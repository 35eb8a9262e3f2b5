"""The lock on the line to a meter: one process of this machine at a time.

In: a directory, a resolved address and port. Out: a held lock, or LineHeld. flock(2) on a file that is never removed:
the kernel lets go of it whatever ends the process.
"""

import fcntl
import os
from pathlib import Path

from poller.errors import LineHeld


class LineLock:
    """At most one line at a time is held through this object."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None
        self._path: Path | None = None

    def take(self, address: str, port: int) -> None:
        """Hold the line to a resolved address; let go of another one before. Raise LineHeld, also where no lock can be.

        Asking for the line that is held already changes nothing.
        """
        path = self._directory / f"{address.replace('/', '_')}_{port}.lock"
        if path == self._path:
            return
        self.release()
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LineHeld(f"the lock of line {address}:{port} cannot be opened: {error.strerror}: {path}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise LineHeld(f"line {address}:{port} is held by another process") from None
        self._handle, self._path = handle, path

    def release(self) -> None:
        """Let go of the line, if any is held."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._path = None, None
