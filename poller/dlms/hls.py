"""Answers to a challenge in high-level security with MD5, SHA-1 and SHA-256 (Green Book 9.2.7.4).

Goes in: the secret, both challenges, both system titles. Comes out: f(challenge), or whether the meter's is right.
GMAC, mechanism 5, is made with keys and counters: ``ciphering`` has it.
"""

import hashlib
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Final

from poller.dlms.acse import MechanismName
from poller.dlms.errors import AuthenticationFailed, BadParameter

MIN_CHALLENGE: Final = 8
MAX_CHALLENGE: Final = 64
"""Octets of a challenge (Green Book 9.2.7.4: 8 to 64)."""


def answer_challenge(
    mechanism: MechanismName,
    secret: bytes,
    challenge: bytes,
    own_challenge: bytes,
    own_title: bytes = b"",
    peer_title: bytes = b"",
) -> bytes:
    """Return what proves to the peer, who sent ``challenge``, that we know the secret.

    MD5 and SHA-1: of challenge and secret. SHA-256: of secret, the answering side's title, the other's, the challenge
    that is answered, the other challenge.
    """
    answer = _ANSWERS.get(mechanism)
    if answer is None:
        raise BadParameter(f"mechanism {mechanism.name} is not answered with a secret")
    return answer(secret, challenge, own_challenge, own_title, peer_title)


def confirms(expected: bytes, answer: bytes) -> bool:
    """Say whether the peer's answer is the expected one, in a time that tells nothing of where they differ."""
    return compare_digest(expected, answer)


def check_challenge(challenge: bytes | None, own: bytes) -> bytes:
    """Return the meter's challenge; raise AuthenticationFailed when it is none, or cannot have been drawn by it.

    A peer that sends our own challenge back could have us answer it for itself.
    """
    if not challenge:
        raise AuthenticationFailed("the meter sends no challenge")
    if not MIN_CHALLENGE <= len(challenge) <= MAX_CHALLENGE:
        limits = f"{MIN_CHALLENGE} to {MAX_CHALLENGE}"
        raise AuthenticationFailed(f"the meter's challenge has {len(challenge)} octets, {limits} are allowed")
    if compare_digest(challenge, own):
        raise AuthenticationFailed("the meter sends our own challenge back")
    return challenge


_Answer = Callable[[bytes, bytes, bytes, bytes, bytes], bytes]


def _md5(secret: bytes, challenge: bytes, _own: bytes, _own_title: bytes, _peer_title: bytes) -> bytes:
    return hashlib.md5(challenge + secret, usedforsecurity=False).digest()


def _sha1(secret: bytes, challenge: bytes, _own: bytes, _own_title: bytes, _peer_title: bytes) -> bytes:
    return hashlib.sha1(challenge + secret, usedforsecurity=False).digest()


def _sha256(secret: bytes, challenge: bytes, own: bytes, own_title: bytes, peer_title: bytes) -> bytes:
    return hashlib.sha256(secret + own_title + peer_title + challenge + own).digest()


_ANSWERS: Final[Mapping[MechanismName, _Answer]] = {
    MechanismName.HLS_MD5: _md5,
    MechanismName.HLS_SHA1: _sha1,
    MechanismName.HLS_SHA256: _sha256,
}
"""``usedforsecurity``: the standard demands MD5 and SHA-1, also where the system forbids them for anything new."""
