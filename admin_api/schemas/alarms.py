"""Alarms: what narrows a list of them, and how they are answered."""

from pydantic import JsonValue

from admin_api.schemas.shape import MAX_ID, Answer, Field, Flag, Instant, Page, Query, Time, Word
from common.store.model import Severity


class AlarmPath(Query):
    """Which alarm."""

    number: int = Field(ge=0, le=MAX_ID)


class AlarmQuery(Page):
    """Which alarms."""

    acknowledged: Flag | None = None
    active: Flag | None = Field(None, description="Whether the condition lasts.")
    severity: Severity | None = None
    category: Word | None = None
    meter_id: Word | None = Field(None, description="A meter's row id, uid or name.")
    meter: Word | None = Field(None, description="The same.")
    since: Instant | None = Field(None, description="Raised then or later.")


class AlarmAnswer(Answer):
    """One episode of an alarm."""

    id: int
    meter_id: int | None
    meter_uid: str | None
    severity: Severity
    category: str
    message: str
    details: dict[str, JsonValue]
    dedup_key: str
    count: int
    active: bool
    acknowledged: bool
    raised_at: Time
    updated_at: Time
    cleared_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None


class AlarmPage(Answer):
    """A page of alarms, newest first."""

    items: list[AlarmAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class RemovedAlarms(Query):
    """Which alarms, of those that are over, are to be forgotten."""

    acknowledged: Flag | None = None
    severity: Severity | None = None
    category: Word | None = None
    meter_id: Word | None = Field(None, description="A meter's row id, uid or name.")
    since: Instant | None = Field(None, description="Raised then or later.")
    before: Instant | None = Field(None, description="Over before then.")


class AlarmsRemoved(Answer):
    """How many were forgotten."""

    removed: int
