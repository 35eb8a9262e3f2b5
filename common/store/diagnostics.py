"""Diagnostics of the line: what went wrong between a worker and its meter, with the frames around it.

Written by supervisor_qos in batches, read by API and command line. Bounded: the newest 200 of each meter.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, delete, insert, select

from common.diagnostic import Diagnostic
from common.store.database import Database, Way
from common.store.model import DiagnosticRow, FrameRow, Severity
from common.store.tables import dlms_diagnostics as table

MAX_PER_METER: Final = 200
Batch = Sequence[tuple[bytes, Diagnostic]]


class Diagnostics:
    """The diagnostics of the line, as long as they are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, batch: Batch) -> None:
        """Add diagnostics, each with its meter's uid, in one transaction; the oldest beyond the bound go."""
        if not batch:
            return
        with self._database.begin(Way.STATE) as connection:
            connection.execute(insert(table), [_columns(uid, item) for uid, item in batch])
            for uid in {uid for uid, _ in batch}:
                _cut(connection, uid)

    def list(self, uid: bytes, *, limit: int = 50, since_ms: int = 0) -> Sequence[DiagnosticRow]:
        """Return a meter's diagnostics at or after a time, newest first."""
        query = select(table).where(table.c.meter_uid == uid, table.c.at_ms >= since_ms)
        newest = query.order_by(table.c.at_ms.desc(), table.c.id.desc()).limit(min(limit, MAX_PER_METER))
        with self._database.begin(Way.READ) as connection:
            return [_row(row) for row in connection.execute(newest).mappings()]


def _cut(connection: Connection, uid: bytes) -> None:
    newest = select(table.c.id).where(table.c.meter_uid == uid).order_by(table.c.id.desc())
    last = connection.execute(newest.offset(MAX_PER_METER - 1).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(table).where(table.c.meter_uid == uid, table.c.id < last))


def _columns(uid: bytes, item: Diagnostic) -> dict[str, object]:
    frames = [[frame.way, frame.before_ms, frame.octets.hex()] for frame in item.frames]
    return {
        "meter_uid": uid,
        "at_ms": item.at_ms,
        "severity": item.severity,
        "category": item.category,
        "kind": item.kind,
        "message": item.message,
        "frames": frames,
        "suppressed": item.suppressed,
    }


def _row(columns: RowMapping) -> DiagnosticRow:
    return DiagnosticRow(
        id=columns["id"],
        meter_uid=columns["meter_uid"],
        at_ms=columns["at_ms"],
        severity=Severity(columns["severity"]),
        category=columns["category"],
        kind=columns["kind"],
        message=columns["message"],
        frames=tuple(FrameRow(*row) for row in columns["frames"]),
        suppressed=columns["suppressed"],
    )
