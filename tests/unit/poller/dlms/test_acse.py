"""Association requests and responses; their good forms are vectors."""

import pytest

from poller.dlms.acse import (
    Aarq,
    Context,
    MechanismName,
    Result,
    Source,
    decode_aare,
    decode_aarq,
    decode_release,
    encode_aarq,
    encode_rlrq,
)
from poller.dlms.errors import UnexpectedReply

INITIATE = bytes.fromhex("01000000065f1f0400007e1f04b0")
NONE = "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0"
LLS = "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f0400007e1f04b0"
ACCEPTED = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007"


def test_a_request_without_authentication_is_the_published_one() -> None:
    assert encode_aarq(Aarq(Context.LN, MechanismName.LOWEST, INITIATE)).hex() == NONE


def test_a_request_with_a_password_is_the_published_one() -> None:
    assert encode_aarq(Aarq(Context.LN, MechanismName.LLS, INITIATE, b"12345678")).hex() == LLS


@pytest.mark.parametrize("size", [0, 1, 8, 64, 100, 127, 128, 255])
def test_lengths_follow_the_password(size: int) -> None:
    aarq = Aarq(Context.LN, MechanismName.LLS, INITIATE, b"p" * size)
    assert decode_aarq(encode_aarq(aarq)) == aarq


def test_a_diagnostic_of_the_provider() -> None:
    octets = bytes.fromhex("611da109060760857405080101a203020101a305a203020102be04 0402 0e01".replace(" ", ""))
    aare = decode_aare(octets[:1] + bytes((len(octets) - 2,)) + octets[2:])
    assert (aare.result, aare.source) == (Result.REJECTED_PERMANENT, Source.PROVIDER)
    assert aare.diagnostic_text == "no-common-acse-version (2)"


def test_an_answer_without_user_information() -> None:
    aare = decode_aare(bytes.fromhex("6117a109060760857405080101a203020102a305a103020163"))
    assert (aare.result, aare.user_information) == (Result.REJECTED_TRANSIENT, b"")
    assert aare.diagnostic_text == "unknown (99)"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a203020100", "a203020103"),
        ("a203020100", "a203040100"),
        ("a203020100", "a303020100"),
        ("a203020100", "a2020200"),
        ("a203020100", "a20502030000 00".replace(" ", "")),
        ("a305a103020100", "a305a303020100"),
        ("a305a103020100", "a300"),
        ("a305a103020100", "8305a103020100"),
        ("060760857405080101", "060760857405080109"),
        ("060760857405080101", "060760857405090101"),
        ("a109060760857405080101", "8109060760857405080101"),
        ("a109060760857405080101", "a1020600"),
        ("be10040e", "be10050e"),
        ("be10", "8907608574050802 08be10".replace(" ", "")),
        ("be10", "8907608574050901 01be10".replace(" ", "")),
        ("be10", "8900be10"),
        ("be10", "aa028200be10"),
        ("be10", "aa00be10"),
    ],
)
def test_malformed_answers_are_refused(old: str, new: str) -> None:
    content = ACCEPTED[4:].replace(old, new, 1)
    octets = bytes((0x61, len(content) // 2)) + bytes.fromhex(content)
    with pytest.raises(UnexpectedReply):
        decode_aare(octets)


def test_every_cut_of_an_answer_is_refused() -> None:
    octets = bytes.fromhex(ACCEPTED)
    for length in range(len(octets)):
        with pytest.raises(UnexpectedReply):
            decode_aare(octets[:length])


def test_releases() -> None:
    assert encode_rlrq().hex() == "6203800100"
    answer = decode_release(bytes.fromhex("6303800100"))
    assert (answer.response, answer.reason, answer.user_information) == (True, 0, b"")
    assert decode_release(bytes.fromhex("6200")).reason is None
    for octets in ("63028000", "6303800", "6403800100", ""):
        with pytest.raises(UnexpectedReply):
            decode_release(bytes.fromhex(octets[: len(octets) // 2 * 2]))


# System titles, implementation information, long forms

FULL = Aarq(Context.LN_CIPHERED, MechanismName.HLS_GMAC, bytes(200), b"c" * 64, b"MMM\0\0\0\0\1", b"an implementation")


def test_a_request_has_its_fields_in_the_order_of_their_tags() -> None:
    octets = encode_aarq(FULL)
    at = [
        octets.index(field) for field in (b"\xa1\x09", b"\xa6\x0a", b"\x8a\x02", b"\x8b\x07", b"\xac\x42", b"\xbd\x11")
    ]
    assert at == sorted(at)
    assert octets[:3] == b"\x60\x82" + bytes(((len(octets) - 4) >> 8,))
    assert decode_aarq(octets) == FULL


@pytest.mark.parametrize("octets_of_length", [1, 2, 3, 4])
def test_an_answer_with_lengths_in_the_long_form(octets_of_length: int) -> None:
    def long(tag: int, content: bytes) -> bytes:
        return bytes((tag, 0x80 | octets_of_length)) + len(content).to_bytes(octets_of_length, "big") + content

    content = (
        long(0xA1, long(0x06, bytes.fromhex("60857405080103")))
        + long(0xA2, long(0x02, b"\0"))
        + long(0xA3, long(0xA1, long(0x02, b"\x0e")))
        + long(0xA4, long(0x04, b"METER001"))
        + long(0x88, b"\x07\x80")
        + long(0x89, bytes.fromhex("60857405080205"))
        + long(0xAA, long(0x80, b"s" * 32))
        + long(0xBD, b"text")
        + long(0xBE, long(0x04, bytes(90)))
    )
    aare = decode_aare(long(0x61, content))
    assert (aare.context, aare.mechanism, aare.diagnostic) == (Context.LN_CIPHERED, MechanismName.HLS_GMAC, 14)
    assert (aare.responding_title, aare.secret) == (b"METER001", b"s" * 32)
    assert (aare.implementation, aare.user_information) == (b"text", bytes(90))


def test_a_release_with_user_information() -> None:
    octets = encode_rlrq(b"\x21\x05\x30\0\0\0\1")
    assert octets.hex() == "620e800100be0904072105300000000 1".replace(" ", "")
    assert decode_release(octets).user_information == b"\x21\x05\x30\0\0\0\1"
    long = encode_rlrq(bytes(300))
    assert decode_release(long).user_information == bytes(300)


def test_a_password_or_challenge_does_not_print() -> None:
    assert "c" * 8 not in repr(FULL)
    assert "hunter2" not in repr(Aarq(Context.LN, MechanismName.LLS, INITIATE, b"hunter2"))
