"""Reading a profile's rows of a window of time, from meters that do it right and from those that do not.

Goes in: a conversation, a layout, a window, what is known of the meter's habits. Comes out: a ProfileRead. By range
where the meter keeps to ranges; by entry where it has none, or answers any range with its last row or with all it
has; else the whole buffer. What an answer does not prove is checked once against the next way: rows that are silently
missing are worse than some more requests.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from common.errors import BridgeError, Skip
from common.obis import Obis
from poller.dlms.data import DataType
from poller.dlms.errors import BadData, BadParameter, ExceptionResponse, ObjectUndefined
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking
from poller.dlms.objects.profile_entries import EntryReader, Found
from poller.dlms.objects.profile_habits import (
    MAX_ROWS,
    ROWS_AT_ONCE,
    UNKNOWN_HABITS,
    Access,
    ProfileHabits,
    ProfileRead,
)
from poller.dlms.objects.profile_layout import ProfileLayout, read_layout
from poller.dlms.objects.profile_requests import ProfileRequests, within_calendar
from poller.dlms.objects.rows import Row, in_order

_BOUNDS: Final = (DataType.OCTET_STRING, DataType.DATE_TIME)
_FEW: Final = 1
"""As many rows as a meter that answers with its last one gives; they prove nothing."""
_REFUSALS: Final = (Skip, ExceptionResponse)
"""How a meter says that it has no such selection; some have no better word for it than exception-response."""
_MAX_PIECES: Final = 100_000
"""Of one window: two thousand years of hours; requests end long before."""


def read_profile(
    conversation: Asking, obis: Obis, start: datetime, end: datetime, habits: ProfileHabits = UNKNOWN_HABITS
) -> Exchange[ProfileRead]:
    """Return the rows from start to end, both included, of a profile of which nothing is known yet."""
    layout = yield from read_layout(conversation, obis)
    return (yield from read_rows(conversation, layout, start, end, habits))


def read_rows(
    conversation: Asking,
    layout: ProfileLayout,
    start: datetime,
    end: datetime,
    habits: ProfileHabits = UNKNOWN_HABITS,
    columns: Sequence[int] | None = None,
) -> Exchange[ProfileRead]:
    """Return the rows from start to end, both included; ``columns`` by their places in the layout, None: all.

    The column of the time is always among them. Raises BadParameter for a window that is none, BadData for a profile
    without times, and what the meter says when it gives its rows in no way at all.
    """
    if start.tzinfo is None or end.tzinfo is None or end < start:
        raise BadParameter(f"a window from {start} to {end}: both need an offset from UTC, the end is not before")
    if layout.time_index is None:
        raise BadData(f"{layout.obis}: a profile without the time of a clock has no windows")
    requests = ProfileRequests(conversation, layout, _chosen(layout, columns))
    reading = _Reading(requests, habits)
    found = yield from reading.window(within_calendar(start), within_calendar(end))
    return _result(requests, found, reading.habits)


def read_last(
    conversation: Asking, layout: ProfileLayout, count: int, habits: ProfileHabits = UNKNOWN_HABITS
) -> Exchange[ProfileRead]:
    """Return the newest rows, oldest first: by entry, else out of the whole buffer."""
    requests = ProfileRequests(conversation, layout, _chosen(layout, None))
    reading = _Reading(requests, habits)
    found = yield from reading.last(count)
    return _result(requests, found, reading.habits)


class _Reading:
    """One reading; learns the meter's habits on the way."""

    def __init__(self, requests: ProfileRequests, habits: ProfileHabits) -> None:
        self.habits = habits
        self._requests = requests
        self._period = timedelta(seconds=requests.layout.period)

    def window(self, start: datetime, end: datetime) -> Exchange[Found]:
        if self.habits.access is Access.RANGE:
            found = yield from self._by_range(start, end)
            if found is not None:
                return found
        return (yield from self._otherwise(start, end))

    def last(self, count: int) -> Exchange[Found]:
        if self.habits.access is not Access.WHOLE:
            try:
                return Found((yield from EntryReader(self._requests).last(count)))
            except _REFUSALS as error:
                self._note(Access.ENTRY, error)
        rows = in_order((yield from self._requests.whole()))
        return Found(rows[-min(count, MAX_ROWS) :] if count else [])

    def _otherwise(self, start: datetime, end: datetime) -> Exchange[Found]:
        """Return the window's rows by entry, else out of the whole buffer."""
        if self.habits.access is not Access.WHOLE:
            try:
                return (yield from EntryReader(self._requests).window(start, end))
            except ObjectUndefined:
                raise
            except _REFUSALS as error:
                self._give_up(Access.WHOLE, error)
        rows = in_order((yield from self._requests.whole()))
        return _limited([row for row in rows if _within(row, start, end)])

    def _by_range(self, start: datetime, end: datetime) -> Exchange[Found | None]:
        """Return the window's rows by range, piece by piece; None when the meter does not keep to ranges."""
        rows: list[Row] = []
        for low, high in self._pieces(start, end):
            if len(rows) >= MAX_ROWS or self._requests.exhausted:
                return Found(in_order(rows), low)
            try:
                piece = yield from self._range(low, high)
            except ObjectUndefined:
                raise
            except _REFUSALS as error:
                self._give_up(Access.ENTRY, error)
                return None
            if any(self._is_stray(row, low, high) for row in piece):
                self._give_up(Access.ENTRY, BadData(f"rows outside of the range from {low} to {high}"))
                return None
            inside = [row for row in piece if _within(row, low, high) and (row.time != high or high == end)]
            if not self._proves(piece, low, high):
                return (yield from self._confirmed(inside, low, high, (start, end)))
            rows += inside
        return Found(in_order(rows))

    def _range(self, low: datetime, high: datetime) -> Exchange[list[Row]]:
        """Ask for a range; a meter that refuses the bounds as octets is asked once with date-times."""
        widened = timedelta(minutes=self._requests.layout.zone.daylight)
        asked = low - widened, high + widened
        if self.habits.proven:
            return (yield from self._requests.by_range(*asked, self.habits.bounds))
        try:
            return (yield from self._requests.by_range(*asked, self.habits.bounds))
        except Skip:
            other = _BOUNDS[1 - _BOUNDS.index(self.habits.bounds)]
            rows = yield from self._requests.by_range(*asked, other)
            self.habits = replace(self.habits, bounds=other)
            return rows

    def _pieces(self, start: datetime, end: datetime) -> Sequence[tuple[datetime, datetime]]:
        """Return the window in pieces of some rows each; as it is when rows come at no regular times."""
        step = self._period * ROWS_AT_ONCE
        if not step or end - start <= step:
            return [(start, end)]
        count = min(-(-(end - start) // step), _MAX_PIECES)
        edges = [start + step * number for number in range(count)]
        return list(zip(edges, [*edges[1:], end], strict=True))

    def _is_stray(self, row: Row, low: datetime, high: datetime) -> bool:
        """Say whether a row is none of a range, nor of its edges as a meter may understand them."""
        margin = timedelta(minutes=2 * self._requests.layout.zone.daylight) + self._period
        return row.time is not None and (low - row.time > margin or row.time - high > margin)

    def _proves(self, piece: list[Row], low: datetime, high: datetime) -> bool:
        """Say whether an answer shows that the meter keeps to ranges, or it has been shown before."""
        if self.habits.proven or (piece and self._period and high - low < self._period):
            return True
        in_use = self._requests.layout.entries_in_use
        if len(piece) <= _FEW:
            return False
        if in_use is not None and len(piece) < in_use:
            self.habits = replace(self.habits, proven=True)
        return True

    def _confirmed(
        self, inside: list[Row], low: datetime, high: datetime, window: tuple[datetime, datetime]
    ) -> Exchange[Found]:
        """Return the window's rows in another way; the answer by range was right if there are no more in its piece."""
        before = self.habits
        try:
            found = yield from self._otherwise(*window)
        except Skip:
            self.habits = before
            self._requests.skips.add("the meter gives its rows in no other way: an answer by range is not confirmed")
            return Found(inside, high if high != window[1] else None)
        piece = [row for row in found.rows if _within(row, low, high) and (row.time != high or high == window[1])]
        if len(piece) == len(inside):
            self.habits = replace(before, proven=True)
        elif self.habits.access is Access.RANGE:
            self._give_up(Access.ENTRY, BadData(f"{len(inside)} rows by range, where {len(piece)} are by entry"))
        return found

    def _give_up(self, access: Access, why: BridgeError) -> None:
        reasons = (*self.habits.reasons, f"{self.habits.access}: {why.kind}: {why.detail}")
        self.habits = replace(self.habits, access=access, proven=False, reasons=reasons)

    def _note(self, access: Access, why: BridgeError) -> None:
        self._requests.skips.add(f"{access}: {why.kind}: {why.detail}")


def _within(row: Row, start: datetime, end: datetime) -> bool:
    return row.time is not None and start <= row.time <= end


def _limited(rows: list[Row]) -> Found:
    return Found(rows) if len(rows) <= MAX_ROWS else Found(rows[:MAX_ROWS], rows[MAX_ROWS].time)


def _chosen(layout: ProfileLayout, columns: Sequence[int] | None) -> tuple[int, ...]:
    """Return the places of the columns, that of the time first among those that were not asked for."""
    places = range(len(layout.columns))
    if columns is None:
        return tuple(places)
    if any(place not in places for place in columns):
        raise BadParameter(f"the profile {layout.obis} has the columns 0 to {places[-1]}")
    wanted = set(columns) | ({layout.time_index} if layout.time_index is not None else set())
    return tuple(place for place in places if place in wanted)


def _result(requests: ProfileRequests, found: Found, habits: ProfileHabits) -> ProfileRead:
    columns = tuple(requests.layout.columns[place] for place in requests.chosen)
    skips = requests.skips
    for column in columns:
        if column.kind == "scaled" and column.scaling is None:
            skips.add(f"{column.captured.ref.obis}: its scaler is not known, its values are only raw")
    return ProfileRead(columns, tuple(found.rows), habits, found.more, tuple(skips.reasons), skips.count)
