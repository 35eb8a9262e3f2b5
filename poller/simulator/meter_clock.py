"""The clock of a simulated meter: how it deviates from ours, and its object (IEC 62056-6-2, class 8).

The system's clock, an offset, a drift and a time zone in; date-times of twelve octets out. Clients set it and shift it.
What is asked when is not known here.
"""

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from common.clock import Clock
from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.objects import DataAccess, Done, Forge, ObjectBook, Reading, constant, number
from poller.simulator.personality import ClockSetting
from poller.simulator.values import Value

NAME: Final = bytes((0, 0, 1, 0, 0, 255))
CLASS: Final = 8
_NO_DEVIATION: Final = -0x8000
_SUMMER_MINUTES: Final = 60
_IN_SUMMER: Final = 0x80
"""The bit of the clock status that says daylight saving is active."""
_MOMENT: Final = struct.Struct(">HBBBBBBBhB")
_PRESET_FIELDS: Final = 3
_MINUTE_MS: Final = 60_000


def encode_moment(wall_ms: int, deviation: int = 0, status: int = 0) -> bytes:
    """Return the twelve octets of a date-time, in local time."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC) - timedelta(minutes=deviation)
    return _MOMENT.pack(
        moment.year,
        moment.month,
        moment.day,
        moment.isoweekday(),
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond // 10_000,
        deviation,
        status,
    )


def decode_moment(octets: bytes, zone: int = 0) -> int | None:
    """Return a date-time as milliseconds of UTC; ``zone`` holds where it names none. None when it is no moment."""
    year, month, day, _weekday, hour, minute, second, hundredths, deviation, _status = _MOMENT.unpack(octets)
    deviation = zone if deviation == _NO_DEVIATION else deviation
    second = 0 if second == 0xFF else second
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        moment = local + timedelta(minutes=deviation)
    except (ValueError, OverflowError):
        return None
    return int(moment.timestamp()) * 1000 + (10 * hundredths if hundredths < 100 else 0)


@dataclass(slots=True)
class MeterClock:
    """What time a meter believes it is."""

    ours: Clock
    setting: ClockSetting
    sets: int = 0
    """How often a client set or shifted it."""
    _offset_ms: float = field(init=False)
    _since: int = field(init=False)
    _preset: int | None = None
    zone: int = field(init=False)
    summer: bool = field(init=False)

    def __post_init__(self) -> None:
        self._offset_ms = self.setting.offset * 1000
        self._since = self.ours.wall_ms()
        self.zone = self.setting.zone
        self.summer = self.setting.summer

    def now_ms(self) -> int:
        """Return the meter's time, in milliseconds of UTC."""
        ours = self.ours.wall_ms()
        return ours + round(self._offset_ms + (ours - self._since) * self.setting.drift_ppm / 1e6)

    @property
    def deviation(self) -> int:
        """UTC minus local time, in minutes, daylight saving included."""
        return self.zone - (_SUMMER_MINUTES if self.summer else 0)

    @property
    def status(self) -> int:
        """The clock status."""
        return self.setting.status | (_IN_SUMMER if self.summer else 0)

    def moment(self, wall_ms: int) -> bytes:
        """Return a moment as this meter writes it."""
        return encode_moment(wall_ms, self.deviation, self.status)

    def put(self, wall_ms: int) -> None:
        """Set the meter's time."""
        self._since = self.ours.wall_ms()
        self._offset_ms = wall_ms - self._since
        self.sets += 1

    def jump(self, seconds: float) -> None:
        """Move the meter's time."""
        self._offset_ms += seconds * 1000

    def _time(self, _forge: Forge | None) -> Reading:
        octets = self.moment(self.now_ms())
        return Reading(axdr.octet_string(octets), octets.hex())

    def _set_time(self, value: Value, _granted: Granted) -> DataAccess:
        octets = value.date_time
        if octets is None:
            return DataAccess.TYPE_UNMATCHED
        wall_ms = decode_moment(octets, self.deviation)
        if wall_ms is None:
            return DataAccess.OTHER_REASON
        self.put(wall_ms)
        return DataAccess.SUCCESS

    def _set_zone(self, value: Value, _granted: Granted) -> DataAccess:
        if value.tag != Form.INT16.tag:
            return DataAccess.TYPE_UNMATCHED
        if not -840 <= value.number <= 840:
            return DataAccess.OTHER_REASON
        self.zone = value.number
        return DataAccess.SUCCESS

    def _rounded(self, step_ms: int) -> Done:
        self.put((self.now_ms() + step_ms // 2) // step_ms * step_ms)
        return Done()

    def _shift(self, value: Value, _granted: Granted) -> Done:
        if value.tag != Form.INT16.tag or not -900 <= value.number <= 900:
            return Done(DataAccess.TYPE_UNMATCHED)
        self.jump(value.number)
        self.sets += 1
        return Done()

    def _preset_time(self, value: Value, _granted: Granted) -> Done:
        """Note the time to be taken later; the interval in which that may be is not watched."""
        octets = value.parts[0].date_time if len(value.parts) == _PRESET_FIELDS else None
        if octets is None:
            return Done(DataAccess.TYPE_UNMATCHED)
        self._preset = decode_moment(octets, self.deviation)
        return Done(DataAccess.SUCCESS if self._preset is not None else DataAccess.OTHER_REASON)

    def _adjust_to_preset(self, _value: Value, _granted: Granted) -> Done:
        if self._preset is None:
            return Done(DataAccess.OTHER_REASON)
        self.put(self._preset)
        self._preset = None
        return Done()

    def install(self, book: ObjectBook, period_s: int) -> None:
        """Add the clock's object; ``period_s`` is the measuring period that it can be adjusted to."""
        begin, end = (
            constant(axdr.octet_string(octets), octets.hex())
            for octets in (bytes.fromhex("ffff03fe07020000 00800000"), bytes.fromhex("ffff0afe0703000000800080"))
        )
        book.add(
            CLASS,
            NAME,
            {
                2: self._time,
                3: lambda _forge: Reading(Form.INT16.encode(self.zone), self.zone),
                4: lambda _forge: Reading(Form.UINT8.encode(self.status), self.status),
                5: begin,
                6: end,
                7: number(Form.INT8, _SUMMER_MINUTES),
                8: lambda _forge: Reading(axdr.boolean(self.summer), int(self.summer)),
                9: number(Form.ENUM, 1),
            },
        )
        book.takes(NAME, {2: self._set_time, 3: self._set_zone})
        book.does(
            NAME,
            {
                1: lambda _value, _granted: self._rounded(15 * _MINUTE_MS),
                2: lambda _value, _granted: self._rounded(period_s * 1000),
                3: lambda _value, _granted: self._rounded(_MINUTE_MS),
                4: self._adjust_to_preset,
                5: self._preset_time,
                6: self._shift,
            },
        )
