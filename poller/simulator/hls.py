"""High level security: how each side proves its secret (IEC 62056-5-3; MD5, SHA-1 and SHA-256).

Mechanism, secret, challenges and titles in, the proof out. GMAC proves with a key instead: see ``secrecy``.
"""

import hashlib
from typing import Final, NamedTuple

from poller.simulator.association import HLS_MD5, HLS_SHA1

CHALLENGE: Final = 16
"""Octets of a challenge of ours; 8 to 64 are allowed."""
SHORTEST, LONGEST = 8, 64


class Side(NamedTuple):
    """What one side is known by."""

    title: bytes
    challenge: bytes


def proof(mechanism: int, secret: bytes, prover: Side, other: Side) -> bytes:
    """Return what ``prover`` answers to the challenge that ``other`` sent."""
    if mechanism == HLS_MD5:
        return hashlib.md5(other.challenge + secret, usedforsecurity=False).digest()
    if mechanism == HLS_SHA1:
        return hashlib.sha1(other.challenge + secret, usedforsecurity=False).digest()
    return hashlib.sha256(secret + prover.title + other.title + other.challenge + prover.challenge).digest()
