"""The clock (IEC 62056-6-2, 4.5.1): time, time zone, daylight saving, status, and its methods.

Goes in: a conversation, a logical name. Comes out: the time as the meter sent it and as a moment. A deviation is UTC
minus local time, in minutes: a meter in UTC+2 sends -120.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import IntEnum, IntFlag
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Answers, Asking, Refused, answers, invoke, read, write
from poller.dlms.objects.fields import boolean, choice, encode_moment, integer, moment

CLOCK: Final = 8
CLOCK_NAME: Final = Obis(0, 0, 1, 0, 0)
_TIME, _ZONE, _STATUS, _BEGIN, _END, _DAYLIGHT, _ENABLED, _BASE = range(2, 10)
_QUARTER, _PERIOD, _MINUTE, _TO_PRESET, _PRESET, _SHIFT = range(1, 7)
MAX_SHIFT: Final = 900
"""Seconds that shift_time may move the clock (4.5.1, method 6)."""
_MAX_DEVIATION: Final = 16 * 60
"""Minutes; the zones of the earth are 12 hours behind to 14 ahead."""
_MAX_DAYLIGHT: Final = 120
"""Minutes (4.5.1, attribute 7)."""


class ClockStatus(IntFlag):
    """What the last octet of a date-time says (4.1.6.1); other bits are reserved or the maker's."""

    INVALID = 0x01
    DOUBTFUL = 0x02
    DIFFERENT_BASE = 0x04
    INVALID_STATUS = 0x08
    DAYLIGHT = 0x80


class ClockBase(IntEnum):
    """Where the clock takes its beat from."""

    NOT_DEFINED = 0
    CRYSTAL = 1
    MAINS_50_HZ = 2
    MAINS_60_HZ = 3
    GPS = 4
    RADIO = 5


@dataclass(frozen=True, slots=True)
class Zone:
    """What turns a date-time without deviation into a moment."""

    deviation: int | None = None
    """Of normal time, UTC minus local time, in minutes; None: not known, UTC is assumed."""
    daylight: int = 0
    """Minutes that local time is ahead of normal time while daylight saving is active."""

    def __post_init__(self) -> None:
        if abs(self.deviation or 0) > _MAX_DEVIATION or not 0 <= self.daylight <= _MAX_DAYLIGHT:
            raise BadData(f"a zone {self.deviation} minutes from UTC with {self.daylight} of daylight saving")

    def to_datetime(self, value: DateTime) -> datetime | None:
        """Return the moment, always with an offset; None when it is not specified; raise BadData as DateTime does."""
        found = value.to_datetime()
        if found is None or found.tzinfo is not None:
            return found
        active = ClockStatus.DAYLIGHT in clock_status(value)
        ahead = (self.daylight if active else 0) - (self.deviation or 0)
        return found.replace(tzinfo=timezone(timedelta(minutes=ahead)))


UNKNOWN_ZONE: Final = Zone()


@dataclass(frozen=True, slots=True)
class Clock:
    """Class 8. ``kind`` is the type that the time came in, and goes back in."""

    obis: Obis
    time: DateTime
    zone: Zone
    base: ClockBase | None = None
    status: ClockStatus | None = None
    """Attribute 4, which may say more than the time does."""
    daylight_begins: DateTime | None = None
    """A date-time with wildcards, as it came."""
    daylight_ends: DateTime | None = None
    daylight_enabled: bool | None = None
    kind: DataType = DataType.OCTET_STRING
    refused: tuple[Refused, ...] = ()

    @property
    def moment(self) -> datetime | None:
        """The time with its offset; None when the meter has none."""
        return self.zone.to_datetime(self.time)

    @property
    def time_status(self) -> ClockStatus:
        """What the time says of itself."""
        return clock_status(self.time)


def clock_status(value: DateTime) -> ClockStatus:
    """Return what a date-time says of itself; one without status says nothing."""
    return ClockStatus((value.status or 0) & _KNOWN)


_KNOWN: Final = sum(ClockStatus)


def read_clock(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[Clock]:
    """Return all that the clock says; only its time is indispensable."""
    found = yield from answers(conversation, CLOCK, obis, range(_TIME, _BASE + 1))
    kind, time = found.required(_TIME, _typed_moment)
    return Clock(
        obis,
        time,
        _zone(found),
        found.optional(_BASE, lambda data: choice(data, ClockBase)),
        found.optional(_STATUS, lambda data: ClockStatus(integer(data) & _KNOWN)),
        found.optional(_BEGIN, moment),
        found.optional(_END, moment),
        found.optional(_ENABLED, boolean),
        kind,
        found.refused,
    )


def read_zone(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[Zone]:
    """Return what the clock says of its zone; nothing known when the meter has no such clock."""
    found = yield from answers(conversation, CLOCK, obis, (_ZONE, _DAYLIGHT, _ENABLED))
    return _zone(found)


def read_time(conversation: Asking, known: Clock) -> Exchange[Clock]:
    """Return the clock with the time of now; what else is known of it is not asked again."""
    ref = AttributeRef(CLOCK, known.obis, _TIME)
    kind, time = yield from read(conversation, ref, _typed_moment)
    return Clock(known.obis, time, known.zone, kind=kind)


def set_time(
    conversation: Asking, time: DateTime, obis: Obis = CLOCK_NAME, kind: DataType = DataType.OCTET_STRING
) -> Exchange[None]:
    """Set the clock (4.5.1, attribute 2); fields that are not specified stay as they are."""
    yield from write(conversation, AttributeRef(CLOCK, obis, _TIME), encode_moment(time, kind))


def adjust_to_quarter(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[None]:
    """Set the clock to the nearest quarter of an hour (method 1)."""
    yield from invoke(conversation, MethodRef(CLOCK, obis, _QUARTER))


def adjust_to_measuring_period(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[None]:
    """Set the clock to the nearest start of a measuring period (method 2)."""
    yield from invoke(conversation, MethodRef(CLOCK, obis, _PERIOD))


def adjust_to_minute(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[None]:
    """Set the clock to the nearest minute (method 3)."""
    yield from invoke(conversation, MethodRef(CLOCK, obis, _MINUTE))


def adjust_to_preset_time(conversation: Asking, obis: Obis = CLOCK_NAME) -> Exchange[None]:
    """Set the clock to what preset_adjusting_time has left (method 4)."""
    yield from invoke(conversation, MethodRef(CLOCK, obis, _TO_PRESET))


def preset_adjusting_time(
    conversation: Asking, preset: DateTime, start: DateTime, end: DateTime, obis: Obis = CLOCK_NAME
) -> Exchange[None]:
    """Leave a time that method 4 makes the clock's between two times of the clock (method 5)."""
    parameters = tuple(encode_moment(each) for each in (preset, start, end))
    yield from invoke(conversation, MethodRef(CLOCK, obis, _PRESET), Data(DataType.STRUCTURE, parameters))


def shift_time(conversation: Asking, seconds: int, obis: Obis = CLOCK_NAME) -> Exchange[None]:
    """Move the clock by at most MAX_SHIFT seconds (method 6); raise BadData for more."""
    if abs(seconds) > MAX_SHIFT:
        raise BadData(f"shift_time moves a clock by at most {MAX_SHIFT} s, not by {seconds}")
    yield from invoke(conversation, MethodRef(CLOCK, obis, _SHIFT), Data(DataType.INT16, seconds))


def _typed_moment(data: Data) -> tuple[DataType, DateTime]:
    return data.type, moment(data)


def _zone(found: Answers) -> Zone:
    """Daylight saving is taken by its amount: meters disagree about the sign, and local time only ever goes ahead."""
    normal = found.optional(_ZONE, lambda data: Zone(integer(data)))
    ahead = found.optional(_DAYLIGHT, lambda data: Zone(daylight=abs(integer(data))))
    return Zone(normal.deviation if normal else None, ahead.daylight if ahead else 0)
