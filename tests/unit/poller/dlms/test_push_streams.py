"""Lines on which meters push, to payloads; streams of real meters are in test_listening."""

import pytest

from poller.dlms.errors import BadFrame, LinkDamaged, UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame, FrameKind, information_control, unnumbered_control
from poller.dlms.push_streams import (
    MAX_HELD,
    MAX_ORIGINS,
    MAX_PAYLOAD,
    Framing,
    HdlcPushes,
    Origin,
    RawPushes,
    Unfinished,
    WrapperPushes,
    extent,
    stream_of,
)

CLIENT, METER = Address(32), Address(4, 65, 2)
FROM_METER = Origin(METER, CLIENT)
LLC = b"\xe6\xe7\x00"
UI = unnumbered_control(FrameKind.UI)
PUSH = bytes.fromhex("0f00000001001105")


def ui(info: bytes, *, segmented: bool = False, source: Address = METER) -> bytes:
    return Frame(CLIENT, source, UI, info, segmented).to_bytes()


def numbered(ns: int, info: bytes, *, segmented: bool = False) -> bytes:
    return Frame(CLIENT, METER, information_control(ns, 0, poll=False), info, segmented).to_bytes()


# HDLC


@pytest.mark.parametrize("header", [LLC, b"\xe6\xe6\x00", b""], ids=["response", "command", "none"])
def test_a_ui_frame_is_a_payload_without_its_llc_header(header: bytes) -> None:
    assert HdlcPushes(Counters()).feed(ui(header + PUSH)) == [(FROM_METER, PUSH)]


def test_segments_of_two_meters_are_put_together_each_for_itself() -> None:
    other = Address(5, 66, 2)
    stream = ui(LLC + b"a", segmented=True) + ui(LLC + b"x", segmented=True, source=other)
    stream += ui(b"b", segmented=True) + ui(b"y", source=other) + ui(b"c")
    assert HdlcPushes(Counters()).feed(stream) == [(Origin(other, CLIENT), b"xy"), (FROM_METER, b"abc")]


def test_a_payload_that_never_ended_makes_room_for_the_next() -> None:
    counters = Counters()
    pushes = HdlcPushes(counters)
    assert pushes.feed(ui(LLC + b"a", segmented=True) + ui(LLC + PUSH)) == [(FROM_METER, PUSH)]
    assert counters.out_of_sequence == 1
    assert pushes.feed(ui(PUSH)) == [(FROM_METER, PUSH)]


def test_numbered_segments_are_taken_in_order() -> None:
    counters = Counters()
    first, second, third = (
        numbered(7, LLC + b"a", segmented=True),
        numbered(0, b"b", segmented=True),
        numbered(1, b"c"),
    )
    assert HdlcPushes(counters).feed(first + second + second + third) == [(FROM_METER, b"abc")]
    assert counters.out_of_sequence == 1


def test_other_frames_are_foreign() -> None:
    counters = Counters()
    frame = Frame(METER, CLIENT, unnumbered_control(FrameKind.SNRM)).to_bytes()
    assert HdlcPushes(counters).feed(frame + ui(b"")) == []
    assert counters.foreign_frames == 2


def test_a_frame_that_was_cut_is_given_up() -> None:
    pushes = HdlcPushes(Counters())
    assert pushes.feed(ui(LLC + bytes(100))[:20] + ui(LLC + b"b")) == []
    assert pushes.expire() == [(FROM_METER, b"b")]


def test_a_payload_beyond_its_limit_is_an_error_in_its_place() -> None:
    pushes = HdlcPushes(Counters())
    part = bytes(2000)
    payloads = [
        payload for _ in range(MAX_PAYLOAD // len(part) + 1) for payload in pushes.feed(ui(part, segmented=True))
    ]
    ((origin, error),) = payloads
    assert origin == FROM_METER
    assert isinstance(error, UnexpectedReply)
    assert pushes.feed(ui(LLC + PUSH)) == [(FROM_METER, PUSH)]


# What is not complete


def test_parts_are_bounded_over_all_origins() -> None:
    unfinished = Unfinished()
    for number in range(MAX_ORIGINS + 1):
        unfinished.add(Origin(number), b"a")
    assert Origin(0) not in unfinished
    assert unfinished.whole(Origin(1)) == b"a"
    assert unfinished.whole(Origin(1)) == b""
    large = bytes(MAX_PAYLOAD)
    for number in range(MAX_HELD // MAX_PAYLOAD + 1):
        unfinished.add(Origin(number), large)
    assert Origin(0) not in unfinished
    assert Origin(2) in unfinished


# WRAPPER


def test_wrapper_messages_of_anybody_to_anybody() -> None:
    counters = Counters()
    pushes = WrapperPushes(counters)
    message = bytes.fromhex("0001000100100008") + PUSH
    assert pushes.feed(message[:9]) == []
    assert pushes.feed(message[9:] + message) == [(Origin(1, 16), PUSH)] * 2
    assert counters.frames_received == 2
    assert pushes.expire() == []
    with pytest.raises(LinkDamaged):
        pushes.feed(b"\x07" * 8)


# Raw

APDUS = [
    PUSH,
    bytes.fromhex("0f000000010c07e10a01ff000000ff8000001105"),
    bytes.fromhex("c20000010000616200ff021105"),
    bytes.fromhex("c201010000010000616200ff021105"),
    bytes.fromhex("e0c000010000011105"[:16]),
    bytes.fromhex("db0230310130"),
    bytes.fromhex("ca0130"),
]


@pytest.mark.parametrize("apdu", APDUS, ids=lambda apdu: apdu.hex())
def test_an_apdu_ends_where_its_structure_does(apdu: bytes) -> None:
    assert extent(apdu) == extent(apdu + apdu) == len(apdu)
    assert extent(apdu[:-1]) is None
    pushes = RawPushes(Counters())
    assert pushes.feed(apdu + apdu) == [(Origin(), apdu)] * 2
    assert pushes.expire() == []


def test_an_apdu_that_trickles_in_is_whole_in_the_end() -> None:
    pushes = RawPushes(Counters())
    payloads = [payload for octet in APDUS[1] for payload in pushes.feed(bytes((octet,)))]
    assert payloads + pushes.expire() == [(Origin(), APDUS[1])]


def test_what_has_no_end_of_its_own_is_one_payload_when_nothing_more_comes() -> None:
    pushes = RawPushes(Counters())
    assert pushes.feed(bytes.fromhex("18000102")) == []
    assert pushes.feed(bytes.fromhex("0100")) == []
    assert pushes.expire() == [(Origin(), bytes.fromhex("180001020100"))]
    assert pushes.expire() == []


def test_octets_without_end_are_an_error() -> None:
    pushes = RawPushes(Counters())
    ((_, error),) = pushes.feed(b"\x18" * (MAX_PAYLOAD + 1))
    assert isinstance(error, BadFrame)
    assert pushes.feed(PUSH) == [(Origin(), PUSH)]


def test_every_framing_has_its_stream() -> None:
    kinds = [type(stream_of(framing, Counters())) for framing in Framing]
    assert kinds == [HdlcPushes, WrapperPushes, RawPushes]
