"""What was measured, in periods of five minutes: added to by supervisor_qos once a minute, summed up by reports.

In: what is to be added to periods. Out: sums since a time. Adding, not replacing: a supervisor that was started anew
within a period, or a clock that was set back into one, adds to what is there. Nothing is kept longer than KEPT_MS.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, Select, Table, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from common.store.database import Database, Way
from common.store.model import PERIOD_MS, MeterCounts, SystemCounts
from common.store.tables import PERIOD_COUNTS, PERIOD_LEVELS, SYSTEM_COUNTS, meter_periods, system_periods

KEPT_MS: Final = 8 * 86_400_000  # a week and the day that it is compared with
Counts = Mapping[str, int]


class Periods:
    """The measured periods of the last days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, meters: Mapping[tuple[int, bytes], Counts], system: Mapping[int, Counts]) -> None:
        """Add to periods, keyed by begin and meter's uid, in one transaction; levels replace what is there."""
        of_meters: list[Mapping[str, object]] = [
            {"at_ms": at_ms, "uid": uid} | {name: counts.get(name, 0) for name in (*PERIOD_COUNTS, *PERIOD_LEVELS)}
            for (at_ms, uid), counts in meters.items()
        ]
        of_system: list[Mapping[str, object]] = [
            {"at_ms": at_ms} | {name: counts.get(name, 0) for name in SYSTEM_COUNTS} for at_ms, counts in system.items()
        ]
        with self._database.begin(Way.STATE) as connection:
            _add(connection, meter_periods, of_meters, ("at_ms", "uid"), PERIOD_LEVELS)
            _add(connection, system_periods, of_system, ("at_ms",), ())

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

    def trim(self, now_ms: int) -> None:
        """Forget what is older than KEPT_MS, and what a clock dated that has been set back since.

        Periods of the future would be summed up in every report until that time has come.
        """
        with self._database.begin(Way.STATE) as connection:
            for table in (meter_periods, system_periods):
                gone = or_(table.c.at_ms < now_ms - KEPT_MS, table.c.at_ms > now_ms + PERIOD_MS)
                connection.execute(delete(table).where(gone))


def _rows(connection: Connection, query: Select[*tuple[object, ...]], uid: bytes | None) -> Sequence[RowMapping]:
    wanted = query if uid is None else query.where(meter_periods.c.uid == uid)
    return connection.execute(wanted).mappings().all()


def _levels(row: RowMapping) -> dict[str, int]:
    return {name: int(row[name]) for name in PERIOD_LEVELS}


def _counts(row: RowMapping, levels: Counts) -> MeterCounts:
    sums = {name: int(row[name]) for name in ("since_ms", *PERIOD_COUNTS)}
    return MeterCounts(**sums | dict(levels))


def _add(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    keys: tuple[str, ...],
    levels: Iterable[str],
) -> None:
    if not rows:
        return
    maker = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = maker(table)
    sums = {name: table.c[name] + statement.excluded[name] for name in rows[0] if name not in keys}
    sums |= {name: statement.excluded[name] for name in levels}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=sums), [dict(row) for row in rows]
    )
