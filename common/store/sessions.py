"""What a login gives: 256 random bits that stand for a person, for half a day at most and while they are used.

In: a user. Out: a text, shown once, of which the SHA-256 is kept; later whose it is. A session ends LIFE_MS after the
login, IDLE_MS after it was last used, at a logout, and when the person is changed, disabled or removed.
"""

import secrets
from typing import Final

from sqlalchemy import RowMapping, delete, insert, select

from common.clock import Clock
from common.secret import Secret
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchUser
from common.store.model import SessionRow, UserRow
from common.store.tables import sessions, users
from common.store.tokens import MAX_TEXT, Uses, digest
from common.store.users import user_row

PREFIX: Final = "dbs_"
LIFE_MS: Final = 12 * 3_600_000  # a shift
IDLE_MS: Final = 3_600_000  # a screen that was left alone
MAX_OF_USER: Final = 16  # browsers of one person; the oldest goes


class Sessions:
    """Who is logged in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._uses = Uses(database, sessions)

    def create(self, user: UserRow, actor: str) -> tuple[SessionRow, Secret]:
        """Begin a session; return it and its text. Raise NoSuchUser when the person was shut out meanwhile."""
        text, now = PREFIX + secrets.token_urlsafe(32), self._clock.wall_ms()
        values = {"user_id": user.id, "created_at": now, "expires_at": now + LIFE_MS, "last_used_at": now}
        unchanged = (users.c.id == user.id, users.c.disabled_at.is_(None), users.c.changed_at == user.changed_at)
        mine = select(sessions.c.id).where(sessions.c.user_id == user.id).order_by(sessions.c.id.desc())
        with self._database.begin(Way.WISH) as connection:
            if connection.execute(select(users.c.id).where(*unchanged)).first() is None:
                raise NoSuchUser(f"{user.name} was changed just now")
            kept = connection.execute(mine.limit(MAX_OF_USER - 1)).scalars().all()
            older = (sessions.c.user_id == user.id, sessions.c.id.not_in(kept))
            connection.execute(delete(sessions).where(*older))
            made = connection.execute(insert(sessions).values(digest=digest(text), **values).returning(sessions.c.id))
            number = int(made.scalar_one())
            note(connection, now, actor, "login", user.name, {"session": number})
        return SessionRow(number, user, now, now + LIFE_MS, now), Secret(text)

    def verify(self, text: str) -> SessionRow | None:
        """Return whose session this is, and note that it was used; None when it is nobody's or over."""
        if not text.startswith(PREFIX) or len(text) > MAX_TEXT or not text.isascii():
            return None
        now = self._clock.wall_ms()
        query = select(
            sessions.c.id.label("session_id"),
            sessions.c.created_at.label("begun_at"),
            sessions.c.expires_at,
            sessions.c.last_used_at,
            users,
        ).join(users, users.c.id == sessions.c.user_id)
        living = (sessions.c.expires_at > now, sessions.c.last_used_at > now - IDLE_MS, users.c.disabled_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query.where(sessions.c.digest == digest(text), *living)).mappings().first()
        if row is None:
            return None
        found = _session(row)
        self._uses.touch(found.id, found.last_used_at, now)
        return found

    def end(self, number: int, actor: str) -> None:
        """End a session at once; one that is over already is no error."""
        with self._database.begin(Way.WISH) as connection:
            if connection.execute(delete(sessions).where(sessions.c.id == number)).rowcount:
                note(connection, self._clock.wall_ms(), actor, "logout", str(number), {})

    def trim(self, now_ms: int) -> None:
        """Forget what is over."""
        with self._database.begin(Way.STATE) as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now_ms))
            connection.execute(delete(sessions).where(sessions.c.last_used_at <= now_ms - IDLE_MS))


def _session(values: RowMapping) -> SessionRow:
    return SessionRow(
        values["session_id"], user_row(values), values["begun_at"], values["expires_at"], values["last_used_at"]
    )
