"""How a transaction begins on each kind of database, and what its errors mean to us.

In: a URL, and the way of a transaction. Out: an engine, or our error for the driver's. One thing is the same
everywhere: writers queue from their first moment, one after the other, and a reader sees one moment.

SQLite: WAL, BEGIN IMMEDIATE, busy_timeout. PostgreSQL: one advisory lock per database, held to the transaction's end,
with a limit; a writer whose process hangs loses its transaction after IDLE_MS. Connections are few and bounded.
"""

import sqlite3
from enum import Enum
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from common.store.columns import json_text
from common.store.errors import BadStoreUrl, StoreDamaged, StoreUnavailable

BUSY_TIMEOUT_MS: Final = 5000
WAL_LIMIT: Final = 64 << 20  # octets that the WAL file keeps after a checkpoint
FILE_OVERFLOW: Final = 256  # connections to a file beyond the pool: as many as the API may have threads
POOL: Final = 2  # connections to a server that a process keeps open
SERVER_OVERFLOW: Final = 10  # and those it may open beyond them: eight processes stay below PostgreSQL's default of 100
POOL_PATIENCE_S: Final = 5.0
CONNECT_S: Final = 5
IDLE_MS: Final = 30_000  # a transaction in which nothing happens; nobody here thinks for so long inside of one
WRITERS: Final = 0x646C6D73  # the advisory lock that every writer holds; "dlms"
_QUEUE: Final = f"SELECT pg_advisory_xact_lock({WRITERS})"
_SOON: Final = ", set_config('synchronous_commit', 'off', true)"
SERVER: Final = "postgresql+psycopg"  # the one driver that the extra `postgresql` brings
_NO_TABLE: Final = "42P01"  # SQLSTATE undefined_table
_NO_COLUMN: Final = "42703"
_PASSING: Final = ("08", "40", "53", "55", "57", "58")  # connection, conflict, resources, not now, intervention, system
MAX_DETAIL: Final = 300


class Way(Enum):
    """What a transaction does, and what of it survives a power cut."""

    READ = "read"
    STATE = "state"  # may lose its last seconds
    WISH = "wish"


_BEGIN: Final = {Way.READ: "BEGIN", Way.STATE: "BEGIN IMMEDIATE", Way.WISH: "BEGIN IMMEDIATE"}


def make_engines(url: str) -> dict[Way, Engine]:
    """Return an engine for each way, connected to nothing yet; raise BadStoreUrl."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return {way: _file_engine(parsed, way) for way in Way}
        return _server_engines(parsed.set(drivername=SERVER) if parsed.drivername == "postgresql" else parsed)
    except (exc.ArgumentError, ModuleNotFoundError) as error:
        raise BadStoreUrl(f"[store] url: {_first_line(error)}") from None


def told(name: str, error: exc.SQLAlchemyError) -> StoreUnavailable | StoreDamaged:
    """Return our error for the driver's: what passes, and what does not."""
    detail = _first_line(error)
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    if state == _NO_TABLE or "no such table" in detail:
        return StoreDamaged(f"{name}: no schema yet; `meterctl init` makes it")
    if state == _NO_COLUMN or "no such column" in detail:
        why = "of an older version; stop that one, then `meterctl run` or `meterctl init` brings it up to this"
        return StoreDamaged(f"{name}: {why}")
    passes = isinstance(error, exc.OperationalError | exc.TimeoutError) or state.startswith(_PASSING)
    if passes or (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
        return StoreUnavailable(f"{name}: {detail}")
    return StoreDamaged(f"{name}: {detail}")


def _server_engines(url: URL) -> dict[Way, Engine]:
    """Return three views of one pool."""
    timeouts = f"-c lock_timeout={BUSY_TIMEOUT_MS} -c idle_in_transaction_session_timeout={IDLE_MS}"
    engine = create_engine(
        url,
        pool_size=POOL,
        max_overflow=SERVER_OVERFLOW,
        pool_timeout=POOL_PATIENCE_S,
        pool_pre_ping=True,
        json_serializer=json_text,
        connect_args={"connect_timeout": CONNECT_S, "application_name": "dlms-bridge", "options": timeouts},
    )
    if engine.dialect.name != "postgresql":
        raise BadStoreUrl(f"[store] url: sqlite and postgresql are known, {engine.dialect.name} is not")
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    made: dict[Way, Engine] = {
        Way.READ: reading,
        Way.STATE: engine.execution_options(),
        Way.WISH: engine.execution_options(),
    }
    for way, words in ((Way.STATE, _QUEUE + _SOON), (Way.WISH, _QUEUE)):
        _begin_with(made[way], words)
    return made


def _begin_with(engine: Engine, words: str) -> None:
    @event.listens_for(engine, "begin")
    def queue(connection: Connection) -> None:
        connection.exec_driver_sql(words)


def _file_engine(url: URL, way: Way) -> Engine:
    engine = create_engine(url, max_overflow=FILE_OVERFLOW, json_serializer=json_text)
    synchronous = "FULL" if way is Way.WISH else "NORMAL"

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

    _begin_with(engine, _BEGIN[way])
    return engine


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:MAX_DETAIL]
