"""Rows of a load profile as readings: a profile's layout, a window's rows, what they mean.

In: a session, the profile's code, a window by the meter's clock, names for what the rows hold. Out: readings by their
stamps, oldest first, each stamp once. Imported when a backfill is due and not before: classes of objects cost memory
that a worker without gaps does not need.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from common.errors import BridgeError
from common.obis import Obis
from common.reading import Failure, Quality, Quantity, Raw, Reading, Source
from common.worker_file import Measurement
from poller.backfill import SECOND_MS, Habits, Span
from poller.dlms.conversation import AttributeRef, Conversation, Selection
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time, Value
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.clock import ClockStatus, Zone, clock_status, read_zone
from poller.dlms.objects.profile_habits import UNKNOWN_HABITS, Access, ProfileHabits, ProfileRead
from poller.dlms.objects.profile_layout import ColumnKind, ProfileColumn, ProfileLayout, read_layout
from poller.dlms.objects.profile_reading import read_rows
from poller.dlms.objects.rows import Row
from poller.errors import ProfileUnusable
from poller.sampler import moment_text, octets_text

NO_SCALER: Final = "no_scaler"  # of a failure: the meter does not tell how the column is scaled
MAX_TEXT: Final = 256  # characters of a text in a row
T = TypeVar("T")


class Runs(Protocol):
    """What is needed of a session."""

    conversation: Conversation

    def run(self, exchange: Exchange[T], requests: int = 1) -> T:
        """Drive an exchange; return its result."""


@dataclass(frozen=True, slots=True)
class WindowRows:
    """What a window has come to: readings by their stamps, up to where it was read, what could not be read."""

    readings: tuple[tuple[int, Reading], ...]
    end: int
    skipped: int
    habits: Habits


class _Polite:
    """A conversation that asks before each request whether there is time for it."""

    def __init__(self, conversation: Conversation, go_on: Callable[[], None]) -> None:
        self._conversation = conversation
        self._go_on = go_on

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
        self._go_on()
        return (yield from self._conversation.get(ref, selection))

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        self._go_on()
        return (yield from self._conversation.get_many(refs))

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
        return (yield from self._conversation.set(ref, data, selection))

    def action(self, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
        return (yield from self._conversation.action(method, parameters))


class ProfileSource:
    """One profile of one meter. ``go_on`` is called before each request and raises WindowOverrun when time is up."""

    def __init__(self, session: Runs, obis: str, go_on: Callable[[], None], requests: int) -> None:
        self._session = session
        self._obis = obis
        self._asking = _Polite(session.conversation, go_on)
        self._requests = requests
        self._layout: ProfileLayout | None = None

    @property
    def period_ms(self) -> int:
        """Milliseconds between two rows; 0 where that is not known."""
        return 0 if self._layout is None else SECOND_MS * self._layout.period

    def prepare(self) -> None:
        """Read what the profile is; raise what the meter says, ProfileUnusable when its rows have no times."""
        if self._layout is None:
            layout = self._session.run(read_layout(self._asking, Obis.parse(self._obis)), self._requests)
            if layout.time_index is None:
                raise ProfileUnusable(f"{self._obis}: its rows have no times")
            self._layout = layout

    def read(self, span: Span, habits: Habits | None, names: Mapping[AttributeRef, str]) -> WindowRows:
        """Return the rows of a span; raise what the meter or the link says."""
        self.prepare()
        layout = self._layout
        if layout is None:
            raise BadData(f"{self._obis}: nothing is known of it")
        known = _profile_habits(habits, self._obis)
        begin, end = (datetime.fromtimestamp(at / SECOND_MS, UTC) for at in (span.begin, span.end))
        exchange = read_rows(self._asking, layout, begin, end + timedelta(seconds=1), known)
        return self._result(self._session.run(exchange, self._requests), span, names)

    def _result(self, read: ProfileRead, span: Span, names: Mapping[AttributeRef, str]) -> WindowRows:
        end = span.end if read.more is None else min(span.end, round(read.more.timestamp() * SECOND_MS) - 1)
        if end <= span.begin:
            raise BadData(f"{self._obis}: a limit was reached before the first row")
        meant = _Meaning(read.columns, names)
        found: dict[int, Reading] = {}
        skipped = read.skipped_count
        for row in read.rows:
            stamp = 0 if row.time is None else round(row.time.timestamp() * SECOND_MS)
            if not span.begin < stamp <= end:
                continue
            reading = meant.reading(row)
            if reading.quantities:
                found[stamp] = reading  # of two rows with one stamp the later one: a store keeps one value for a time
            else:
                skipped += 1
        habits = read.habits
        told = Habits(self._obis, habits.access.value, habits.proven, int(habits.bounds))
        return WindowRows(tuple(sorted(found.items())), end, skipped, told)


def zone_of(session: Runs) -> Zone:
    """Return the zone of the meter's clock."""
    return session.run(read_zone(session.conversation), 3)


def is_whole(habits: Habits | None) -> bool:
    """Say whether a meter gives its rows only all at once."""
    return habits is not None and habits.access == Access.WHOLE


def is_by_place(habits: Habits | None) -> bool:
    """Say whether a meter gives its rows by their places: a search that costs the same for few rows and for many."""
    return habits is not None and habits.access == Access.ENTRY


def _profile_habits(habits: Habits | None, obis: str) -> ProfileHabits:
    if habits is None or habits.profile != obis:
        return UNKNOWN_HABITS
    try:
        return ProfileHabits(Access(habits.access), habits.proven, DataType(habits.bounds))
    except ValueError:
        return UNKNOWN_HABITS


class _Meaning:
    """The columns of a profile, and the keys that their values have in a reading."""

    def __init__(self, columns: Sequence[ProfileColumn], names: Mapping[AttributeRef, str]) -> None:
        self._columns: list[tuple[int, str, ProfileColumn]] = []
        keys: set[str] = set()
        for place, column in enumerate(columns):
            key = _key(column, names)
            if column.kind is not ColumnKind.MOMENT and key not in keys:
                keys.add(key)
                self._columns.append((place, key, column))

    def reading(self, row: Row) -> Reading:
        quantities, failures = [], []
        for place, key, column in self._columns:
            raw = _raw(row.raw[place])
            if raw is None:
                continue
            if column.kind is ColumnKind.SCALED and column.scaling is None:
                failures.append(Failure(key, NO_SCALER))
                continue
            quantities.append(_quantity(key, column, raw))
        marks = (
            (Quality.CLOCK_UNSYNCED, row.moment is not None and ClockStatus.INVALID in clock_status(row.moment)),
            (Quality.PARTIAL, bool(failures)),
        )
        quality = tuple(mark for mark, holds in marks if holds)
        return Reading(tuple(quantities), tuple(failures), quality, Source.PROFILE)


def _key(column: ProfileColumn, names: Mapping[AttributeRef, str]) -> str:
    ref, index = column.captured.ref, column.captured.index
    if not index and ref in names:
        return names[ref]
    return f"{ref.obis}/{ref.attribute}" + (f"/{index}" if index else "")


def names_of(measurements: Sequence[Measurement]) -> Mapping[AttributeRef, str]:
    """Return the keys by what is measured; of two the first."""
    found: dict[AttributeRef, str] = {}
    for item in measurements:
        found.setdefault(AttributeRef(item.class_id, Obis.parse(item.obis), item.attribute), item.key)
    return found


def _quantity(key: str, column: ProfileColumn, raw: Raw) -> Quantity:
    obis, scaling = str(column.captured.ref.obis), column.scaling
    if scaling is None or isinstance(raw, bool | str):
        return Quantity(key, obis, raw)
    return Quantity(key, obis, raw, scaling.scaler, scaling.unit)


def _raw(value: Value) -> Raw | None:
    """Return a cell as a reading carries it; None for what is none: nothing, not a number, a structure."""
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, bytes):
        return octets_text(value)[:MAX_TEXT]
    if isinstance(value, Date | Time | DateTime):
        return moment_text(value)
    return str(value)[:MAX_TEXT] if isinstance(value, str | BitString) else None
