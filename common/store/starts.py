"""Every start of a worker, whoever caused it: what its budget is counted against."""

from sqlalchemy import func, insert, select

from common.store.database import Database, Way
from common.store.tables import starts


class Starts:
    """The starts of the last week."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, uid: bytes, pid: int, at_ms: int, reason: str) -> None:
        """Count one start."""
        with self._database.begin(Way.STATE) as connection:
            connection.execute(insert(starts).values(uid=uid, pid=pid, at_ms=at_ms, reason=reason[:64]))

    def since(self, uid: bytes, at_ms: int) -> int:
        """Return how often a worker was started at or after a time."""
        query = select(func.count()).select_from(starts).where(starts.c.uid == uid, starts.c.at_ms >= at_ms)
        with self._database.begin(Way.READ) as connection:
            return int(connection.execute(query).scalar_one())

    def recent(self, at_ms: int) -> dict[bytes, list[int]]:
        """Return when each worker was started at or after a time, ascending."""
        query = select(starts.c.uid, starts.c.at_ms).where(starts.c.at_ms >= at_ms).order_by(starts.c.at_ms)
        found: dict[bytes, list[int]] = {}
        with self._database.begin(Way.READ) as connection:
            for uid, started_ms in connection.execute(query):
                found.setdefault(uid, []).append(started_ms)
        return found
