"""API tokens: 256 random bits, of which only the SHA-256 is kept. The text is shown once, when it is made."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import RowMapping, insert, select, update

from common.clock import Clock
from common.secret import Secret
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchToken
from common.store.model import Role, TokenRow
from common.store.tables import tokens

PREFIX: Final = "dbt_"
MAX_TEXT: Final = 128  # characters; longer ones are not ours and are not hashed


class Tokens:
    """Who may use the API."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, role: Role, label: str, actor: str = "meterctl") -> tuple[int, Secret]:
        """Make a token; return its id and its text, which cannot be had again."""
        text, now = PREFIX + secrets.token_urlsafe(32), self._clock.wall_ms()
        values = {"digest": _digest(text), "role": str(role), "label": label[:64], "created_at": now}
        with self._database.begin(Way.WISH) as connection:
            made = connection.execute(insert(tokens).values(**values).returning(tokens.c.id))
            number = int(made.scalar_one())
            note(connection, now, actor, "token.create", str(number), {"role": str(role), "label": label[:64]})
        return number, Secret(text)

    def verify(self, text: str) -> TokenRow | None:
        """Return whose token this is; None when it is nobody's or revoked."""
        if not text.startswith(PREFIX) or len(text) > MAX_TEXT or not text.isascii():
            return None
        query = select(tokens).where(tokens.c.digest == _digest(text), tokens.c.revoked_at.is_(None))
        with self._database.begin(Way.READ) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _token(row)

    def list(self) -> Sequence[TokenRow]:
        """Return all tokens, revoked ones too."""
        with self._database.begin(Way.READ) as connection:
            return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.id)).mappings()]

    def revoke(self, number: int, actor: str = "meterctl") -> None:
        """Make a token worthless from now on; raise NoSuchToken."""
        now = self._clock.wall_ms()
        with self._database.begin(Way.WISH) as connection:
            living = (tokens.c.id == number, tokens.c.revoked_at.is_(None))
            if not connection.execute(update(tokens).where(*living).values(revoked_at=now)).rowcount:
                raise NoSuchToken(f"no token that is not revoked has the id {number}")
            note(connection, now, actor, "token.revoke", str(number), {})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _token(values: RowMapping) -> TokenRow:
    return TokenRow(values["id"], Role(values["role"]), values["label"], values["created_at"], values["revoked_at"])
