"""The file of the master key while it is changed: at every moment all keys that anything is sealed under are on disk.

In: the path of the key file. Out: three steps and their end, each of them one atomic change of the directory; after a
kill between any two, whoever loads the vault opens everything, and the next change takes up where this one ended::

    master.key = A                                             begin
    master.key = A   .next = B                                 made
    master.key = A   .next = B   .previous = A                 kept
    master.key = B               .previous = A                 in force; now what A sealed is sealed anew
    master.key = B                                             ended
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.files import sync
from common.vault import KEY_SIZE, BadKey, previous_path, read_key

_ZEROES: Final = bytes(KEY_SIZE)


class KeyChange:
    """A change of the key in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f"{path.name}.next")
        self._previous = previous_path(path)

    def is_unfinished(self) -> bool:
        """Return whether a change that somebody began has its new key in force; what is not so far is undone."""
        self._next.unlink(missing_ok=True)  # never in force: nothing was sealed under it
        if not self._previous.exists():
            return False
        if read_key(self._previous)[0] != read_key(self._path)[0]:
            return True
        self._previous.unlink()
        sync(self._path.parent)
        return False

    def make(self, key: bytes | None = None) -> None:
        """Write a new key, random unless given, beside the one in force."""
        handle = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "wb") as stream:
            stream.write(os.urandom(KEY_SIZE) if key is None else key)
            stream.flush()
            os.fsync(stream.fileno())
        sync(self._path.parent)

    def keep(self) -> None:
        """Give the key in force its second name."""
        self._previous.hardlink_to(self._path)
        sync(self._path.parent)

    def switch(self) -> None:
        """Bring the new key into force."""
        self._next.replace(self._path)
        sync(self._path.parent)

    def undo(self) -> None:
        """Bring the key before into force again, where there was one."""
        if self._previous.exists():
            self._previous.replace(self._path)
        else:
            self._path.unlink()
        sync(self._path.parent)

    def end(self, aside: Path | None = None) -> None:
        """Destroy the key before, or keep it in another place: nothing is sealed under it any more."""
        if aside is not None:
            self._previous.rename(aside)
        elif self._previous.exists():
            _destroy(self._previous)
        sync(self._path.parent)


@contextmanager
def installing(path: Path, key: bytes, aside: Path) -> Iterator[bool]:
    """Bring a given key into force while a store that needs it is put in place; give False where it is the same.

    Meanwhile both keys open what they sealed. Then the one that was goes aside; where the work raises, it comes back.
    """
    change = KeyChange(path)
    if change.is_unfinished():
        raise BadKey(f"{path}: a change of the key is not finished; `meterctl rotate-key` finishes it")
    there = path.exists()
    if there and read_key(path)[0] == key:
        yield False
        return
    change.make(key)
    if there:
        change.keep()
    change.switch()
    try:
        yield True
    except BaseException:
        change.undo()
        raise
    if there:
        change.end(aside)


def _destroy(path: Path) -> None:
    """Overwrite a key that has no other name, and remove it. What a disk keeps of it is beyond us; docs say so."""
    if path.stat().st_nlink == 1:
        path.chmod(0o600)
        with path.open("r+b") as stream:
            stream.write(_ZEROES)
            stream.flush()
            os.fsync(stream.fileno())
    path.unlink()
