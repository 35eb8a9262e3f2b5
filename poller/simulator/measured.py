"""What a simulated meter measures and how it is named, as objects.

Counters from ``quantities`` in; registers, demand registers and the plain data of a meter in its book, out. Nothing
here is written by clients; what can be is in ``stores``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from common.obis import Obis
from poller.simulator import axdr, quantities
from poller.simulator.axdr import Form
from poller.simulator.objects import Forge, ObjectBook, Reader, Reading, constant, number
from poller.simulator.quantities import Registers

Quantity = Callable[[int], int]

_DATA: Final = 1
_REGISTER: Final = 3
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


@dataclass(frozen=True, slots=True)
class Measuring:
    """The readers of one meter's registers."""

    registers: Registers
    poison: bool

    def value(self, measured: Measured, forge: Forge | None) -> Reading:
        """Return the next value of a register."""
        count = self.registers.next_count()
        found = self._poisoned(measured.form, count, forge) if self.poison else measured.quantity(count)
        return Reading(measured.form.encode(found), found)

    def _poisoned(self, form: Form, count: int, forge: Forge | None) -> int:
        """Return a number with 0x7E in it or in the checksum of the frame that will carry it."""
        head = quantities.poisoned_head(form, count)
        tail = bytes((0x7E, count & 0xFF))
        if forge is not None:
            tail = forge(bytes((form.tag,)) + head, quantities.poisoned_checksum(count))
        return int(form.unpack(head + tail)[0])

    def active_energy(self, _forge: Forge | None) -> Reading:
        """Return the active energy, which rises by one with every answer."""
        self.registers.next_count()
        energy = self.registers.next_energy()
        return Reading(Form.UINT32.encode(energy), energy)


def install(book: ObjectBook, registers: Registers, channel: int) -> None:
    """Add all registers; ``channel`` is their value group B."""
    measuring = Measuring(registers, book.poison)
    readers: dict[int, Reader]
    for measured in (*MEASURED, *FAMILIES):
        scaling = [measured.scaler, measured.unit]
        readers = {2: partial(measuring.value, measured), 3: constant(axdr.scaler_unit(*scaling), scaling)}
        book.add(_REGISTER, Obis(1, channel, *measured.groups).to_bytes(), readers)
    readers = {2: measuring.active_energy, 3: constant(axdr.scaler_unit(0, 30), [0, 30])}
    book.add(_REGISTER, Obis(1, channel, *ACTIVE_ENERGY).to_bytes(), readers)


_NUMBERS: Final[Mapping[tuple[int, int, int, int, int], int]] = {
    (1, 0, 0, 1, 0): 12,
    (1, 0, 0, 3, 3): 1_000,
    (1, 0, 0, 4, 2): 1,
    (0, 0, 96, 2, 0): 3,
    (0, 0, 96, 14, 0): 1,
    (0, 0, 97, 97, 0): 0,
    (0, 0, 240, 26, 0): 0,
}


def install_names(book: ObjectBook, serial: str, title: bytes) -> None:
    """Add serial number, firmware, logical device name and the other plain Data objects."""
    texts = {(1, 0, 0, 0, 0): serial, (0, 0, 96, 1, 0): serial, (1, 0, 0, 2, 0): "SIM 1.0"}
    texts[0, 0, 42, 0, 0] = f"SIM{serial[-8:]:0>13}"
    for groups, text in texts.items():
        book.add(_DATA, bytes((*groups, 255)), {2: constant(axdr.octet_string(text.encode()), text)})
    for groups, found in _NUMBERS.items():
        book.add(_DATA, bytes((*groups, 255)), {2: number(Form.UINT16, found)})
    if title:
        book.add(_DATA, bytes((0, 0, 96, 1, 1, 255)), {2: constant(axdr.octet_string(title), title.hex())})
