"""What was told of which alarm by which channel, so that nobody is told twice, whoever starts again.

A notice is written down before it is sent, and marked when it was; in between it is pending, over any restart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, update

from common.store.database import Database, Way, insert_or
from common.store.tables import notices

GIVEN_UP: Final = 0  # instead of the time of sending
MAX_ERROR: Final = 300
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of one alarm for one channel."""

    alarm_id: int
    change: str
    channel: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A notice that was not sent yet."""

    id: int
    notice: Notice
    created_ms: int
    attempts: int


class Notices:
    """All notices of the last months."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, alarms: Sequence[int]) -> set[Notice]:
        """Return what was told or is going to be, of these alarms."""
        found: set[Notice] = set()
        columns = (notices.c.alarm_id, notices.c.change, notices.c.channel)
        with self._database.begin(Way.READ) as connection:
            for start in range(0, len(alarms), CHUNK):
                query = select(*columns).where(notices.c.alarm_id.in_(alarms[start : start + CHUNK]))
                found |= {Notice(*row) for row in connection.execute(query)}
        return found

    def add(self, wanted: Iterable[Notice], now_ms: int) -> None:
        """Write down what is to be told; what is known already changes nothing."""
        rows = [
            {"alarm_id": it.alarm_id, "change": it.change, "channel": it.channel, "created_ms": now_ms} for it in wanted
        ]
        if not rows:
            return
        with self._database.begin(Way.WISH) as connection:
            statement = insert_or(connection, notices).values(attempts=0, error="").on_conflict_do_nothing()
            connection.execute(statement, [row | {"attempts": 0, "error": ""} for row in rows])

    def pending(self, channel: str) -> list[Pending]:
        """Return what a channel was not told yet, oldest first."""
        query = select(notices).where(notices.c.channel == channel, notices.c.sent_ms.is_(None)).order_by(notices.c.id)
        with self._database.begin(Way.READ) as connection:
            rows = connection.execute(query).all()
        return [
            Pending(row.id, Notice(row.alarm_id, row.change, row.channel), row.created_ms, row.attempts) for row in rows
        ]

    def sent(self, numbers: Sequence[int], at_ms: int) -> None:
        """These were told, or given up (GIVEN_UP)."""
        self._mark(numbers, {"sent_ms": at_ms, "attempts": notices.c.attempts + 1})

    def failed(self, numbers: Sequence[int], error: str) -> None:
        """These could not be told."""
        self._mark(numbers, {"attempts": notices.c.attempts + 1, "error": error[:MAX_ERROR]})

    def times(self, channel: str, since_ms: int) -> list[int]:
        """Return when a channel was told something, ascending."""
        query = select(notices.c.sent_ms).where(notices.c.channel == channel, notices.c.sent_ms >= since_ms).distinct()
        with self._database.begin(Way.READ) as connection:
            return sorted(connection.execute(query.where(notices.c.sent_ms > GIVEN_UP)).scalars())

    def _mark(self, numbers: Sequence[int], values: dict[str, object]) -> None:
        with self._database.begin(Way.WISH) as connection:
            for start in range(0, len(numbers), CHUNK):
                chunk = notices.c.id.in_(numbers[start : start + CHUNK])
                connection.execute(update(notices).where(chunk).values(**values))
