"""Blocks of a long value."""

import pytest

from poller.dlms.axdr import Reader
from poller.dlms.errors import BadParameter
from poller.dlms.parts import HEAD_OCTETS, Part, part_of, parts


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 29, 30, 31, 200])
def test_blocks_are_numbered_and_add_up(size: int) -> None:
    value = bytes(range(size))
    found = list(parts(value, HEAD_OCTETS + 10, HEAD_OCTETS + 20))
    assert b"".join(part.content for part in found) == value
    assert [part.number for part in found] == list(range(1, len(found) + 1))
    assert [part.last for part in found] == [False] * (len(found) - 1) + [True]
    assert len(found[0].content) <= 10
    assert all(0 < len(part.content) <= 20 for part in found[1:])


@pytest.mark.parametrize(("first", "further"), [(HEAD_OCTETS, 100), (100, HEAD_OCTETS)])
def test_without_room_there_are_no_blocks(first: int, further: int) -> None:
    with pytest.raises(BadParameter, match="8 octets"):
        next(parts(b"abc", first, further))


@pytest.mark.parametrize("size", [0, 127, 128, 300, 60_000])
def test_no_head_is_longer_than_said(size: int) -> None:
    part = Part(True, 2**32 - 1, bytes(size))
    octets = part.to_bytes()
    assert len(octets) - size <= HEAD_OCTETS
    assert part_of(Reader(octets)) == part
