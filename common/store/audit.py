"""Who changed what: one line per change, written in the transaction of the change where the store makes it.

In: actor, action, subject and plain details; what the table of secrets names leaves them here, whoever wrote it. Out:
AuditRow values, newest first. Bounded by age and by number.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select

from common.clock import Clock
from common.redaction import redacted
from common.store.database import Database, Way
from common.store.model import AuditFilter, AuditRow
from common.store.tables import audit

MAX_PAGE: Final = 1000
UID_LENGTH: Final = 32  # of a meter, before its name in a line's subject


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

    def page(self, wanted: AuditFilter, *, limit: int = 100, offset: int = 0) -> tuple[Sequence[AuditRow], int]:
        """Return a page of the lines that are wanted, newest first, and how many there are."""
        where = _conditions(wanted)
        query = select(audit).where(*where).order_by(audit.c.id.desc()).limit(min(limit, MAX_PAGE)).offset(offset)
        with self._database.begin(Way.READ) as connection:
            total = int(connection.execute(select(func.count()).select_from(audit).where(*where)).scalar_one())
            rows = connection.execute(query).all()
        return [AuditRow(row.id, row.at_ms, row.actor, row.action, row.subject, row.details) for row in rows], total


def note(
    connection: Connection, at_ms: int, actor: str, action: str, subject: str, details: Mapping[str, object]
) -> None:
    """Write one line in the caller's transaction."""
    connection.execute(insert(audit).values(**_line(at_ms, actor, action, subject, details)))


def notes(
    connection: Connection, at_ms: int, actor: str, lines: Sequence[tuple[str, str, Mapping[str, object]]]
) -> None:
    """Write many lines, each of action, subject and details, in the caller's transaction."""
    if lines:
        connection.execute(insert(audit), [_line(at_ms, actor, *line) for line in lines])


def _line(at_ms: int, actor: str, action: str, subject: str, details: Mapping[str, object]) -> dict[str, object]:
    plain = cast("Mapping[str, object]", redacted(dict(details)))
    return {
        "at_ms": at_ms,
        "actor": actor[:64],
        "action": action[:64],
        "subject": subject[:128],
        "details": plain,
    }


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.actor:
        found.append(audit.c.actor == wanted.actor)
    if wanted.subject:
        found.append(_is_about(wanted.subject))
    if wanted.action:
        family = f"{wanted.action}."
        found.append(or_(audit.c.action == wanted.action, audit.c.action.startswith(family, autoescape=True)))
    if wanted.since_ms is not None:
        found.append(audit.c.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        found.append(audit.c.at_ms < wanted.until_ms)
    return found


def _is_about(subject: str) -> ColumnElement[bool]:
    """Return whether a line is about what a person names: all of its subject, or, of a meter, its uid or its name."""
    named = and_(
        audit.c.subject.endswith(f" {subject}", autoescape=True),
        func.length(audit.c.subject) == UID_LENGTH + 1 + len(subject),  # the name as a whole: it may hold blanks
    )
    return or_(audit.c.subject == subject, audit.c.subject.startswith(f"{subject} ", autoescape=True), named)
