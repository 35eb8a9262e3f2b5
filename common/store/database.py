"""Connections to the database, in three ways: to read, to write what may be lost, to write what may not.

In: a URL. Out: connections inside a transaction, committed when the block ends and rolled back when it raises. SQLite:
WAL, busy_timeout, foreign keys, BEGIN IMMEDIATE before each write so that two writers queue instead of failing halfway;
wishes with synchronous=FULL survive a power cut, states with NORMAL may lose the last seconds. Engines are made when
first used and forgotten after a fork, so that a preloaded process hands no connection to its children.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite

from common.store.errors import BadStoreUrl, StoreDamaged, StoreUnavailable
from common.store.store_file import file_identity

BUSY_TIMEOUT_MS: Final = 5000
WAL_LIMIT: Final = 64 << 20  # octets that the WAL file keeps after a checkpoint
POOL_OVERFLOW: Final = 256  # connections beyond the pool: as many as the API may have threads


class Way(Enum):
    """How a transaction begins, and what of it survives a power cut."""

    READ = ("BEGIN", "NORMAL")
    STATE = ("BEGIN IMMEDIATE", "NORMAL")
    WISH = ("BEGIN IMMEDIATE", "FULL")


class Database:
    """One database for one program; safe to use from several threads and after a fork."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = _file(url)
        self._identity: tuple[int, int] | None = None
        self._engines: dict[Way, Engine] = {}
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, way: Way) -> Iterator[Connection]:
        """Give a connection inside a transaction; raise StoreUnavailable, StoreDamaged or BadStoreUrl."""
        try:
            with self._engine(way).begin() as connection:
                yield connection
        except (exc.OperationalError, exc.TimeoutError) as error:
            if "no such table" in str(error):
                raise StoreDamaged(f"{self._name}: no schema yet; `meterctl init` makes it") from None
            if "no such column" in str(error):
                why = "of an older version; stop that one, then `meterctl run` or `meterctl init` brings it up to this"
                raise StoreDamaged(f"{self._name}: {why}") from None
            raise StoreUnavailable(f"{self._name}: {_first_line(error)}") from error
        except exc.SQLAlchemyError as error:
            raise StoreDamaged(f"{self._name}: {_first_line(error)}") from error

    def prepare(self) -> None:
        """Make a new SQLite file write-ahead, ours alone; nothing elsewhere."""
        engine = self._engine(Way.WISH)
        if engine.dialect.name != "sqlite" or not engine.url.database:
            return
        os.close(os.open(engine.url.database, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(engine.url.database, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._name}: {error}") from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close all connections of this process."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    @property
    def _name(self) -> str:
        return self.url.rsplit("@", 1)[-1]  # without the password that a URL may hold

    def _engine(self, way: Way) -> Engine:
        with self._lock:
            if self._pid != os.getpid():
                for engine in self._engines.values():
                    engine.dispose(close=False)
                self._engines.clear()
                self._pid = os.getpid()
            self._follow_file()
            if way not in self._engines:
                self._engines[way] = _make_engine(self.url, way)
            return self._engines[way]

    def _follow_file(self) -> None:
        """Let go of a file that was replaced by another; raise StoreUnavailable while there is none in its place."""
        if self.file is None:
            return
        identity = file_identity(self.file)
        if identity == self._identity:
            return
        if identity is None:
            raise StoreUnavailable(f"{self._name}: the file is gone")
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        self._identity = identity


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], key: str) -> None:
    """Insert rows, or replace all columns of those whose key is there already."""
    if not rows:
        return
    maker = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = maker(table)
    columns = {name: statement.excluded[name] for name in rows[0] if name != key}
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=columns), [dict(row) for row in rows])


def _file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for another database, and for one in memory."""
    try:
        made = make_url(url)
    except exc.ArgumentError:
        return None  # said when an engine is made
    name = made.database or ""
    return Path(name) if made.get_backend_name() == "sqlite" and name not in {"", ":memory:"} else None


def _make_engine(url: str, way: Way) -> Engine:
    begin, synchronous = way.value
    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), max_overflow=POOL_OVERFLOW)
    except (exc.ArgumentError, ModuleNotFoundError) as error:
        raise BadStoreUrl(f"[store] url: {_first_line(error)}") from None
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            f"synchronous={synchronous}",
            f"journal_size_limit={WAL_LIMIT}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
