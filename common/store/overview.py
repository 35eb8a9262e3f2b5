"""Everything that the metrics page tells, in one look: narrow columns of all meters, in one transaction.

In: nothing. Out: a ``Snapshot``. No secret is opened and no measurement read, and what is counted the database counts:
a thousand meters cost some milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import RowMapping, func, select

from common.meter_state import DesiredState
from common.store.database import Database, Way
from common.store.model import ComponentRow
from common.store.tables import alarms, component_states, meter_states, meters, tokens
from common.store.tokens import is_living

UNKNOWN_STATUS: Final = "inactive"  # of a meter that the supervisor has not spoken of yet


@dataclass(frozen=True, slots=True)
class MeterLook:
    """One living meter: its wish in brief, and what was last told of it (None and empty where nothing was)."""

    uid: bytes
    name: str
    model: str
    ip_address: str
    port: int
    interval_s: float
    desired_state: str
    status: str
    serial_number: str
    firmware_version: str
    last_seen_ms: int | None
    last_read_ms: int | None
    last_taken_ms: int | None
    last_acknowledged_ms: int | None
    metrics: Mapping[str, float]
    network: Mapping[str, float]

    @property
    def wanted(self) -> bool:
        """Return whether it is wished running."""
        return self.desired_state == DesiredState.RUNNING


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """How many alarms of a kind last, and how many of them nobody has acknowledged."""

    severity: str
    category: str
    active: int
    unseen: int


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens of a role are valid, and when the first of them ends; None: none ever does."""

    role: str
    valid: int
    first_end_ms: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store at one moment."""

    meters: Sequence[MeterLook]
    components: Sequence[ComponentRow]
    alarms: Sequence[AlarmCount]
    tokens: Sequence[TokenCount]


_WISHED: Final = (
    *(meters.c.uid, meters.c.name, meters.c.model, meters.c.ip_address, meters.c.port),
    *(meters.c.interval_s, meters.c.desired_state),
)
_TOLD: Final = (
    *(meter_states.c.status, meter_states.c.serial_number, meter_states.c.firmware_version),
    *(meter_states.c.last_seen_ms, meter_states.c.last_read_ms),
    *(meter_states.c.last_taken_ms, meter_states.c.last_acknowledged_ms),
    *(meter_states.c.metrics, meter_states.c.network),
)
_FIELDS: Final = tuple(item.name for item in fields(MeterLook))
_UNTOLD: Final = {"status": UNKNOWN_STATUS, "serial_number": "", "firmware_version": "", "metrics": {}, "network": {}}
_METERS: Final = (
    select(*_WISHED, *_TOLD)
    .select_from(meters.outerjoin(meter_states, meter_states.c.uid == meters.c.uid))
    .where(meters.c.deleted_at.is_(None))
    .order_by(meters.c.id)
)
_ALARMS: Final = (
    select(
        alarms.c.severity,
        alarms.c.category,
        func.count(),
        func.count().filter(alarms.c.acknowledged_at.is_(None)),
    )
    .where(alarms.c.cleared_at.is_(None))
    .group_by(alarms.c.severity, alarms.c.category)
    .order_by(alarms.c.severity, alarms.c.category)
)


class Overview:
    """See the module's text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, now_ms: int) -> Snapshot:
        """Return the store as it is; raise StoreUnavailable or StoreDamaged. ``now_ms``: by which tokens have ended."""
        valid = select(tokens.c.role, func.count(), func.min(tokens.c.expires_at)).where(*is_living(now_ms))
        with self._database.begin(Way.READ) as connection:
            found = connection.execute(_METERS).mappings().all()
            components = connection.execute(select(component_states).order_by(component_states.c.name)).all()
            counted = connection.execute(_ALARMS).all()
            roles = connection.execute(valid.group_by(tokens.c.role).order_by(tokens.c.role)).all()
        return Snapshot(
            [_look(row) for row in found],
            [ComponentRow(row.name, row.state, row.updated_ms) for row in components],
            [AlarmCount(*row) for row in counted],
            [TokenCount(*row) for row in roles],
        )


def _look(row: RowMapping) -> MeterLook:
    values = {name: row[name] for name in _FIELDS}
    return MeterLook(**values if values["status"] is not None else values | _UNTOLD)
