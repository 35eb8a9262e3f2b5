"""Registers (IEC 62056-6-2, 4.3.2 Register, 4.3.3 Extended register, 4.3.4 Demand register): values with their scaler.

Goes in: a conversation, a logical name. Comes out: the meter's exact number, its scaler and unit, status and times.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from common.obis import Obis
from poller.dlms.cosem import ScalerUnit, exact, scaler_unit, unit_name
from poller.dlms.data import Data, DateTime, Value
from poller.dlms.descriptors import MethodRef
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Answers, Asking, Refused, answers, invoke
from poller.dlms.objects.fields import integer, moment

REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER = 3, 4, 5
_RESET, _NEXT_PERIOD = 1, 2
_DEMAND_ATTRIBUTES: Final = tuple(range(2, 10))


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: the meter's number, and what it means."""

    raw: Value
    scaling: ScalerUnit | None

    @property
    def value(self) -> Decimal | None:
        """The exact value; None when it is no finite number, or its scaler is not known."""
        return None if self.scaling is None else exact(self.raw, self.scaling.scaler)

    @property
    def unit(self) -> str | None:
        """The unit's symbol."""
        return None if self.scaling is None else unit_name(self.scaling.unit)


@dataclass(frozen=True, slots=True)
class Register:
    """Class 3."""

    obis: Obis
    measured: Measured
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtendedRegister:
    """Class 4: a register that knows its status, and when its value was captured."""

    obis: Obis
    measured: Measured
    status: Value
    """Manufacturer-specific, as it came."""
    captured: DateTime | None
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class DemandRegister:
    """Class 5: averages over ``periods`` sliding sub-periods of ``period`` seconds each."""

    obis: Obis
    current: Measured
    last: Measured
    status: Value
    captured: DateTime | None
    started: DateTime | None
    """When the measuring of the current value began."""
    period: int | None
    periods: int | None
    refused: tuple[Refused, ...] = ()


def read_register(conversation: Asking, obis: Obis) -> Exchange[Register]:
    """Return a register (4.3.2); without scaler_unit its value is only raw."""
    found = yield from answers(conversation, REGISTER, obis, (2, 3))
    measured = _measured(found, 2, found.optional(3, scaler_unit))
    return Register(obis, measured, found.refused)


def read_extended_register(conversation: Asking, obis: Obis) -> Exchange[ExtendedRegister]:
    """Return an extended register (4.3.3)."""
    found = yield from answers(conversation, EXTENDED_REGISTER, obis, (2, 3, 4, 5))
    measured = _measured(found, 2, found.optional(3, scaler_unit))
    status, captured = found.optional(4, _as_it_is), found.optional(5, moment)
    return ExtendedRegister(obis, measured, status, captured, found.refused)


def read_demand_register(conversation: Asking, obis: Obis) -> Exchange[DemandRegister]:
    """Return a demand register (4.3.4)."""
    found = yield from answers(conversation, DEMAND_REGISTER, obis, _DEMAND_ATTRIBUTES)
    scaling = found.optional(4, scaler_unit)
    current, last = _measured(found, 2, scaling), _measured(found, 3, scaling)
    status, captured, started = found.optional(5, _as_it_is), found.optional(6, moment), found.optional(7, moment)
    period, periods = found.optional(8, integer), found.optional(9, integer)
    return DemandRegister(obis, current, last, status, captured, started, period, periods, found.refused)


def reset_register(conversation: Asking, class_id: int, obis: Obis) -> Exchange[None]:
    """Set a register of any of the three classes back to its default value (method 1, reset)."""
    yield from invoke(conversation, MethodRef(class_id, obis, _RESET))


def next_period(conversation: Asking, obis: Obis) -> Exchange[None]:
    """End the current period of a demand register by hand (4.3.4, method 2, next_period)."""
    yield from invoke(conversation, MethodRef(DEMAND_REGISTER, obis, _NEXT_PERIOD))


def _as_it_is(data: Data) -> Value:
    return data.value


def _measured(found: Answers, attribute: int, scaling: ScalerUnit | None) -> Measured:
    return found.required(attribute, partial(_measure, scaling))


def _measure(scaling: ScalerUnit | None, data: Data) -> Measured:
    return Measured(data.value, scaling)
