"""What the soak found, as values and as one table.

In: records of processes, times of readings, an audit. Out: lines of text, and what is beyond its limit. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.bench.figures import percentile
from tests.soak.samples import Record
from tests.soak.slope import percent_per_hour, resolution_percent_per_hour

LIMIT_PERCENT: Final = 1.0
"""What a process of ours may grow by in an hour."""
NOT_OURS: Final = "not ours"
MIB: Final = 1 << 20
HEAD: Final = ("process", "n", "RSS MiB", "USS MiB", "RSS %/h", "worst", "(sees)", "fds", "grew", "threads", "CPU %")


@dataclass(frozen=True, slots=True)
class Growth:
    """One process after the warm-up. ``rss_slope`` in percent an hour, ``sees``: the least slope its samples show."""

    kind: str
    rss: float
    uss: float
    rss_slope: float
    sees: float
    fds: int
    fds_grew: int
    threads: int
    cpu_percent: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a soak found; times in milliseconds."""

    meters: int
    minutes: float
    growths: Sequence[Growth]
    counts: Mapping[str, int]
    """What has to be 0: starts nobody asked for, associations anew, lost …"""
    readings: int
    intervals: Sequence[float] = ()
    latencies: Sequence[float] = ()
    files: Mapping[str, int] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Return what is beyond its limit."""
        found = [f"{name}: {count}" for name, count in self.counts.items() if count]
        for kind, group in by_kind(self.growths).items():
            worst = max(group, key=lambda growth: growth.rss_slope)
            if NOT_OURS not in kind and worst.rss_slope >= LIMIT_PERCENT:
                found.append(f"{kind}: RSS grows by {worst.rss_slope:.2f} % an hour (limit {LIMIT_PERCENT:g})")
            grew = max(growth.fds_grew for growth in group)
            if NOT_OURS not in kind and grew > 0:
                found.append(f"{kind}: {grew} more descriptors at the end")
        return found


def growth(record: Record, since: float) -> Growth | None:
    """Return how a process grew after ``since``; None when it has fewer than two samples there."""
    looks = [look for look in record.looks if look.at >= since]
    if len(looks) < 2:
        return None
    rss = [(look.at, float(look.rss)) for look in looks]
    first, last = looks[0], looks[-1]
    return Growth(
        record.kind,
        median(look.rss for look in looks),
        median(look.uss for look in looks),
        percent_per_hour(rss),
        resolution_percent_per_hour(rss),
        last.fds,
        _grew([look.fds for look in looks]),
        last.threads,
        100.0 * (last.cpu_s - first.cpu_s) / (last.at - first.at),
    )


def _grew(values: Sequence[int]) -> int:
    """Return how much the least of the last quarter is above the most of the first: a passing one does not count."""
    quarter = max(1, len(values) // 4)
    return max(0, min(values[-quarter:]) - max(values[:quarter]))


def by_kind(growths: Iterable[Growth]) -> dict[str, list[Growth]]:
    """Return the processes by what the table calls them."""
    kinds: dict[str, list[Growth]] = defaultdict(list)
    for item in growths:
        kinds[item.kind].append(item)
    return dict(sorted(kinds.items()))


def lines(findings: Findings) -> list[str]:
    """Return the table and what stands around it."""
    rows = [HEAD, *(_row(kind, group) for kind, group in by_kind(findings.growths).items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [
        f"{findings.meters} meters, {findings.minutes:.1f} minutes after the warm-up, {findings.readings} readings",
        *table,
        ", ".join(f"{name} {count}" for name, count in findings.counts.items()),
        f"interval ms {_spread(findings.intervals)}; answer to broker ms {_spread(findings.latencies)}",
        "largest files KiB: " + ", ".join(f"{name} {size >> 10}" for name, size in sorted(findings.files.items())),
    ]


def _row(kind: str, group: Sequence[Growth]) -> tuple[str, ...]:
    slopes = [item.rss_slope for item in group]
    return (
        kind,
        str(len(group)),
        f"{median(item.rss for item in group) / MIB:.1f}",
        f"{median(item.uss for item in group) / MIB:.1f}",
        f"{median(slopes):+.3f}",
        f"{max(slopes):+.3f}",
        f"{max(item.sees for item in group):.3f}",
        str(max(item.fds for item in group)),
        str(max(item.fds_grew for item in group)),
        str(max(item.threads for item in group)),
        f"{sum(item.cpu_percent for item in group):.1f}",
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    return f"p50 {median(values):.1f}, p99 {percentile(values, 0.99):.1f}, max {max(values):.1f}"
