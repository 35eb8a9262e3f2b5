"""The values that COSEM attributes can have (IEC 62056-5-3, type Data), exact and typed.

Goes in: what ``axdr`` decoded. Comes out: frozen values. A date-time keeps every field as the meter sent it, None where
it is "not specified"; it becomes a datetime only on request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import IntEnum
from typing import Final, Self

from poller.dlms.errors import BadData, BadParameter

_NOT_SPECIFIED: Final = 0xFF
_NO_YEAR: Final = 0xFFFF
_NO_DEVIATION: Final = -0x8000
_HUNDREDTH: Final = 10_000
"""Microseconds."""


class DataType(IntEnum):
    """The tags of the type Data."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


@dataclass(frozen=True, slots=True)
class BitString:
    """``length`` bits, the first one in the highest bit of the first octet; padding bits are 0."""

    octets: bytes
    length: int

    def __str__(self) -> str:
        return "".join(f"{octet:08b}" for octet in self.octets)[: self.length]


def _field(octet: int) -> int | None:
    return None if octet == _NOT_SPECIFIED else octet


def _octet(field: int | None) -> int:
    return _NOT_SPECIFIED if field is None else field


@contextmanager
def _fitting(value: "Date | Time | DateTime") -> Iterator[None]:
    try:
        yield
    except (OverflowError, ValueError):
        raise BadParameter(f"{value} has a field that does not fit its octets") from None


@dataclass(frozen=True, slots=True)
class Date:
    """A date; month 0xFD and 0xFE, day 0xFD and 0xFE have the standard's special meanings."""

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Return the date in 5 octets; raise BadData on any other length."""
        if len(octets) != 5:
            raise BadData(f"a date has 5 octets, not {len(octets)}")
        year = int.from_bytes(octets[:2], "big")
        return cls(None if year == _NO_YEAR else year, *map(_field, octets[2:]))

    def to_bytes(self) -> bytes:
        """Return the 5 octets; raise BadParameter when a field does not fit."""
        year = _NO_YEAR if self.year is None else self.year
        with _fitting(self):
            return year.to_bytes(2, "big") + bytes(map(_octet, (self.month, self.day, self.weekday)))

    def to_date(self) -> date | None:
        """Return the day of the calendar, None when it is not fully specified; raise BadData when there is none."""
        if self.year is None or self.month is None or self.day is None:
            return None
        try:
            return date(self.year, self.month, self.day)
        except ValueError:
            raise BadData(f"{self.to_bytes().hex()} is no day of the calendar") from None


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day."""

    hour: int | None
    minute: int | None
    second: int | None
    hundredths: int | None

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Return the time in 4 octets; raise BadData on any other length."""
        if len(octets) != 4:
            raise BadData(f"a time has 4 octets, not {len(octets)}")
        return cls(*map(_field, octets))

    def to_bytes(self) -> bytes:
        """Return the 4 octets; raise BadParameter when a field does not fit."""
        with _fitting(self):
            return bytes(map(_octet, (self.hour, self.minute, self.second, self.hundredths)))

    def to_time(self) -> time | None:
        """Return the time of day, None without hour or minute; raise BadData when there is none."""
        if self.hour is None or self.minute is None:
            return None
        try:
            return time(self.hour, self.minute, self.second or 0, (self.hundredths or 0) * _HUNDREDTH)
        except ValueError:
            raise BadData(f"{self.to_bytes().hex()} is no time of the day") from None


@dataclass(frozen=True, slots=True)
class DateTime:
    """Date, time, deviation (UTC minus local time, in minutes) and clock status."""

    date: Date
    time: Time
    deviation: int | None
    status: int | None

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Return the date-time in 12 octets, as a date-time or octet-string value holds it; raise BadData."""
        if len(octets) != 12:
            raise BadData(f"a date-time has 12 octets, not {len(octets)}")
        deviation = int.from_bytes(octets[9:11], "big", signed=True)
        return cls(
            Date.from_bytes(octets[:5]),
            Time.from_bytes(octets[5:9]),
            None if deviation == _NO_DEVIATION else deviation,
            _field(octets[11]),
        )

    @classmethod
    def from_datetime(cls, moment: datetime, status: int | None = 0, *, hundredths: bool = True) -> Self:
        """Return the date-time of a moment; one without an offset has no deviation.

        Raises BadParameter when the offset is not of whole minutes: a deviation cannot say it.
        """
        offset = moment.utcoffset()
        deviation = None
        if offset is not None:
            deviation, rest = divmod(-offset, timedelta(minutes=1))
            if rest:
                raise BadParameter(f"an offset of {offset} is not of whole minutes")
        fraction = moment.microsecond // _HUNDREDTH if hundredths else None
        return cls(
            Date(moment.year, moment.month, moment.day, moment.isoweekday()),
            Time(moment.hour, moment.minute, moment.second, fraction),
            deviation,
            status,
        )

    def to_bytes(self) -> bytes:
        """Return the 12 octets; raise BadParameter when a field does not fit."""
        deviation = _NO_DEVIATION if self.deviation is None else self.deviation
        with _fitting(self):
            tail = deviation.to_bytes(2, "big", signed=True) + bytes((_octet(self.status),))
        return self.date.to_bytes() + self.time.to_bytes() + tail

    def to_datetime(self) -> datetime | None:
        """Return the moment: with an offset where the deviation is specified, else naive local time.

        None when date, hour or minute are not specified; raises BadData when calendar or clock have no such moment.
        """
        day, clock = self.date.to_date(), self.time.to_time()
        if day is None or clock is None:
            return None
        if self.deviation is None:
            return datetime.combine(day, clock)
        try:
            offset = timezone(timedelta(minutes=-self.deviation)) if self.deviation else UTC
        except ValueError:
            raise BadData(f"a deviation of {self.deviation} minutes is beyond a day") from None
        return datetime.combine(day, clock, offset)


Value = None | bool | int | float | str | bytes | BitString | Date | Time | DateTime | tuple["Data", ...]


@dataclass(frozen=True, slots=True)
class Data:
    """A value with its type. Array, structure and compact-array hold a tuple of Data."""

    type: DataType
    value: Value
