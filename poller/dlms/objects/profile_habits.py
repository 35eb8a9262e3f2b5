"""How a meter lets its profiles be read, and what one reading of rows has come to.

Habits are found out once for each meter and given to the next reading: with them no request is made that this meter
has answered wrongly before.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from poller.dlms.data import DataType
from poller.dlms.objects.profile_layout import ProfileColumn
from poller.dlms.objects.rows import Row

MAX_ROWS: Final = 10_000
"""Of one reading, some 10 MiB with ten columns; what is left is read with the next one."""
MAX_REQUESTS: Final = 400
"""Of one reading; a hundred days of hours on a line that carries two requests a second takes minutes."""
ROWS_AT_ONCE: Final = 192
"""Rows that one request asks for: two days of quarter hours, some seconds of a slow line."""


class Access(StrEnum):
    """The ways to rows."""

    RANGE = "range"
    """Selector 1, by time."""
    ENTRY = "entry"
    """Selector 2, by place."""
    WHOLE = "whole"
    """Everything, and what is not wanted is dropped."""


@dataclass(frozen=True, slots=True)
class ProfileHabits:
    """What is known of one meter. Nothing known: by range, checked against the other ways."""

    access: Access = Access.RANGE
    """The best that it answers rightly."""
    proven: bool = False
    """Whether an answer by range has shown that the meter keeps to ranges."""
    bounds: DataType = DataType.OCTET_STRING
    """How it takes the bounds of a range."""
    reasons: tuple[str, ...] = ()
    """Why it is not a better way."""


UNKNOWN_HABITS: Final = ProfileHabits()


@dataclass(frozen=True, slots=True)
class ProfileRead:
    """Rows, oldest first, and what is to be known of them."""

    columns: tuple[ProfileColumn, ...]
    rows: tuple[Row, ...]
    habits: ProfileHabits
    """For the next reading."""
    more: datetime | None = None
    """Where to go on: a limit was reached, and rows from here on are not among these. None: that was all."""
    skipped: tuple[str, ...] = ()
    """What was left out, and why; the first MAX_SKIPPED."""
    skipped_count: int = 0
