"""The outbox's transactions: what they write, and which of their failures may be tried again.

In: changes, with the rows they are about. Out: they are on disk when a call returns True; they are not at all when it
returns False (the disk is full, busy or read-only); OutboxFailed when the file cannot be used on.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from common.clock import Clock
from common.reading import is_backfilled
from common.routes import Route
from publisher.accounts import Change
from publisher.outbox_file import (
    FAILURES,
    AgeClock,
    OutboxFailed,
    is_damage,
    is_full,
    is_temporary,
    mark_suspect,
    open_file,
    route_from,
    route_text,
)
from publisher.outbox_reserve import Reserve, release
from publisher.outbox_rows import Arrival, row_check
from publisher.outbox_salvage import SavedRow

ROW_OVERHEAD: Final = 120  # octets a row costs beside its envelope
MAX_ROUTES_KEPT: Final = 20_000  # routes in memory; beyond it they are read again
CHUNK: Final = 400  # rows named in one statement
VACUUM_ABOVE: Final = 1024  # free pages that are kept for use
VACUUM_PAGES: Final = 512  # given back to the disk at a time
FEW_PAGES: Final = 64  # the same where there is hardly room: to give pages back SQLite first writes them to its log

_INSERT: Final = (
    "INSERT INTO rows (uid, epoch, seq, ts_ms, born_ms, past, octets, route, crc, envelope, aside)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WRITTEN: Final = (
    "SELECT EXISTS (SELECT 1 FROM rows) OR EXISTS (SELECT 1 FROM cursors) OR EXISTS (SELECT 1 FROM accounts)"
)
_DELETE: Final = "DELETE FROM rows WHERE aside IS NULL AND id IN"
_CURSOR: Final = (
    "INSERT INTO cursors (uid, epoch, seq) VALUES (?, ?, ?) ON CONFLICT (uid, epoch) DO UPDATE SET seq = excluded.seq"
)
_ACCOUNT: Final = (
    "INSERT INTO accounts (uid, name, value) VALUES (?, ?, ?)"
    " ON CONFLICT (uid, name) DO UPDATE SET value = value + excluded.value"
)


def _opened(directory: Path) -> sqlite3.Connection:
    """Return the file's connection; on a disk without an octet left it takes the reserve to open it."""
    try:
        return open_file(directory)
    except OutboxFailed:
        if not release(directory):
            raise
    return open_file(directory)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a damaged file was gone through."""

    number: int
    next_id: int
    done: bool


@dataclass(slots=True)
class Work(Change):
    """A change with its rows. ``delivered`` and ``dropped`` are ids; ``aside`` pairs of (reason, id),
    None for the reason: the row waits again.

    ``tick`` only writes the time down; ``no_rows`` says that nothing waits, so that no stored route is needed.
    """

    inserted: list[tuple[Arrival, int]] = field(default_factory=list)
    delivered: Collection[int] = ()
    dropped: list[tuple[int]] = field(default_factory=list)
    aside: list[tuple[str | None, int]] = field(default_factory=list)
    routed: list[tuple[bytes, Route]] = field(default_factory=list)
    forgotten: list[tuple[bytes, bytes]] = field(default_factory=list)
    saved: list[tuple[SavedRow, int]] = field(default_factory=list)
    progress: Progress | None = None
    tick: bool = False
    no_rows: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        changed = self.cursors or self.counts or self.delivered or self.forgotten
        return not (changed or self.tick or self.no_rows or self.progress)

    def save(self, row: SavedRow, offset_ms: int) -> int:
        """Insert a row that was taken back; ``offset_ms`` makes its time one of this file. Return its octets."""
        self.saved.append((row, row.born_ms + offset_ms))
        return len(row.envelope) + ROW_OVERHEAD


class Writer:
    """The one connection to the file."""

    def __init__(self, directory: Path, clock: Clock, boot: bytes) -> None:
        self._directory = directory
        self._db = _opened(directory)
        self.refused = 0
        self._routes: dict[int, Route] = {}
        self._route_ids: dict[bytes, tuple[Route, int]] = {}
        self._reserve = Reserve(directory)
        try:
            self.ages = AgeClock(self._db, clock, boot)
        except FAILURES as error:
            raise self._failed(error) from None

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Return what a SELECT finds; raise OutboxFailed."""
        try:
            return cast("list[tuple[object, ...]]", self._db.execute(statement, values).fetchall())
        except FAILURES as error:
            raise self._failed(error) from None

    def number(self, statement: str, values: Sequence[object] = ()) -> int | None:
        """Return the one number that a SELECT finds; None for NULL."""
        return cast("int | None", self.query(statement, values)[0][0])

    def commit(self, work: Work) -> bool:
        """Write all of it or nothing; ``work`` learns whose rows were delivered. Raise OutboxFailed."""
        if work.is_empty:
            return True
        if work.inserted and not self._reserve.is_there:
            self.refused += 1
            return False
        counts = work.counts.copy()
        error = self._attempt(work)
        if error is not None and is_full(error):
            self._make_way(for_deletion=bool(work.delivered or work.dropped) and not work.inserted)
            work.counts = counts
            error = self._attempt(work)
        self.refused += error is not None
        return error is None

    def keep_reserve(self) -> None:
        """Make the reserve again that a full disk has used up, once there is room; what we need not is given up."""
        self._reserve.make()
        if self._reserve.is_there:
            return
        self._vacuum(FEW_PAGES)
        self._truncate_log()
        self._reserve.make()

    def _attempt(self, work: Work) -> Exception | None:
        """Write all of it or nothing; return why not. Raise OutboxFailed when it never can be."""
        try:
            with self._transaction():
                self._delete_delivered(work)
                self._insert(work.inserted)
                self._insert_saved(work)
                self._change_rows(work)
                self._keep_books(work)
        except FAILURES as error:
            self._route_ids.clear()
            if not is_temporary(error):
                raise self._failed(error) from None
            return error
        return None

    def _make_way(self, *, for_deletion: bool) -> None:
        """Make room on a full disk: SQLite's log is written back and given up, for a deletion the reserve as well."""
        if for_deletion:
            self._reserve.release()
        self._truncate_log()

    def _truncate_log(self) -> None:
        """Write SQLite's log back and give its space up; what fails here is met again by the next transaction."""
        with suppress(*FAILURES):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def progress(self) -> Progress | None:
        """Return how far a damaged file was gone through; None where none was."""
        for number, next_id, done in self.query("SELECT number, next_id, done FROM salvage"):
            return Progress(cast("int", number), cast("int", next_id), bool(done))
        return None

    def is_new(self) -> bool:
        """Return whether nothing was ever written."""
        return not self.number(_WRITTEN)

    def waiting(self) -> Mapping[bytes, int]:
        """Return by meter how many rows wait, counted on disk."""
        found = self.query("SELECT uid, COUNT(*) FROM rows WHERE aside IS NULL GROUP BY uid")
        return dict(cast("list[tuple[bytes, int]]", found))

    def route(self, route_id: int) -> Route | None:
        """Return a stored route; None for one that is damaged."""
        if len(self._routes) >= MAX_ROUTES_KEPT:
            self._routes.clear()
        if route_id not in self._routes:
            for (text,) in self.query("SELECT content FROM routes WHERE id = ?", (route_id,)):
                with suppress(ValueError, KeyError, TypeError):
                    self._routes[route_id] = route_from(str(text))
        return self._routes.get(route_id)

    def shrink(self) -> None:
        """Give pages back to the disk that a backlog has left behind; a full disk is no reason to fail."""
        if (self.number("PRAGMA freelist_count") or 0) > VACUUM_ABOVE:
            self._vacuum(VACUUM_PAGES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _vacuum(self, pages: int) -> None:
        try:
            self._db.executescript(f"PRAGMA incremental_vacuum({pages})")  # stepped to its end, unlike execute
        except FAILURES as error:
            if not is_temporary(error):
                raise self._failed(error) from None

    def _failed(self, error: Exception) -> OutboxFailed:
        if is_damage(error):
            mark_suspect(self._directory)
            self._db.close()
        return OutboxFailed(f"{self._directory}: {error}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _delete_delivered(self, work: Work) -> None:
        ids = list(work.delivered)
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            marks = ",".join("?" * len(chunk))
            for uid, octets in self._db.execute(f"{_DELETE} ({marks}) RETURNING uid, octets", chunk).fetchall():
                work.row_delivered(uid, octets)

    def _insert(self, arrivals: Iterable[tuple[Arrival, int]]) -> None:
        rows = []
        for arrival, born_ms in arrivals:
            envelope, octets = arrival.envelope, arrival.octets
            route = None if arrival.route is None else self._route_id(envelope.uid, arrival.route)
            name = (envelope.uid, envelope.epoch, envelope.seq, envelope.ts_ms)
            times = (born_ms, is_backfilled(envelope.body))
            rows.append((*name, *times, len(octets) + ROW_OVERHEAD, route, row_check(*name, octets), octets, None))
        self._db.executemany(_INSERT, rows)

    def _insert_saved(self, work: Work) -> None:
        rows = []
        for row, born_ms in work.saved:
            route = None if row.route is None else self._route_id(row.uid, row.route)
            name = (row.uid, row.epoch, row.seq, row.ts_ms)
            size = len(row.envelope) + ROW_OVERHEAD
            rows.append((*name, born_ms, True, size, route, row_check(*name, row.envelope), row.envelope, row.aside))
        self._db.executemany(_INSERT, rows)
        if work.progress is not None:
            values = (work.progress.number, work.progress.next_id, work.progress.done)
            self._db.execute("INSERT OR REPLACE INTO salvage (id, number, next_id, done) VALUES (1, ?, ?, ?)", values)

    def _change_rows(self, work: Work) -> None:
        self._db.executemany("DELETE FROM rows WHERE id = ?", work.dropped)
        self._db.executemany("UPDATE rows SET aside = ? WHERE id = ?", work.aside)
        for uid, route in work.routed:
            values = (self._route_id(uid, route), uid)
            self._db.execute("UPDATE rows SET route = ? WHERE uid = ? AND route IS NULL", values)

    def _keep_books(self, work: Work) -> None:
        if work.no_rows:
            self._db.execute("DELETE FROM routes")
        self._db.executemany("DELETE FROM cursors WHERE uid = ? AND epoch = ?", work.forgotten)
        self._db.executemany(_CURSOR, [(*name, seq) for name, seq in work.cursors.items()])
        self._db.executemany(_ACCOUNT, [(*name, difference) for name, difference in work.counts.items()])
        self.ages.save(self._db)

    def _route_id(self, uid: bytes, route: Route) -> int:
        known = self._route_ids.get(uid)
        if known is not None and (known[0] is route or known[0] == route):
            return known[1]
        text = (route_text(route),)
        self._db.execute("INSERT INTO routes (content) VALUES (?) ON CONFLICT DO NOTHING", text)
        number: int = self._db.execute("SELECT id FROM routes WHERE content = ?", text).fetchone()[0]
        self._route_ids[uid] = (route, number)
        return number
