"""A copy of the wishes beside the store, and the store made anew from it when its file is damaged or gone.

In: the path of an SQLite store. Out: ``STORE.copy``, a database of its own with the tables that nobody could invent
again (meters, what is read of them, tokens, users, versions), replaced whole at each change; and, when the store's
file cannot be used, a new one with those rows, the old file set aside as ``STORE.corrupt-<ms>``. States, alarms and
figures are not copied: they come into being again. Secrets stay sealed under the master key.

Only who alone keeps the store may restore it: supervisor_qos at its start, `meterctl run` and `init`. Other processes
find by themselves that the file is another one (``common.store.database``).
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from common.files import sync
from common.store.errors import StoreDamaged, StoreUnavailable
from common.store.store_file import file_identity

KEPT: Final = ("versions", "meters", "meter_configs", "tokens")
"""Parents before their children."""
LATER: Final = ("users",)
"""Kept as well where they are: a store or a copy of an earlier version lacks them and is sound."""
COPIED: Final = frozenset({"meters", "tokens", "users"})
APART: Final = 100_000
"""Numbers of alarms and the like go on so far above those at the time of the copy: none is ever given twice."""
MAGIC: Final = b"SQLite format 3\x00"
PATIENCE_S: Final = 5.0
CHECKED_OCTETS: Final = 256 << 20  # a larger file is not read through at each start, only opened
SET_ASIDE: Final = 5  # damaged files that are kept as evidence; the oldest go first
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
_COUNTING: Final = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
_MARK: Final = "SELECT (SELECT value FROM versions WHERE name = 'wishes'), (SELECT count(*) FROM tokens), "
_PEOPLE: Final = "SELECT count(*), total(changed_at), max(id) FROM users"
_REVOKED: Final = "(SELECT count(*) FROM tokens WHERE revoked_at IS NULL), (SELECT max(id) FROM tokens)"


class Keeper:
    """Watches one store's file and keeps its copy; for the one process that may restore it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._mark: tuple[object, ...] = ()

    def look(self) -> None:
        """Copy the wishes if they changed; raise StoreDamaged when the file is not the one that it was, or is none.

        Raise StoreUnavailable or OSError when it cannot be looked at, or not be copied, just now.
        """
        if self._file < 0:
            # Never closed: closing a file drops all locks that this process has on it, SQLite's own too (POSIX).
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        identity = file_identity(self._path)
        status = os.fstat(self._file)
        if identity != (status.st_dev, status.st_ino):
            raise StoreDamaged(f"{self._path}: the file {'is another one than before' if identity else 'is gone'}")
        if os.pread(self._file, len(MAGIC), 0) != MAGIC:
            raise StoreDamaged(f"{self._path}: is not a database any more")
        mark = _mark(self._path)
        if mark != self._mark:
            copy(self._path)
            self._mark = mark


def copy_path(path: Path) -> Path:
    """Return where the copy of a store lies."""
    return path.with_name(f"{path.name}.copy")


def copy(path: Path) -> None:
    """Write the wishes of a store to its copy, whole or not at all; raise StoreUnavailable, StoreDamaged or OSError."""
    with _alone(path.parent):
        _copy(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process copy at a time: the copy that is made last is of the newest wishes."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _copy(path: Path) -> None:
    draft = copy_path(path).with_name(f".{path.name}.copy")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(_open(draft)) as target:
            target.execute("ATTACH DATABASE ? AS store", (f"{path.absolute().as_uri()}?mode=ro",))
            target.execute("BEGIN")
            for name in (*KEPT, *_present(target, "store")):
                target.execute(f"CREATE TABLE {name} AS SELECT * FROM store.{name}")  # noqa: S608  # our own names
            target.execute("CREATE TABLE numbers AS SELECT name, seq FROM store.sqlite_sequence")
            target.execute("COMMIT")
        sync(draft)
        draft.replace(copy_path(path))
        sync(path.parent)
    except sqlite3.Error as error:
        raise _told(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def is_sound(path: Path) -> bool:
    """Return whether a store's file is a whole database with our tables in it; read through unless it is very large."""
    if not path.is_file() or not path.stat().st_size:
        return False
    large = path.stat().st_size > CHECKED_OCTETS
    try:
        with closing(_open(path)) as database:
            for name in KEPT:
                database.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  # our own names
            (word,) = ("ok",) if large else database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return isinstance(_told(path, error), StoreUnavailable)
    return str(word) == "ok"


def needs_restoring(path: Path) -> bool:
    """Return whether the store cannot be used and there is a copy that can."""
    return not is_sound(path) and is_sound(copy_path(path))


def replace_store(path: Path, made: Path, now_ms: int) -> Path:
    """Set the damaged file aside and put a new one in its place; return where the old one is."""
    aside = _set_aside(path, now_ms)
    made.rename(path)
    sync(path.parent)
    return aside


def put_in_place(path: Path, made: Path, aside: Path) -> None:
    """Put a store in the place of another, which is kept aside with its copy; at every moment there is one of the two.

    Only while nobody has either open.
    """
    sync(made)
    if path.exists():
        with suppress(sqlite3.Error), closing(_open(path)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # then its file is all of it
        aside.hardlink_to(path)
        _move(path, aside, _SIDE_FILES[1:])
    with suppress(FileNotFoundError):
        copy_path(path).rename(copy_path(aside))
    made.replace(path)
    sync(path.parent)


def _move(path: Path, aside: Path, suffixes: Sequence[str] = _SIDE_FILES) -> None:
    for suffix in suffixes:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))


def _set_aside(path: Path, now_ms: int) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{now_ms}")
    _move(path, aside)
    for old in sorted(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))[:-SET_ASIDE]:
        discard(old)
    return aside


def discard(path: Path) -> None:
    """Remove a database's file and what SQLite keeps beside it."""
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def fill(path: Path, kept: Path) -> int:
    """Bring a copy's rows into a store whose schema is new and empty; return how many meters there are."""
    try:
        with closing(_open(path)) as target:
            target.execute("PRAGMA synchronous=FULL")
            target.execute("ATTACH DATABASE ? AS kept", (f"{kept.absolute().as_uri()}?mode=ro",))
            target.execute("BEGIN IMMEDIATE")
            for name in (*KEPT, *_present(target, "kept")):
                columns = ", ".join(_columns(target, "main", name, _columns(target, "kept", name)))
                target.execute(f"INSERT OR REPLACE INTO {name} ({columns}) SELECT {columns} FROM kept.{name}")  # noqa: S608
            _go_on_counting(target)
            target.execute("UPDATE versions SET value = value + 1")
            (meters,) = target.execute("SELECT count(*) FROM meters WHERE deleted_at IS NULL").fetchone()
            target.execute("COMMIT")
    except sqlite3.Error as error:
        raise _told(path, error) from error
    return int(meters)


def _go_on_counting(target: sqlite3.Connection) -> None:
    """``numbers``, in the copy: the highest number that each table has ever given; one that gave none is not in it."""
    given = dict(target.execute("SELECT name, seq FROM kept.numbers").fetchall())
    for (name,) in target.execute(_COUNTING).fetchall():
        last = given.get(name, 0) + (0 if name in COPIED else APART)
        target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


def _columns(database: sqlite3.Connection, schema: str, table: str, among: Sequence[str] = ()) -> list[str]:
    """Return a table's columns; with ``among`` those that are there, too: a copy may be of another version."""
    names = [str(row[1]) for row in database.execute(f"PRAGMA {schema}.table_info({table})")]
    return [name for name in names if name in among] if among else names


def _present(database: sqlite3.Connection, schema: str) -> list[str]:
    return [name for name in LATER if _columns(database, schema, name)]


def _mark(path: Path) -> tuple[object, ...]:
    """Return numbers that change with every wish, every token and every user."""
    try:
        with closing(_open(path)) as database:
            people = database.execute(_PEOPLE).fetchone() if _present(database, "main") else ()
            return (*database.execute(_MARK + _REVOKED).fetchone(), *people)
    except sqlite3.Error as error:
        raise _told(path, error) from error


def _open(path: Path) -> sqlite3.Connection:
    """Open a file that is there; SQLite makes none."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=PATIENCE_S, isolation_level=None, uri=True)


def _told(path: Path, error: sqlite3.Error) -> StoreUnavailable | StoreDamaged:
    """Return our error for SQLite's: its OperationalError passes (locked, full, cannot be opened), others stay."""
    detail = f"{path}: {error}"
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return StoreUnavailable(detail)
    return StoreDamaged(detail)
