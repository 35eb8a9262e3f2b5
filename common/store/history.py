"""What meters measured, in periods of a minute, a quarter of an hour and a day (UTC): a rolling history.

In: rows of what was heard, of any resolution. Out: rows of one meter, oldest first. What is added goes into its own
period and into every longer one in the same transaction: no later rolling up, which a kill could cut short, a step of
the clock mislead, and which would have to find what changed. Adding never replaces: what is heard late, or after a
clock was set back into a period, is put together with what is there.

Nothing grows without end: each resolution is kept for its time (0: not at all), and all of it within the octets that
the store's file may have, for which the oldest of the finest goes first. Pages that become free are used again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select

from common.clock import Clock
from common.settings import StoreSettings
from common.store.database import Database, Way, upsert
from common.store.errors import StoreDamaged
from common.store.forgetting import forget
from common.store.summary import RESOLUTIONS_S, HistoryRow, begin_ms, coarser, pack, together, unpack
from common.store.tables import readings_history as table

MAX_ROWS: Final = 50_000  # of one answer; a day of minutes has 1440
CHUNK: Final = 500  # keys of one query
AHEAD_MS: Final = 86_400_000  # what lies further ahead was dated by a clock that has been set back since
LEAST: Final = 60  # periods of each resolution that want of octets does not touch
Key = tuple[int, int, bytes]


class History:
    """The readings of the last minutes, quarters of an hour and days.

    ``cut``: rows that went for want of octets; ``unreadable``: rows that were damaged and begin anew.
    """

    def __init__(self, database: Database, clock: Clock, bounds: StoreSettings) -> None:
        self._database = database
        self._clock = clock
        self._max_octets = bounds.max_octets
        hours = (bounds.minutes_kept_h, 24 * bounds.quarters_kept_days, 24 * bounds.days_kept_days)
        self.kept_ms = {seconds: 3_600_000 * kept for seconds, kept in zip(RESOLUTIONS_S, hours, strict=True)}
        self.cut = 0
        self.unreadable = 0

    def add(self, rows: Sequence[HistoryRow]) -> None:
        """Put rows together with what is there. Only for the one process that keeps a meter's history.

        What is there is read before the write lock is taken, and all is packed by then: it is held for some 2 ms.
        """
        parts: dict[Key, HistoryRow] = {}
        for part in (part for row in rows for part in self._parts(row)):
            key = part.resolution_s, part.at_ms, part.uid
            parts[key] = together(parts[key], part) if key in parts else part
        if not parts:
            return
        with self._database.begin(Way.READ) as connection:
            for known in self._sound(_known(connection, sorted(parts))):
                key = known.resolution_s, known.at_ms, known.uid
                parts[key] = together(known, parts[key])
        values = [_columns(row) for _, row in sorted(parts.items())]
        with self._database.begin(Way.STATE) as connection:
            upsert(connection, table, values, "resolution_s", "at_ms", "uid")

    def between(
        self, uid: bytes, from_ms: int, to_ms: int, resolution_s: int | None = None, limit: int = MAX_ROWS
    ) -> Sequence[HistoryRow]:
        """Return a meter's rows of periods that touch the time from ``from_ms`` to before ``to_ms``, oldest first.

        At most ``limit`` rows, the first ones. Without a resolution it is the finest that is kept for so long and has
        no more than ``limit`` periods in that time; else the coarsest.
        """
        limit = min(limit, MAX_ROWS)
        found: list[HistoryRow] = []
        wanted = resolution_s or self._fitting(from_ms, to_ms, limit)
        with self._database.begin(Way.READ) as connection:
            marks = _marks(connection, wanted, from_ms, to_ms)
            for start in range(0, len(marks), CHUNK):
                found += self._sound(_look_up(connection, wanted, marks[start : start + CHUNK], uid))
                if len(found) >= limit:
                    break
        return found[:limit]

    def trim(self, now_ms: int) -> bool:
        """Forget a batch of rows that are beyond their time or for which there is no room; return if any were."""
        with self._database.begin(Way.STATE) as connection:
            if any(forget(connection, table, gone) for gone in self._gone(now_ms)):
                return True
            if _used_octets(connection) <= self._max_octets:
                return False
            for seconds in RESOLUTIONS_S:
                old = (table.c.resolution_s == seconds, table.c.at_ms < now_ms - 1000 * seconds * LEAST)
                if cut := forget(connection, table, and_(*old)):
                    self.cut += cut
                    return True
        return False

    def _sound(self, rows: Iterable[RowMapping]) -> Iterator[HistoryRow]:
        """Give rows, without those that nobody can read any more: a damaged summary is no reason to stop."""
        for values in rows:
            try:
                yield _row(values)
            except StoreDamaged:
                self.unreadable += 1

    def _parts(self, row: HistoryRow) -> Iterator[HistoryRow]:
        for seconds in RESOLUTIONS_S:
            if seconds >= row.resolution_s and self.kept_ms[seconds]:
                yield coarser(row, seconds)

    def _gone(self, now_ms: int) -> Iterator[ColumnElement[bool]]:
        for seconds, kept_ms in self.kept_ms.items():
            outside = (table.c.at_ms < now_ms - kept_ms, table.c.at_ms > now_ms + AHEAD_MS)
            yield from (and_(table.c.resolution_s == seconds, side) for side in outside)

    def _fitting(self, from_ms: int, to_ms: int, limit: int) -> int:
        now_ms = self._clock.wall_ms()
        for seconds in RESOLUTIONS_S:
            reaches = from_ms >= now_ms - self.kept_ms[seconds]
            if self.kept_ms[seconds] and reaches and min(to_ms, now_ms) - from_ms <= 1000 * seconds * limit:
                return seconds
        return max((seconds for seconds, kept in self.kept_ms.items() if kept), default=RESOLUTIONS_S[-1])


def _known(connection: Connection, keys: Sequence[Key]) -> Iterator[RowMapping]:
    """Give what is there of these keys; they are ordered, those of one period are together."""
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        for resolution_s, at_ms in dict.fromkeys(key[:2] for key in chunk):
            uids = [key[2] for key in chunk if key[:2] == (resolution_s, at_ms)]
            here = and_(table.c.resolution_s == resolution_s, table.c.at_ms == at_ms, table.c.uid.in_(uids))
            yield from connection.execute(select(table).where(here)).mappings()


def _columns(row: HistoryRow) -> dict[str, object]:
    return {
        "resolution_s": row.resolution_s,
        "at_ms": row.at_ms,
        "uid": row.uid,
        "readings": row.readings,
        "last_ms": row.last_ms,
        "packed": pack(row),
    }


def _marks(connection: Connection, resolution_s: int, from_ms: int, to_ms: int) -> range:
    """Return the begins of the periods within a time in which anything may be: the key begins with the time."""
    oldest, newest = (_edge(connection, resolution_s, newest=newest) for newest in (False, True))
    if oldest is None or newest is None:
        return range(0)
    return range(begin_ms(max(from_ms, oldest), resolution_s), min(to_ms, newest + 1), 1000 * resolution_s)


def _edge(connection: Connection, resolution_s: int, *, newest: bool) -> int | None:
    edge = func.max(table.c.at_ms) if newest else func.min(table.c.at_ms)
    found = connection.execute(select(edge).where(table.c.resolution_s == resolution_s)).scalar()
    return None if found is None else int(found)


def _look_up(connection: Connection, resolution_s: int, marks: range, uid: bytes) -> Sequence[RowMapping]:
    here = and_(table.c.resolution_s == resolution_s, table.c.at_ms.in_(marks), table.c.uid == uid)
    return connection.execute(select(table).where(here).order_by(table.c.at_ms)).mappings().all()


def _row(values: RowMapping) -> HistoryRow:
    bare = HistoryRow(values["uid"], values["resolution_s"], values["at_ms"], values["last_ms"], values["readings"])
    return unpack(bare, values["packed"])


def _used_octets(connection: Connection) -> int:
    """Return how much of an SQLite file is in use; of another database it is not ours to judge."""
    if connection.dialect.name != "sqlite":
        return 0
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
