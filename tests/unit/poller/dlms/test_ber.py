"""BER fields."""

import pytest

from poller.dlms.ber import encode_field, fields, only_field
from poller.dlms.errors import UnexpectedReply


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "6000"), (127, "607f"), (128, "608180"), (255, "6081ff"), (256, "60820100"), (65536, "6083010000")],
)
def test_lengths_grow_as_they_must(size: int, head: str) -> None:
    octets = encode_field(0x60, bytes(size))
    assert octets.startswith(bytes.fromhex(head))
    assert only_field(octets, 0x60) == bytes(size)


def test_longer_lengths_than_needed_are_read() -> None:
    assert only_field(bytes.fromhex("618400000002aabb"), 0x61) == b"\xaa\xbb"


def test_fields_follow_each_other() -> None:
    assert list(fields(bytes.fromhex("8001008101ff"))) == [(0x80, b"\0"), (0x81, b"\xff")]


@pytest.mark.parametrize("octets", ["80", "8002ff", "8080", "8081", "808500000000010", "80820001"])
def test_cut_fields_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        list(fields(bytes.fromhex(octets + "0" * (len(octets) % 2))))


@pytest.mark.parametrize("octets", ["", "810100", "80010080 0100"])
def test_one_field_is_one_field(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        only_field(bytes.fromhex(octets), 0x80)
