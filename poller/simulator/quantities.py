"""What a simulated meter measures: whole numbers as a function of how often it was asked.

A count of value reads in, raw integers out. The numbers vary smoothly in the ranges of a small three-phase supply
(124.8 to 137.8 V, 1.23 to 1.35 A, 59.97 to 60.01 Hz, about 0.45 kW) and fit one another: abs(P) <= S, and S² = P² + Q²
but for rounding. Reads of different counts belong to different moments; the power factor leaves room for that.
Nothing random, no clock.
"""

from dataclasses import dataclass
from math import pi, sin, sqrt
from typing import Final

from poller.simulator.axdr import Form

_PERIOD: Final = 600
"""Value reads for one slow swing of the voltage."""
FIRST_ENERGY: Final = 56_281_000
"""Wh on the register of the first meter; each further meter starts ENERGY_STEP higher, so that mix-ups show."""
ENERGY_STEP: Final = 1_000_000
_ENERGY_STARTS: Final = 4_000
"""Different starts before they repeat: an unsigned 32-bit register must not overflow."""


def first_energy(index: int) -> int:
    """Return the energy that meter number ``index`` (from 0) starts with, in Wh."""
    return FIRST_ENERGY + ENERGY_STEP * (index % _ENERGY_STARTS)


def _swing(count: int, phase: int, pace: float) -> float:
    return sin(2 * pi * (count * pace / _PERIOD + phase / 3))


def voltage(count: int, phase: int = 0) -> int:
    """Return a phase's voltage in 10^-2 V."""
    return 13_130 + round(650 * _swing(count, phase, 1.0))


def current(count: int, phase: int = 0) -> int:
    """Return a phase's current in 10^-3 A."""
    return 1_290 + round(60 * _swing(count, phase, 1.7))


def frequency(count: int) -> int:
    """Return the frequency in 10^-2 Hz."""
    return 5_999 + round(2 * _swing(count, 0, 0.6))


def power_factor(count: int) -> int:
    """Return the power factor in 10^-3, never above 0.95."""
    return 920 + round(30 * _swing(count, 0, 0.3))


def apparent_power(count: int) -> int:
    """Return the apparent power of three phases in 10^-1 VA."""
    return sum(voltage(count, phase) * current(count, phase) for phase in range(3)) // 10_000


def active_power(count: int) -> int:
    """Return the active power of three phases in 10^-1 W."""
    return apparent_power(count) * power_factor(count) // 1_000


def reactive_power(count: int) -> int:
    """Return the reactive power of three phases in 10^-1 var."""
    return int(sqrt(apparent_power(count) ** 2 - active_power(count) ** 2))


def phase_power(count: int, phase: int) -> int:
    """Return one phase's active power in 10^-1 W."""
    return voltage(count, phase) * current(count, phase) // 10_000 * power_factor(count) // 1_000


@dataclass(slots=True)
class Registers:
    """The counters behind one simulated meter."""

    count: int = 0
    """Value reads so far; the argument of every quantity but the energy."""
    energy: int = FIRST_ENERGY
    """What the next read of the active energy answers, in Wh."""

    def next_count(self) -> int:
        """Return the count of this read and step on."""
        self.count += 1
        return self.count

    def next_energy(self) -> int:
        """Return the active energy of this read and raise it by exactly one."""
        self.energy += 1
        return self.energy - 1


def poisoned_head(form: Form, count: int) -> bytes:
    """Return all but the last two octets of a poisoned value: never negative, with 0x7E in it every other time."""
    filler = b"\x7e" if count & 1 else b"\x00"
    return (b"\x00" + filler * form.size)[: form.size - 2]


def poisoned_checksum(count: int) -> bytes:
    """Return the frame checksum wanted for read number ``count``: 0x7E first, last or in both octets."""
    other = count >> 1 & 0xFF
    return bytes((0x7E, other)) if count & 1 else bytes((other, 0x7E))
