"""A death at any moment: counts the steps that code takes at the edge of the process, and stops it before or after one.

For a worker a step is a system call on its journal or a message; for the publisher a statement of SQLite or a message.
The code under test stays what it is: only what lies beneath it ends the process, as SIGKILL would.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

CALLS = ("open", "write", "ftruncate", "rename", "replace", "unlink")


class Crash(BaseException):
    """The process is dead; nothing after this point was done."""


class Fuse:
    """Burns down with each step; ``None`` never. An odd number dies before the step, an even one after it."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self, act: Callable[[], object], torn: Callable[[], object] | None = None) -> object:
        """Do one step, and die before, within or after it when the fuse has burnt down."""
        self._burn(torn)
        result = act()
        self._burn(None)
        return result

    def _burn(self, torn: Callable[[], object] | None) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            if torn is not None:
                torn()
            raise Crash


class Disk:
    """The system calls of a process, under a fuse; ``full`` refuses every write."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.full = False
        self.tears = False
        self._real = {name: getattr(os, name) for name in CALLS}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let the calls within pass through the fuse."""
        try:
            for name in CALLS:
                setattr(os, name, self._call(name))
            yield
        finally:
            for name, real in self._real.items():
                setattr(os, name, real)

    def _call(self, name: str) -> Callable[..., object]:
        real = cast("Callable[..., object]", self._real[name])

        def act(*arguments: object, **options: object) -> object:
            if name == "write" and self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.fuse.step(lambda: real(*arguments, **options), self._torn(name, arguments))

        return act

    def _torn(self, name: str, arguments: tuple[object, ...]) -> Callable[[], object] | None:
        """Return what a death within a write leaves behind: its first half."""
        if name != "write" or not self.tears:
            return None
        handle, octets = cast("tuple[int, bytes]", arguments)
        return lambda: self._real["write"](handle, octets[: len(octets) // 2])


class FusedConnection:
    """A connection to SQLite whose statements, BEGIN and COMMIT included, are steps; ``full`` refuses every COMMIT."""

    def __init__(self, connection: sqlite3.Connection, fuse: Fuse) -> None:
        self.real, self._fuse = connection, fuse
        self.full = False
        self.code = sqlite3.SQLITE_FULL

    def execute(self, statement: str, values: object = ()) -> sqlite3.Cursor:
        """Run a statement."""
        if self.full and statement == "COMMIT":
            error = sqlite3.OperationalError("the disk refuses")
            error.sqlite_errorcode = self.code
            raise error
        return cast("sqlite3.Cursor", self._fuse.step(lambda: self.real.execute(statement, values)))  # type: ignore[arg-type]  # as given

    def executemany(self, statement: str, values: object) -> sqlite3.Cursor:
        """Run a statement for each row."""
        return cast("sqlite3.Cursor", self._fuse.step(lambda: self.real.executemany(statement, values)))  # type: ignore[arg-type]  # as given

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN was said."""
        return self.real.in_transaction

    def close(self) -> None:
        """Close; what was not committed is gone."""
        self.real.close()
