"""The three requests for rows (IEC 62056-6-2, 4.3.6): by range, by entry, the whole buffer; counted and limited.

Goes in: a conversation, a layout, the columns that are wanted. Comes out: rows as they came. Whether a meter answered
what was asked is judged by who asked.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, get, parsed, read
from poller.dlms.objects.fields import array, count, encode_moment
from poller.dlms.objects.profile_habits import MAX_REQUESTS
from poller.dlms.objects.profile_layout import BUFFER, ENTRIES_IN_USE, PROFILE_GENERIC, ProfileLayout
from poller.dlms.objects.rows import Row, Skips, decode_rows
from poller.dlms.selection import by_entry, by_range

_EDGE: Final = timedelta(days=2)
"""From the ends of the calendar: no zone and no daylight saving moves a bound beyond them."""


class ProfileRequests:
    """Asks one profile for rows of some columns; not for two readings at the same time."""

    def __init__(self, conversation: Asking, layout: ProfileLayout, chosen: tuple[int, ...]) -> None:
        self.layout = layout
        self.chosen = chosen
        self.skips = Skips()
        self.made = 0
        self.received = 0
        """Rows of the last answer, those included that cannot be read."""
        self._conversation = conversation
        self._ref = AttributeRef(PROFILE_GENERIC, layout.obis, BUFFER)
        self._columns = tuple(layout.columns[place].captured for place in chosen)
        self._all = chosen == tuple(range(len(layout.columns)))

    @property
    def exhausted(self) -> bool:
        """Whether one reading has made as many requests as it may."""
        return self.made >= MAX_REQUESTS

    def entries_in_use(self) -> Exchange[int]:
        """Return how many rows there are now (attribute 7)."""
        self.made += 1
        ref = AttributeRef(PROFILE_GENERIC, self.layout.obis, ENTRIES_IN_USE)
        return (yield from read(self._conversation, ref, count))

    def by_range(self, start: datetime, end: datetime, bounds: DataType) -> Exchange[list[Row]]:
        """Return the rows between two moments, both included, as the meter understands it (selector 1)."""
        if self.layout.time_index is None:
            raise BadData(f"{self.layout.obis}: a profile without the time of a clock has no ranges")
        clock = self.layout.columns[self.layout.time_index].captured
        first, last = (encode_moment(self._local(moment), bounds) for moment in (start, end))
        columns = () if self._all else self._columns
        return (yield from self._rows(by_range(first, last, columns, clock)))

    def by_entry(self, first: int, last: int) -> Exchange[list[Row]]:
        """Return the rows from one place to another, both included (selector 2), with all their columns."""
        return (yield from self._rows(by_entry(first, last)))

    def whole(self) -> Exchange[list[Row]]:
        """Return every row."""
        return (yield from self._rows(None))

    def _rows(self, selection: Selection | None) -> Exchange[list[Row]]:
        self.made += 1
        data = yield from get(self._conversation, self._ref, selection)
        return parsed(self._ref, data, self._decoded)

    def _decoded(self, buffer: Data) -> list[Row]:
        self.received = len(array(buffer))
        return decode_rows(buffer, self.layout, self.chosen, self.skips)

    def _local(self, moment: datetime) -> DateTime:
        """Return a bound in the meter's local time, so that a meter which ignores deviations is asked the same."""
        deviation = self.layout.zone.deviation
        zone = UTC if deviation is None else timezone(timedelta(minutes=-deviation))
        return DateTime.from_datetime(moment.astimezone(zone))


def within_calendar(moment: datetime) -> datetime:
    """Return the moment, or the nearest one that every zone has."""
    lowest, highest = datetime.min.replace(tzinfo=UTC) + _EDGE, datetime.max.replace(tzinfo=UTC) - _EDGE
    return min(max(moment, lowest), highest)
