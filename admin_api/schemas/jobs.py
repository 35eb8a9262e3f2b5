"""Jobs: how backfill, discovery and scan are ordered, and how they are answered."""

from typing import Annotated, Literal

from pydantic import JsonValue

from admin_api.schemas.commands import CommandError
from admin_api.schemas.shape import Answer, Field, Flag, Instant, Page, Query, Shape, Time, Word
from common.scan_plan import MAX_PORTS, MAX_RANGES
from common.store.model import CommandState

Verb = Literal["backfill", "discover", "scan"]


class JobPath(Query):
    """Which job."""

    number: str = Field(min_length=1, max_length=64, description="The job's id.")


class JobQuery(Page):
    """Which jobs."""

    verb: Verb | None = None
    unfinished: Flag | None = Field(None, description="Whether they go on, or wait to.")
    meter_id: Word | None = Field(None, description="A meter's row id, uid or name.")


class NewScan(Shape):
    """Where meters are to be looked for, within [scan] allow."""

    ranges: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        min_length=1, max_length=MAX_RANGES, description="192.0.2.0/24, 192.0.2.10-192.0.2.20, 2001:db8::/120."
    )
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(
        [], max_length=MAX_PORTS, description="None: those of [scan] ports."
    )


class NewBackfill(Shape):
    """Which rows of the load profile are to be read and delivered."""

    since: Instant = Field(alias="from")
    to: Instant


class JobProgress(Answer):
    """How far a job is; ``total`` 0: nobody knows how much there is."""

    done: int
    total: int
    fraction: float | None
    text: str


class JobAnswer(Answer):
    """A job: what was asked, how far it is, what became of it."""

    id: str
    verb: Verb
    meter_uid: str | None
    arguments: dict[str, JsonValue]
    actor: str
    state: CommandState
    progress: JobProgress
    result: dict[str, JsonValue]
    error: CommandError | None
    created_at: Time
    deadline: Time
    cancelled_at: Time | None
    finished_at: Time | None


class JobPage(Answer):
    """A page of jobs, newest first."""

    items: list[JobAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None
