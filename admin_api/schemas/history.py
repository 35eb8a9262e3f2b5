"""What a meter measured: which part of its history is asked for, and how it is answered."""

from typing import Final, Literal

from admin_api.schemas.meters import Latest
from admin_api.schemas.shape import Answer, Field, Instant, Query, Time, Whole

MAX_POINTS: Final = 10_000  # of one answer
POINTS: Final = 1500  # a day of minutes has 1440


class ReadingsQuery(Query):
    """Which readings, and in which form."""

    since: Instant | None = Field(None, alias="from", description="Periods that touch this time or later; an hour ago.")
    to: Instant | None = Field(None, description="Periods that begin before this time; now.")
    resolution: Literal["60", "900", "86400"] | None = Field(
        None, description="Seconds of a period; without it the finest that fits."
    )
    limit: Whole = Field(POINTS, ge=1, le=MAX_POINTS, description="How many periods at most.")
    form: Literal["json", "csv"] | None = Field(None, alias="format", description="Else what Accept says.")


class Summary(Answer):
    """Numbers of one key within a period."""

    min: float
    mean: float
    max: float
    last: float
    count: int


class Period(Answer):
    """What was measured within one period; ``at`` is its begin."""

    at: Time
    last_at: Time
    readings: int
    values: dict[str, Summary]
    texts: dict[str, str | bool]
    read_ms: Summary | None = Field(description="How long the readings took.")


class Readings(Answer):
    """A part of a meter's history, oldest first, and its last reading."""

    meter_id: int
    uid: str
    name: str
    since: Time = Field(alias="from")
    to: Time
    resolution_s: int | None
    items: list[Period]
    next_from: Time | None = Field(description="Where to go on, if there may be more.")
    latest: Latest | None
