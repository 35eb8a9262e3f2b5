"""What comes in UI frames in the middle of a session; all else of the port is tested through the link."""

import pytest

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame
from poller.dlms.hdlc_port import MAX_UNNUMBERED, HdlcPort
from poller.dlms.hdlc_reassembly import MAX_PAYLOAD

CLIENT, METER = Address(16), Address(1)
LLC = b"\xe6\xe7\x00"
UI = 0x13


def ui(info: bytes, *, segmented: bool = False, source: Address = METER) -> bytes:
    return Frame(CLIENT, source, UI, info, segmented).to_bytes()


def received(*frames: bytes) -> tuple[list[bytes], Counters]:
    """Return the payloads that were kept of frames, and what was counted."""
    counters = Counters()
    port = HdlcPort(CLIENT, METER, counters)
    for frame in frames:
        exchange = port.receive()
        next(exchange)
        try:
            exchange.send(frame)
        except StopIteration:
            continue
    return list(port.unnumbered), counters


def test_pushes_are_kept_whole_and_in_segments() -> None:
    kept, counters = received(ui(LLC + b"a"), ui(LLC + b"b", segmented=True), ui(b"c"), ui(b""))
    assert kept == [b"a", b"bc"]
    assert counters.notifications_dropped == 0


def test_a_push_that_never_ended_makes_room_for_the_next() -> None:
    kept, counters = received(ui(LLC + b"a", segmented=True), ui(LLC + b"b"), ui(b"c"))
    assert kept == [b"b"]
    assert counters.notifications_dropped == 2


def test_a_new_link_begins_with_no_half_of_a_push() -> None:
    port = HdlcPort(CLIENT, METER, Counters())
    exchange = port.receive()
    next(exchange)
    with pytest.raises(StopIteration):
        exchange.send(ui(LLC + b"a", segmented=True))
    port.reset()
    exchange = port.receive()
    next(exchange)
    with pytest.raises(StopIteration):
        exchange.send(ui(b"b"))
    assert not port.unnumbered


def test_what_is_no_payload_and_what_is_too_long_is_dropped() -> None:
    endless = [ui(bytes(2000), segmented=True)] * (MAX_PAYLOAD // 2000 + 1)
    kept, counters = received(ui(b"a"), *endless, ui(LLC + b"b"))
    assert kept == [b"b"]
    assert counters.notifications_dropped == 2


def test_the_oldest_push_makes_room() -> None:
    kept, counters = received(*[ui(LLC + bytes((number,))) for number in range(MAX_UNNUMBERED + 1)])
    assert kept == [bytes((number,)) for number in range(1, MAX_UNNUMBERED + 1)]
    assert counters.notifications_dropped == 1


def test_pushes_of_another_meter_are_foreign() -> None:
    kept, counters = received(ui(LLC + b"a", source=Address(2)))
    assert (kept, counters.foreign_frames) == ([], 1)


def test_what_waits_to_be_looked_at_or_sent_is_no_rest() -> None:
    answer = Frame(CLIENT, METER, 0x30, LLC + b"a").to_bytes()
    for behind, rests in ((b"", True), (b"~\xa0", False), (answer, False), (ui(LLC + b"push"), False)):
        port = HdlcPort(CLIENT, METER, Counters())
        assert not port.at_rest
        exchange = port.receive()
        next(exchange)
        try:
            exchange.send(answer + behind)
        except StopIteration:
            assert port.at_rest is rests
        port.send(0x11)
        assert not port.at_rest
    assert port.addresses == (b"\x03\x21", b"\x21\x03")
