"""What is: the state of each meter, its latest values, and what the parts of the system say of themselves.

Written by supervisor_qos alone, in batches; a power cut may cost the last seconds. Read by API and command line.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from common.meter_state import MeterState
from common.store.database import Database, Way, upsert
from common.store.model import ComponentRow, LatestRow, MeterStateRow
from common.store.tables import component_states, latest_values, meter_states

_STATE: Final = tuple(item.name for item in fields(MeterStateRow))
_LATEST: Final = tuple(item.name for item in fields(LatestRow))
_NUMBERS: Final = ("metrics", "network")


class States:
    """The last words of everything."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, rows: Sequence[MeterStateRow]) -> None:
        """Replace the states of these meters in one transaction."""
        with self._database.begin(Way.STATE) as connection:
            upsert(connection, meter_states, [_state_columns(row) for row in rows], "uid")

    def list(self) -> Sequence[MeterStateRow]:
        """Return the states of all meters that ever had one and are not purged."""
        with self._database.begin(Way.READ) as connection:
            return [_state(row) for row in connection.execute(select(meter_states)).mappings()]

    def some(self, uids: Collection[bytes]) -> Sequence[MeterStateRow]:
        """Return the states of these meters, of whom anything is known."""
        query = select(meter_states).where(meter_states.c.uid.in_(uids))
        with self._database.begin(Way.READ) as connection:
            return [_state(row) for row in connection.execute(query).mappings()]

    def get(self, uid: bytes) -> MeterStateRow:
        """Return a meter's state; one that nothing is known of is ``inactive``."""
        query = select(meter_states).where(meter_states.c.uid == uid)
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query).mappings().first()
        return MeterStateRow(uid) if row is None else _state(row)

    def write_latest(self, rows: Sequence[LatestRow]) -> None:
        """Replace the latest values of these meters; numbers that JSON cannot say become null."""
        with self._database.begin(Way.STATE) as connection:
            upsert(connection, latest_values, [_latest_columns(row) for row in rows], "uid")

    def latest(self, uid: bytes) -> LatestRow | None:
        """Return a meter's latest values, None where there are none yet."""
        query = select(latest_values).where(latest_values.c.uid == uid)
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _latest(row)

    def list_latest(self) -> Sequence[LatestRow]:
        """Return the latest values of all meters."""
        with self._database.begin(Way.READ) as connection:
            return latest_rows(connection)

    def write_component(self, name: str, state: Mapping[str, object], at_ms: int) -> None:
        """Replace what a part of the system says of itself; ``state`` is plain JSON data."""
        with self._database.begin(Way.STATE) as connection:
            row = {"name": name, "state": dict(state), "updated_ms": at_ms}
            upsert(connection, component_states, [row], "name")

    def components(self) -> dict[str, ComponentRow]:
        """Return what every part last said, by its name."""
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(select(component_states)).all()
        return {row.name: ComponentRow(row.name, row.state, row.updated_ms) for row in rows}


def latest_rows(connection: Connection, uids: Collection[bytes] | None = None) -> Sequence[LatestRow]:
    """Return the latest values of these meters, or of all."""
    query = select(latest_values) if uids is None else select(latest_values).where(latest_values.c.uid.in_(uids))
    return [_latest(row) for row in connection.execute(query).mappings()]


def _state_columns(row: MeterStateRow) -> dict[str, object]:
    columns: dict[str, object] = {name: getattr(row, name) for name in _STATE}
    columns |= {name: _finite(getattr(row, name)) for name in _NUMBERS} | {"facts": dict(row.facts)}
    return columns | {"status": str(row.status)}


def _state(row: RowMapping) -> MeterStateRow:
    values = {name: row[name] for name in _STATE}
    return MeterStateRow(**values | {"status": MeterState(values["status"])})


def _latest_columns(row: LatestRow) -> dict[str, object]:
    columns: dict[str, object] = {name: getattr(row, name) for name in _LATEST}
    values = dict.fromkeys(row.values) | _finite(row.values)
    return columns | {"values": values, "units": dict(row.units), "failed": dict(row.failed), "quality": [*row.quality]}


def _latest(row: RowMapping) -> LatestRow:
    values = {name: row[name] for name in _LATEST}
    return LatestRow(**values | {"quality": tuple(values["quality"])})


def _finite(values: Mapping[str, object]) -> dict[str, object]:
    """Leave out what JSON cannot say: NaN and the infinities."""
    return {name: value for name, value in values.items() if not isinstance(value, float) or math.isfinite(value)}
