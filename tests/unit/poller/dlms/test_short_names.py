"""Short names of attributes and methods, from an object list."""

import pytest

from common.obis import Obis
from poller.dlms.axdr import decode_whole
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData, ObjectUndefined
from poller.dlms.short_names import MAX_OBJECTS, ShortNames, short_names

ENERGY = Obis(1, 0, 1, 8, 0)
OWN = Obis(0, 0, 40, 0, 0)
ENTRY = "0204100100120003110009060100010800ff"


def names_of(octets: str) -> ShortNames:
    return short_names(decode_whole(bytes.fromhex(octets)))


def test_attributes_follow_the_base_name_in_steps_of_eight() -> None:
    names = names_of("0101" + ENTRY)
    assert len(names) == 1
    assert [names.attribute(AttributeRef(3, ENERGY, number)) for number in (1, 2, 3)] == [0x100, 0x108, 0x110]


def test_a_base_name_is_unsigned_though_its_type_is_not() -> None:
    names = names_of("0101" + "020410fff0120003110009060100010800ff")
    assert names.attribute(AttributeRef(3, ENERGY, 1)) == 0xFFF0
    assert names.attribute(AttributeRef(3, ENERGY, 3)) == 0


@pytest.mark.parametrize(
    ("class_id", "version", "first"),
    [(3, 0, 0x28), (4, 0, 0x38), (5, 0, 0x48), (7, 1, 0x58), (8, 0, 0x60), (9, 0, 0x20), (64, 0, 0x28), (64, 1, 0x30),
     (64, 2, 0x30), (70, 0, 0x20), (72, 0, 0x60), (72, 1, 0x70)],
)  # fmt: skip
def test_methods_follow_from_the_offset_of_their_class(class_id: int, version: int, first: int) -> None:
    names = ShortNames({(class_id, ENERGY): (0x1000, version)})
    assert names.method(MethodRef(class_id, ENERGY, 1)) == 0x1000 + first
    assert names.method(MethodRef(class_id, ENERGY, 3)) == 0x1000 + first + 0x10


def test_the_association_is_where_it_always_is() -> None:
    names = ShortNames({})
    assert names.attribute(AttributeRef(12, OWN, 2)) == 0xFA08
    assert names.attribute(AttributeRef(15, OWN, 1)) == 0xFA00
    assert names.method(MethodRef(12, OWN, 8)) == 0xFA58


def test_what_is_not_listed_is_undefined() -> None:
    names = names_of("0101" + ENTRY)
    for ref in (AttributeRef(4, ENERGY, 2), AttributeRef(3, OWN, 2), AttributeRef(8, ENERGY, 2)):
        with pytest.raises(ObjectUndefined):
            names.attribute(ref)
    with pytest.raises(ObjectUndefined, match="methods"):
        ShortNames({(1, ENERGY): (0x1000, 0)}).method(MethodRef(1, ENERGY, 1))


@pytest.mark.parametrize(
    "octets",
    ["00", "0200", "010100", "01010203100100120003" + "1100", "0101" + "020410010012000311000905" + "0100010800",
     "0101" + "0204" + "09" + "00" + "120003110009060100010800ff"],
)  # fmt: skip
def test_what_is_no_object_list_is_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        names_of(octets)


def test_a_list_without_end_is_bad_data() -> None:
    with pytest.raises(BadData):
        short_names(Data(DataType.ARRAY, (Data(DataType.NULL, None),) * (MAX_OBJECTS + 1)))
