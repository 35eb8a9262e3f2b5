"""Who changed what: one line per change, written in the transaction of the change where the store makes it.

In: actor, action, subject and plain details, never a secret. Out: AuditRow values, newest first.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from common.clock import Clock
from common.store.database import Database, Way
from common.store.model import AuditRow
from common.store.tables import audit

MAX_PAGE: Final = 1000
KEPT_MS: Final = 400 * 86_400_000  # a year and what an auditor needs to come round


class Audit:
    """The record of changes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, actor: str, action: str, subject: str, details: Mapping[str, object] | None = None) -> None:
        """Write one line of what happened outside the store's own changes."""
        with self._database.begin(Way.WISH) as connection:
            note(connection, self._clock.wall_ms(), actor, action, subject, details or {})

    def list(self, *, limit: int = 100, before_id: int | None = None) -> Sequence[AuditRow]:
        """Return the newest lines, or those before an id."""
        query = select(audit).order_by(audit.c.id.desc()).limit(min(limit, MAX_PAGE))
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(query if before_id is None else query.where(audit.c.id < before_id)).all()
        return [AuditRow(row.id, row.at_ms, row.actor, row.action, row.subject, row.details) for row in rows]

    def trim(self, now_ms: int) -> None:
        """Forget what is older than its retention."""
        with self._database.begin(Way.STATE) as connection:
            connection.execute(delete(audit).where(audit.c.at_ms < now_ms - KEPT_MS))


def note(
    connection: Connection, at_ms: int, actor: str, action: str, subject: str, details: Mapping[str, object]
) -> None:
    """Write one line in the caller's transaction."""
    values = {"actor": actor[:64], "action": action[:64], "subject": subject[:128], "details": dict(details)}
    connection.execute(insert(audit).values(at_ms=at_ms, **values))
