"""The outbox's SQLite file: its tables, how it is opened, what is done when it is damaged, and its clock.

In: a directory. Out: a connection that has the tables, in WAL mode with synchronous=FULL: what COMMIT returned from is
on disk. A file that is damaged is renamed and a new one begun, so that a start never stops here.
"""

import json
import sqlite3
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, cast

from common import outbox_reading
from common.clock import Clock
from common.errors import Hopeless
from common.routes import Mode, Route

FILE: Final = outbox_reading.FILE
SUFFIXES: Final = ("-shm", "-wal", "-journal", "")  # of the files that SQLite makes
SUSPECT: Final = "suspect"  # made when damage was met while running: the next start checks the whole file
SCHEMA: Final = 3
MAX_BAD: Final = 3  # damaged files kept for a person to look at
ALWAYS_CHECKED: Final = 64 << 20  # octets; a larger file is checked at the start only when it is suspect
BUSY_MS: Final = 1000  # a reader of the same file may make us wait this long, not longer
DAMAGE: Final = frozenset({
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,  # a file that is not what our statements expect: another format, table or column
})
WRITE_VERSION: Final = 18  # place in the header (SQLite's file format, section 1.3)
NEWEST_WRITE_VERSION: Final = 2  # a higher one makes SQLite take the file for one that it may only read
TEMPORARY: Final = frozenset({
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
})
_SCHEMA_OF: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
FAILURES: Final = (sqlite3.Error, UnicodeDecodeError)  # the latter where a damaged name is part of the message
_PRIMARY: Final = 0xFF  # extended result codes carry the primary one in their low octet

_FIRST: Final = """
CREATE TABLE rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL, born_ms INTEGER NOT NULL, octets INTEGER NOT NULL, route INTEGER, aside TEXT,
    crc INTEGER NOT NULL, envelope BLOB NOT NULL) STRICT;
CREATE INDEX rows_of_meter ON rows (uid);
CREATE INDEX rows_by_age ON rows (born_ms);
CREATE TABLE cursors (uid BLOB NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL, UNIQUE (uid, epoch)) STRICT;
CREATE TABLE accounts (uid BLOB NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (uid, name))
    STRICT, WITHOUT ROWID;
CREATE TABLE routes (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), boot BLOB NOT NULL, boot_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL) STRICT;
"""
# ``past``: read from the meter's own memory, so never of the present, however lately it came
_PAST: Final = """
ALTER TABLE rows ADD COLUMN past INTEGER NOT NULL DEFAULT 0;
DROP INDEX rows_of_meter;
CREATE INDEX rows_of_meter ON rows (uid, past);
"""
# How far the rows of damaged file ``number`` are taken back; no row: there was none when this file was made
_SALVAGE: Final = """
CREATE TABLE salvage (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, next_id INTEGER NOT NULL,
    done INTEGER NOT NULL) STRICT;
"""
STEPS: Final = (
    _FIRST,
    _PAST,
    _SALVAGE,
)  # from schema to schema: a file that an earlier release wrote takes those it lacks


class OutboxFailed(Hopeless):
    """The outbox's file cannot be used on; where it is damaged, the next start sets it aside."""


def open_file(directory: Path) -> sqlite3.Connection:
    """Return a connection to a sound outbox; a damaged one is set aside first. Raise OutboxFailed."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear_the_way(directory)
    except OSError as error:
        raise OutboxFailed(f"{directory}: {error}") from None
    try:
        return _connect(directory)
    except FAILURES as error:
        if not is_damage(error):
            raise OutboxFailed(f"{directory / FILE}: {error}") from None
    set_aside(directory)
    try:
        return _connect(directory)
    except FAILURES as error:
        raise OutboxFailed(f"{directory / FILE}: {error}") from None


def _clear_the_way(directory: Path) -> None:
    """Rename directories that lie where our files should be: SQLite would say no more than that it cannot open them."""
    number = damaged_files(directory) + 1
    for suffix in SUFFIXES:
        path = directory / f"{FILE}{suffix}"
        if path.is_dir():
            path.rename(directory / f"{FILE}.bad-{number}{suffix}")


def damaged_files(directory: Path) -> int:
    """Return how many damaged files were ever set aside."""
    return max((_number(path) for path in directory.glob(f"{FILE}.bad-*")), default=0)


def is_damage(error: Exception) -> bool:
    """Return whether an error says that the file is not what was written."""
    return _code(error) in DAMAGE


def is_temporary(error: Exception) -> bool:
    """Return whether the same transaction may succeed later; a failed fsync is none of these."""
    return _code(error) in TEMPORARY


def is_full(error: Exception) -> bool:
    """Return whether the disk has no room."""
    return _code(error) == sqlite3.SQLITE_FULL


def mark_suspect(directory: Path) -> None:
    """Let the next start check the whole file."""
    with suppress(OSError):
        (directory / SUSPECT).touch()


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & _PRIMARY


def _connect(directory: Path) -> sqlite3.Connection:
    path, suspect = directory / FILE, directory / SUSPECT
    checked = suspect.exists() or (path.exists() and path.stat().st_size <= ALWAYS_CHECKED)
    _check_header(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = _text
    try:
        _prepare(connection)
        _check_schema(connection)
        if checked:
            _check(connection)
    except FAILURES:
        connection.close()
        raise
    with suppress(OSError):
        suspect.unlink(missing_ok=True)
    return connection


def _check_header(path: Path) -> None:
    """Raise DatabaseError for a header that bars us from writing.

    To be called before SQLite has the file: to close a file drops the locks that a process has on it.
    """
    header = b""
    with suppress(OSError), path.open("rb") as stream:
        header = stream.read(WRITE_VERSION + 1)
    if header[WRITE_VERSION:] > bytes([NEWEST_WRITE_VERSION]):
        raise sqlite3.DatabaseError("its header says that it is not to be written")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= SCHEMA:
        raise sqlite3.DatabaseError(f"schema {version} is not known, {SCHEMA} is")
    if version == 0:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA journal_size_limit=16777216")
    if version < SCHEMA:
        steps = "".join(STEPS[version:])
        connection.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version={SCHEMA};COMMIT")


def _check_schema(connection: sqlite3.Connection) -> None:
    """Compare the tables with those of a new file: a damaged name would only be met when it is used."""
    model = sqlite3.connect(":memory:")
    model.executescript("".join(STEPS))
    found, expected = ([*file.execute(_SCHEMA_OF)] for file in (connection, model))
    model.close()
    if found != expected:
        raise sqlite3.DatabaseError("its tables are not those of an outbox")


def _text(octets: bytes) -> str:
    return octets.decode(errors="replace")


def _check(connection: sqlite3.Connection) -> None:
    answer = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer is None or answer[0] != "ok":
        raise sqlite3.DatabaseError(f"damaged: {answer}")


def is_suspect(directory: Path) -> bool:
    """Return whether damage was met and not yet seen to."""
    return (directory / SUSPECT).exists()


def set_aside(directory: Path) -> None:
    """Rename the file, so that the next opening begins a new one; the oldest that was set aside makes room.

    Raise OutboxFailed when the disk refuses.
    """
    number = damaged_files(directory) + 1
    try:
        for suffix in SUFFIXES:
            path = directory / f"{FILE}{suffix}"
            if path.exists():
                path.rename(directory / f"{FILE}.bad-{number}{suffix}")
    except OSError as error:
        raise OutboxFailed(f"{directory / FILE}: {error}") from None
    with suppress(OSError):
        for path in directory.glob(f"{FILE}.bad-*"):
            if _number(path) <= number - MAX_BAD and not path.is_dir():
                path.unlink()
        (directory / SUSPECT).unlink(missing_ok=True)


def _number(path: Path) -> int:
    digits = path.name.removeprefix(f"{FILE}.bad-").split("-")[0]
    return int(digits) if digits.isdecimal() and digits.isascii() else 0


class AgeClock:
    """Milliseconds that this outbox has lived through, by CLOCK_BOOTTIME: no step of the wall clock moves it.

    Over a restart within one boot the time between counts; over a boot, the time since that boot.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock, boot: bytes) -> None:
        self._clock, self._boot = clock, boot
        row = connection.execute("SELECT boot, boot_ms, total_ms FROM clock").fetchone() or (boot, 0, 0)
        self._base_ms = int(row[2]) - (int(row[1]) if row[0] == boot else 0)

    def now_ms(self) -> int:
        """Return the outbox's own time."""
        return self._base_ms + self._clock.boottime_ms()

    def since(self, boot: bytes, boot_ms: int, total_ms: int) -> int:
        """Return what is to be added to a time of another file, which was written down so, to make it one of ours."""
        elapsed_ms = self._clock.boottime_ms() - (boot_ms if boot == self._boot else 0)
        return self.now_ms() - (total_ms + elapsed_ms)

    def save(self, connection: sqlite3.Connection) -> None:
        """Write the time down, within the transaction that is open."""
        values = (self._boot, self._clock.boottime_ms(), self.now_ms())
        connection.execute("INSERT OR REPLACE INTO clock (id, boot, boot_ms, total_ms) VALUES (1, ?, ?, ?)", values)


def route_text(route: Route) -> str:
    """Return a route as it is stored with its rows."""
    return json.dumps(asdict(route) | {"uid": route.uid.hex(), "mode": str(route.mode)}, sort_keys=True)


def route_from(text: str) -> Route:
    """Return the route that was stored."""
    values = cast("dict[str, object]", json.loads(text))
    values |= {"uid": bytes.fromhex(str(values["uid"])), "mode": Mode(str(values["mode"]))}
    return Route(**values)  # type: ignore[arg-type]  # written by route_text
