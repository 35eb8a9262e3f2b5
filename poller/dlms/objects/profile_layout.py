"""What a profile is (IEC 62056-6-2, 4.3.6 Profile generic): its columns with their scalers, its period and order.

Goes in: a conversation, a logical name. Comes out: a ProfileLayout, which is read once and kept: rows mean nothing
without it. No row is read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.cosem import ScalerUnit, scaler_attribute, scaler_unit, unit_name
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, Refused, answers, invoke
from poller.dlms.objects.clock import UNKNOWN_ZONE, Zone, read_zone
from poller.dlms.objects.fields import array, choice, count, integer, logical_name, structure
from poller.dlms.selection import Column

PROFILE_GENERIC: Final = 7
MAX_COLUMNS: Final = 128
"""Of one profile; the widest billing profiles have some seventy."""
BUFFER: Final = 2
ENTRIES_IN_USE: Final = 7
_COLUMNS, _PERIOD, _SORT, _SORT_OBJECT, _CAPACITY = 3, 4, 5, 6, 8
_TOLD: Final = (_COLUMNS, _PERIOD, _SORT, _SORT_OBJECT, ENTRIES_IN_USE, _CAPACITY)
_RESET, _CAPTURE = 1, 2
_CLOCK_TIME: Final = (8, 2)
_MOMENTS: Final = {_CLOCK_TIME, (4, 5), (5, 6), (5, 7)}
"""Class and attribute of what is a date-time: the clock, capture times, the start of a demand period."""
_STATUS_OBIS: Final = (96, 10)
"""C and D of the status that a profile keeps for each row (IEC 62056-6-1, table of abstract objects)."""


class SortMethod(IntEnum):
    """Attribute 5."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


class ColumnKind(StrEnum):
    """What a column's values are taken for."""

    MOMENT = "moment"
    STATUS = "status"
    SCALED = "scaled"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class ProfileColumn:
    """A column, and what its numbers mean."""

    captured: Column
    kind: ColumnKind
    scaling: ScalerUnit | None = None
    """None where nothing scales it, or the meter did not tell."""

    @property
    def unit(self) -> str | None:
        """The unit's symbol."""
        return None if self.scaling is None else unit_name(self.scaling.unit)


@dataclass(frozen=True, slots=True)
class ProfileLayout:
    """Class 7 without its rows."""

    obis: Obis
    columns: tuple[ProfileColumn, ...]
    period: int = 0
    """Seconds between two captures; 0: not at regular times."""
    sort: SortMethod | None = None
    sort_object: Column | None = None
    entries_in_use: int | None = None
    """When the layout was read."""
    capacity: int | None = None
    zone: Zone = UNKNOWN_ZONE
    refused: tuple[Refused, ...] = ()

    @property
    def time_index(self) -> int | None:
        """Which column tells a row's time: the sort object if it is a clock's time, else the first that is."""
        clocks = [place for place, column in enumerate(self.columns) if _key(column.captured) == _CLOCK_TIME]
        sorting = [place for place in clocks if self.columns[place].captured == self.sort_object]
        return next(iter(sorting + clocks), None)


def read_layout(conversation: Asking, obis: Obis) -> Exchange[ProfileLayout]:
    """Return what a profile is: capture objects, their scalers, the zone of its clock, period, order and size."""
    found = yield from answers(conversation, PROFILE_GENERIC, obis, _TOLD)
    captured = found.required(_COLUMNS, capture_objects)
    scalings = yield from _scalings(conversation, captured)
    layout = ProfileLayout(
        obis,
        tuple(ProfileColumn(column, kind_of(column), scalings.get(column.ref)) for column in captured),
        found.optional(_PERIOD, count) or 0,
        found.optional(_SORT, lambda data: choice(data, SortMethod)),
        found.optional(_SORT_OBJECT, capture_object),
        found.optional(ENTRIES_IN_USE, count),
        found.optional(_CAPACITY, count),
        refused=found.refused,
    )
    if layout.time_index is None:
        return layout
    clock = layout.columns[layout.time_index].captured.ref.obis
    return replace(layout, zone=(yield from read_zone(conversation, clock)))


def reset_profile(conversation: Asking, obis: Obis) -> Exchange[None]:
    """Clear the buffer (method 1, reset)."""
    yield from invoke(conversation, MethodRef(PROFILE_GENERIC, obis, _RESET))


def capture_profile(conversation: Asking, obis: Obis) -> Exchange[None]:
    """Capture a row now (method 2, capture)."""
    yield from invoke(conversation, MethodRef(PROFILE_GENERIC, obis, _CAPTURE))


def capture_objects(data: Data) -> tuple[Column, ...]:
    """Return the columns that attribute 3 lists; raise BadData."""
    items = array(data)
    if not 0 < len(items) <= MAX_COLUMNS:
        raise BadData(f"a profile of {len(items)} columns, 1 to {MAX_COLUMNS} are possible")
    return tuple(capture_object(item) for item in items)


def capture_object(item: Data) -> Column:
    """Return the column that a capture_object_definition means; raise BadData."""
    class_id, name, attribute, index = structure(item, 4)
    return Column(AttributeRef(integer(class_id), logical_name(name), integer(attribute)), integer(index))


def kind_of(column: Column) -> ColumnKind:
    """Return what a captured attribute is taken for; one element of an attribute, or all of an object, is plain."""
    key, obis = _key(column), column.ref.obis
    if column.index:
        return ColumnKind.PLAIN
    if key in _MOMENTS:
        return ColumnKind.MOMENT
    if scaler_attribute(*key) is not None:
        return ColumnKind.SCALED
    if key == (1, 2) and (obis.c, obis.d) == _STATUS_OBIS:
        return ColumnKind.STATUS
    return ColumnKind.PLAIN


def _key(column: Column) -> tuple[int, int]:
    return column.ref.class_id, column.ref.attribute


def _scalings(conversation: Asking, columns: Sequence[Column]) -> Exchange[dict[AttributeRef, ScalerUnit]]:
    """Return scaler and unit of the columns that have one: each object is asked once, whatever the meter refuses."""
    asked: dict[AttributeRef, AttributeRef] = {}
    for column in columns:
        attribute = scaler_attribute(*_key(column))
        if attribute is not None and not column.index:
            asked[column.ref] = AttributeRef(column.ref.class_id, column.ref.obis, attribute)
    unique = list(dict.fromkeys(asked.values()))
    results = yield from conversation.get_many(unique) if unique else _none()
    known = {ref: _scaling(result) for ref, result in zip(unique, results, strict=True)}
    return {ref: scaling for ref, where in asked.items() if (scaling := known[where]) is not None}


def _none() -> Exchange[list[Data | BridgeError]]:
    yield from ()
    return []


def _scaling(result: Data | BridgeError) -> ScalerUnit | None:
    if isinstance(result, BridgeError):
        return None
    try:
        return scaler_unit(result)
    except BadData:
        return None
