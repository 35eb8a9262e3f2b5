"""What was measured, in periods of five minutes and by the hour: added to by supervisor_qos once a minute.

In: what is to be added to periods. Out: sums since a time, and series. Adding, not replacing: a supervisor that was
started anew within a period, or a clock that was set back into one, adds to what is there. What is added to a period is
added to its hour in the same transaction. Periods are kept for KEPT_MS, hours as the settings say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, Select, Table, and_, func, select

from common.settings import StoreSettings
from common.store.database import Database, Way, upsert
from common.store.forgetting import BATCH, forget
from common.store.model import PERIOD_MS, MeterCounts, SystemCounts
from common.store.tables import (
    PERIOD_COUNTS,
    PERIOD_LEVELS,
    SYSTEM_COUNTS,
    meter_hours,
    meter_periods,
    system_hours,
    system_periods,
)

KEPT_MS: Final = 8 * 86_400_000  # a week and the day that it is compared with
HOUR_MS: Final = 3_600_000
HOUR_S: Final = 3600
MAX_POINTS: Final = 10_000  # of one series: 400 days of hours are 9600
MAX_POINTS_OF_ALL: Final = 1000  # of all meters together: each is the sum over a row of every meter
CHUNK: Final = 500  # keys of one query
Counts = Mapping[str, int]
Parts = Mapping[tuple[int, bytes], Counts]


class Periods:
    """The measured periods of the last days."""

    def __init__(self, database: Database, bounds: StoreSettings) -> None:
        self._database = database
        self._hours_kept_ms = bounds.hours_kept_days * 24 * HOUR_MS

    def add(self, meters: Parts, system: Mapping[int, Counts]) -> None:
        """Add to periods, keyed by begin and meter's uid, in one transaction; levels replace what is there."""
        of_meters = [
            {"at_ms": at_ms, "uid": uid} | {name: counts.get(name, 0) for name in (*PERIOD_COUNTS, *PERIOD_LEVELS)}
            for (at_ms, uid), counts in sorted(meters.items(), key=lambda item: item[0])
        ]
        of_system = [
            {"at_ms": at_ms} | {name: counts.get(name, 0) for name in SYSTEM_COUNTS}
            for at_ms, counts in sorted(system.items())
        ]
        with self._database.begin(Way.STATE) as connection:
            upsert(connection, meter_periods, of_meters, "at_ms", "uid", sums=PERIOD_COUNTS)
            upsert(connection, system_periods, of_system, "at_ms", sums=SYSTEM_COUNTS)
            if self._hours_kept_ms:
                upsert(connection, meter_hours, _by_hour(of_meters), "at_ms", "uid", sums=PERIOD_COUNTS)
                upsert(connection, system_hours, _by_hour(of_system), "at_ms", sums=SYSTEM_COUNTS)

    def meters(self, since_ms: int, uid: bytes | None = None) -> dict[bytes, MeterCounts]:
        """Return the sums of every meter, or of one, over the periods that had not ended at ``since_ms``."""
        table = meter_periods.c
        sums = (func.sum(table[name]).label(name) for name in PERIOD_COUNTS)
        query = select(table.uid, func.min(table.at_ms).label("since_ms"), *sums).group_by(table.uid)
        last = select(func.max(table.at_ms)).scalar_subquery()
        levels = select(table.uid, *(table[name] for name in PERIOD_LEVELS)).where(table.at_ms >= last - PERIOD_MS)
        with self._database.begin(Way.READ) as connection:
            known = {row["uid"]: _levels(row) for row in _rows(connection, levels.order_by(table.at_ms), uid)}
            rows = _rows(connection, query.where(table.at_ms > since_ms - PERIOD_MS), uid)
        return {row["uid"]: _counts(row, known.get(row["uid"], {})) for row in rows}

    def system(self, since_ms: int) -> SystemCounts:
        """Return the system's sums over the periods that had not ended at ``since_ms``."""
        table = system_periods.c
        sums = (func.coalesce(func.sum(table[name]), 0).label(name) for name in SYSTEM_COUNTS)
        query = select(func.coalesce(func.min(table.at_ms), 0).label("since_ms"), *sums)
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query.where(table.at_ms > since_ms - PERIOD_MS)).mappings().one()
        return SystemCounts(**{name: int(value) for name, value in row.items()})

    def series(self, uid: bytes | None, from_ms: int, to_ms: int, resolution_s: int = 300) -> Sequence[MeterCounts]:
        """Return what was measured of one meter, or (None) of all together, by periods or (3600) by the hour.

        Oldest first, at most MAX_POINTS (MAX_POINTS_OF_ALL), the first ones; ``since_ms`` is where each begins. Where
        nothing was measured there is no point. Of all meters each point costs all their rows: 1000 meters 1 ms.
        """
        table, step = (meter_hours, HOUR_MS) if resolution_s == HOUR_S else (meter_periods, PERIOD_MS)
        names = (*PERIOD_COUNTS, *PERIOD_LEVELS)
        with self._database.begin(Way.READ) as connection:
            marks = _marks(connection, table, from_ms, to_ms, step)
            if uid is None:
                found: Iterable[RowMapping] = _of_all(connection, table, marks, names)
            else:
                found = _of_one(connection, table, marks, uid)
            return [MeterCounts(since_ms=row["at_ms"], **{name: int(row[name]) for name in names}) for row in found]

    def system_series(self, from_ms: int, to_ms: int, resolution_s: int = 300) -> Sequence[SystemCounts]:
        """Return the same of the system as a whole, over as long a time as of all meters together."""
        table, step = (system_hours, HOUR_MS) if resolution_s == HOUR_S else (system_periods, PERIOD_MS)
        with self._database.begin(Way.READ) as connection:
            marks = _marks(connection, table, from_ms, to_ms, step)
            rows = _of_all(connection, table, marks, SYSTEM_COUNTS)
        return [SystemCounts(since_ms=row["at_ms"], **{name: int(row[name]) for name in SYSTEM_COUNTS}) for row in rows]

    def trim(self, now_ms: int) -> bool:
        """Forget a batch of what is too old, and of what a clock dated that has been set back since.

        Periods of the future would be summed up in every report until that time has come. Return whether there may be
        more.
        """
        more, hours_kept_ms = False, self._hours_kept_ms
        for table, kept_ms, ahead_ms in (
            *((meter_periods, KEPT_MS, PERIOD_MS), (system_periods, KEPT_MS, PERIOD_MS)),
            *((meter_hours, hours_kept_ms, HOUR_MS), (system_hours, hours_kept_ms, HOUR_MS)),
        ):
            for gone in (table.c.at_ms < now_ms - kept_ms, table.c.at_ms > now_ms + ahead_ms):  # two ends of the key
                with self._database.begin(Way.STATE) as connection:
                    more |= forget(connection, table, gone) == BATCH
        return more


def _by_hour(rows: Iterable[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    return [{**row, "at_ms": int(str(row["at_ms"])) // HOUR_MS * HOUR_MS} for row in rows]


def _marks(connection: Connection, table: Table, from_ms: int, to_ms: int, step: int) -> range:
    """Return the begins of the periods within a time in which anything may be."""
    oldest, newest = (connection.execute(select(edge(table.c.at_ms))).scalar() for edge in (func.min, func.max))
    if oldest is None or newest is None:
        return range(0)
    begin = max(from_ms, oldest)
    return range(begin - begin % step, min(to_ms, newest + 1), step)[:MAX_POINTS]


def _of_one(connection: Connection, table: Table, marks: range, uid: bytes) -> Iterator[RowMapping]:
    """Give a meter's rows. They are looked up by their times: the key begins with the time, not with the meter."""
    for start in range(0, len(marks), CHUNK):
        here = and_(table.c.at_ms.in_(marks[start : start + CHUNK]), table.c.uid == uid)
        yield from connection.execute(select(table).where(here).order_by(table.c.at_ms)).mappings().all()


def _of_all(connection: Connection, table: Table, marks: range, names: Iterable[str]) -> Sequence[RowMapping]:
    marks = marks[:MAX_POINTS_OF_ALL]
    sums = (func.sum(table.c[name]).label(name) for name in names)
    query = select(table.c.at_ms, *sums).where(table.c.at_ms >= marks.start, table.c.at_ms < marks.stop)
    return connection.execute(query.group_by(table.c.at_ms).order_by(table.c.at_ms)).mappings().all()


def _rows(connection: Connection, query: Select[*tuple[object, ...]], uid: bytes | None) -> Sequence[RowMapping]:
    wanted = query if uid is None else query.where(meter_periods.c.uid == uid)
    return connection.execute(wanted).mappings().all()


def _levels(row: RowMapping) -> dict[str, int]:
    return {name: int(row[name]) for name in PERIOD_LEVELS}


def _counts(row: RowMapping, levels: Counts) -> MeterCounts:
    sums = {name: int(row[name]) for name in ("since_ms", *PERIOD_COUNTS)}
    return MeterCounts(**sums | dict(levels))
