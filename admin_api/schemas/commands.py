"""Commands: how they are asked for, and what became of them."""

from typing import Final

from pydantic import JsonValue

from admin_api.schemas.shape import Answer, Field, Fraction, Omissible, Query, Time
from common.store.model import CommandState

MAX_WAIT_S: Final = 30.0  # a caller holds one of the API's threads meanwhile
MAX_COMMAND_S: Final = 300.0
COMMAND_S: Final = 30.0


class CommandPath(Query):
    """Which command."""

    number: str = Field(min_length=1, max_length=64, description="The command's id.")


class Patience(Query):
    """Whether the caller waits."""

    wait: Fraction = Field(0.0, ge=0, le=MAX_WAIT_S, description="Seconds to wait for the result.")


class CommandBody(Omissible):
    """When a command expires."""

    timeout_s: float = Field(COMMAND_S, ge=1, le=MAX_COMMAND_S, description="Seconds until it expires.")


class CommandError(Answer):
    """Why a command failed."""

    kind: str
    detail: str


class CommandAnswer(Answer):
    """A command and what became of it."""

    id: str
    meter_uid: str
    verb: str
    arguments: dict[str, JsonValue]
    actor: str
    state: CommandState
    progress: str
    result: dict[str, JsonValue]
    error: CommandError | None
    created_at: Time
    deadline: Time
    finished_at: Time | None
