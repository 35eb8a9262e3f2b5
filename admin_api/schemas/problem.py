"""The one form of every error: problem+json (RFC 9457)."""

from admin_api.schemas.shape import Answer, Field


class Fault(Answer):
    """A field at fault."""

    field: str
    detail: str


class Problem(Answer):
    """What went wrong. ``kind`` is what a program may rely on; texts are for people."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    kind: str = Field(description="The error's name; stays what it is.")
    detail: str
    instance: str = Field(description="The path that was asked for.")
    field: str | None = Field(None, description="The field or query parameter at fault.")
    errors: list[Fault] | None = Field(None, description="Further fields at fault.")
    current_revision: int | None = Field(None, description="With 412: the revision that there is.")
