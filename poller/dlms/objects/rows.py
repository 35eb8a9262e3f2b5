"""The rows of a profile (IEC 62056-6-2, 4.3.6, attribute 2 buffer): Data in, typed rows out; pure functions.

What the meter leaves out as null-data is what the row before it had, or for the time, one capture period later (or
earlier, newest first). A row that cannot be read is left out, counted, and named; it costs the others nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from poller.dlms.cosem import exact
from poller.dlms.data import Data, DataType, DateTime, Value
from poller.dlms.errors import BadData
from poller.dlms.objects.fields import array, is_moment, moment
from poller.dlms.objects.profile_layout import ColumnKind, ProfileColumn, ProfileLayout, SortMethod

MAX_SKIPPED: Final = 100
"""Rows and reasons that are named; more are only counted."""
_ROWS: Final = {DataType.STRUCTURE, DataType.ARRAY}

Cell = Value | Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One capture. ``raw`` and ``values`` have a cell for each column that was asked for."""

    time: datetime | None
    """With its offset."""
    moment: DateTime | None
    """The time as the meter has it, its clock status included."""
    status: Value
    raw: tuple[Value, ...]
    """Numbers as the meter sent them, before any scaling."""
    values: tuple[Cell, ...]
    """Scaled columns exactly; None where the scaler is not known, or the number is none."""
    repeated: tuple[int, ...] = ()
    """Columns that the meter left out, so that they are the row's before."""


@dataclass(slots=True)
class Skips:
    """What could not be read, and why."""

    reasons: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, reason: str) -> None:
        """Count a reason, and keep it while there is room."""
        self.count += 1
        if len(self.reasons) < MAX_SKIPPED:
            self.reasons.append(reason)


def decode_rows(buffer: Data, layout: ProfileLayout, chosen: Sequence[int], skips: Skips) -> list[Row]:
    """Return the rows of a buffer in the order they came; raise BadData when it is no buffer at all.

    ``chosen``: the columns that were asked for; a meter that sends all of them has the others taken away.
    """
    rows: list[Row] = []
    before: _Before | None = None
    decoder = _Decoder(layout, tuple(chosen))
    for place, item in enumerate(array(buffer), 1):
        try:
            before = decoder.resolve(item, before)
            rows.append(decoder.row(before))
            if before.unresolved:
                skips.add(f"row {place} of an answer: columns {before.unresolved} are left out, and nothing is before")
        except BadData as error:
            before = None
            skips.add(f"row {place} of an answer: {error.detail}")
    return rows


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return rows with a time, oldest first; rows of one time stay as they were."""
    timed = [(row.time, row) for row in rows if row.time is not None]
    if len(timed) > 1 and timed[0][0] > timed[-1][0]:
        timed.reverse()
    timed.sort(key=lambda pair: pair[0])
    return [row for _, row in timed]


@dataclass(frozen=True, slots=True)
class _Before:
    """A row without nulls: what the next one's nulls mean."""

    cells: tuple[Data, ...]
    repeated: tuple[int, ...] = ()
    unresolved: tuple[int, ...] = ()


_NULL: Final = Data(DataType.NULL, None)


class _Decoder:
    """Knows the columns of the rows that come."""

    def __init__(self, layout: ProfileLayout, chosen: tuple[int, ...]) -> None:
        self._layout = layout
        self._chosen = chosen
        self._columns = [layout.columns[place] for place in chosen]
        self._time = None if layout.time_index is None else _place(chosen, layout.time_index)
        self._status = next(
            (place for place, column in enumerate(self._columns) if column.kind is ColumnKind.STATUS), None
        )
        self._step = timedelta(seconds=-layout.period if layout.sort is SortMethod.LIFO else layout.period)

    def resolve(self, item: Data, before: _Before | None) -> _Before:
        """Return the cells that were asked for, nulls replaced by what they stand for."""
        cells = self._cells(item)
        nulls = tuple(place for place, cell in enumerate(cells) if cell.type is DataType.NULL)
        if before is None or not nulls:
            return _Before(cells, unresolved=nulls)
        filled = list(cells)
        for place in nulls:
            filled[place] = self._stepped(before.cells[place]) if place == self._time else before.cells[place]
        return _Before(tuple(filled), nulls)

    def row(self, row: _Before) -> Row:
        """Return the typed row; raise BadData when it has a time that is none."""
        time = None if self._time is None else row.cells[self._time]
        value = None if time is None or time.type is DataType.NULL else moment(time)
        return Row(
            None if value is None else self._layout.zone.to_datetime(value),
            value,
            None if self._status is None else row.cells[self._status].value,
            tuple(cell.value for cell in row.cells),
            tuple(_cell(column, cell) for column, cell in zip(self._columns, row.cells, strict=True)),
            row.repeated,
        )

    def _cells(self, item: Data) -> tuple[Data, ...]:
        if item.type not in _ROWS or not isinstance(item.value, tuple):
            raise BadData(f"a structure expected, not {item.type.name}")
        width, whole = len(item.value), len(self._layout.columns)
        if width == len(self._chosen):
            return item.value
        if width == whole:
            return tuple(item.value[place] for place in self._chosen)
        raise BadData(f"{width} columns, where the profile has {whole} and {len(self._chosen)} were asked for")

    def _stepped(self, time: Data) -> Data:
        """Return the time one period on; null when there is no period, or nothing to go on from."""
        if not self._step or time.type is DataType.NULL:
            return _NULL
        return Data(DataType.DATE_TIME, stepped(moment(time), self._step))


def stepped(value: DateTime, step: timedelta) -> DateTime:
    """Return a date-time that much later, with the same deviation and status; raise BadData when it has no such."""
    found = value.to_datetime()
    if found is None:
        raise BadData("a time that is not specified has no next one")
    try:
        later = DateTime.from_datetime(found + step, value.status, hundredths=value.time.hundredths is not None)
    except OverflowError:
        raise BadData("a time beyond the calendar") from None
    return DateTime(later.date, later.time, value.deviation, value.status)


def _place(chosen: tuple[int, ...], index: int) -> int | None:
    return chosen.index(index) if index in chosen else None


def _cell(column: ProfileColumn, cell: Data) -> Cell:
    if column.kind is ColumnKind.SCALED:
        return None if column.scaling is None else exact(cell.value, column.scaling.scaler)
    if column.kind is ColumnKind.MOMENT and is_moment(cell):
        return moment(cell)
    return cell.value
