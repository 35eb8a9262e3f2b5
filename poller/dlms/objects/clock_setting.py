"""Setting a meter's clock right, within bounds: what to do is decided by a pure function, then done and verified.

Goes in: a conversation, a function that tells our time, limits. Comes out: what was off, what was done, what is off
now. Beyond ``refuse`` nothing is done without ``force``: a meter that is hours off tells of a fault, and a jump tears
its load profile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

from common.errors import Skip
from common.obis import Obis
from poller.dlms.data import DateTime
from poller.dlms.errors import BadParameter
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking
from poller.dlms.objects.clock import (
    CLOCK_NAME,
    MAX_SHIFT,
    Clock,
    ClockStatus,
    adjust_to_preset_time,
    preset_adjusting_time,
    read_clock,
    read_time,
    set_time,
    shift_time,
)

RESOLUTION: Final = timedelta(seconds=1)
"""A clock that tells whole seconds is right within one."""
PRESET_VALID: Final = timedelta(minutes=15)
"""Around the meter's own time, for a preset time to be taken."""


class Step(StrEnum):
    """What is done to a clock."""

    NONE = "none"
    SHIFT = "shift"
    SET = "set"
    PRESET = "preset"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CorrectionLimits:
    """How far a clock may be off, and what is done about it."""

    tolerance: timedelta = timedelta(seconds=2)
    """Up to here it is left alone."""
    refuse: timedelta = timedelta(hours=1)
    """Beyond it nothing is done without ``force``."""
    force: bool = False
    shift: bool = True
    """Small corrections by shift_time (method 6), where the meter has it."""
    preset: bool = False
    """Corrections by preset_adjusting_time and adjust_to_preset_time (methods 5 and 4) instead of writing the time."""

    def __post_init__(self) -> None:
        if not timedelta() <= self.tolerance <= self.refuse:
            raise BadParameter(f"a tolerance of {self.tolerance} must be between 0 and the bound of {self.refuse}")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a clock needs: ``offset`` is our time minus its time; None when it has none."""

    step: Step
    offset: timedelta | None
    seconds: int = 0
    """For shift_time."""


@dataclass(frozen=True, slots=True)
class Synchronised:
    """What was done to a clock, and how it stands."""

    before: timedelta | None
    """Our time minus the meter's."""
    step: Step
    """The last that was done."""
    after: timedelta | None
    verified: bool
    """Whether the clock, read again, is within the tolerance."""


def plan_correction(meter: datetime | None, ours: datetime, limits: CorrectionLimits) -> Correction:
    """Return what brings the meter's time to ours; both with their offsets, else BadParameter."""
    _check_offset(ours)
    setting = Step.PRESET if limits.preset else Step.SET
    if meter is None:
        return Correction(setting if limits.force else Step.REFUSED, None)
    _check_offset(meter)
    offset = ours - meter
    seconds = round(offset.total_seconds())
    if abs(offset) <= limits.tolerance or not seconds:
        return Correction(Step.NONE, offset)
    if abs(offset) > limits.refuse and not limits.force:
        return Correction(Step.REFUSED, offset)
    if limits.shift and abs(seconds) <= MAX_SHIFT:
        return Correction(Step.SHIFT, offset, seconds)
    return Correction(setting, offset)


def synchronise(
    conversation: Asking,
    now: Callable[[], datetime],
    limits: CorrectionLimits | None = None,
    obis: Obis = CLOCK_NAME,
) -> Exchange[Synchronised]:
    """Read the clock, decide, correct, read again. ``now`` tells our time with its offset.

    A meter that has no shift_time, or acknowledges it and stays where it was, has its time written instead.
    """
    limits = limits or CorrectionLimits()
    clock = yield from read_clock(conversation, obis)
    reading = yield from _compare(conversation, clock, now)
    plan = plan_correction(reading.moment, reading.ours, limits)
    if plan.step in {Step.NONE, Step.REFUSED}:
        return Synchronised(plan.offset, plan.step, plan.offset, plan.step is Step.NONE)
    step: Step = plan.step
    after = reading
    if step is Step.SHIFT:
        after = yield from _shifted(conversation, reading, plan.seconds, now)
        step = Step.SHIFT if after.within(limits.tolerance) else _setting(limits)
    if step is not Step.SHIFT:
        after = yield from _set(conversation, after, step, now)
    return Synchronised(plan.offset, step, after.offset, after.within(limits.tolerance))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The clock beside ours, read in the middle of ``2 × slack``."""

    clock: Clock
    ours: datetime
    slack: timedelta

    @property
    def moment(self) -> datetime | None:
        return self.clock.moment

    @property
    def offset(self) -> timedelta | None:
        return None if self.moment is None else self.ours - self.moment

    def within(self, tolerance: timedelta) -> bool:
        return self.offset is not None and abs(self.offset) <= tolerance + self.slack + RESOLUTION


def _compare(conversation: Asking, clock: Clock, now: Callable[[], datetime]) -> Exchange[_Comparison]:
    asked = now()
    _check_offset(asked)
    found = yield from read_time(conversation, clock)
    slack = (now() - asked) / 2
    return _Comparison(found, asked + slack, slack)


def _setting(limits: CorrectionLimits) -> Step:
    return Step.PRESET if limits.preset else Step.SET


def _shifted(
    conversation: Asking, reading: _Comparison, seconds: int, now: Callable[[], datetime]
) -> Exchange[_Comparison]:
    """Return how the clock stands after a shift, or as it stood when the meter has no such method."""
    try:
        yield from shift_time(conversation, seconds, reading.clock.obis)
    except Skip:
        return reading
    return (yield from _compare(conversation, reading.clock, now))


def _set(conversation: Asking, reading: _Comparison, step: Step, now: Callable[[], datetime]) -> Exchange[_Comparison]:
    clock = reading.clock
    arriving = now() + reading.slack
    if step is Step.SET:
        yield from set_time(conversation, as_the_meter(arriving, clock), clock.obis, clock.kind)
    else:
        yield from _preset(conversation, clock, arriving + 2 * reading.slack)
    return (yield from _compare(conversation, clock, now))


def _preset(conversation: Asking, clock: Clock, preset: datetime) -> Exchange[None]:
    meter = clock.moment or preset
    start, end = (as_the_meter(meter + side, clock) for side in (-PRESET_VALID, PRESET_VALID))
    yield from preset_adjusting_time(conversation, as_the_meter(preset, clock), start, end, clock.obis)
    yield from adjust_to_preset_time(conversation, clock.obis)


def as_the_meter(moment: datetime, clock: Clock) -> DateTime:
    """Return a moment as this meter writes times: in its local time, with or without deviation and hundredths.

    The status is the meter's own, so that daylight saving stays as it is; what is invalid or doubtful ends here.
    """
    current = clock.moment
    offset = UTC if current is None or current.tzinfo is None else current.tzinfo
    if current is None and clock.zone.deviation is not None:
        offset = timezone(timedelta(minutes=-clock.zone.deviation))
    hundredths = clock.time.time.hundredths is not None
    local = moment.astimezone(offset)
    if not hundredths:
        local = (local + RESOLUTION / 2).replace(microsecond=0)
    status = clock.time.status if clock.time.status is None else clock.time.status & ClockStatus.DAYLIGHT
    value = DateTime.from_datetime(local, status, hundredths=hundredths)
    if clock.time.deviation is None and current is not None:
        return DateTime(value.date, value.time, None, status)
    return value


def _check_offset(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise BadParameter("a time without its offset from UTC cannot be compared")
