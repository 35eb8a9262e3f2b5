"""Load profiles of a simulated meter (class 7): rows that are a function of time, known to whoever asks for them.

The meter's clock and a selection in; rows out. Nothing is stored: ``load_row`` and ``daily_row`` are the oracle for
tests, for any moment at which a row is due. They do not follow the registers, which rise by being read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.errors import BridgeError
from common.obis import Obis
from poller.simulator import axdr, quantities
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.meter_clock import CLASS as CLOCK_CLASS
from poller.simulator.meter_clock import NAME as CLOCK
from poller.simulator.meter_clock import MeterClock, decode_moment
from poller.simulator.objects import DataAccess, Done, Forge, ObjectBook, Reading, Selection, constant, number
from poller.simulator.personality import ProfileHabit, ProfileSetting
from poller.simulator.values import STRUCTURE, Value

LOAD: Final = bytes((1, 0, 99, 1, 0, 255))
DAILY: Final = bytes((1, 0, 98, 1, 0, 255))
_LOAD_STATUS: Final = bytes((0, 0, 96, 10, 1, 255))
_CLASS: Final = 7
_RANGE, _ENTRY = 1, 2
_FIFO: Final = 1
_DAY: Final = 86_400
_DAYS: Final = 62
_BEGIN: Final = 1_577_836_800
"""2020-01-01 in seconds: all energies of profiles began then."""
_ADJUSTED: Final = 0x20
"""Status of the rows in which the clock was adjusted, one each day of quarters of an hour."""
_ENTIRE: Final = 0xFFFFFFFF


class LoadRow(NamedTuple):
    """One row of the load profile: moment in milliseconds of UTC, then its columns in the order of their capture."""

    moment: int
    status: int
    imported: int
    """1-B:1.8.0 in Wh; 1/8 Wh a second."""
    exported: int
    """1-B:2.8.0 in Wh."""
    reactive: int
    """1-B:3.8.0 in varh."""
    voltage: int
    """1-B:32.7.0 in 10^-2 V."""


class DailyRow(NamedTuple):
    """One row of the daily profile, at local midnight."""

    moment: int
    imported: int
    exported: int


def load_row(index: int, moment: int, period: int = 900) -> LoadRow:
    """Return the row of meter number ``index`` (from 0) that ends at ``moment``, in milliseconds of UTC."""
    seconds = max(0, moment // 1000 - _BEGIN)
    slot = seconds // period
    return LoadRow(
        moment,
        _ADJUSTED if slot % 96 == 7 else 0,
        quantities.first_energy(index) + seconds // 8,
        seconds // 400,
        seconds // 30,
        quantities.voltage(slot),
    )


def daily_row(index: int, moment: int) -> DailyRow:
    """Return the row of meter number ``index`` for the midnight ``moment``, in milliseconds of UTC."""
    row = load_row(index, moment)
    return DailyRow(moment, row.imported, row.exported)


@dataclass(frozen=True, slots=True)
class Column:
    """One capture object: what it is, and how its number is written (the clock is not a number)."""

    class_id: int
    name: bytes
    attribute: int
    form: Form | None
    place: int
    """Where its number stands in a row."""

    @property
    def definition(self) -> bytes:
        """The capture object definition."""
        return axdr.structure((
            Form.UINT16.encode(self.class_id),
            axdr.octet_string(self.name),
            Form.INT8.encode(self.attribute),
            Form.UINT16.encode(0),
        ))

    def named_by(self, value: Value) -> bool:
        """Say whether a client's definition means this column."""
        parts = value.parts
        if value.tag != STRUCTURE or len(parts) != 4:
            return False
        return (parts[0].number, parts[1].octets, parts[2].number) == (self.class_id, self.name, self.attribute)


Row = tuple[int, ...]


class UnknownSelection(BridgeError):
    """A selection that cannot be served."""


@dataclass(slots=True)
class Profile:
    """One profile: its columns, when its rows are due, and what they are."""

    clock: MeterClock
    columns: tuple[Column, ...]
    period: int
    depth: int
    habits: frozenset[ProfileHabit]
    row: Callable[[int], Row]
    local: bool = False
    """Whether rows are due by local time."""
    reset_at: int = -1

    def _shift(self) -> int:
        return self.clock.deviation * 60_000 if self.local else 0

    def moments(self) -> range:
        """Return the moments of all rows it holds, oldest first."""
        step, now = self.period * 1000, self.clock.now_ms()
        last = (now - self._shift()) // step * step + self._shift()
        first = last - (self.depth - 1) * step
        if self.reset_at >= first:
            first += -(-(self.reset_at + 1 - first) // step) * step
        return range(first, last + 1, step)

    def buffer(self, _granted: Granted, selection: Selection | None) -> Reading | DataAccess:
        """Return the rows that are asked for."""
        try:
            moments, columns = self._selected(selection)
        except UnknownSelection:
            return DataAccess.OTHER_REASON
        rows: list[bytes] = []
        before: list[bytes] = []
        for moment in moments:
            cells = self._cells(moment, columns)
            rows.append(axdr.structure(self._thinned(cells, before)))
            before = cells
        return Reading(axdr.array(rows), f"{len(rows)} rows")

    def _cells(self, moment: int, columns: tuple[Column, ...]) -> list[bytes]:
        row = self.row(moment)
        return [
            column.form.encode(row[column.place]) if column.form else axdr.octet_string(self.clock.moment(moment))
            for column in columns
        ]

    def _thinned(self, cells: list[bytes], before: list[bytes]) -> list[bytes]:
        """Return null-data for what did not change, and for the clock: rows follow one another."""
        if ProfileHabit.NULL_DATA not in self.habits or not before:
            return cells
        clock = axdr.octet_string(bytes(12))[:2]
        return [
            axdr.NULL if cell == old or cell.startswith(clock) else cell
            for cell, old in zip(cells, before, strict=True)
        ]

    def _selected(self, selection: Selection | None) -> tuple[range, tuple[Column, ...]]:
        if selection is None:
            return self.moments(), self.columns
        if selection.selector == _RANGE:
            return self._by_range(selection.value)
        return self._by_entry(selection.value)

    def _by_range(self, value: Value) -> tuple[range, tuple[Column, ...]]:
        """range_descriptor: restricting object, from, to, selected values."""
        if len(value.parts) != 4:
            raise UnknownSelection("selection")
        restricting, start, end, selected = value.parts
        clock = next(column for column in self.columns if column.form is None)
        if not clock.named_by(restricting):
            raise UnknownSelection("selection")
        moments = self.moments()
        if ProfileHabit.RANGE_LAST_ROW in self.habits:
            return moments[-1:], self._chosen(selected)
        first, last = self._moment(start), self._moment(end)
        low = max(0, -(-(first - moments.start) // moments.step))
        high = (last - moments.start) // moments.step + 1
        return moments[low : max(low, high)], self._chosen(selected)

    def _moment(self, value: Value) -> int:
        octets = value.date_time
        moment = None if octets is None else decode_moment(octets, self.clock.deviation)
        if moment is None:
            raise UnknownSelection("selection")
        return moment

    def _chosen(self, selected: Value) -> tuple[Column, ...]:
        if not selected.parts:
            return self.columns
        chosen = tuple(column for wanted in selected.parts for column in self.columns if column.named_by(wanted))
        if len(chosen) != len(selected.parts):
            raise UnknownSelection("selection")
        return chosen

    def _by_entry(self, value: Value) -> tuple[range, tuple[Column, ...]]:
        """entry_descriptor: first and last entry, first and last column, from 1; a last one of 0 is the very last."""
        if len(value.parts) != 4:
            raise UnknownSelection("selection")
        first, last, left, right = (part.number for part in value.parts)
        if first < 1 or left < 1:
            raise UnknownSelection("selection")
        return self.moments()[first - 1 : last or _ENTIRE], self.columns[left - 1 : right or _ENTIRE]

    def reset(self, _value: Value, _granted: Granted) -> Done:
        """Method 1: forget all rows."""
        self.reset_at = self.clock.now_ms()
        return Done()

    def _in_use(self, _forge: Forge | None) -> Reading:
        rows = len(self.moments())
        return Reading(Form.UINT32.encode(rows), rows)

    def install(self, book: ObjectBook, name: bytes) -> None:
        """Add the profile."""
        sorted_by = next(column for column in self.columns if column.form is None)
        book.add(
            _CLASS,
            name,
            {
                3: constant(axdr.array([column.definition for column in self.columns]), f"{len(self.columns)} columns"),
                4: number(Form.UINT32, self.period),
                5: number(Form.ENUM, _FIFO),
                6: constant(sorted_by.definition, "clock"),
                7: self._in_use,
                8: number(Form.UINT32, self.depth),
            },
            version=1,
        )
        missing = {_RANGE} if ProfileHabit.NO_RANGE in self.habits else set()
        missing |= {_ENTRY} if ProfileHabit.NO_ENTRY in self.habits else set()
        book.views(name, {2: self.buffer}, tuple(each for each in (_RANGE, _ENTRY) if each not in missing))
        book.does(name, {1: self.reset, 2: lambda _value, _granted: Done()})


_REGISTER, _DATA = 3, 1
_LOAD_PLACES: Final[Mapping[tuple[int, int, int], int]] = {(1, 8, 0): 2, (2, 8, 0): 3, (3, 8, 0): 4, (32, 7, 0): 5}
_DAILY_PLACES: Final[Mapping[tuple[int, int, int], int]] = {(1, 8, 0): 1, (2, 8, 0): 2}


def install(book: ObjectBook, clock: MeterClock, setting: ProfileSetting, channel: int, index: int) -> None:
    """Add load profile, daily profile and the status they capture; ``index`` is the meter's number from 0."""
    book.add(_DATA, _LOAD_STATUS, {2: number(Form.UINT8, 0)})
    moment = Column(CLOCK_CLASS, CLOCK, 2, None, 0)
    leading = (moment, Column(_DATA, _LOAD_STATUS, 2, Form.UINT8, 1))
    if ProfileHabit.CLOCK_SECOND in setting.habits:
        leading = (leading[1], moment)
    Profile(
        clock,
        (*leading, *_registers(_LOAD_PLACES, channel)),
        setting.period,
        setting.depth,
        setting.habits,
        lambda due: load_row(index, due, setting.period),
    ).install(book, LOAD)
    Profile(
        clock,
        (moment, *_registers(_DAILY_PLACES, channel)),
        _DAY,
        _DAYS,
        setting.habits,
        lambda due: daily_row(index, due),
        local=True,
    ).install(book, DAILY)


def _registers(places: Mapping[tuple[int, int, int], int], channel: int) -> list[Column]:
    return [
        Column(_REGISTER, Obis(1, channel, *groups).to_bytes(), 2, Form.UINT32, place)
        for groups, place in places.items()
    ]
