"""Invocation counters: on disk, where they only ever rise, or in memory for one command.

In: a path or a number. Out: a SecuritySource. The file holds a ceiling, written and synchronised before the first
counter below it is used; so after a kill or a power cut, at any moment, the counter goes on at a ceiling that nothing
has reached. One process has the file at a time. No key enters: the file's name is a digest of title and key, because a
counter belongs to the key, and a new key begins anew.
"""

import fcntl
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from common.checksum import crc32c
from common.files import sync
from poller.dlms.errors import CounterExhausted
from poller.dlms.security import MAX_COUNTER, SecuritySettings
from poller.errors import BadCounterFile, CounterFileHeld, CounterUnsaved

RESERVE: Final = 1024
"""Counters reserved at once: about three minutes of a worker between two writes; at most so many are lost by a kill, of
the 4 thousand million that a key has."""
FIRST: Final = 1
"""The first counter under a new key: there are meters whose own begins at 0 and has to be exceeded."""
MAX_FILE: Final = 64
"""Octets of the file; a longer one is not ours."""
_RECORD: Final = re.compile(rb"ceiling (\d{1,10}) ([0-9a-f]{8})\n")
_NAME_OCTETS: Final = 16
"""Of the digest in the name: enough that two keys never meet."""


def counter_path(directory: Path, settings: SecuritySettings) -> Path:
    """Return the path of the counter of one system title and key."""
    identity = settings.client_title + settings.encryption_key
    digest = hashlib.blake2b(identity, digest_size=_NAME_OCTETS, person=b"counter file").hexdigest()
    return directory / f"{digest}.counter"


class CounterFile:
    """A counter on disk, locked as long as it is open; a SecuritySource."""

    def __init__(self, path: Path, reserve: int = RESERVE, first: int = FIRST) -> None:
        """Lock and read the file; a missing one begins at ``first``.

        Raises CounterFileHeld, BadCounterFile, CounterUnsaved.
        """
        self._path, self._reserve = path, reserve
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            self._next = _read(path, first)
        except BadCounterFile:
            os.close(self._lock)
            raise
        self._ceiling = self._next
        """Counters below it are on disk as used."""

    def entropy(self, octets: int) -> bytes:
        """Return random octets of the system."""
        return os.urandom(octets)

    def take(self) -> int:
        """Return the next counter; raise CounterExhausted, or CounterUnsaved."""
        counter = self._next
        if counter >= self._ceiling:
            if counter > MAX_COUNTER:
                raise CounterExhausted("the last invocation counter is used: the meter needs a new encryption key")
            self._save(min(counter + self._reserve, MAX_COUNTER + 1))
        self._next = counter + 1
        return counter

    def raise_to(self, counter: int) -> None:
        """Make the next ``take`` return at least ``counter``, also after a kill; raise CounterUnsaved."""
        if counter > self._next:
            if counter > self._ceiling:
                self._save(min(counter, MAX_COUNTER + 1))
            self._next = min(counter, MAX_COUNTER + 1)

    def close(self) -> None:
        """Give back what was reserved and not used, and the lock."""
        if self._lock < 0:
            return
        if self._next < self._ceiling:
            with suppress(CounterUnsaved):  # then they are lost, which costs nothing
                self._save(self._next)
        lock, self._lock = self._lock, -1
        self._ceiling = self._next  # a further take would have to reserve anew, and finds no lock
        os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _save(self, ceiling: int) -> None:
        """Put a ceiling on disk: whole, or the old one stays."""
        if self._lock < 0:
            raise CounterUnsaved(f"{self._path}: closed")
        try:
            _replace(self._path, _record(ceiling))
        except OSError as error:
            raise CounterUnsaved(f"{self._path}: {error.strerror}") from None
        self._ceiling = ceiling


class DeferredCounter:
    """A counter file that is opened when the first counter is taken; a SecuritySource.

    A worker whose meter is away, or wants challenges only, holds no file, and one that cannot be had is an error of the
    association like any other.
    """

    def __init__(self, directory: Path, settings: SecuritySettings) -> None:
        self._directory, self._settings = directory, settings
        self._file: CounterFile | None = None

    def entropy(self, octets: int) -> bytes:
        """Return random octets of the system."""
        return os.urandom(octets)

    def take(self) -> int:
        """Return the next counter; raise what CounterFile raises."""
        return self._opened().take()

    def raise_to(self, counter: int) -> None:
        """Make the next ``take`` return at least ``counter``; raise what CounterFile raises."""
        self._opened().raise_to(counter)

    def close(self) -> None:
        """Let go of the file, if it was ever opened; the next ``take`` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> CounterFile:
        if self._file is None:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise CounterUnsaved(f"{self._directory}: {error.strerror}") from None
            self._file = CounterFile(counter_path(self._directory, self._settings))
        return self._file


class MemorySource:
    """A counter in memory, for one command that is told where to begin; a SecuritySource."""

    def __init__(self, first: int = FIRST) -> None:
        self._next = first

    def entropy(self, octets: int) -> bytes:
        """Return random octets of the system."""
        return os.urandom(octets)

    def take(self) -> int:
        """Return the next counter; raise CounterExhausted."""
        if self._next > MAX_COUNTER:
            raise CounterExhausted("the last invocation counter is used: the meter needs a new encryption key")
        self._next += 1
        return self._next - 1

    def raise_to(self, counter: int) -> None:
        """Make the next ``take`` return at least ``counter``."""
        self._next = max(self._next, counter)


def _record(ceiling: int) -> bytes:
    number = b"%d" % ceiling
    return b"ceiling %b %08x\n" % (number, crc32c(number))


def _read(path: Path, first: int) -> int:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE)
    except FileNotFoundError:
        return first
    except OSError as error:
        raise BadCounterFile(f"{path}: {error.strerror}") from None
    found = _RECORD.fullmatch(content)
    ceiling = int(found[1]) if found else 0
    if not found or _record(ceiling) != content or ceiling > MAX_COUNTER + 1:
        remedy = "remove it and resynchronise from the meter (its frame counter, read by the public client)"
        raise BadCounterFile(f"{path} is damaged; {remedy}, or give the meter a new key")
    return max(ceiling, first)


def _locked(path: Path) -> int:
    """Return a handle that holds the lock; the lock file stays: removing it would let two in."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CounterUnsaved(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise CounterFileHeld(f"{path}: another process counts with these keys") from None
    return handle


def _replace(path: Path, content: bytes) -> None:
    """Replace a file so that a power cut leaves the old content or the new one."""
    draft = path.with_name(f"{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync(path.parent)
