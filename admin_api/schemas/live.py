"""Live values: which events a stream shows."""

from admin_api.schemas.shape import Field, Query, Word


class EventQuery(Query):
    """Which events."""

    kinds: Word | None = Field(None, description="Of reading, state, alarm, gone, separated by commas; all.")
