"""Rules that measured values obey by physics. They mark a reading, they never change a value.

In: the quantities of a cycle, exact. Out: what is implausible, in words. Only the last energies are remembered. Pure.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from common.reading import Quantity

ENERGIES: Final = ("active_energy", "active_energy_export", "reactive_energy")
POWERS: Final = (("active_power", "apparent_power"), ("reactive_power", "apparent_power"))
APART: Final = Decimal("1.05")  # P and S are read one after the other: a load may change by this much between them


class Plausibility:
    """The rules, with the last energies of one meter."""

    def __init__(self) -> None:
        self._energies: dict[str, Decimal] = {}
        self._serial = ""

    def check(self, quantities: Iterable[Quantity], serial: str = "") -> tuple[str, ...]:
        """Return one text per broken rule, and remember the energies; another meter's registers start anew."""
        if serial != self._serial:
            self._energies.clear()
            self._serial = serial
        values = {item.key: value for item in quantities if isinstance(value := item.exact(), Decimal)}
        return (*_powers(values), *self._fallen(values))

    def _fallen(self, values: Mapping[str, Decimal]) -> list[str]:
        problems = []
        for key in ENERGIES:
            value, before = values.get(key), self._energies.get(key)
            if value is None:
                continue
            if before is not None and value < before:
                problems.append(f"{key} fell from {before} to {value}")
            self._energies[key] = value
        return problems


def _powers(values: Mapping[str, Decimal]) -> list[str]:
    """abs(P) <= S, and the same for Q."""
    return [
        f"{part} {values[part]} is greater than {whole} {values[whole]}"
        for part, whole in POWERS
        if part in values and whole in values and abs(values[part]) > abs(values[whole]) * APART
    ]
