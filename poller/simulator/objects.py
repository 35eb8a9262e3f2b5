"""The COSEM objects of one simulated meter: what their attributes answer and take, and what their methods do.

The nine octets that name an attribute or a method (class, logical name, number) and who asks in; encoded data with its
raw value, or the reason of refusal, out. Objects are made in modules of their own and put in with ``add``. No log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from common.obis import Obis
from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.values import Value


class DataAccess(IntEnum):
    """data-access-result and action-result codes a meter answers with."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ABORTED = 15
    NO_LONG_GET = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET = 18
    BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


Raw = int | str | list[int]


class Reading(NamedTuple):
    """An attribute's encoded data, and the same for the log."""

    data: bytes
    raw: Raw


class Selection(NamedTuple):
    """What a client wants of a long attribute."""

    selector: int
    value: Value


class Done(NamedTuple):
    """What a method came to, and the data it returns."""

    result: DataAccess = DataAccess.SUCCESS
    data: bytes | None = None


Forge = Callable[[bytes, bytes], bytes]
"""Data but for its last two octets, and a wanted frame checksum, to those two octets."""
Reader = Callable[[Forge | None], Reading]
Viewer = Callable[[Granted, Selection | None], Reading | DataAccess]
"""A reader that looks at who asks, and for what part."""
Writer = Callable[[Value, Granted], DataAccess]
Method = Callable[[Value, Granted], Done]

PROTECTED: Final = frozenset({Obis(0, 0, 96, 2, 0).to_bytes(), Obis(0, 0, 240, 26, 0).to_bytes()})
"""Objects that an association without password is not shown."""
_NO_ACCESS, _READ_ONLY, _WRITE_ONLY, _READ_AND_WRITE = 0, 1, 2, 3
FIRST_BASE: Final = 0x0100
BASE_STEP: Final = 0x00A0
"""Short names: an object has room for seventeen attributes, or for its attributes and the methods of a clock."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One object: the two octets of its class, its version, and where its attributes begin in short names."""

    head: bytes
    version: int
    name: bytes
    base: int
    attributes: list[int] = field(default_factory=list)
    methods: list[int] = field(default_factory=list)

    @property
    def class_id(self) -> int:
        """The class as a number."""
        return int.from_bytes(self.head, "big")


@dataclass(slots=True)
class ObjectBook:
    """All objects of one meter. ``poison`` chooses values so that 0x7E turns up wherever it can."""

    poison: bool = False
    hidden: set[bytes] = field(default_factory=set)
    """Logical names that this meter has ceased to have."""
    instances: dict[bytes, Instance] = field(default_factory=dict)
    _readers: dict[bytes, Reader] = field(default_factory=dict)
    _viewers: dict[bytes, Viewer] = field(default_factory=dict)
    _writers: dict[bytes, Writer] = field(default_factory=dict)
    _methods: dict[bytes, Method] = field(default_factory=dict)
    _selectors: dict[bytes, tuple[int, ...]] = field(default_factory=dict)

    def add(self, class_id: int, name: bytes, attributes: Mapping[int, Reader], version: int = 0) -> None:
        """Add an object with attributes that answer everybody alike; attribute 1 is its name."""
        head = class_id.to_bytes(2, "big")
        instance = Instance(head, version, name, FIRST_BASE + BASE_STEP * len(self.instances))
        self.instances[name] = instance
        own_name = constant(axdr.octet_string(name), str(Obis.from_bytes(name)))
        for attribute, reader in {1: own_name, **attributes}.items():
            self._readers[head + name + bytes((attribute,))] = reader
            instance.attributes.append(attribute)

    def views(self, name: bytes, viewers: Mapping[int, Viewer], selectors: tuple[int, ...] = ()) -> None:
        """Let attributes of an object answer by who asks; ``selectors``: the parts that can be asked for."""
        instance = self.instances[name]
        for attribute, viewer in viewers.items():
            key = instance.head + name + bytes((attribute,))
            self._viewers[key] = viewer
            self._selectors[key] = selectors
            instance.attributes.append(attribute)

    def takes(self, name: bytes, writers: Mapping[int, Writer]) -> None:
        """Let attributes of an object be written."""
        instance = self.instances[name]
        for attribute, writer in writers.items():
            self._writers[instance.head + name + bytes((attribute,))] = writer
            if attribute not in instance.attributes:
                instance.attributes.append(attribute)

    def does(self, name: bytes, methods: Mapping[int, Method]) -> None:
        """Give an object methods."""
        instance = self.instances[name]
        for number, method in methods.items():
            self._methods[instance.head + name + bytes((number,))] = method
            instance.methods.append(number)

    def read(
        self, key: bytes, granted: Granted, selection: Selection | None = None, forge: Forge | None = None
    ) -> Reading | DataAccess:
        """Return what attribute ``key`` answers."""
        name = key[2:8]
        reader = self._readers.get(key)
        if reader is None or name in self.hidden:
            return self._uncommon(key, granted, selection)
        if not granted.trusted and name in PROTECTED and key[8] > 1:
            return DataAccess.READ_WRITE_DENIED
        return reader(forge) if selection is None else DataAccess.SCOPE_VIOLATED

    def _uncommon(self, key: bytes, granted: Granted, selection: Selection | None) -> Reading | DataAccess:
        if not self._has(key):
            return self._absent(key)
        viewer = self._viewers.get(key)
        if viewer is not None:
            if selection is not None and selection.selector not in self._selectors[key]:
                return DataAccess.SCOPE_VIOLATED
            return viewer(granted, selection)
        if key[8] == 0:
            return self._whole(key, granted)
        return DataAccess.READ_WRITE_DENIED if key in self._writers else self._absent(key)

    def write(self, key: bytes, value: Value, granted: Granted) -> DataAccess:
        """Let attribute ``key`` take a value."""
        if not self._has(key) or key[8] not in self.instances[key[2:8]].attributes:
            return self._absent(key)
        writer = self._writers.get(key)
        return DataAccess.READ_WRITE_DENIED if writer is None or not granted.trusted else writer(value, granted)

    def call(self, key: bytes, value: Value, granted: Granted) -> Done:
        """Carry out method ``key``."""
        method = self._methods.get(key)
        if method is None or key[2:8] in self.hidden:
            return Done(self._absent(key))
        return method(value, granted) if granted.trusted else Done(DataAccess.READ_WRITE_DENIED)

    def _has(self, key: bytes) -> bool:
        instance = self.instances.get(key[2:8])
        return instance is not None and instance.head == key[:2] and instance.name not in self.hidden

    def _absent(self, key: bytes) -> DataAccess:
        """Say why there is no such attribute or method."""
        if key[2:8] in self.hidden or key[2:8] not in self.instances:
            return DataAccess.OBJECT_UNDEFINED
        return DataAccess.OBJECT_UNAVAILABLE if self._has(key) else DataAccess.OBJECT_CLASS_INCONSISTENT

    def _whole(self, key: bytes, granted: Granted) -> Reading:
        """Attribute 0: all attributes in one structure."""
        attributes = sorted(self.instances[key[2:8]].attributes)
        outcomes = [self.read(key[:8] + bytes((attribute,)), granted) for attribute in attributes]
        parts = [axdr.NULL if isinstance(outcome, DataAccess) else outcome.data for outcome in outcomes]
        return Reading(axdr.structure(parts), f"{len(parts)} attributes")

    def listed(self) -> list[Instance]:
        """Return the objects that an object list shows, in their order."""
        return [instance for name, instance in self.instances.items() if name not in self.hidden]

    def rights(self, instance: Instance, granted: Granted) -> bytes:
        """Return the access rights of an object (62056-6-2, Association LN, object_list)."""
        attributes = [self._attribute_right(instance, at, granted) for at in sorted(instance.attributes)]
        mode = Form.ENUM.encode(int(granted.trusted))
        methods = [axdr.structure((Form.INT8.encode(number), mode)) for number in sorted(instance.methods)]
        return axdr.structure((axdr.array(attributes), axdr.array(methods)))

    def _attribute_right(self, instance: Instance, attribute: int, granted: Granted) -> bytes:
        key = instance.head + instance.name + bytes((attribute,))
        selectors = self._selectors.get(key)
        shown = axdr.array([Form.INT8.encode(each) for each in selectors]) if selectors else axdr.NULL
        return axdr.structure((Form.INT8.encode(attribute), Form.ENUM.encode(self._mode(key, granted)), shown))

    def _mode(self, key: bytes, granted: Granted) -> int:
        if not granted.trusted and key[2:8] in PROTECTED and key[8] > 1:
            return _NO_ACCESS
        readable = key in self._readers or key in self._viewers
        writable = granted.trusted and key in self._writers
        return _READ_ONLY * readable + _WRITE_ONLY * writable


def constant(data: bytes, raw: Raw) -> Reader:
    """Return a reader that always answers the same."""
    reading = Reading(data, raw)
    return lambda _forge: reading


def number(form: Form, value: int) -> Reader:
    """Return a reader of a number that does not change."""
    return constant(form.encode(value), value)
