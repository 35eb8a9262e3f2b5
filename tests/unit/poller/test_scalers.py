"""Facts about the scaler cache."""

from common.obis import Obis
from poller.dlms.cosem import AttributeRef, ScalerUnit
from poller.scalers import ScalerCache

REF = AttributeRef(3, Obis(1, 1, 32, 7, 0), 3)


def filled() -> ScalerCache:
    cache = ScalerCache()
    cache.associated("123", "1.0")
    assert cache.look_up(REF) is None
    cache.keep(REF, ScalerUnit(-2, 35))
    return cache


def test_what_was_read_is_known_and_counted() -> None:
    cache = filled()
    assert cache.look_up(REF) == ScalerUnit(-2, 35)
    assert (cache.hits, cache.misses) == (1, 1)


def test_the_same_meter_keeps_its_scalers_over_associations() -> None:
    cache = filled()
    assert cache.associated("123", "1.0")
    assert cache.look_up(REF)


def test_another_serial_or_firmware_is_read_anew() -> None:
    for identity in (("124", "1.0"), ("123", "1.1"), ("", "")):
        cache = filled()
        assert not cache.associated(*identity)
        assert cache.look_up(REF) is None


def test_a_nameless_meter_is_never_known_again() -> None:
    cache = ScalerCache()
    cache.associated("", "")
    cache.keep(REF, ScalerUnit(-2, 35))
    assert not cache.associated("", "")
    assert cache.look_up(REF) is None
