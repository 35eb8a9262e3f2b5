"""Registers: the meter's number, exactly."""

from decimal import Decimal

import pytest

from common.obis import Obis
from poller.dlms.cosem import ScalerUnit
from poller.dlms.data import BitString, Data, DataType, DateTime
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import ObjectUndefined
from poller.dlms.objects.asking import NOTHING, Refused
from poller.dlms.objects.register import (
    Measured,
    next_period,
    read_demand_register,
    read_extended_register,
    read_register,
    reset_register,
)
from tests.support.cosem_objects import Objects, integer, octets, run, scaling

ENERGY, PEAK, DEMAND = Obis(1, 0, 1, 8, 0), Obis(1, 0, 1, 6, 0), Obis(1, 0, 1, 4, 0)
NOON = DateTime.from_bytes(bytes.fromhex("07e8060f060c000000ff8880"))


def test_a_register_is_exact() -> None:
    objects = Objects()
    objects.give(3, ENERGY, {2: Data(DataType.UINT64, 2**63 + 1), 3: scaling(-3, 30)})
    register = run(read_register(objects, ENERGY))
    assert register.measured == Measured(2**63 + 1, ScalerUnit(-3, 30))
    assert (register.measured.value, register.measured.unit) == (Decimal("9223372036854775.809"), "Wh")
    assert register.refused == ()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (Data(DataType.FLOAT32, 12.5), Decimal("12.5")),
        (Data(DataType.FLOAT64, float("nan")), None),
        (octets(b"12"), None),
        (Data(DataType.BOOLEAN, True), None),
    ],
)
def test_a_value_is_what_a_finite_number_is(data: Data, value: Decimal | None) -> None:
    objects = Objects()
    objects.give(3, ENERGY, {2: data, 3: scaling(0, 255)})
    register = run(read_register(objects, ENERGY))
    assert (register.measured.value, register.measured.unit) == (value, None)


def test_without_its_scaler_a_number_is_only_raw() -> None:
    objects = Objects()
    objects.give(3, ENERGY, {2: integer(7)})
    register = run(read_register(objects, ENERGY))
    assert (register.measured.raw, register.measured.value, register.measured.unit) == (7, None, None)
    assert register.refused == (Refused(3, "object_undefined: object-undefined (4)"),)
    with pytest.raises(ObjectUndefined):
        run(read_register(objects, PEAK))


def test_an_extended_register_has_status_and_time() -> None:
    objects = Objects()
    status = Data(DataType.BIT_STRING, BitString(b"\x80", 3))
    objects.give(4, PEAK, {2: integer(4991), 3: scaling(-3, 27), 4: status, 5: octets(NOON.to_bytes())})
    register = run(read_extended_register(objects, PEAK))
    assert register.measured.value == Decimal("4.991")
    assert (register.status, register.captured, register.refused) == (BitString(b"\x80", 3), NOON, ())


def test_a_demand_register_has_two_averages_and_its_periods() -> None:
    objects = Objects()
    moment = Data(DataType.DATE_TIME, NOON)
    objects.give(
        5,
        DEMAND,
        {2: integer(150), 3: integer(140), 4: scaling(1, 27), 5: integer(0), 6: moment, 7: moment}
        | {8: integer(900), 9: integer(3)},
    )
    register = run(read_demand_register(objects, DEMAND))
    assert (register.current.value, register.last.value) == (Decimal(1500), Decimal(1400))
    assert (register.status, register.captured, register.started) == (0, NOON, NOON)
    assert (register.period, register.periods) == (900, 3)


def test_methods() -> None:
    reset, period = MethodRef(4, PEAK, 1), MethodRef(5, DEMAND, 2)
    objects = Objects(methods={reset: lambda _: None, period: lambda _: None})
    run(reset_register(objects, 4, PEAK))
    run(next_period(objects, DEMAND))
    assert objects.invoked == [(reset, NOTHING), (period, NOTHING)]
