"""What of the fleet has changed, cheap enough to be asked each second: marks of everything first, then what differs.

In: whose changes are of interest. Out: ``Sight``, a few narrow columns of each meter and each lasting alarm; and the
rows behind those marks that are others than before. No secret is opened, no counter is read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Select, select

from common.meter_state import DesiredState, MeterState
from common.store.alarms import alarm_rows
from common.store.database import Database, Way
from common.store.model import AlarmRow, LatestRow
from common.store.states import latest_rows
from common.store.tables import WISHES, alarms, latest_values, meter_states, meters, versions

MAX_NAMED: Final = 64  # meters that a query names one by one; for more of them all are looked at
MAX_ALARMS: Final = 2000  # lasting alarms that are watched, the newest


@dataclass(frozen=True, slots=True)
class StateSight:
    """What of a meter's state people are told as soon as it changes."""

    status: str
    cause: str
    detail: str
    revision: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A living meter in brief: who it is, what it is wished to be, and how it is."""

    uid: bytes
    number: int
    name: str
    desired_state: DesiredState
    status: MeterState


_STATE: Final = tuple(StateSight.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything of interest at one moment: states and marks of last readings by uid, marks of lasting alarms by id."""

    version: int = -1
    states: Mapping[bytes, StateSight] = field(default_factory=dict)
    readings: Mapping[bytes, tuple[bytes, int]] = field(default_factory=dict)
    alarms: Mapping[int, tuple[int, int | None]] = field(default_factory=dict)


class Sights:
    """See the module's text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, uids: Collection[bytes] | None = None) -> Sight:
        """Return what is to be seen of these meters, or of all."""
        states = _of(select(meter_states.c.uid, *(meter_states.c[name] for name in _STATE)), meter_states.c.uid, uids)
        latest = select(latest_values.c.uid, latest_values.c.epoch, latest_values.c.seq)
        lasting = select(alarms.c.id, alarms.c.updated_at, alarms.c.acknowledged_at).where(
            alarms.c.cleared_at.is_(None)
        )
        with self._database.begin(Way.READ) as connection:
            version = connection.execute(select(versions.c.value).where(versions.c.name == WISHES)).scalar_one()
            told = connection.execute(states).mappings().all()
            read = connection.execute(_of(latest, latest_values.c.uid, uids)).mappings().all()
            raised = connection.execute(lasting.order_by(alarms.c.id.desc()).limit(MAX_ALARMS)).mappings().all()
        return Sight(
            int(version),
            {row["uid"]: StateSight(**{name: row[name] for name in _STATE}) for row in told},
            {row["uid"]: (row["epoch"], row["seq"]) for row in read},
            {row["id"]: (row["updated_at"], row["acknowledged_at"]) for row in raised},
        )

    def names(self) -> dict[bytes, tuple[int, str]]:
        """Return id and name of all living meters."""
        query = select(meters.c.uid, meters.c.id, meters.c.name).where(meters.c.deleted_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(query)}

    def standings(self) -> Sequence[Standing]:
        """Return all living meters in brief, by id; one that nothing is known of is ``inactive``."""
        columns = (meters.c.uid, meters.c.id, meters.c.name, meters.c.desired_state, meter_states.c.status)
        joined = meters.outerjoin(meter_states, meter_states.c.uid == meters.c.uid)
        query = select(*columns).select_from(joined).where(meters.c.deleted_at.is_(None)).order_by(meters.c.id)
        with self._database.begin(Way.READ) as connection:
            return [
                Standing(uid, number, name, DesiredState(wish), MeterState(status or MeterState.INACTIVE))
                for uid, number, name, wish, status in connection.execute(query)
            ]

    def readings(self, uids: Collection[bytes]) -> Sequence[LatestRow]:
        """Return the last readings of these meters."""
        if not uids:
            return []
        with self._database.begin(Way.READ) as connection:
            rows = latest_rows(connection, None if len(uids) > MAX_NAMED else uids)
        return [row for row in rows if row.uid in uids]

    def alarms(self, numbers: Collection[int]) -> Sequence[AlarmRow]:
        """Return these alarms, as far as there are any, newest first."""
        if not numbers:
            return []
        with self._database.begin(Way.READ) as connection:
            return alarm_rows(connection, sorted(numbers)[-MAX_ALARMS:])


def _of(
    query: "Select[*tuple[object, ...]]", column: ColumnElement[bytes], uids: Collection[bytes] | None
) -> "Select[*tuple[object, ...]]":
    return query if uids is None or len(uids) > MAX_NAMED else query.where(column.in_(uids))
