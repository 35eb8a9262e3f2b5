"""What a dashboard is made of: panels with a title, a unit, expressions and limits. ``dashboards`` makes JSON of it.

``{sel}`` in an expression is the selector of the dashboard's variables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Target = tuple[str, str]  # expression, legend
Limits = tuple[tuple[float, str], ...]  # from this value on, this colour
GOOD: Final = "green"
WARN: Final = "orange"
BAD: Final = "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """``kind``: stat, timeseries or table. ``limits``: colours from values on, the first for all below."""

    title: str
    description: str
    targets: tuple[Target, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``variable``: whether it is of one meter at a time."""

    uid: str
    title: str
    description: str
    panels: Sequence[Panel]
    per_meter: bool = False


def stat(title: str, description: str, expression: str, unit: str = "short", limits: Limits = ()) -> Panel:
    """Return a panel of one number."""
    return Panel(title, description, ((expression, ""),), unit, "stat", 4, 4, limits)


ANY: Final[Limits] = ((1, WARN),)
SHARE: Final[Limits] = ((0.95, WARN), (0.98, GOOD))  # below the first: bad
