"""Parts of an attribute, as its class lets them be asked for (IEC 62056-6-2): Profile generic and Association LN.

Goes in: moments, entries, columns, classes, objects. Comes out: the Selection that a GET, an ACCESS or a parameterized
read carries. Whether a meter honours it is seen in what it answers, not here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadParameter

BY_RANGE: Final = 1
BY_ENTRY: Final = 2
"""Selectors of Profile generic, attribute 2 (class 7)."""
WITHOUT_RIGHTS: Final = 1
BY_CLASSES: Final = 2
BY_OBJECTS: Final = 3
BY_OBJECT: Final = 4
"""Selectors of Association LN, attribute 2 (class 15)."""
TO_THE_END: Final = 0
"""As the last entry or column: all there are."""
_UINT16: Final = 0xFFFF
_UINT32: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a profile captures: an attribute, or with ``index`` one element of it."""

    ref: AttributeRef
    index: int = 0

    def to_data(self) -> Data:
        """Return the capture_object_definition."""
        members = (
            *_object(self.ref.class_id, self.ref.obis),
            Data(DataType.INT8, self.ref.attribute),
            Data(DataType.UINT16, self.index),
        )
        return Data(DataType.STRUCTURE, members)


CLOCK_COLUMN: Final = Column(AttributeRef(8, Obis.parse("0-0:1.0.0*255"), 2))
"""The time of the clock, which almost every load profile has as its first column."""


def by_range(
    start: DateTime | Data, end: DateTime | Data, columns: Iterable[Column] = (), restricting: Column = CLOCK_COLUMN
) -> Selection:
    """Return the rows whose ``restricting`` column lies between two values, both included; no columns: all of them.

    A moment goes as octet-string, as the clock's time does; whatever else restricts is given as Data.
    """
    chosen = Data(DataType.ARRAY, tuple(column.to_data() for column in columns))
    parameters = (restricting.to_data(), _bound(start), _bound(end), chosen)
    return Selection(BY_RANGE, Data(DataType.STRUCTURE, parameters))


def by_entry(first: int, last: int = TO_THE_END, first_column: int = 1, last_column: int = TO_THE_END) -> Selection:
    """Return rows and columns by their places, counted from 1; raise BadParameter when there can be no such place.

    What entry 1 is, the oldest or the newest, depends on the profile's sort method.
    """
    _check("entries", first, last, _UINT32)
    _check("columns", first_column, last_column, _UINT16)
    entries = tuple(Data(DataType.UINT32, place) for place in (first, last))
    columns = tuple(Data(DataType.UINT16, place) for place in (first_column, last_column))
    return Selection(BY_ENTRY, Data(DataType.STRUCTURE, entries + columns))


def without_rights() -> Selection:
    """Return all objects of an association, without their access rights."""
    return Selection(WITHOUT_RIGHTS, Data(DataType.NULL, None))


def by_classes(class_ids: Iterable[int]) -> Selection:
    """Return the objects of the classes."""
    return Selection(BY_CLASSES, Data(DataType.ARRAY, tuple(Data(DataType.UINT16, each) for each in class_ids)))


def by_objects(objects: Iterable[tuple[int, Obis]]) -> Selection:
    """Return the objects of these classes and names."""
    wanted = tuple(Data(DataType.STRUCTURE, _object(class_id, obis)) for class_id, obis in objects)
    return Selection(BY_OBJECTS, Data(DataType.ARRAY, wanted))


def by_object(class_id: int, obis: Obis) -> Selection:
    """Return one object."""
    return Selection(BY_OBJECT, Data(DataType.STRUCTURE, _object(class_id, obis)))


def _object(class_id: int, obis: Obis) -> tuple[Data, Data]:
    return Data(DataType.UINT16, class_id), Data(DataType.OCTET_STRING, obis.to_bytes())


def _bound(value: DateTime | Data) -> Data:
    return value if isinstance(value, Data) else Data(DataType.OCTET_STRING, value.to_bytes())


def _check(name: str, first: int, last: int, most: int) -> None:
    if not 1 <= first <= most or not 0 <= last <= most or (last and last < first):
        raise BadParameter(f"{name} {first} to {last}: places count from 1, and the last is not before the first")
