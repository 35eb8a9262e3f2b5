"""A meter's objects as values, asked without any protocol; and one profile that can be as odd as meters are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar, cast

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import ObjectUndefined
from poller.dlms.exchange import Exchange

T = TypeVar("T")

Attribute = Data | BridgeError | Callable[[Selection | None], Data]
Method = Callable[[Data | None], Data | None]


def run(exchange: Exchange[T]) -> T:
    """Drive an exchange that needs no octets."""
    try:
        next(exchange)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the exchange waits for octets")


def integer(value: int, kind: DataType = DataType.UINT32) -> Data:
    return Data(kind, value)


def octets(value: bytes) -> Data:
    return Data(DataType.OCTET_STRING, value)


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def array(*members: Data) -> Data:
    return Data(DataType.ARRAY, members)


def scaling(scaler: int, unit: int) -> Data:
    return structure(Data(DataType.INT8, scaler), Data(DataType.ENUM, unit))


def name(text: str) -> Data:
    return octets(Obis.parse(text).to_bytes())


def capture(class_id: int, obis: str, attribute: int = 2, index: int = 0) -> Data:
    return structure(
        integer(class_id, DataType.UINT16),
        name(obis),
        Data(DataType.INT8, attribute),
        integer(index, DataType.UINT16),
    )


NULL = Data(DataType.NULL, None)


@dataclass
class Objects:
    """Attributes and methods by reference; what is not here is undefined, as in a meter."""

    attributes: dict[AttributeRef, Attribute] = field(default_factory=dict)
    methods: dict[MethodRef, Method] = field(default_factory=dict)
    asked: list[AttributeRef] = field(default_factory=list)
    written: list[tuple[AttributeRef, Data]] = field(default_factory=list)
    invoked: list[tuple[MethodRef, Data | None]] = field(default_factory=list)

    def give(self, class_id: int, obis: str | Obis, attributes: Mapping[int, Attribute]) -> None:
        """Have an object."""
        where = Obis.parse(obis) if isinstance(obis, str) else obis
        self.attributes |= {AttributeRef(class_id, where, number): value for number, value in attributes.items()}

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
        yield from ()
        self.asked.append(ref)
        found = self.attributes.get(ref, ObjectUndefined("object-undefined (4)"))
        if isinstance(found, BridgeError):
            raise found
        return found(selection) if callable(found) else found

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        results: list[Data | BridgeError] = []
        for ref in refs:
            try:
                results.append((yield from self.get(ref)))
            except BridgeError as error:
                results.append(error)
        return results

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
        yield from ()
        if ref not in self.attributes:
            raise ObjectUndefined("object-undefined (4)")
        self.written.append((ref, data))
        self.attributes[ref] = data

    def action(self, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
        yield from ()
        self.invoked.append((method, parameters))
        if method not in self.methods:
            raise ObjectUndefined("object-undefined (4)")
        return self.methods[method](parameters)


PROFILE = Obis(1, 0, 99, 1, 0)
BUFFER = AttributeRef(7, PROFILE, 2)
QUARTER = timedelta(minutes=15)


@lru_cache(4096)
def _row(time: datetime, counter: int, clock_column: int) -> Data:
    cells = [integer(counter), integer(7, DataType.UINT8)]
    cells.insert(clock_column, octets(DateTime.from_datetime(time).to_bytes()))
    return structure(*cells)


@lru_cache(64)
def _rows(start: datetime, period: timedelta, count: int, clock_column: int) -> tuple[tuple[datetime, Data], ...]:
    times = [start + period * number for number in range(count)]
    return tuple((time, _row(time, 1000 + number, clock_column)) for number, time in enumerate(times))


@dataclass
class Profile:
    """A load profile of a clock and a counter at regular times, the oldest row first.

    ``by_range`` and ``by_entry`` may be replaced by what odd meters do.
    """

    start: datetime
    count: int
    period: timedelta = QUARTER
    newest_first: bool = False
    clock_column: int = 0
    by_range: Callable[["Profile", Data], Data] = lambda profile, parameters: profile.ranged(parameters)
    by_entry: Callable[["Profile", Data], Data] = lambda profile, parameters: profile.placed(parameters)
    zone: int | None = None
    requests: list[int] = field(default_factory=list)

    def times(self) -> list[datetime]:
        return [self.start + self.period * number for number in range(self.count)]

    def row(self, time: datetime) -> Data:
        return _row(time, round((time - self.start) / self.period) + 1000, self.clock_column)

    def rows(self) -> list[tuple[datetime, Data]]:
        rows = list(_rows(self.start, self.period, self.count, self.clock_column))
        return rows[::-1] if self.newest_first else rows

    def everything(self) -> Data:
        return array(*(row for _, row in self.rows()))

    def last_row(self) -> Data:
        return array(self.row(self.times()[-1]))

    def ranged(self, parameters: Data) -> Data:
        members = cast("tuple[Data, ...]", parameters.value)
        restricting, start, end = members[:3]
        assert restricting == capture(8, "0-0:1.0.0")
        low, high = (self.bound(each) for each in (start, end))
        return array(*(row for time, row in self.rows() if low <= time <= high))

    def placed(self, parameters: Data) -> Data:
        first, last = (cast("int", each.value) for each in cast("tuple[Data, ...]", parameters.value)[:2])
        return array(*(row for _, row in self.rows()[first - 1 : last]))

    @staticmethod
    def bound(data: Data) -> datetime:
        value = data.value if isinstance(data.value, DateTime) else DateTime.from_bytes(cast("bytes", data.value))
        moment = value.to_datetime()
        assert moment is not None
        return moment

    def buffer(self, selection: Selection | None) -> Data:
        self.requests.append(selection.selector if selection else 0)
        if selection is None:
            return self.everything()
        return (self.by_range if selection.selector == 1 else self.by_entry)(self, selection.parameters)

    def install(self) -> Objects:
        """Return a meter with this profile."""
        columns = [capture(3, "1-0:1.8.0"), capture(1, "0-0:96.10.1")]
        columns.insert(self.clock_column, capture(8, "0-0:1.0.0"))
        objects = Objects()
        objects.give(
            7,
            PROFILE,
            {
                2: self.buffer,
                3: array(*columns),
                4: integer(round(self.period.total_seconds())),
                5: Data(DataType.ENUM, 2 if self.newest_first else 1),
                6: capture(8, "0-0:1.0.0"),
                7: lambda _: integer(self.count),
                8: integer(max(self.count, 1)),
            },
        )
        objects.give(3, "1-0:1.8.0", {2: integer(5), 3: scaling(-1, 30)})
        if self.zone is not None:
            objects.give(8, "0-0:1.0.0", {3: Data(DataType.INT16, self.zone), 7: integer(60, DataType.INT8), 8: NULL})
        return objects
