"""Segments to payloads."""

import pytest

from poller.dlms.errors import BadFrame
from poller.dlms.hdlc_reassembly import MAX_PAYLOAD, Reassembly


def test_segments_become_one_payload_without_its_header() -> None:
    segments = Reassembly()
    seen = [segments.begun]
    for info in (b"\xe6\xe7", b"\x00ab", b"c"):
        segments.add(info)
        seen.append(segments.begun)
    assert segments.payload() == b"abc"
    assert [*seen, segments.begun] == [False, True, True, True, False]


def test_what_was_forgotten_is_no_part_of_the_next() -> None:
    segments = Reassembly()
    segments.add(b"old")
    segments.clear()
    segments.add(b"\xe6\xe7\x00")
    assert segments.payload() == b""


@pytest.mark.parametrize("octets", [b"", b"\xe6\xe7", b"\xe6\xe6\x00a"])
def test_without_header_it_is_no_payload(octets: bytes) -> None:
    segments = Reassembly()
    segments.add(octets)
    with pytest.raises(BadFrame, match="LLC"):
        segments.payload()
    assert not segments.begun


def test_a_payload_has_a_limit() -> None:
    segments = Reassembly()
    segments.add(bytes(MAX_PAYLOAD))
    with pytest.raises(BadFrame, match="more than"):
        segments.add(b"x")
