"""API tokens: 256 random bits, of which only the SHA-256 is kept. The text is shown once, when it is made.

A token ends by itself, DEFAULT_LIFE_MS after it was made unless its maker says otherwise, or at once when it is
revoked: whoever asks looks into the store. When it was last used is written at most once a minute.
"""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, insert, or_, select, update

from common.clock import Clock
from common.secret import Secret
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchToken, StoreUnavailable, TooManyTokens
from common.store.model import Role, TokenRow
from common.store.tables import tokens

PREFIX: Final = "dbt_"
MAX_TEXT: Final = 128  # characters; longer ones are not ours and are not hashed
DEFAULT_LIFE_MS: Final = 365 * 86_400_000  # nobody knows any more who holds a token of two years ago
MAX_LIVING: Final = 1000  # tokens that are neither revoked nor over: more is a script that makes one for each request
TOUCHED_MS: Final = 60_000  # a write for each request would cost more than what is asked for
MAX_TRIED: Final = 4096  # bearers of which a process remembers when it wrote; forgetting costs one write each


class Uses:
    """When the bearers of a table were last used."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table
        self._tried: dict[int, int] = {}  # when this process last tried to write that one was used

    def touch(self, number: int, last: int, now: int) -> None:
        """Write that one was used. A store that takes no writes just now still lets its bearer read."""
        if abs(now - max(last, self._tried.get(number, 0))) < TOUCHED_MS:
            return
        if len(self._tried) >= MAX_TRIED:
            self._tried.clear()
        self._tried[number] = now
        with suppress(StoreUnavailable), self._database.begin(Way.STATE) as connection:
            connection.execute(update(self._table).where(self._table.c.id == number).values(last_used_at=now))


class Tokens:
    """Who may use the API."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._uses = Uses(database, tokens)

    def create(
        self, role: Role, label: str, actor: str = "meterctl", *, life_ms: int | None = DEFAULT_LIFE_MS
    ) -> tuple[int, Secret]:
        """Make a token that ends after ``life_ms`` (None: never); return its id and its text, shown this once."""
        text, now = PREFIX + secrets.token_urlsafe(32), self._clock.wall_ms()
        ends = None if life_ms is None else now + life_ms
        values = {"digest": digest(text), "role": str(role), "label": label[:64], "created_at": now, "expires_at": ends}
        with self._database.begin(Way.WISH) as connection:
            living = select(func.count()).select_from(tokens).where(*is_living(now))
            if int(connection.execute(living).scalar_one()) >= MAX_LIVING:
                raise TooManyTokens(f"{MAX_LIVING} tokens are in use; revoke some first")
            made = connection.execute(insert(tokens).values(**values).returning(tokens.c.id))
            number = int(made.scalar_one())
            details = {"role": str(role), "label": label[:64], "expires_at": ends}
            note(connection, now, actor, "token.create", str(number), details)
        return number, Secret(text)

    def verify(self, text: str) -> TokenRow | None:
        """Return whose token this is, and note that it was used; None when it is nobody's, revoked or over."""
        if not text.startswith(PREFIX) or len(text) > MAX_TEXT or not text.isascii():
            return None
        now = self._clock.wall_ms()
        with self._database.begin(Way.READ) as connection:
            query = select(tokens).where(tokens.c.digest == digest(text), *is_living(now))
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        found = _token(row)
        self._uses.touch(found.id, found.last_used_at or 0, now)
        return found

    def get(self, number: int) -> TokenRow:
        """Return a token, revoked or not; raise NoSuchToken."""
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == number)).mappings().first()
        if row is None:
            raise NoSuchToken(f"no token has the id {number}")
        return _token(row)

    def list(self) -> Sequence[TokenRow]:
        """Return all tokens, revoked ones too."""
        with self._database.begin(Way.READ) as connection:
            return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.id)).mappings()]

    def revoke(self, number: int, actor: str = "meterctl") -> None:
        """Make a token worthless from now on; raise NoSuchToken."""
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            unrevoked = (tokens.c.id == number, tokens.c.revoked_at.is_(None))
            if not connection.execute(update(tokens).where(*unrevoked).values(revoked_at=now)).rowcount:
                raise NoSuchToken(f"no token that is not revoked has the id {number}")
            note(connection, now, actor, "token.revoke", str(number), {})


def digest(text: str) -> bytes:
    """Return what is kept of 256 random bits: they need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def has_living_admin(connection: Connection, now: int) -> bool:
    """Return whether a token of an admin can be used."""
    query = select(tokens.c.id).where(tokens.c.role == str(Role.ADMIN), *is_living(now)).limit(1)
    return connection.execute(query).first() is not None


def is_living(now: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a token that is neither revoked nor over."""
    return tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)


def _token(values: RowMapping) -> TokenRow:
    return TokenRow(
        id=values["id"],
        role=Role(values["role"]),
        label=values["label"],
        created_at=values["created_at"],
        revoked_at=values["revoked_at"],
        expires_at=values["expires_at"],
        last_used_at=values["last_used_at"],
    )
