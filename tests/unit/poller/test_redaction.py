"""Secrets leave a capture, everything else stays: lengths, check sequences, meanings."""

import pytest

from poller.capture import IN, OUT, Capture, Header, Piece
from poller.dlms.axdr import encode_data
from poller.dlms.data import Data, DataType
from poller.dlms.explain.stream import Kind, explain
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame, unpack_frame
from poller.dlms.wrapper import Wpdu
from poller.redaction import Asked, redact

CLIENT, METER = Address(1), Address(1)
AARQ_LLS = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083232323232323232be10040e01000000065f1f0400007e1f04b0"
)
AARQ_HLS = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080205ac0a80084b35366956616759be10040e01000000065f1f0400007e1f04b0"
)
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
REPLY_TO_HLS = bytes.fromhex("c301c1000f0000280000ff0101")
CHANGE_SECRET = bytes.fromhex("c301c1000f0000280000ff0201")
SERIAL = bytes.fromhex("c001c100010000600100ff0200")


def frame(info: bytes, number: int = 0, *, segmented: bool = False) -> bytes:
    return Frame(METER, CLIENT, number << 1 | 0x10, info, segmented).to_bytes()


def hdlc(*pieces: tuple[str, bytes]) -> Capture:
    return Capture(Header("hdlc", 1, 1), tuple(Piece(at, way, octets) for at, (way, octets) in enumerate(pieces)))


def said(way: str, apdu: bytes) -> tuple[str, bytes]:
    return way, frame((COMMAND if way == OUT else RESPONSE) + apdu)


def infos(capture: Capture, way: str) -> list[bytes]:
    return [unpack_frame(piece.octets).info for piece in capture.pieces if piece.way == way]


def octet_string(content: bytes) -> bytes:
    return encode_data(Data(DataType.OCTET_STRING, content))


def test_a_password_becomes_stars_and_the_frame_stays_good() -> None:
    (info,) = infos(redact(hdlc(said(OUT, AARQ_LLS))), OUT)
    assert info == COMMAND + AARQ_LLS.replace(b"22222222", b"********")


def test_an_authentication_value_that_is_none_becomes_stars_whole() -> None:
    broken = AARQ_LLS.replace(bytes.fromhex("ac0a8008"), bytes.fromhex("acff8008"))
    (info,) = infos(redact(hdlc(said(OUT, broken))), OUT)
    assert b"2222" not in info
    assert info[:20] == (COMMAND + broken)[:20]


def test_a_challenge_stays() -> None:
    capture = hdlc(said(OUT, AARQ_HLS))
    assert redact(capture) == capture


def test_a_password_in_wrapper_becomes_stars() -> None:
    message = Wpdu(1, 1, AARQ_LLS).to_bytes()
    capture = Capture(Header("wrapper", 1, 1), (Piece(0, OUT, message[:40]), Piece(1, OUT, message[40:] + message[:5])))
    redacted = redact(capture)
    assert [len(piece.octets) for piece in redacted.pieces] == [40, len(message) - 35]
    whole = b"".join(piece.octets for piece in redacted.pieces)
    assert whole == message.replace(b"22222222", b"********") + message[:5]


def test_a_password_in_two_segments_and_three_pieces_becomes_stars() -> None:
    at = (COMMAND + AARQ_LLS).index(b"22222222") + 3
    line = frame((COMMAND + AARQ_LLS)[:at], segmented=True) + frame((COMMAND + AARQ_LLS)[at:], 1)
    redacted = redact(hdlc((OUT, line[:30]), (OUT, line[30:60]), (OUT, line[60:])))
    nodes = explain(b"".join(piece.octets for piece in redacted.pieces), Kind.HDLC)
    assert not any(node.faulty for node in nodes)
    assert any("'********'" in node.meaning for root in nodes for _, node in root.walk())


@pytest.mark.parametrize(("octets", "hidden"), [(16, True), (20, True), (32, True), (17, False)])
def test_answers_to_challenges_go_both_ways_but_not_those_of_gmac(octets: int, hidden: bool) -> None:
    proof = bytes(range(0x61, 0x61 + octets))
    asked = said(OUT, REPLY_TO_HLS + octet_string(proof))
    answered = said(IN, bytes.fromhex("c701c1000100") + octet_string(proof))
    redacted = redact(hdlc(asked, answered))
    for way in (OUT, IN):
        (info,) = infos(redacted, way)
        assert (proof in info) is not hidden
        assert (b"*" * octets in info) is hidden


def test_a_new_secret_goes_whatever_its_length() -> None:
    redacted = redact(hdlc(said(OUT, CHANGE_SECRET + octet_string(b"new"))))
    assert infos(redacted, OUT) == [COMMAND + CHANGE_SECRET + octet_string(b"***")]


def test_a_secret_that_is_set_or_read_goes() -> None:
    secret = bytes.fromhex("000f0000280000ff07")
    set_it = said(OUT, b"\xc1\x01\xc1" + secret + b"\0" + octet_string(b"hidden"))
    get_it = said(OUT, b"\xc0\x01\xc1" + secret + b"\0")
    answer = said(IN, b"\xc4\x01\xc1\0" + octet_string(b"hidden"))
    other = said(OUT, b"\xc0\x01\xc1" + bytes.fromhex("00010000600100ff02") + b"\0")
    redacted = redact(hdlc(set_it, (IN, b""), get_it, answer, other, answer))
    assert [b"hidden" in piece.octets for piece in redacted.pieces] == [False, False, False, False, False, True]


def test_a_dedicated_key_in_the_clear_goes() -> None:
    initiate = bytes.fromhex("01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0")
    (info,) = infos(redact(hdlc(said(OUT, initiate))), OUT)
    assert info == COMMAND + initiate.replace(bytes.fromhex("00112233445566778899aabbccddeeff"), b"*" * 16)


def test_a_digest_by_short_names_goes() -> None:
    request = bytes.fromhex("050104fa5800") + octet_string(b"d" * 16)
    (info,) = infos(redact(hdlc(said(OUT, request))), OUT)
    assert info == COMMAND + request[:6] + octet_string(b"*" * 16)


def test_serial_numbers_go_on_request_wherever_they_are() -> None:
    one = said(IN, b"\xc4\x01\xc1\0" + octet_string(b"12345678"))
    listed = bytes.fromhex("c003c10200030101200700ff0200") + bytes.fromhex("00010000600100ff0200")
    many = said(IN, b"\xc4\x03\xc1\x02\0" + b"\x12\0\x07\0" + octet_string(b"12345678"))
    elsewhere = said(IN, b"\xc4\x01\xc1\0" + octet_string(b"<12345678>"))
    capture = hdlc(said(OUT, SERIAL), one, said(OUT, listed), many, elsewhere)
    assert redact(capture) == capture
    redacted = redact(capture, serials=True)
    assert not any(b"12345678" in piece.octets for piece in redacted.pieces)
    assert b"<00000000>" in redacted.pieces[-1].octets
    assert infos(redacted, IN)[0] == RESPONSE + b"\xc4\x01\xc1\0" + octet_string(b"00000000")


def test_short_and_refused_serial_numbers_change_nothing() -> None:
    short = said(IN, b"\xc4\x01\xc1\0" + octet_string(b"12"))
    refused, block = said(IN, b"\xc4\x01\xc1\x01\x03"), said(IN, b"\xc4\x02\xc1\x01\0\0\0\x01\0\x02\x11\x01")
    number = said(IN, b"\xc4\x01\xc1\0\x06\0\0\0\x07")
    capture = hdlc(said(OUT, SERIAL), short, refused, block, number)
    assert redact(capture, serials=True) == capture


def test_noise_damage_and_other_frames_stay_as_they_are() -> None:
    good = frame(COMMAND + AARQ_LLS)
    damaged = good[:20] + b"\0" + good[21:]
    unfinished = frame(COMMAND + b"\xc0", segmented=True)
    snrm, rr = Frame(METER, CLIENT, 0x93).to_bytes(), Frame(METER, CLIENT, 0x11).to_bytes()
    capture = hdlc((OUT, b"\0~\0" + damaged + snrm + rr + unfinished), (OUT, frame(COMMAND) + good[:9]))
    assert redact(capture) == capture


def test_an_unfinished_run_of_segments_does_not_hide_the_next_password() -> None:
    redacted = redact(hdlc((OUT, frame(COMMAND + b"\xc0", segmented=True)), said(OUT, AARQ_LLS)))
    assert b"22222222" not in redacted.pieces[1].octets


def test_an_unfinished_message_and_an_empty_one_stay_as_they_are() -> None:
    message = Wpdu(1, 1, AARQ_LLS).to_bytes()[:-1]
    capture = Capture(Header("wrapper", 1, 1), (Piece(0, OUT, Wpdu(1, 1, b"").to_bytes() + message),))
    assert redact(capture) == capture
    empty = hdlc((OUT, frame(COMMAND)))
    assert redact(empty) == empty


def test_a_capture_in_parts_knows_what_was_asked_before() -> None:
    proof, asked = octet_string(b"d" * 16), Asked()
    redact(hdlc(said(OUT, REPLY_TO_HLS + proof)), asked=asked)
    answered = redact(hdlc(said(IN, bytes.fromhex("c701c1000100") + proof)), asked=asked)
    assert infos(answered, IN)[0].endswith(octet_string(b"*" * 16))
