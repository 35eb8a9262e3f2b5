"""The COSEM objects of one simulated meter and what their attributes answer.

The nine octets that name an attribute in a GET (class, logical name, attribute) in; encoded data with its raw value,
or the reason of refusal, out. Registers step the counters in ``quantities``. No association, no transport, no log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Final, NamedTuple

from common.clock import Clock
from common.obis import Obis
from poller.simulator import axdr, quantities
from poller.simulator.axdr import Form
from poller.simulator.personality import Personality
from poller.simulator.quantities import Registers


class DataAccess(IntEnum):
    """data-access-result codes a meter answers with."""

    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    SCOPE_VIOLATED = 13
    NO_LONG_GET = 16
    BLOCK_NUMBER_INVALID = 19


Raw = int | str | list[int]


class Reading(NamedTuple):
    """An attribute's encoded data, and the same for the log."""

    data: bytes
    raw: Raw


Forge = Callable[[bytes, bytes], bytes]
"""Data but for its last two octets, and a wanted frame checksum, to those two octets."""
Reader = Callable[[Forge | None], Reading]
Quantity = Callable[[int], int]

_DATA: Final = 1
_REGISTER: Final = 3
_CLOCK: Final = 8
_ASSOCIATION: Final = 15
_UNITS: Final = {1: (30, 27), 2: (30, 27), 3: (32, 29), 4: (32, 29), 9: (31, 28), 10: (31, 28)}
"""Value group C to the unit of its energies and of its demands."""
_ENERGY_D: Final = (8, 9, 29)
_DEMAND_D: Final = (2, 6, 16)


@dataclass(frozen=True, slots=True)
class Measured:
    """One register: value groups C, D, E, how its number is written, and the number."""

    groups: tuple[int, int, int]
    form: Form
    scaler: int
    unit: int
    quantity: Quantity


def _slow(start: int, reads: int) -> Quantity:
    """Return a number that begins at ``start`` and rises by one in so many reads."""
    return lambda count: start + count // reads


_PHASES: Final = range(3)
MEASURED: Final = (
    *(Measured((32 + 20 * p, 7, 0), Form.UINT32, -2, 35, partial(quantities.voltage, phase=p)) for p in _PHASES),
    *(Measured((31 + 20 * p, 7, 0), Form.UINT32, -3, 33, partial(quantities.current, phase=p)) for p in _PHASES),
    *(Measured((21 + 20 * p, 7, 0), Form.INT32, -1, 27, partial(quantities.phase_power, phase=p)) for p in _PHASES),
    Measured((14, 7, 0), Form.UINT32, -2, 44, quantities.frequency),
    Measured((1, 7, 0), Form.INT32, -1, 27, quantities.active_power),
    Measured((15, 7, 0), Form.INT32, -1, 27, quantities.active_power),
    Measured((3, 7, 0), Form.INT32, -1, 29, quantities.reactive_power),
    Measured((9, 7, 0), Form.UINT32, -1, 28, quantities.apparent_power),
    Measured((13, 7, 0), Form.INT16, -3, 255, quantities.power_factor),
)
FAMILIES: Final = tuple(
    Measured(
        (c, d, e),
        Form.UINT32,
        0,
        _UNITS[c][0 if d in _ENERGY_D else 1],
        _slow(1_000 * c + 100 * d + e, 10 * (e + 1)),
    )
    for c in _UNITS
    for d in (*_ENERGY_D, *_DEMAND_D)
    for e in range(5)
    if (c, d, e) != (1, 8, 0)
)
ACTIVE_ENERGY: Final = (1, 8, 0)

PROTECTED: Final = frozenset({Obis(0, 0, 96, 2, 0).to_bytes(), Obis(0, 0, 240, 26, 0).to_bytes()})
"""Objects that an association without password is not shown."""


@dataclass(slots=True)
class ObjectBook:
    """All objects of one meter. ``poison`` chooses values so that 0x7E turns up wherever it can."""

    kind: Personality
    serial: str
    clock: Clock
    registers: Registers
    poison: bool = False
    hidden: set[bytes] = field(default_factory=set)
    """Logical names that this meter has ceased to have."""
    _readers: dict[bytes, Reader] = field(default_factory=dict)
    _classes: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for measured in (*MEASURED, *FAMILIES):
            self._register(measured)
        name = self._name(ACTIVE_ENERGY)
        self._add(_REGISTER, name, {2: self._active_energy, 3: _constant(axdr.scaler_unit(0, 30), [0, 30])})
        self._texts()
        self._add(
            _CLOCK,
            bytes((0, 0, 1, 0, 0, 255)),
            {
                2: self._time,
                3: _constant(Form.INT16.encode(0), 0),
                4: _constant(Form.UINT8.encode(0), 0),
            },
        )
        self._add(
            _ASSOCIATION,
            bytes((0, 0, 40, 0, 0, 255)),
            {
                2: self._object_list,
                8: _constant(Form.ENUM.encode(2), 2),
            },
        )

    def read(self, key: bytes, *, trusted: bool, forge: Forge | None = None) -> Reading | DataAccess:
        """Return what attribute ``key`` answers to a client that gave a password (``trusted``) or none."""
        name = key[2:8]
        reader = self._readers.get(key)
        if reader is None or name in self.hidden:
            return self._whole(key) if key[8] == 0 and self._has(key) else self._absent(key)
        if not trusted and name in PROTECTED and key[8] > 1:
            return DataAccess.READ_WRITE_DENIED
        return reader(forge)

    def _has(self, key: bytes) -> bool:
        return self._classes.get(key[2:8]) == key[:2] and key[2:8] not in self.hidden

    def _absent(self, key: bytes) -> DataAccess:
        """Say why there is no such attribute."""
        if key[2:8] in self.hidden or key[2:8] not in self._classes:
            return DataAccess.OBJECT_UNDEFINED
        return DataAccess.OBJECT_UNAVAILABLE if self._has(key) else DataAccess.OBJECT_CLASS_INCONSISTENT

    def _whole(self, key: bytes) -> Reading:
        """Attribute 0: all attributes in one structure."""
        parts = [self._readers[at](None) for at in sorted(self._readers) if at.startswith(key[:8])]
        return Reading(axdr.structure([part.data for part in parts]), f"{len(parts)} attributes")

    def _name(self, groups: tuple[int, int, int]) -> bytes:
        return Obis(1, self.kind.channel, *groups).to_bytes()

    def _add(self, class_id: int, name: bytes, attributes: Mapping[int, Reader]) -> None:
        head = class_id.to_bytes(2, "big")
        self._classes[name] = head
        self._readers[head + name + b"\x01"] = _constant(axdr.octet_string(name), str(Obis.from_bytes(name)))
        for attribute, reader in attributes.items():
            self._readers[head + name + bytes((attribute,))] = reader

    def _register(self, measured: Measured) -> None:
        scaling = [measured.scaler, measured.unit]
        self._add(
            _REGISTER,
            self._name(measured.groups),
            {
                2: partial(self._value, measured),
                3: _constant(axdr.scaler_unit(*scaling), scaling),
            },
        )

    def _value(self, measured: Measured, forge: Forge | None) -> Reading:
        count = self.registers.next_count()
        number = self._poisoned(measured.form, count, forge) if self.poison else measured.quantity(count)
        return Reading(measured.form.encode(number), number)

    def _poisoned(self, form: Form, count: int, forge: Forge | None) -> int:
        """Return a number with 0x7E in it or in the checksum of the frame that will carry it."""
        head = quantities.poisoned_head(form, count)
        tail = bytes((0x7E, count & 0xFF))
        if forge is not None:
            tail = forge(bytes((form.tag,)) + head, quantities.poisoned_checksum(count))
        return int(form.unpack(head + tail)[0])

    def _active_energy(self, _forge: Forge | None) -> Reading:
        self.registers.next_count()
        number = self.registers.next_energy()
        return Reading(Form.UINT32.encode(number), number)

    def _time(self, _forge: Forge | None) -> Reading:
        octets = axdr.date_time(self.clock.wall_ms())
        return Reading(axdr.octet_string(octets), octets.hex())

    def _texts(self) -> None:
        """Serial number, firmware and the other plain Data objects."""
        texts = {(1, 0, 0, 0, 0): self.serial, (0, 0, 96, 1, 0): self.serial, (1, 0, 0, 2, 0): "SIM 1.0"}
        for groups, text in texts.items():
            self._add(_DATA, bytes((*groups, 255)), {2: _constant(axdr.octet_string(text.encode()), text)})
        numbers = {(1, 0, 0, 1, 0): 12, (1, 0, 0, 3, 3): 1_000, (1, 0, 0, 4, 2): 1, (0, 0, 96, 2, 0): 3}
        numbers |= {(0, 0, 96, 14, 0): 1, (0, 0, 97, 97, 0): 0, (0, 0, 240, 26, 0): 0}
        for groups, number in numbers.items():
            self._add(_DATA, bytes((*groups, 255)), {2: _constant(Form.UINT16.encode(number), number)})

    def _object_list(self, _forge: Forge | None) -> Reading:
        entries = [self._entry(name, head) for name, head in self._classes.items() if name not in self.hidden]
        return Reading(axdr.array(entries), f"{len(entries)} objects")

    def _entry(self, name: bytes, head: bytes) -> bytes:
        """Return one element of an object list: class, version, logical name, what may be read."""
        attributes = sorted(key[8] for key in self._readers if key.startswith(head + name))
        rights = [axdr.structure((Form.INT8.encode(at), Form.ENUM.encode(1), axdr.NULL)) for at in attributes]
        version = 1 if int.from_bytes(head, "big") == _ASSOCIATION else 0
        return axdr.structure((
            Form.UINT16.encode(int.from_bytes(head, "big")),
            Form.UINT8.encode(version),
            axdr.octet_string(name),
            axdr.structure((axdr.array(rights), axdr.array(()))),
        ))


def _constant(data: bytes, raw: Raw) -> Reader:
    reading = Reading(data, raw)
    return lambda _forge: reading
