"""What a damaged outbox file still gives, row by row. The file was set aside; only a lost first page is written anew.

In: the path of the file. Out: rows whose checksum proves them, ascending by id; cursors, books and routes as far as
they can be read. SQLite gives what its pages still hold: a range of ids that cannot be read is halved until the part
that cannot be read is one id, which is passed over. Every call ends within STEP_S: nothing here keeps a start waiting.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from common.clock import Clock
from common.envelope import EPOCH_SIZE, MAX_ENVELOPE, UID_SIZE
from common.routes import Route
from publisher.accounts import DELIVERED, DROPPED, MAX_REASON, SET_ASIDE, WAITING
from publisher.outbox_file import FAILURES, SCHEMA, STEPS, is_temporary, route_from
from publisher.outbox_rows import row_check

STEP_S: Final = 1.0  # one call works at most about so long
STEP_ROWS: Final = 500
FIRST_WIDTH: Final = 1024  # ids asked for at once
MAX_BARREN: Final = 50_000  # ids in a row that cannot be read: there is nothing more to be had
MAX_STRAYS: Final = 100_000  # rows out of their range that are remembered, so that none is given twice
MAX_COUNT: Final = 1 << 48  # numbers beyond it are damage
HIGHEST_ID: Final = 1 << 40  # where the file does not say which id was the last
PAGE: Final = 4096  # octets; SQLite's own choice, which this product never changed
INSTRUCTIONS: Final = 10_000  # of SQLite's machine between two looks at the clock
_PAGE_COUNT: Final = slice(28, 32)  # places in the first page (SQLite's file format, section 1.3)
_ROWS: Final = (
    "SELECT id, uid, epoch, seq, ts_ms, born_ms, route, aside, crc, envelope FROM rows NOT INDEXED"
    " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class SavedRow:
    """A row that is what was inserted. ``born_ms``: in the time of the file it comes from."""

    id: int
    uid: bytes
    epoch: bytes
    seq: int
    ts_ms: int
    born_ms: int
    route: Route | None
    aside: str | None
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Books:
    """What a damaged file still says of its past. ``clock``: its boot, boot time and own time."""

    cursors: Mapping[tuple[bytes, bytes], int]
    counts: Mapping[tuple[bytes, str], int]
    clock: tuple[bytes, int, int] | None


class DamagedFile:
    """One file that was set aside, open for reading. ``next_id``: where the walk goes on; None: it is at its end."""

    def __init__(self, path: Path, clock: Clock, next_id: int = 1) -> None:
        self._clock = clock
        self.next_id: int | None = next_id
        self._limit = clock.monotonic() + STEP_S
        self._barren, self._width = 0, FIRST_WIDTH
        self._stuck: int | None = None
        self._strays: set[int] = set()
        self._db: sqlite3.Connection | None = None
        with suppress(OSError, *FAILURES):
            self._db = _opened(path)
            self._db.set_progress_handler(self._overdue, INSTRUCTIONS)
        found = [value for (value,) in self._some("SELECT seq FROM sqlite_sequence") if isinstance(value, int)]
        self._last: int = min(max(found, default=0) or HIGHEST_ID, HIGHEST_ID)
        self._routes = dict(cast("Iterator[tuple[object, object]]", self._some("SELECT id, content FROM routes")))
        if self._db is None:
            self.next_id = None

    def books(self) -> Books:
        """Return cursors, counts and time as far as they can be read and make sense."""
        self._limit = self._clock.monotonic() + STEP_S
        cursors: dict[tuple[bytes, bytes], int] = {
            (cast("bytes", uid), cast("bytes", epoch)): cast("int", seq)
            for uid, epoch, seq in self._some("SELECT uid, epoch, seq FROM cursors ORDER BY rowid")
            if _is_name(uid, UID_SIZE) and _is_name(epoch, EPOCH_SIZE) and _is_count(seq)
        }
        counts: dict[tuple[bytes, str], int] = {
            (cast("bytes", uid), cast("str", name)): cast("int", value)
            for uid, name, value in self._some("SELECT uid, name, value FROM accounts")
            if _is_name(uid, UID_SIZE) and _is_count_name(name) and _is_count(value)
        }
        clock = None
        for boot, boot_ms, total_ms in self._some("SELECT boot, boot_ms, total_ms FROM clock"):
            if isinstance(boot, bytes) and _is_count(boot_ms) and _is_count(total_ms):
                clock = (boot, cast("int", boot_ms), cast("int", total_ms))
        return Books(cursors, counts, clock)

    def step(self) -> list[SavedRow]:
        """Return the next sound rows, at most about STEP_ROWS, and move ``next_id`` behind them."""
        self._limit = self._clock.monotonic() + STEP_S
        rows: list[SavedRow] = []
        while self.next_id is not None and len(rows) < STEP_ROWS and not self._overdue():
            rows += self._advance(self.next_id)
        return rows

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _overdue(self) -> bool:
        return self._clock.monotonic() >= self._limit

    def _advance(self, first: int) -> list[SavedRow]:
        """Read a range from one id on: twice as wide after one that could be read, half as wide after damage."""
        after = min(first + self._width, self._last + 1)
        rows, whole = self._read(first, after)
        found = {cast("int", row[0]): row for row in rows}
        inside = {number for number in found if first <= number < after}
        whole = whole and len(inside) == len(rows)
        if not whole and self._overdue() and self._comes_again(first):
            return []
        if whole or inside:
            self._barren = 0
            self._width = min(self._width * 2, self._last) if whole else max(1, self._width // 2)
            first = after if whole and len(rows) < STEP_ROWS else max(inside) + 1
        elif self._width > 1:
            self._width //= 2
        else:
            self._barren += 1
            first += 1
        self.next_id = first if first <= self._last and self._barren <= MAX_BARREN else None
        mine = [number for number in found if self._is_new(number, stray=number not in inside)]
        return [row for number in mine if (row := self._sound(found[number]))]

    def _is_new(self, number: int, *, stray: bool) -> bool:
        """Return whether a row is to be given; pages in the place of others give rows of other ranges, and twice."""
        known = number in self._strays
        if stray and len(self._strays) < MAX_STRAYS:
            self._strays.add(number)
        return not known and (not stray or number in self._strays)

    def _comes_again(self, first: int) -> bool:
        """Return whether a range that was interrupted comes again with the next step: less of it, a single id once."""
        again = self._width > 1 or self._stuck != first
        self._width, self._stuck = max(1, self._width // 2), first
        return again

    def _read(self, first: int, after: int) -> tuple[list[tuple[object, ...]], bool]:
        """Return rows as far as they can be read, and whether the range was read without an error."""
        rows: list[tuple[object, ...]] = []
        if self._db is None:
            return rows, True
        try:
            rows.extend(self._db.execute(_ROWS, (first, after, STEP_ROWS)))
        except FAILURES:
            return rows, False
        return rows, True

    def _sound(self, found: tuple[object, ...]) -> SavedRow | None:
        """Return a row that is proven by its checksum."""
        row_id, uid, epoch, seq, ts_ms, born_ms, route, aside, crc, envelope = found
        if not (_is_name(uid, UID_SIZE) and _is_name(epoch, EPOCH_SIZE) and _is_count(seq) and _is_count(ts_ms)):
            return None
        if not isinstance(envelope, bytes) or len(envelope) > MAX_ENVELOPE:
            return None
        name = cast("tuple[bytes, bytes, int, int]", (uid, epoch, seq, ts_ms))
        if row_check(*name, envelope) != crc:
            return None
        return SavedRow(
            cast("int", row_id),
            *name,
            born_ms if isinstance(born_ms, int) and abs(born_ms) < MAX_COUNT else 0,
            self._route(route),
            aside if isinstance(aside, str) else None,
            envelope,
        )

    def _route(self, number: object) -> Route | None:
        text = self._routes.get(number)
        with suppress(ValueError, KeyError, TypeError):
            return None if text is None else route_from(str(text))
        return None

    def _some(self, statement: str) -> Iterator[tuple[object, ...]]:
        """Yield what a SELECT gives before it fails."""
        if self._db is not None:
            with suppress(*FAILURES):
                yield from self._db.execute(statement)


def _opened(path: Path) -> sqlite3.Connection:
    """Return a connection that reads a damaged file; a first page that is no outbox's is replaced before."""
    try:
        return _connected(path)
    except FAILURES as error:
        if is_temporary(error):
            raise  # a disk that refuses says nothing of the first page
        _mend_first_page(path)
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.text_factory = lambda octets: octets.decode(errors="replace")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cell_size_check=ON")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not names >= {"rows", "cursors", "accounts"}:
            raise sqlite3.DatabaseError("its first page is not that of an outbox")
    except FAILURES:
        connection.close()
        raise
    return connection


def _mend_first_page(path: Path) -> None:
    """Give a file the first page of a new outbox: tables lie where they lie in every file. The old one is kept."""
    model = path.with_name(f"{path.name}-model")
    model.unlink(missing_ok=True)
    with closing(sqlite3.connect(model)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(f"BEGIN;{''.join(STEPS)}PRAGMA user_version={SCHEMA};COMMIT")
    page = bytearray(model.read_bytes()[:PAGE])
    model.unlink()
    page[_PAGE_COUNT] = (path.stat().st_size // PAGE).to_bytes(4, "big")
    with path.open("r+b") as stream:
        path.with_name(f"{path.name}-page1").write_bytes(stream.read(PAGE))
        stream.seek(0)
        stream.write(page)
        stream.flush()
        os.fsync(stream.fileno())


def _is_name(value: object, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < MAX_COUNT


def _is_count_name(value: object) -> bool:
    if not isinstance(value, str):
        return False
    reason = value.removeprefix(DROPPED)
    return value in {DELIVERED, WAITING, SET_ASIDE} or (
        value.startswith(DROPPED) and reason.isidentifier() and len(reason) <= MAX_REASON
    )
