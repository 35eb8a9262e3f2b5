"""Objects of a simulated meter that clients write: plain data, thresholds, extended and demand registers (classes 1, 3,
4, 5), and one of our own that returns what its method is given.

Values in, what was stored out again. Each checks type and size as a strict meter does. Nothing is measured here.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from common.obis import Obis
from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.meter_clock import MeterClock
from poller.simulator.objects import DataAccess, Done, Forge, ObjectBook, Reading, constant, number
from poller.simulator.values import OCTETS, Value

MAX_STORED: Final = 8_192
"""Octets that the long Data object takes: more than a block transfer of any size a test wants."""
LONG_DATA: Final = bytes((0, 0, 96, 128, 0, 255))
ECHO: Final = bytes((0, 0, 96, 128, 1, 255))
ECHO_CLASS: Final = 8_192
"""Our own class: method 1 returns its parameter, attribute 2 is the last one's length."""
_UNDER, _OVER = (12, 31, 0), (12, 35, 0)
_THRESHOLDS: Final = {_UNDER: 11_500, _OVER: 14_500}
"""Value groups C, D, E of the voltage thresholds, and what they are at the start, in 10^-2 V."""
_MAXIMUM, _DEMAND = (15, 6, 0), (15, 4, 0)
_DATA, _REGISTER, _EXTENDED, _DEMAND_REGISTER = 1, 3, 4, 5
_WATT_SCALER, _WATT = 0, 27


@dataclass(slots=True)
class Store:
    """One value that can be written. ``least`` and ``most`` bound a number."""

    value: bytes
    tag: int
    raw: int | str
    least: int = 0
    most: int = 0xFFFFFFFF

    def read(self, _forge: Forge | None) -> Reading:
        """Return what is stored."""
        return Reading(self.value, self.raw)

    def write(self, value: Value, _granted: Granted) -> DataAccess:
        """Store a value of the same type."""
        if value.tag != self.tag:
            return DataAccess.TYPE_UNMATCHED
        found = len(value.octets) if value.tag == OCTETS else value.number
        if not self.least <= found <= self.most:
            return DataAccess.OTHER_REASON
        self.value = value.raw
        self.raw = value.octets.hex() if value.tag == OCTETS else value.number
        return DataAccess.SUCCESS


def stored_number(form: Form, start: int, least: int = 0, most: int = 0xFFFFFFFF) -> Store:
    """Return a store of one number."""
    return Store(form.encode(start), form.tag, start, least, most)


@dataclass(slots=True)
class Demand:
    """The maximum demand and the demand of the period under way, in W; methods begin them anew."""

    clock: MeterClock
    period_s: int
    captured: bytes
    started: bytes
    maximum: int = 612
    current: int = 448
    last: int = 455

    def reset_maximum(self, _value: Value, _granted: Granted) -> Done:
        """Begin the maximum anew."""
        self.maximum = 0
        self.captured = self.clock.moment(self.clock.now_ms())
        return Done()

    def next_period(self, _value: Value, _granted: Granted) -> Done:
        """End the period under way."""
        self.last, self.current = self.current, 0
        self.started = self.clock.moment(self.clock.now_ms())
        return Done()

    def reset(self, value: Value, granted: Granted) -> Done:
        """Forget both periods."""
        self.next_period(value, granted)
        self.last = 0
        return Done()

    def watts(self, name: str, _forge: Forge | None) -> Reading:
        """Return one of the demands."""
        found = int(getattr(self, name))
        return Reading(Form.UINT32.encode(found), found)

    def moment(self, name: str, _forge: Forge | None) -> Reading:
        """Return one of the moments."""
        octets = bytes(getattr(self, name))
        return Reading(axdr.octet_string(octets), octets.hex())


def install(book: ObjectBook, clock: MeterClock, channel: int, period_s: int) -> None:
    """Add the objects that clients write."""
    text = Store(axdr.octet_string(b""), OCTETS, "", 0, MAX_STORED)
    book.add(_DATA, LONG_DATA, {2: text.read})
    book.takes(LONG_DATA, {2: text.write})
    for groups, start in _THRESHOLDS.items():
        name = Obis(1, channel, *groups).to_bytes()
        threshold = stored_number(Form.UINT32, start, 0, 50_000)
        book.add(_REGISTER, name, {2: threshold.read, 3: constant(axdr.scaler_unit(-2, 35), [-2, 35])})
        book.takes(name, {2: threshold.write})
    _echo(book)
    _demand(book, clock, channel, period_s)


def _echo(book: ObjectBook) -> None:
    length = stored_number(Form.UINT32, 0)
    book.add(ECHO_CLASS, ECHO, {2: length.read})

    def echo(value: Value, granted: Granted) -> Done:
        size = len(value.raw)
        length.write(Value(Form.UINT32.tag, size, raw=Form.UINT32.encode(size)), granted)
        return Done(data=value.raw or axdr.NULL)

    book.does(ECHO, {1: echo})


def _demand(book: ObjectBook, clock: MeterClock, channel: int, period_s: int) -> None:
    start = clock.moment(clock.now_ms() // (period_s * 1000) * period_s * 1000)
    demand = Demand(clock, period_s, start, start)
    scaling = constant(axdr.scaler_unit(_WATT_SCALER, _WATT), [_WATT_SCALER, _WATT])
    status = number(Form.UINT8, 0)
    name = Obis(1, channel, *_MAXIMUM).to_bytes()
    book.add(
        _EXTENDED,
        name,
        {2: partial(demand.watts, "maximum"), 3: scaling, 4: status, 5: partial(demand.moment, "captured")},
    )
    book.does(name, {1: demand.reset_maximum})
    name = Obis(1, channel, *_DEMAND).to_bytes()
    book.add(
        _DEMAND_REGISTER,
        name,
        {
            2: partial(demand.watts, "current"),
            3: partial(demand.watts, "last"),
            4: scaling,
            5: status,
            6: partial(demand.moment, "captured"),
            7: partial(demand.moment, "started"),
            8: number(Form.UINT32, period_s),
            9: number(Form.UINT16, 1),
        },
    )
    book.does(name, {1: demand.reset, 2: demand.next_period})
