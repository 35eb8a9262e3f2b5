"""Connections to the database, in three ways: to read, to write what may be lost, to write what may not.

In: a URL. Out: connections inside a transaction, committed when the block ends and rolled back when it raises; how each
kind of database does that is in ``common.store.engines``. Engines are made when first used and forgotten after a fork,
so that a preloaded process hands no connection to its children; a file that was replaced is followed.
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite

from common.store.engines import BUSY_TIMEOUT_MS, Way, make_engines, told
from common.store.errors import StoreUnavailable
from common.store.store_file import file_identity

__all__ = ["Database", "Way", "insert_or", "upsert"]


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
        except exc.SQLAlchemyError as error:
            raise told(self._name, error) from error

    def prepare(self) -> None:
        """Make a new SQLite file write-ahead, ours alone; nothing elsewhere."""
        self._engine(Way.WISH)
        if self.file is None:
            return
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.file, timeout=BUSY_TIMEOUT_MS / 1000)
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
            if not self._engines:
                self._engines = make_engines(self.url)
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


def upsert(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *key: str, sums: Collection[str] = ()
) -> None:
    """Insert rows; where the key is there already add to the columns of ``sums``, and replace all others."""
    if not rows:
        return
    statement = insert_or(connection, table)
    new, others = statement.excluded, [name for name in rows[0] if name not in key]
    columns = {name: table.c[name] + new[name] if name in sums else new[name] for name in others}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=columns), [dict(row) for row in rows])


def insert_or(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insertion that can be told what to do where the key is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for another database, and for one in memory."""
    try:
        made = make_url(url)
    except exc.ArgumentError:
        return None  # said when an engine is made
    name = made.database or ""
    return Path(name) if made.get_backend_name() == "sqlite" and name not in {"", ":memory:"} else None
