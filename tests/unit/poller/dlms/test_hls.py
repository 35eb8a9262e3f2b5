"""Answers to challenges, against digests worked out by hand from the standard's formulas."""

import hashlib

import pytest

from poller.dlms.acse import MechanismName
from poller.dlms.errors import AuthenticationFailed, BadParameter
from poller.dlms.hls import answer_challenge, check_challenge, confirms

SECRET, STOC, CTOS, CLIENT, METER = b"secret", b"S" * 16, b"C" * 16, b"CLIENT01", b"METER001"


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        (MechanismName.HLS_MD5, hashlib.md5(STOC + SECRET).digest()),
        (MechanismName.HLS_SHA1, hashlib.sha1(STOC + SECRET).digest()),
        (MechanismName.HLS_SHA256, hashlib.sha256(SECRET + CLIENT + METER + STOC + CTOS).digest()),
    ],
)
def test_the_clients_answer(mechanism: MechanismName, expected: bytes) -> None:
    assert answer_challenge(mechanism, SECRET, STOC, CTOS, CLIENT, METER) == expected


def test_the_meters_answer_with_sha256_turns_titles_and_challenges_round() -> None:
    expected = hashlib.sha256(SECRET + METER + CLIENT + CTOS + STOC).digest()
    assert answer_challenge(MechanismName.HLS_SHA256, SECRET, CTOS, STOC, METER, CLIENT) == expected


@pytest.mark.parametrize(
    "mechanism", sorted(set(MechanismName) - {MechanismName.HLS_MD5, MechanismName.HLS_SHA1, MechanismName.HLS_SHA256})
)
def test_other_mechanisms_have_no_secret(mechanism: MechanismName) -> None:
    with pytest.raises(BadParameter, match=mechanism.name):
        answer_challenge(mechanism, SECRET, STOC, CTOS)


def test_only_the_whole_answer_confirms() -> None:
    assert confirms(b"abc", b"abc")
    assert not confirms(b"abc", b"ab")
    assert not confirms(b"abc", b"abd")
    assert not confirms(b"abc", b"")


@pytest.mark.parametrize("size", [8, 16, 64])
def test_a_challenge_of_an_allowed_length(size: int) -> None:
    assert check_challenge(bytes(size), CTOS) == bytes(size)


@pytest.mark.parametrize(("challenge", "text"), [(None, "no"), (b"", "no"), (bytes(7), "7 octets"), (bytes(65), "65")])
def test_a_challenge_that_cannot_be(challenge: bytes | None, text: str) -> None:
    with pytest.raises(AuthenticationFailed, match=text):
        check_challenge(challenge, CTOS)


def test_our_own_challenge_is_a_reflection() -> None:
    with pytest.raises(AuthenticationFailed, match="our own challenge"):
        check_challenge(CTOS, CTOS)
