"""One HDLC frame."""

import pytest

from poller.dlms.errors import BadFrame, BadParameter
from poller.dlms.fcs import check_sequence
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import (
    Frame,
    FrameKind,
    Verdict,
    examine,
    information_control,
    supervisory_control,
    unnumbered_control,
    unpack_frame,
)

METER, CLIENT = Address(1), Address(16)
SNRM = bytes.fromhex("7ea0070303938c117e")


def test_every_control_octet_has_a_kind_and_its_fields() -> None:
    for control in range(256):
        frame = Frame(CLIENT, METER, control)
        assert frame.final == bool(control & 0x10)
        if not control & 1:
            assert frame.kind is FrameKind.I
            assert information_control(frame.ns, frame.nr, poll=frame.final) == control
        elif control & 3 == 1:
            assert frame.kind in {FrameKind.RR, FrameKind.RNR, FrameKind.REJ, FrameKind.SREJ}
            assert supervisory_control(frame.kind, frame.nr) == control | 0x10
        elif frame.kind is not FrameKind.UNKNOWN:
            assert unnumbered_control(frame.kind) == control | 0x10


@pytest.mark.parametrize(
    ("control", "kind"),
    [
        (0x93, FrameKind.SNRM),
        (0x83, FrameKind.SNRM),
        (0x53, FrameKind.DISC),
        (0x73, FrameKind.UA),
        (0x1F, FrameKind.DM),
        (0x97, FrameKind.FRMR),
        (0x13, FrameKind.UI),
        (0x03, FrameKind.UI),
        (0x31, FrameKind.RR),
        (0x35, FrameKind.RNR),
        (0x39, FrameKind.REJ),
        (0x3D, FrameKind.SREJ),
        (0xEF, FrameKind.UNKNOWN),
    ],
)
def test_kinds_of_the_standard(control: int, kind: FrameKind) -> None:
    assert Frame(CLIENT, METER, control).kind is kind


@pytest.mark.parametrize("address", [METER, Address(1, 17, 2), Address(1, 3500, 4)])
@pytest.mark.parametrize("size", [0, 1, 2, 126, 127, 128, 1000, 2030])
def test_any_length_and_address_survives(address: Address, size: int) -> None:
    frame = Frame(address, CLIENT, 0x10, b"\x7e" * size, segmented=size > 128)
    octets = frame.to_bytes()
    assert len(octets) == 2 + int.from_bytes(octets[1:3], "big") % 2048
    assert unpack_frame(octets) == frame


def test_a_frame_beyond_the_length_field_is_refused() -> None:
    with pytest.raises(BadParameter, match="2048"):
        Frame(METER, CLIENT, 0x10, bytes(2039)).to_bytes()


def test_information_may_follow_a_header_check_and_be_empty() -> None:
    header = bytes.fromhex("a009030393")
    body = header + check_sequence(header)
    octets = b"\x7e" + body + check_sequence(body) + b"\x7e"
    assert unpack_frame(octets) == Frame(METER, METER, 0x93)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x7e\x7e",
        SNRM[1:],
        SNRM[:-1],
        SNRM + b"\x7e",
        SNRM + SNRM,
        SNRM[:-2] + b"\x00\x7e",
        bytes.fromhex("7e90070303938c117e"),
        bytes.fromhex("7ea0060303938c117e"),
        bytes.fromhex("7ea0080303938c11007e"),
    ],
)
def test_what_is_not_one_frame_is_refused(octets: bytes) -> None:
    with pytest.raises(BadFrame):
        unpack_frame(octets)


def test_any_single_wrong_octet_is_noticed() -> None:
    frame = bytes.fromhex("7ea0160303521319e6e700c401c10002020ffe162328a27e")
    for place in range(1, len(frame) - 1):
        for value in range(256):
            broken = bytearray(frame)
            broken[place] = value
            if broken != frame:
                assert not isinstance(examine(broken, 0), Frame), (place, value)


def test_a_beginning_asks_for_more_and_never_for_less_than_there_is() -> None:
    frame = Frame(Address(1, 3500, 4), CLIENT, 0x10, b"abc").to_bytes()
    for length in range(1, len(frame) - 1):
        wanted = examine(bytearray(frame[:length]), 0)
        assert isinstance(wanted, int)
        assert length < wanted < len(frame)
    assert isinstance(examine(bytearray(frame[:-1]), 0), Frame)


@pytest.mark.parametrize(
    ("octets", "verdict"),
    [
        ("7e7e", Verdict.NOISE),
        ("7e00", Verdict.NOISE),
        ("7eb007", Verdict.NOISE),
        ("7ea006", Verdict.NOISE),
        ("7ea007000003", Verdict.DAMAGED),
        ("7ea00700000000", Verdict.DAMAGED),
        ("7ea0070300000003", Verdict.DAMAGED),
        ("7ea00800020023000200239300", Verdict.DAMAGED),
        ("7ea0160303520000", Verdict.DAMAGED),
    ],
)
def test_what_is_no_frame_is_known_early(octets: str, verdict: Verdict) -> None:
    assert examine(bytearray.fromhex(octets), 0) is verdict
