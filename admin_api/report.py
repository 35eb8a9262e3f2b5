"""The QoS targets against what was measured: of each meter and overall, over windows of time. Pure.

In: meters, sums of measured periods, the time. Out: a ``Report``. Every answer says over how many seconds of measured
time and how many samples it is made; where they are too few the answer is "not measured", and a window that reaches
into a time before anything was measured says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from common.store.model import PERIOD_MS, Meter, MeterCounts, SystemCounts

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
LATENCY: Final = "latency"
WORST: Final = 10  # meters that a report names
WINDOWS: Final = (60, 24 * 60)  # minutes


class Rule(StrEnum):
    """How a figure is held against its target."""

    AT_LEAST = "at least"
    """A share in per cent, of samples."""
    BELOW = "below"
    """A number per hour of measured time; less than an hour counts as one, so that nothing is extrapolated."""
    NONE = "none"
    """A number per hour, of which there may be none at all."""


class Verdict(StrEnum):
    """What became of a target."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """One target of SPEC section 8. ``part`` of ``whole`` is the figure; ``minimum``: of ``whole``, for it to be one.

    ``whole`` of a number per hour is the measured time in milliseconds.
    """

    name: str
    title: str
    rule: Rule
    limit: float
    part: Callable[[MeterCounts], int]
    whole: Callable[[MeterCounts], int]
    minimum: int

    @property
    def text(self) -> str:
        """Return the target as a person writes it."""
        if self.rule is Rule.AT_LEAST:
            return f"≥ {self.limit:g} %"
        return "0/h" if self.rule is Rule.NONE else f"< {self.limit:g}/h"


def _measured(counts: MeterCounts) -> int:
    return counts.measured_ms


TARGETS: Final = (
    Target(
        "read_success",
        "read success",
        Rule.AT_LEAST,
        98.0,
        lambda counts: counts.reads_ok,
        lambda counts: counts.reads_ok + counts.reads_failed,
        50,
    ),
    Target(
        "publish",
        "delivered",
        Rule.AT_LEAST,
        100.0,
        lambda counts: counts.delivered,
        lambda counts: counts.delivered + counts.dropped + counts.overdue,
        20,
    ),
    Target(
        LATENCY,
        "cycles below 2 s",
        Rule.AT_LEAST,
        99.0,
        lambda counts: counts.cycles - counts.cycles_slow,
        lambda counts: counts.cycles,
        20,
    ),
    Target("reconnects", "reconnects", Rule.BELOW, 2.0, lambda counts: counts.reconnects, _measured, 10 * MINUTE_MS),
    Target("hdlc_errors", "HDLC errors", Rule.BELOW, 5.0, lambda counts: counts.hdlc_errors, _measured, 10 * MINUTE_MS),
    Target("uptime", "uptime", Rule.AT_LEAST, 99.0, lambda counts: counts.up_ms, _measured, 5 * MINUTE_MS),
)
DISCONNECTS: Final = Target(
    "mqtt_disconnects", "MQTT disconnects", Rule.NONE, 0.0, _measured, _measured, 10 * MINUTE_MS
)
"""Of the system alone: its figure is made of SystemCounts, not by ``part``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One target and what was measured. ``value``: per cent or per hour, None without a sample; ``samples``: of the
    share (of time: its seconds), or what was counted; ``measured_s``: of the meters together; ``mean_s``: of a cycle.
    """

    target: Target
    verdict: Verdict
    value: float | None
    samples: int
    measured_s: float
    mean_s: float | None = None

    def document(self) -> dict[str, object]:
        """Return it as JSON data."""
        document: dict[str, object] = {
            "target": self.target.name,
            "title": self.target.title,
            "wanted": self.target.text,
            "verdict": str(self.verdict),
            "value": None if self.value is None else round(self.value, 4),
            "unit": "%" if self.target.rule is Rule.AT_LEAST else "1/h",
            "samples": self.samples,
            "measured_s": round(self.measured_s, 1),
        }
        return document if self.mean_s is None else document | {"mean_s": round(self.mean_s, 4)}

    @property
    def text(self) -> str:
        """Return the measured value as a person reads it."""
        if self.value is None:
            return "-"
        mean = "" if self.mean_s is None else f", mean {self.mean_s:.2g} s"
        return f"{_floored(self.value)} %{mean}" if self.target.rule is Rule.AT_LEAST else f"{self.value:.3g}/h"


def _floored(share: float) -> str:
    """Return a share in per cent; 99.999 is not to look like 100."""
    return f"{int(share * 100) / 100:g}"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time up to now, and what was measured in it. ``minutes``: as asked for."""

    minutes: int
    now_ms: int
    meters: Mapping[bytes, MeterCounts]
    system: SystemCounts

    @property
    def name(self) -> str:
        """Return its length as text."""
        return f"{self.minutes // 60} h" if self.minutes % 60 == 0 else f"{self.minutes} min"

    @property
    def since_ms(self) -> int | None:
        """Return where the first period begins in which anything was measured; None: nothing was."""
        return self.system.since_ms or None

    @property
    def is_complete(self) -> bool:
        """Whether measuring reaches back to its begin."""
        began = self.now_ms - self.minutes * MINUTE_MS
        return self.since_ms is not None and self.since_ms <= began - began % PERIOD_MS


@dataclass(frozen=True, slots=True)
class OfMeter:
    """The answers of one meter, in the order of TARGETS."""

    meter: Meter
    answers: tuple[Answer, ...]

    @property
    def missed(self) -> tuple[Answer, ...]:
        """Return the targets it missed."""
        return tuple(answer for answer in self.answers if answer.verdict is Verdict.MISSED)


@dataclass(frozen=True, slots=True)
class OfWindow:
    """The answers of one window: overall (the last is the system's own), and of the meters, the worst first."""

    window: Window
    overall: tuple[Answer, ...]
    meters: tuple[OfMeter, ...]

    @property
    def missed(self) -> bool:
        """Whether any target was missed, overall or by a meter."""
        return any(answer.verdict is Verdict.MISSED for answer in self.overall) or any(
            item.missed for item in self.meters
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of all windows."""

    at_ms: int
    windows: tuple[OfWindow, ...]

    @property
    def missed(self) -> bool:
        """Whether any target was missed in any window."""
        return any(item.missed for item in self.windows)


def report(meters: Sequence[Meter], windows: Sequence[Window], now_ms: int) -> Report:
    """Return the report on living meters."""
    return Report(now_ms, tuple(_of_window(meters, window) for window in windows))


def answers(counts: MeterCounts) -> tuple[Answer, ...]:
    """Return the answers of one meter."""
    return tuple(_answer(target, [counts]) for target in TARGETS)


def _of_window(meters: Sequence[Meter], window: Window) -> OfWindow:
    counts = [window.meters.get(meter.uid, MeterCounts()) for meter in meters]
    overall = (*(_answer(target, counts) for target in TARGETS), _disconnects(window.system))
    found = [OfMeter(meter, answers(row)) for meter, row in zip(meters, counts, strict=True)]
    return OfWindow(window, overall, tuple(sorted(found, key=_badness)))


def _badness(item: OfMeter) -> tuple[int, float, float, str]:
    figures = {answer.target.name: 100.0 if answer.value is None else answer.value for answer in item.answers}
    return -len(item.missed), figures["uptime"], figures["read_success"], item.meter.wish.name


def _answer(target: Target, rows: Sequence[MeterCounts]) -> Answer:
    part, whole = sum(map(target.part, rows)), sum(map(target.whole, rows))
    measured_s = sum(row.measured_ms for row in rows) / 1000
    if target.rule is Rule.AT_LEAST:
        value = 100 * part / whole if whole else None
        samples = whole // 1000 if target.whole is _measured else whole
        mean_s = sum(row.cycle_ms for row in rows) / whole / 1000 if target.name == LATENCY and whole else None
        return Answer(target, _verdict_of_share(target, part, whole), value, samples, measured_s, mean_s)
    hours = sum(max(1.0, row.measured_ms / HOUR_MS) for row in rows if row.measured_ms)
    return _per_hour(target, part, hours, measured_s)


def _disconnects(counts: SystemCounts) -> Answer:
    hours = max(1.0, counts.measured_ms / HOUR_MS)
    return _per_hour(DISCONNECTS, counts.mqtt_disconnects, hours, counts.measured_ms / 1000)


def _per_hour(target: Target, count: int, hours: float, measured_s: float) -> Answer:
    """Judge a number per hour: one too many is missed at once, however short the time was."""
    value = count / hours if measured_s and hours else None
    if value is not None and (value >= target.limit if target.rule is Rule.BELOW else count > 0):
        verdict = Verdict.MISSED
    else:
        verdict = Verdict.MET if measured_s * 1000 >= target.minimum else Verdict.NOT_MEASURED
    return Answer(target, verdict, value, count, measured_s)


def _verdict_of_share(target: Target, part: int, whole: int) -> Verdict:
    if whole < target.minimum:
        return Verdict.NOT_MEASURED
    return Verdict.MET if 100 * part >= target.limit * whole else Verdict.MISSED
