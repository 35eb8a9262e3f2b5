"""Whether a figure grows: the median of each minute, and the median slope between all pairs of those (Theil–Sen).

In: samples over time. Out: percent per hour, and the smallest slope that the samples can show. Pure. A single spike, or
a step that is not the trend, moves a least-squares line and does not move this one.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Final

HOUR_S: Final = 3600.0
BIN_S: Final = 60.0
PAGE: Final = 4096
Sample = tuple[float, float]


def minutes(samples: Sequence[Sample]) -> list[Sample]:
    """Return one sample for each minute: its middle, and the median of what was seen in it."""
    if not samples:
        return []
    bins: dict[int, list[float]] = defaultdict(list)
    start = samples[0][0]
    for at, value in samples:
        bins[int((at - start) // BIN_S)].append(value)
    return [(start + (number + 0.5) * BIN_S, median(values)) for number, values in sorted(bins.items())]


def slope(samples: Sequence[Sample]) -> float:
    """Return the median of all slopes between two samples, per second; 0 for fewer than two."""
    pairs = [(later - value) / (then - at) for (at, value), (then, later) in combinations(samples, 2) if then > at]
    return median(pairs) if pairs else 0.0


def percent_per_hour(samples: Sequence[Sample]) -> float:
    """Return how fast a figure grows, in percent of its median an hour."""
    points = minutes(samples)
    middle = median(value for _, value in points) if points else 0.0
    return slope(points) * HOUR_S * 100.0 / middle if middle else 0.0


def resolution_percent_per_hour(samples: Sequence[Sample], step: float = PAGE) -> float:
    """Return the slope that one ``step`` (a page) over the whole time would be: nothing smaller can be seen."""
    points = minutes(samples)
    if len(points) < 2:
        return 0.0
    middle, took = median(value for _, value in points), points[-1][0] - points[0][0]
    return step * HOUR_S * 100.0 / (middle * took) if middle else 0.0
