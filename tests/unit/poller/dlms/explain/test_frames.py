"""Frames and messages: good, damaged, odd; segments joined."""

import pytest

from poller.dlms.explain.frames import frame_size
from poller.dlms.explain.stream import Kind
from poller.dlms.fcs import check_sequence
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame, pack_frame
from poller.dlms.wrapper import Wpdu
from tests.support.explaining import faults, lines

CLIENT, METER = Address(16), Address(1, 17, 4)
APDU = bytes.fromhex("c002c100000005")


def frame(info: bytes, control: int = 0x10, *, segmented: bool = False) -> bytes:
    return Frame(METER, CLIENT, control, info, segmented).to_bytes()


def hdlc(octets: bytes) -> list[str]:
    return lines(octets, Kind.HDLC)


def test_a_frame_says_who_speaks_to_whom() -> None:
    found = hdlc(frame(b"\xe6\xe6\x00" + APDU))
    assert found[0] == "HDLC frame: I, N(S) 0, N(R) 0, P/F, 16 to 1/17"
    assert "destination: logical 1, physical 17" in found
    assert "LLC header: LLC: command" in found
    assert "block-number: 5" in found


def test_damage_is_found_by_the_check_sequence_and_its_information_is_not_read() -> None:
    octets = bytearray(frame(b"\xe6\xe6\x00" + APDU))
    octets[20] ^= 1
    found = hdlc(bytes(octets))
    assert "HCS: right" in found
    assert "information: not read: the frame is damaged" in found
    assert any(line.startswith("!FCS: wrong, ") for line in found)


def test_a_bad_address_is_told() -> None:
    body = b"\xa0\x09" + b"\x02\x02\x03" + b"\x21" + b"\x93"
    octets = b"~" + body + check_sequence(body) + b"~"
    found = hdlc(octets)
    assert found[0] == "HDLC frame: SNRM, P/F, 16 to ?"
    assert "!destination: 020203 is not an HDLC address field" in found


def test_a_frame_without_room_for_its_check_sequences_is_told() -> None:
    body = b"\xa0\x08\x03\x21\x10\x00"
    assert "a frame of 8 octets has no room for an HCS" in faults(b"~" + body + check_sequence(body) + b"~", Kind.HDLC)


def test_information_of_other_frames_is_only_shown() -> None:
    assert "information" in hdlc(frame(b"\x01\x02", 0x97))


def test_link_parameters_are_named() -> None:
    found = hdlc(frame(bytes.fromhex("818007" + "050200fa" + "630105" + "f000"), 0x93))
    assert "max-information-transmit: 250" in found
    assert "parameter 99: 5" in found
    assert "group identifier: user-defined (240)" in found


def test_cut_parameters_are_told() -> None:
    assert faults(frame(b"\x81\x80\x01\x05", 0x93), Kind.HDLC)


def test_segments_are_joined_with_the_last_one() -> None:
    parts = [b"\xe6\xe6\x00\xc0", b"\x02\xc1\0", b"\0\0\5"]
    found = hdlc(b"".join(frame(part, number << 1, segmented=number < 2) for number, part in enumerate(parts)))
    assert [line for line in found if line.startswith("information: ")] == [
        "information: first segment",
        "information: next segment",
        "information: last segment",
    ]
    assert "joined segments: 10 octets" in found
    assert found[-3] == "block-number: 5"


@pytest.mark.parametrize(
    ("octets", "size"),
    [
        (b"~", 0),
        (b"~\x00", None),
        (b"~\xa0", 0),
        (b"~\xa0\x01", None),
        (frame(APDU)[:9], 0),
        (frame(APDU)[:-2], 0),
        (frame(APDU)[:-1], len(frame(APDU)) - 1),
        (frame(APDU), len(frame(APDU))),
        (frame(APDU) + b"~", len(frame(APDU))),
        (frame(APDU) + frame(APDU)[1:], len(frame(APDU)) - 1),
        (pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0", 0),
        (pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0\0\0", None),
        (pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0~~", 9),
        (pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0~\xa0", 8),
        (pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0~", 0),
    ],
)
def test_a_frame_ends_where_its_length_says(octets: bytes, size: int | None) -> None:
    assert frame_size(octets, 0) == size


def test_a_damaged_frame_at_the_end_is_one() -> None:
    damaged = pack_frame(b"\x03\x21", 0x93, b"")[:-2] + b"\0"
    assert frame_size(damaged + b"~", 0, ended=True) == 9
    assert frame_size(damaged, 0, ended=True) is None


def test_a_payload_may_come_without_llc_header() -> None:
    assert "block-number: 5" in hdlc(frame(APDU))


def test_a_closing_flag_may_open_the_next_frame() -> None:
    found = hdlc(frame(APDU) + frame(APDU)[1:])
    assert [line for line in found if line.startswith(("HDLC", "flag", "!"))] == [
        "HDLC frame: I, N(S) 0, N(R) 0, P/F, 16 to 1/17",
        "flag",
        "HDLC frame: I, N(S) 0, N(R) 0, P/F, 16 to 1/17",
        "flag",
        "flag",
    ]


def test_messages_say_who_speaks_to_whom() -> None:
    found = lines(Wpdu(17, 1, APDU).to_bytes(), Kind.WRAPPER)
    assert found[0] == "WRAPPER message: 17 to 1"
    assert "length: 7" in found
    assert "block-number: 5" in found
