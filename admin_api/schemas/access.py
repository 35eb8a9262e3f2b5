"""Who may use the API, as bodies ask for it and as it is answered: logins, tokens, users, the audit."""

from typing import Annotated, Final

from pydantic import JsonValue

from admin_api.schemas.shape import MAX_ID, Answer, Field, Instant, Page, Query, Shape, Time, Word, absent
from common.store.model import Role

MAX_DAYS: Final = 3650
MAX_LABEL: Final = 64
MAX_NAME: Final = 64
MAX_PASSWORD: Final = 1024  # characters that are read; longer ones than a password may have are refused later
_WRITE_ONLY: Final = {"writeOnly": True, "x-expected": "a text"}

Named = Annotated[str, Field(min_length=1, max_length=MAX_NAME, description="A user's name.")]
Hidden = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD, repr=False, json_schema_extra=_WRITE_ONLY)]
GivenRole = Annotated[Role, Field(strict=False)]


class Credentials(Shape):
    """Name and password of a person."""

    name: Named
    password: Hidden


class NewPassword(Shape):
    """A person's own password, and the one that is to take its place."""

    password: Hidden
    new_password: Hidden


class LoginAnswer(Answer):
    """A session. ``token`` is shown this once."""

    token: str = Field(description="For the Authorization header: Bearer dbs_…")
    name: str
    role: Role
    expires_at: Time = Field(description="At the latest; unused for an hour it ends as well.")


class CallerAnswer(Answer):
    """Who asks."""

    name: str
    role: Role
    kind: str = Field(description="token or session.")
    expires_at: Time | None


class NewToken(Shape):
    """A token to be made."""

    role: GivenRole
    label: Annotated[str, Field(max_length=MAX_LABEL)] = absent(description="Whose it is.")
    expires_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = Field(
        365, description="Days until it ends; null: never."
    )


class TokenPath(Query):
    """Which token."""

    number: int = Field(ge=1, le=MAX_ID, description="The token's id.")


class TokenAnswer(Answer):
    """A token without its text."""

    id: int
    role: Role
    label: str
    state: str = Field(description="active, expired or revoked.")
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None = Field(description="To the minute.")


class MadeToken(TokenAnswer):
    """A token that was just made, with its text, which is shown this once."""

    token: str


class TokenPage(Answer):
    """A page of tokens."""

    items: list[TokenAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class UserPath(Query):
    """Which user."""

    user: str = Field(min_length=1, max_length=MAX_NAME, description="The user's name or id.")


class NewUser(Shape):
    """A user to be added."""

    name: Named
    role: GivenRole
    password: Hidden


class UserChange(Shape):
    """What of a user is to change; the user's sessions end."""

    role: GivenRole = absent()
    disabled: bool = absent()
    password: Hidden = absent()


class UserAnswer(Answer):
    """A user."""

    id: int
    name: str
    role: Role
    disabled: bool
    created_at: Time
    changed_at: Time


class UserPage(Answer):
    """A page of users."""

    items: list[UserAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class AuditQuery(Page):
    """Which lines of the audit."""

    actor: Word | None = Field(None, description="Only those of this actor.")
    action: Word | None = Field(None, description="Only this action, or those that begin with it and a dot.")
    subject: Word | None = Field(None, description="Only those about this.")
    since: Instant | None = Field(None, description="Only those from then on.")
    until: Instant | None = Field(None, description="Only those before then.")


class AuditAnswer(Answer):
    """Who did what to what."""

    id: int
    at: Time
    actor: str
    action: str
    subject: str
    details: dict[str, JsonValue]


class AuditPage(Answer):
    """A page of the audit, newest first."""

    items: list[AuditAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None
