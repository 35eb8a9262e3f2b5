"""Alarms: one row per episode, found again by its dedup key while it lasts.

Raised, updated and cleared by supervisor_qos; acknowledged by people. An acknowledgement does not clear, clearing does
not acknowledge. At most one uncleared row per dedup key.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, Select, delete, func, insert, select, update

from common.clock import Clock
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchAlarm
from common.store.model import AlarmFilter, AlarmRow, Severity
from common.store.tables import alarms, meters

MAX_PAGE: Final = 1000
KEPT_MS: Final = 90 * 86_400_000  # cleared alarms are kept for 90 days
_ANY: Final = AlarmFilter()


class Alarms:
    """The alarms of the last 90 days."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def raise_(
        self,
        dedup_key: str,
        severity: Severity,
        category: str,
        message: str,
        *,
        meter_uid: bytes | None = None,
        details: Mapping[str, object] | None = None,
    ) -> int:
        """Begin an episode, or count one more in the one that lasts; return the alarm's id."""
        now, key = self._clock.wall_ms(), dedup_key[:128]
        values: dict[str, object] = {
            "severity": str(severity),
            "message": message[:1024],
            "details": dict(details or {}),
        }
        lasting = select(alarms.c.id).where(alarms.c.dedup_key == key, alarms.c.cleared_at.is_(None))
        with self._database.begin(Way.STATE) as connection:
            number = connection.execute(lasting).scalar()
            if number is not None:
                again = update(alarms).where(alarms.c.id == number)
                connection.execute(again.values(count=alarms.c.count + 1, updated_at=now, **values))
                return int(number)
            values |= {"dedup_key": key, "category": category[:32], "meter_uid": meter_uid, "acknowledged_by": ""}
            begun = insert(alarms).values(count=1, raised_at=now, updated_at=now, **values).returning(alarms.c.id)
            return int(connection.execute(begun).scalar_one())

    def clear(self, dedup_key: str) -> bool:
        """End an episode; return False when there was none."""
        now = self._clock.wall_ms()
        lasting = (alarms.c.dedup_key == dedup_key[:128], alarms.c.cleared_at.is_(None))
        with self._database.begin(Way.STATE) as connection:
            ended = connection.execute(update(alarms).where(*lasting).values(cleared_at=now, updated_at=now))
            return bool(ended.rowcount)

    def active(self) -> Sequence[AlarmRow]:
        """Return the episodes that last, newest first."""
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(_query().where(alarms.c.cleared_at.is_(None))).mappings().all()
        return [_alarm(row) for row in rows]

    def list(self, wanted: AlarmFilter = _ANY, *, limit: int = 100, offset: int = 0) -> tuple[Sequence[AlarmRow], int]:
        """Return a page of alarms, newest first, and how many there are in all."""
        where = _conditions(wanted)
        count = select(func.count()).select_from(alarms).where(*where)
        with self._database.begin(Way.READ) as connection:
            total = int(connection.execute(count).scalar_one())
            rows = (
                connection.execute(_query().where(*where).limit(min(limit, MAX_PAGE)).offset(offset)).mappings().all()
            )
        return [_alarm(row) for row in rows], total

    def get(self, number: int) -> AlarmRow:
        """Return one alarm; raise NoSuchAlarm."""
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(_query().where(alarms.c.id == number)).mappings().first()
        if row is None:
            raise NoSuchAlarm(f"no alarm has the id {number}")
        return _alarm(row)

    def acknowledge(self, number: int, by: str) -> AlarmRow:
        """Mark an alarm as seen; the first who did stays. Raise NoSuchAlarm."""
        now = self._clock.wall_ms()
        unseen = (alarms.c.id == number, alarms.c.acknowledged_at.is_(None))
        with self._database.begin(Way.WISH) as connection:
            seen = connection.execute(
                update(alarms).where(*unseen).values(acknowledged_at=now, acknowledged_by=by[:64])
            )
            if seen.rowcount:
                note(connection, now, by, "alarm.acknowledge", str(number), {})
        return self.get(number)

    def trim(self, now_ms: int) -> None:
        """Forget what was cleared 90 days ago."""
        with self._database.begin(Way.STATE) as connection:
            connection.execute(delete(alarms).where(alarms.c.cleared_at < now_ms - KEPT_MS))


def _query() -> Select[*tuple[object, ...]]:
    joined = alarms.outerjoin(meters, alarms.c.meter_uid == meters.c.uid)
    return select(*alarms.c, meters.c.id.label("meter_id")).select_from(joined).order_by(alarms.c.id.desc())


def _conditions(wanted: AlarmFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for asked, column in ((wanted.acknowledged, alarms.c.acknowledged_at), (wanted.active, alarms.c.cleared_at)):
        if asked is not None:
            has_time = asked if column is alarms.c.acknowledged_at else not asked
            found.append(column.is_not(None) if has_time else column.is_(None))
    equal = {
        alarms.c.severity: None if wanted.severity is None else str(wanted.severity),
        alarms.c.category: wanted.category,
        alarms.c.meter_uid: wanted.meter_uid,
    }
    found += [column == value for column, value in equal.items() if value is not None]
    if wanted.since_ms is not None:
        found.append(alarms.c.raised_at >= wanted.since_ms)
    return found


def _alarm(columns: RowMapping) -> AlarmRow:
    return AlarmRow(
        id=columns["id"],
        meter_id=columns["meter_id"],
        meter_uid=columns["meter_uid"],
        severity=Severity(columns["severity"]),
        category=columns["category"],
        message=columns["message"],
        details=columns["details"],
        dedup_key=columns["dedup_key"],
        count=columns["count"],
        raised_at=columns["raised_at"],
        updated_at=columns["updated_at"],
        cleared_at=columns["cleared_at"],
        acknowledged_at=columns["acknowledged_at"],
        acknowledged_by=columns["acknowledged_by"],
    )
