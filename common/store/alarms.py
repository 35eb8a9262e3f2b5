"""Alarms: one row per episode, found again by its dedup key while it lasts.

Raised, updated and cleared by supervisor_qos; acknowledged by people. An acknowledgement does not clear, clearing does
not acknowledge; what gets worse has to be acknowledged anew. At most one uncleared row per dedup key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, func, insert, select, update

from common.clock import Clock
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchAlarm
from common.store.model import AlarmFilter, AlarmRow, AlarmStep, Change, Severity
from common.store.tables import alarms, meters

MAX_PAGE: Final = 1000
_ANY: Final = AlarmFilter()
_RANK: Final = tuple(str(severity) for severity in Severity)


class Alarms:
    """All alarms: those that last, and cleared ones as long as they are kept."""

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
        with self._database.begin(Way.STATE) as connection:
            lasting = _lasting(connection, key)
            if lasting is not None:
                return _change(connection, lasting, values | {"count": alarms.c.count + 1, "updated_at": now})
            return _begin(connection, values | {"category": category, "meter_uid": meter_uid}, key, now)

    def write(self, steps: Sequence[AlarmStep]) -> Mapping[str, int]:
        """Write changes in one transaction; return the alarms' ids by dedup key. To write one again changes nothing.

        An alarm that gets worse than it was is not acknowledged any more.
        """
        now = self._clock.wall_ms()
        with self._database.begin(Way.STATE) as connection:
            found = [(step.dedup_key, _write(connection, step, now)) for step in steps]
        return {key: number for key, number in found if number is not None}

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

    def remove(self, wanted: AlarmFilter, by: str) -> int:
        """Forget alarms that are over; return how many. What lasts stays, whatever the filter says."""
        now = self._clock.wall_ms()
        over = (*_conditions(wanted), alarms.c.cleared_at.is_not(None))
        with self._database.begin(Way.WISH) as connection:
            count = int(connection.execute(delete(alarms).where(*over)).rowcount)
            note(connection, now, by, "alarm.remove", f"{count} alarms", _told(wanted))
        return count


def alarm_rows(connection: Connection, numbers: Sequence[int]) -> Sequence[AlarmRow]:
    """Return these alarms, newest first."""
    return [_alarm(row) for row in connection.execute(_query().where(alarms.c.id.in_(numbers))).mappings()]


def _told(wanted: AlarmFilter) -> dict[str, object]:
    """Return a filter as plain data, without what it does not ask."""
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asked.items()}


def _write(connection: Connection, step: AlarmStep, now: int) -> int | None:
    key = step.dedup_key[:128]
    lasting = _lasting(connection, key)
    values: dict[str, object] = {"severity": str(step.severity), "message": step.message[:1024], "count": step.count}
    if step.change is Change.CLEARED:
        values["cleared_at"] = now
    elif lasting is None:
        begun: dict[str, object] = {"category": step.category, "meter_uid": step.meter_uid, "details": {}}
        return _begin(connection, values | begun, key, now)
    if lasting is None:
        return None
    return _change(connection, lasting, values | {"updated_at": now})


def _lasting(connection: Connection, key: str) -> tuple[int, Severity] | None:
    query = select(alarms.c.id, alarms.c.severity)
    row = connection.execute(query.where(alarms.c.dedup_key == key, alarms.c.cleared_at.is_(None))).first()
    return None if row is None else (int(row.id), Severity(row.severity))


def _change(connection: Connection, lasting: tuple[int, Severity], values: Mapping[str, object]) -> int:
    """Change an alarm that lasts, and return its id; what gets worse has to be looked at again."""
    number, severity = lasting
    if _RANK.index(str(values["severity"])) > _RANK.index(severity):
        values = {**values, "acknowledged_at": None, "acknowledged_by": ""}
    connection.execute(update(alarms).where(alarms.c.id == number).values(**values))
    return number


def _begin(connection: Connection, values: Mapping[str, object], key: str, now: int) -> int:
    whole = {"count": 1, **values, "dedup_key": key, "raised_at": now, "updated_at": now, "acknowledged_by": ""}
    whole["category"] = str(whole["category"])[:32]
    return int(connection.execute(insert(alarms).values(**whole).returning(alarms.c.id)).scalar_one())


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
    if wanted.before_ms is not None:
        found.append(alarms.c.cleared_at < wanted.before_ms)
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
