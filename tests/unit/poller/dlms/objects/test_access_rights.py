"""Access rights by version."""

import pytest

from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData
from poller.dlms.objects.access_rights import (
    AccessRights,
    AttributeRights,
    MethodRights,
    Rights,
    access_rights,
    must_be_bits,
)
from tests.support.cosem_objects import NULL, array, structure

AUTHENTICATED = Rights.AUTHENTICATED_REQUEST


def rights(mode: int, method: Data) -> Data:
    selectors = array(Data(DataType.INT8, 1), Data(DataType.INT8, 2))
    return structure(
        array(
            structure(Data(DataType.INT8, 1), Data(DataType.ENUM, 1), NULL),
            structure(Data(DataType.INT8, 2), Data(DataType.ENUM, mode), selectors),
        ),
        array(structure(Data(DataType.INT8, 1), method)),
    )


@pytest.mark.parametrize(
    ("version", "mode", "method", "attribute_rights", "method_rights"),
    [
        (0, 0, Data(DataType.BOOLEAN, False), Rights.NONE, Rights.NONE),
        (0, 3, Data(DataType.BOOLEAN, True), Rights.READ | Rights.WRITE, Rights.INVOKE),
        (1, 4, Data(DataType.ENUM, 2), Rights.READ | AUTHENTICATED, Rights.INVOKE | AUTHENTICATED),
        (2, 5, Data(DataType.ENUM, 1), Rights.WRITE | AUTHENTICATED, Rights.INVOKE),
        (2, 6, Data(DataType.ENUM, 0), Rights.READ | Rights.WRITE | AUTHENTICATED, Rights.NONE),
        (3, 0x01, Data(DataType.ENUM, 1), Rights.READ, Rights.INVOKE),
        (3, 0xFF, Data(DataType.ENUM, 0xFD), Rights(0xFF), Rights.INVOKE | Rights(0xFC)),
        (3, 0x24, Data(DataType.ENUM, 0), AUTHENTICATED | Rights.AUTHENTICATED_RESPONSE, Rights.NONE),
    ],
)
def test_each_version_says_it_in_its_way(
    version: int, mode: int, method: Data, attribute_rights: Rights, method_rights: Rights
) -> None:
    assert access_rights(rights(mode, method), version) == AccessRights(
        (AttributeRights(1, Rights.READ), AttributeRights(2, attribute_rights, (1, 2))),
        (MethodRights(1, method_rights),),
    )


def test_what_is_not_listed_is_not_granted() -> None:
    found = access_rights(rights(1, Data(DataType.ENUM, 1)), 1)
    assert (found.of_attribute(1), found.of_attribute(3)) == (Rights.READ, Rights.NONE)
    assert (found.of_method(1), found.of_method(2)) == (Rights.INVOKE, Rights.NONE)


@pytest.mark.parametrize(("mode", "method"), [(7, 1), (1, 3)])
def test_no_mode_is_bad_data(mode: int, method: int) -> None:
    with pytest.raises(BadData, match="is no access mode"):
        access_rights(rights(mode, Data(DataType.ENUM, method)), 1)


def test_numbers_above_the_modes_are_bits() -> None:
    assert not must_be_bits(rights(6, NULL))
    assert must_be_bits(rights(7, NULL))
