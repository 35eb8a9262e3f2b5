"""Logs: whose, how many lines, and how a line is answered."""

from typing import Final, Literal

from admin_api.schemas.shape import Answer, Field, Query, Time, Whole

MAX_LINES: Final = 1000
LINES: Final = 100
Component = Literal["publisher", "supervisor_qos", "api", "notifier", "scanner", "supervisord", "broker", "simulator"]


class LogQuery(Query):
    """How much of a log."""

    lines: Whole = Field(LINES, ge=1, le=MAX_LINES, description="How many of the last lines.")


class ComponentLogQuery(LogQuery):
    """How much of whose log."""

    component: Component


class LogLine(Answer):
    """One line; what is no event of ours (a stack, another program's) has a text alone."""

    at: Time | None
    level: str | None
    logger: str | None
    text: str


class LogLines(Answer):
    """The last lines of a log, oldest first."""

    log: str
    items: list[LogLine]
