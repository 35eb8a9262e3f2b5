"""Limiter: thresholds in the scaler of what is monitored."""

from decimal import Decimal

from common.obis import Obis
from poller.dlms.data import Data, DataType, DateTime
from poller.dlms.descriptors import AttributeRef
from poller.dlms.objects.limiter import (
    EmergencyProfile,
    Script,
    read_limiter,
    set_emergency_profile,
    set_emergency_threshold,
    set_normal_threshold,
)
from tests.support.cosem_objects import Objects, array, integer, name, octets, run, scaling, structure

NAME, POWER, SCRIPTS = Obis(0, 0, 17, 0, 0), Obis(1, 0, 1, 4, 0), Obis(0, 0, 10, 0, 106)
NOON = DateTime.from_bytes(bytes.fromhex("07e8060f060c000000ff8880"))
PROFILE = EmergencyProfile(1, NOON, 3600)
PROFILE_DATA = structure(integer(1, DataType.UINT16), octets(NOON.to_bytes()), integer(3600))


def monitored(class_id: int, attribute: int) -> Data:
    return structure(integer(class_id, DataType.UINT16), name("1-0:1.4.0"), Data(DataType.INT8, attribute))


def script(selector: int) -> Data:
    return structure(name("0-0:10.0.106"), integer(selector, DataType.UINT16))


def limiter(watched: Data) -> Objects:
    objects = Objects()
    objects.give(
        71,
        NAME,
        {2: watched, 3: integer(50), 4: integer(60), 5: integer(70), 6: integer(30), 7: integer(10)}
        | {8: PROFILE_DATA, 9: array(integer(1, DataType.UINT16), integer(2, DataType.UINT16))}
        | {10: Data(DataType.BOOLEAN, False), 11: structure(script(1), script(2))},
    )
    objects.give(5, POWER, {4: scaling(2, 27)})
    return objects


def test_a_limiter_is_scaled_by_what_it_watches() -> None:
    found = run(read_limiter(limiter(monitored(5, 3)), NAME))
    thresholds = [found.active, found.normal, found.emergency]
    assert [each and (each.value, each.unit) for each in thresholds] == [
        (Decimal(5000), "W"),
        (Decimal(6000), "W"),
        (Decimal(7000), "W"),
    ]
    assert found.monitored == AttributeRef(5, POWER, 3)
    assert (found.over_seconds, found.under_seconds, found.profile) == (30, 10, PROFILE)
    assert (found.groups, found.profile_active) == ((1, 2), False)
    assert (found.over_action, found.under_action) == (Script(SCRIPTS, 1), Script(SCRIPTS, 2))
    assert found.refused == ()


def test_what_nothing_scales_is_raw() -> None:
    found = run(read_limiter(limiter(monitored(1, 2)), NAME))
    assert found.active is not None
    assert (found.active.raw, found.active.value) == (50, None)


def test_a_limiter_may_tell_little() -> None:
    objects = Objects()
    objects.give(71, NAME, {2: monitored(5, 3)})
    found = run(read_limiter(objects, NAME))
    assert (found.active, found.over_action, found.profile) == (None, None, None)
    assert len(found.refused) == 9


def test_writes() -> None:
    objects = limiter(monitored(5, 3))
    run(set_normal_threshold(objects, NAME, integer(65)))
    run(set_emergency_threshold(objects, NAME, integer(75)))
    run(set_emergency_profile(objects, NAME, PROFILE))
    assert objects.written == [
        (AttributeRef(71, NAME, 4), integer(65)),
        (AttributeRef(71, NAME, 5), integer(75)),
        (AttributeRef(71, NAME, 8), PROFILE_DATA),
    ]
