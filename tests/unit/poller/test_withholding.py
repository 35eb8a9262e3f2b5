"""What of the octets that passed may leave the worker."""

from dataclasses import replace

import pytest

from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame, unpack_frame
from poller.dlms.wrapper import Wpdu
from poller.passed import OUT, UNKNOWN, Passed, Secrecy, tag_of
from poller.withholding import presentable

IN = "in"
PASSWORD = b"22222222"
SECRECY = Secrecy(secrets=(PASSWORD,))
AARQ = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083232323232323232be10040e01000000065f1f0400007e1f04b0"
)
AARE = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400007e1f04b00007")
GET = bytes.fromhex("c001c100010000600100ff0200")
ANSWER = bytes.fromhex("c401c1000906313233343536")
SET = bytes.fromhex("c101c1000f0000280000ff0700") + b"\x09\x08" + b"newsecre"
PROOF = bytes.fromhex("c301c1000f0000280000ff0101") + b"\x09\x10" + bytes(range(16))
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def frame(info: bytes = b"", *, segmented: bool = False, control: int = 0x10) -> bytes:
    return Frame(Address(1), Address(16), control, info, segmented).to_bytes()


def sent(apdu: bytes, *, associated: bool = True, segmented: bool = False) -> Passed:
    octets = frame(COMMAND + apdu, segmented=segmented)
    return Passed(0.0, OUT, octets, associated, tag_of(octets, hdlc=True))


def came(octets: bytes, *, associated: bool = True, request: int = 0xC0, cut: bool = False) -> Passed:
    return Passed(0.0, IN, octets, associated, request, cut)


def shown(*pieces: Passed, secrecy: Secrecy = SECRECY) -> list[bool]:
    return [bool(octets) for octets in presentable(pieces, secrecy)]


def test_requests_that_read_and_what_came_upon_them_are_shown_damaged_or_not() -> None:
    answer = frame(RESPONSE + ANSWER)
    pieces = [sent(GET), came(answer[:9]), came(answer[9:-4] + b"??" + answer[-2:]), came(b"noise")]
    assert presentable(pieces, SECRECY) == [piece.octets for piece in pieces]


@pytest.mark.parametrize("apdu", [SET, PROOF, b"\xd9\x00", b"\x06\x01", b"\xe0\x80", b"\xc9\x05"])
def test_a_request_that_may_carry_a_secret_is_withheld_with_its_answer(apdu: bytes) -> None:
    assert shown(sent(apdu), came(frame(RESPONSE + b"\xc5\x01"), request=apdu[0])) == [False, False]


def test_the_rest_of_a_long_request_is_as_the_request() -> None:
    rest = Passed(0.0, OUT, frame(b"newsecret"), True, 0xC1)
    assert shown(sent(SET, segmented=True), rest) == [False, False]
    assert shown(replace(rest, request=0xC0)) == [True]
    assert shown(replace(rest, request=UNKNOWN)) == [False]


def test_a_password_becomes_stars_and_the_frame_stays_good() -> None:
    (octets,) = presentable([sent(AARQ, associated=False)], SECRECY)
    assert unpack_frame(octets).info == COMMAND + AARQ.replace(PASSWORD, b"********")


def test_so_it_does_in_a_message_of_wrapper() -> None:
    octets = Wpdu(1, 1, AARQ).to_bytes()
    piece = Passed(0.0, OUT, octets, False, tag_of(octets, hdlc=False))
    secrecy = replace(SECRECY, hdlc=False)
    assert piece.request == 0x60
    assert presentable([piece], secrecy) == [octets.replace(PASSWORD, b"********")]
    assert shown(replace(piece, octets=octets[:-1]), secrecy=secrecy) == [False]
    assert shown(replace(piece, cut=True), secrecy=secrecy) == [False]


def test_while_the_association_is_made_only_whole_good_frames_are_shown() -> None:
    ua, aare = frame(control=0x73), frame(RESPONSE + AARE)
    assert shown(came(ua + aare[:10], associated=False), came(aare[10:], associated=False)) == [True, True]
    assert shown(came(ua + aare[:10], associated=False)) == [False]
    assert shown(came(b"noise" + aare, associated=False)) == [False]
    damaged = frame(COMMAND + AARQ).replace(b"2222", b"2x22")  # as a line that echoes may give it back
    assert shown(came(damaged, associated=False)) == [False]
    assert shown(sent(AARQ, associated=False), came(frame(COMMAND + AARQ), associated=False)) == [True, False]
    assert shown(sent(AARQ, associated=False, segmented=True)) == [False]
    assert shown(sent(PROOF, associated=False), came(frame(RESPONSE + b"\xc7\x01"), associated=False)) == [False, False]


def test_an_answer_to_a_proof_that_comes_late_is_withheld() -> None:
    assert shown(sent(GET), came(frame(RESPONSE + b"\xc7\x01\xc1\x00\x00"))) == [True, False]


def test_protected_requests_are_shown_where_they_are_encrypted() -> None:
    glo = sent(b"\xc8\x1e\x30\0\0\0\1sealed")
    assert shown(glo) == [False]
    assert shown(glo, secrecy=replace(SECRECY, encrypted=True)) == [True]


def test_a_dedicated_key_that_is_not_encrypted_is_withheld_with_its_aarq() -> None:
    assert shown(sent(AARQ, associated=False), secrecy=replace(SECRECY, bare_key=True)) == [False]


def test_a_secret_that_stands_anywhere_withholds_everything() -> None:
    assert shown(sent(GET), came(b"2222"), came(b"2222")) == [False] * 3


def test_where_there_is_no_secret_everything_is_shown() -> None:
    pieces = [sent(AARQ, associated=False), came(b"noise", associated=False), sent(SET)]
    assert presentable(pieces, Secrecy()) == [piece.octets for piece in pieces]


@pytest.mark.parametrize(
    ("octets", "hdlc", "tag"),
    [(frame(), True, UNKNOWN), (frame(COMMAND)[:-3], True, UNKNOWN), (b"", True, UNKNOWN), (b"", False, UNKNOWN)],
)
def test_what_begins_no_apdu_has_no_tag(octets: bytes, hdlc: bool, tag: int) -> None:
    assert tag_of(octets, hdlc=hdlc) == tag
