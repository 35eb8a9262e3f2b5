"""Rows of a window of time by their places (IEC 62056-6-2, 4.3.6, selector 2), for meters that have no ranges.

The window is found by bisection: a dozen requests in the largest buffers. Whether entry 1 is the oldest or the newest
is seen, not believed. A row that is captured meanwhile moves all places by one: pieces overlap by a row.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.profile_habits import MAX_ROWS, ROWS_AT_ONCE
from poller.dlms.objects.profile_requests import ProfileRequests
from poller.dlms.objects.rows import Row

SIDE_ROWS: Final = 2
"""Rows read before the first that was found: places move when a row is captured meanwhile."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that were read, oldest first, and where a limit ended the reading."""

    rows: list[Row]
    more: datetime | None = None


class EntryReader:
    """Reads by place; raises BadData when the meter's answers contradict its places."""

    def __init__(self, requests: ProfileRequests) -> None:
        self._requests = requests
        self._in_use = 0
        self._newest_first = False

    def window(self, start: datetime, end: datetime) -> Exchange[Found]:
        """Return the rows from start to end, both included."""
        ends = yield from self._ends()
        if ends is None:
            return Found([])
        oldest, newest = ends
        if oldest > end or newest < start:
            return Found([])
        first = 1 if oldest >= start else (yield from self._bisect(start))
        place = yield from self._retreat(first - SIDE_ROWS, start)
        return (yield from self._from(place, start, end))

    def last(self, count: int) -> Exchange[list[Row]]:
        """Return the newest rows, oldest first."""
        if (yield from self._ends()) is None:
            return []
        first = max(1, self._in_use - min(count, MAX_ROWS) + 1)
        rows: list[Row] = []
        pieces = _Pieces(first)
        while pieces.place <= self._in_use:
            rows += yield from self._piece(pieces)
        return rows

    def _ends(self) -> Exchange[tuple[datetime, datetime] | None]:
        """Return the times of the oldest and the newest row; None when there is no row."""
        self._in_use = yield from self._requests.entries_in_use()
        if self._in_use < 1:
            return None
        self._newest_first = False
        oldest = newest = yield from self._time(1)
        if self._in_use > 1:
            newest = yield from self._time(self._in_use)
            if newest == oldest:
                raise BadData(f"entries 1 and {self._in_use} are of the same time")
        self._newest_first = newest < oldest
        return (newest, oldest) if self._newest_first else (oldest, newest)

    def _bisect(self, start: datetime) -> Exchange[int]:
        """Return the first place whose row is not before ``start``; the row at the end is not."""
        low, high = 1, self._in_use
        while low < high:
            middle = (low + high) // 2
            if (yield from self._time(middle)) < start:
                low = middle + 1
            else:
                high = middle
        return low

    def _retreat(self, place: int, start: datetime) -> Exchange[int]:
        """Return a place before the window, should the rows have moved while it was searched."""
        back = SIDE_ROWS
        while place > 1 and (yield from self._time(place)) >= start:
            place -= back
            back *= 2
        return max(1, place - SIDE_ROWS)

    def _time(self, place: int) -> Exchange[datetime]:
        rows = yield from self._rows(place, place)
        if len(rows) != 1 or rows[0].time is None:
            raise BadData(f"{len(rows)} rows with a time at place {place}, 1 expected")
        return rows[0].time

    def _from(self, place: int, start: datetime, end: datetime) -> Exchange[Found]:
        rows: list[Row] = []
        pieces = _Pieces(place)
        while pieces.place <= self._in_use:
            piece = yield from self._piece(pieces)
            rows += [row for row in piece if row.time is not None and start <= row.time <= end]
            if piece and _is_after(piece[-1], end):
                break
            if len(rows) >= MAX_ROWS or self._requests.exhausted:
                return _cut(rows, start)
        return Found(rows)

    def _piece(self, pieces: "_Pieces") -> Exchange[list[Row]]:
        """Return the rows of the next piece that are new; move on by as many as the meter gave."""
        place, last = pieces.place, min(pieces.place + ROWS_AT_ONCE - 1, self._in_use)
        rows = yield from self._rows(place, last)
        reached = place + self._requests.received - 1
        if reached >= self._in_use:
            pieces.place = self._in_use + 1
        elif reached > place:
            pieces.place = reached
        else:
            raise BadData(f"{self._requests.received} rows for the places {place} to {last}")
        fresh = rows[1:] if rows and rows[0] == pieces.before else rows
        pieces.before = rows[-1] if rows else None
        return fresh

    def _rows(self, first: int, last: int) -> Exchange[list[Row]]:
        """Return the rows at places counted from the oldest."""
        if self._newest_first:
            rows = yield from self._requests.by_entry(self._in_use + 1 - last, self._in_use + 1 - first)
            rows.reverse()
        else:
            rows = yield from self._requests.by_entry(first, last)
        if self._requests.received > last - first + 1:
            raise BadData(f"{self._requests.received} rows for the places {first} to {last}")
        return rows


@dataclass(slots=True)
class _Pieces:
    """Where the next piece begins, and the last row of the one before."""

    place: int
    before: Row | None = None


def _is_after(row: Row, end: datetime) -> bool:
    return row.time is not None and row.time > end


def _cut(rows: list[Row], start: datetime) -> Found:
    """Return what a limit lets be: without the newest time, where the next reading goes on."""
    times = [row.time for row in rows if row.time is not None]
    more = max(times, default=start)
    return Found([row for row in rows if row.time != more], more)
