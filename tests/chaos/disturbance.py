"""Who was disturbed without being part of a fault. Pure.

The rule: a meter that a round does not touch is disturbed when the time between two of its readings exceeded, while
the round lasted, what it was before: more than 1.2 times the 99th percentile of all meters' gaps in the quiet time
before the row, and more than 1 s above it. Looked at twice: by the time the readings were taken (is the meter read?),
and by the time they arrived (are they delivered?). A gap counts for a round when it overlaps the time from the fault to
recovery.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.chaos.row import Touched

FACTOR: Final = 1.2
SLACK_S: Final = 1.0
PERCENT: Final = 0.99

Gap = tuple[float, float]
"""From one reading to the next, on one clock."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a round's fault was in effect, on one clock, and whom it touched."""

    begin: float
    end: float
    hit: Touched


def gaps(moments: Iterable[float]) -> list[Gap]:
    """Return the gaps between moments, in order."""
    return list(pairwise(sorted(moments)))


def limit_s(quiet: Sequence[float]) -> float:
    """Return the longest gap that is no disturbance, from the lengths of gaps in a quiet time."""
    ordered = sorted(quiet)
    p99 = ordered[min(len(ordered) - 1, int(PERCENT * len(ordered)))] if ordered else 0.0
    return max(FACTOR * p99, p99 + SLACK_S)


def disturbed(
    series: Mapping[str, Sequence[Gap]], spans: Sequence[Span], limit: float, *, delivered: bool
) -> dict[str, float]:
    """Return the meters that were disturbed, with their longest gap.

    ``delivered``: whether the gaps are of arrivals, else of the times when the readings were taken.
    """
    found: dict[str, float] = {}
    for meter, all_gaps in series.items():
        for begin, end in all_gaps:
            if end - begin > limit and _is_outside(meter, begin, end, spans, delivered=delivered):
                found[meter] = max(found.get(meter, 0.0), end - begin)
    return found


def _is_outside(meter: str, begin: float, end: float, spans: Sequence[Span], *, delivered: bool) -> bool:
    """Whether a gap overlaps rounds, and none of those touches the meter."""
    over = [span for span in spans if begin < span.end and end > span.begin]
    return bool(over) and not any(meter in (span.hit.late if delivered else span.hit.unread) for span in over)
