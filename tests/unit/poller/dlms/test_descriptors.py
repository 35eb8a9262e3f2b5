"""References: their octets, their names, what they refuse."""

import pytest

from common.obis import Obis
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadParameter

CLOCK = Obis(0, 0, 1, 0, 0)


def test_names_have_all_six_groups() -> None:
    assert str(AttributeRef(8, CLOCK, 2)) == "8/0-0:1.0.0.255/2"
    assert str(MethodRef(8, CLOCK, -3)) == "8/0-0:1.0.0.255/method -3"


def test_octets() -> None:
    assert AttributeRef(8, CLOCK, -1).to_bytes().hex() == "00080000010000ffff"
    assert MethodRef(8, CLOCK, 6).to_bytes().hex() == "00080000010000ff06"


@pytest.mark.parametrize("kind", [AttributeRef, MethodRef])
@pytest.mark.parametrize(("class_id", "number"), [(65536, 1), (-1, 1), (8, 128), (8, -129)])
def test_numbers_that_do_not_fit(kind: type[AttributeRef | MethodRef], class_id: int, number: int) -> None:
    with pytest.raises(BadParameter):
        kind(class_id, CLOCK, number).to_bytes()
