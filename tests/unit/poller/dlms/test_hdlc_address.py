"""HDLC addresses: forms, ranges, the alias."""

import pytest

from poller.dlms.errors import BadAddress, BadFrame
from poller.dlms.hdlc_address import Address, address_from, server_address


def test_every_one_octet_address_survives() -> None:
    for logical in range(128):
        octets = Address(logical).to_bytes()
        assert octets == bytes((2 * logical + 1,))
        assert address_from(octets) == Address(logical)


def test_every_two_octet_address_survives() -> None:
    for logical in range(128):
        for physical in range(128):
            address = Address(logical, physical, 2)
            octets = address.to_bytes()
            assert octets == bytes((2 * logical, 2 * physical + 1))
            assert address_from(octets) == address


@pytest.mark.parametrize("physical", [0, 1, 17, 127, 128, 3500, 9999, 16383])
def test_four_octet_addresses_survive(physical: int) -> None:
    for logical in (0, 1, 127, 128, 16383):
        address = Address(logical, physical, 4)
        octets = address.to_bytes()
        assert [octet & 1 for octet in octets] == [0, 0, 0, 1]
        assert address_from(octets) == address


def test_the_form_of_the_meters_guide() -> None:
    assert Address(1, 17, 4).to_bytes() == bytes.fromhex("00020023")
    assert Address(1, 3500, 4).to_bytes() == bytes.fromhex("00023659")


@pytest.mark.parametrize(
    "field", ["", "00", "0001ff", "000001", "0000000001", "00000000", "0101", "01000001", "00010001", "00000101"]
)
def test_other_fields_are_refused(field: str) -> None:
    with pytest.raises(BadFrame):
        address_from(bytes.fromhex(field))


def test_all_octets_as_one_octet_fields() -> None:
    for octet in range(256):
        if octet & 1:
            assert address_from(bytes((octet,))).logical == octet >> 1
        else:
            with pytest.raises(BadFrame):
                address_from(bytes((octet,)))


@pytest.mark.parametrize(
    ("logical", "physical", "size", "expected"),
    [
        (1, None, None, Address(1)),
        (1, 17, None, Address(1, 17, 2)),
        (1, 3500, None, Address(1, 3500, 4)),
        (128, 1, None, Address(128, 1, 4)),
        (1, 17, 4, Address(1, 17, 4)),
        (1, None, 1, Address(1)),
        (0, 1, None, Address(1)),
        (0, 1, 1, Address(1)),
        (0, 1, 2, Address(0, 1, 2)),
        (0, 1, 4, Address(0, 1, 4)),
        (0, 2, None, Address(0, 2, 2)),
    ],
)
def test_the_smallest_form_that_fits(logical: int, physical: int | None, size: int | None, expected: Address) -> None:
    assert server_address(logical, physical, size) == expected


@pytest.mark.parametrize(
    ("logical", "physical", "size", "named"),
    [
        (128, None, None, "logical"),
        (-1, None, None, "logical"),
        (1, 128, 2, "physical"),
        (1, 16384, None, "physical"),
        (16384, 1, None, "logical"),
        (1, None, 2, "needs a physical"),
        (1, 17, 1, "no physical"),
        (1, 17, 3, "1, 2 or 4"),
        (1, None, 0, "1, 2 or 4"),
    ],
)
def test_what_cannot_be_is_refused_by_name(logical: int, physical: int | None, size: int | None, named: str) -> None:
    with pytest.raises(BadAddress, match=named):
        server_address(logical, physical, size)
