"""AES-GCM with tags of 12 octets (NIST SP 800-38D; Green Book 9.2.3.3.7): the only module that loads ``cryptography``.

Goes in: a key of 16 octets, a nonce of 12, octets. Comes out: octets, or DecipheringFailed. The library is loaded with
the first key, not with this module: a meter that needs no cipher does not pay for it.

The library compares tags of 16 octets only. So a received text is opened with the key stream alone, sealed again, and
the 12 octets of the tag that came are compared in constant time; nothing is handed out before they agree.
"""

from collections.abc import Callable
from functools import lru_cache
from hmac import compare_digest
from typing import Final

from poller.dlms.errors import DecipheringFailed

TAG_OCTETS: Final = 12
"""Of a tag on the wire (Green Book 9.2.3.3.7.4)."""
NONCE_OCTETS: Final = 12
"""System title and invocation counter."""
MAX_KEYS: Final = 32
"""Expanded keys kept: a conversation uses three, a listener three for each meter that pushes at the time."""
_FULL_TAG: Final = 16
_SURPLUS: Final = TAG_OCTETS - _FULL_TAG

Encrypt = Callable[[bytes, bytes, bytes | None], bytes]
"""From nonce, plain text and associated data to cipher text and a tag of 16 octets."""


@lru_cache(MAX_KEYS)
def encryptor(key: bytes) -> Encrypt:
    """Return the encryption under one key, expanded once."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt


def seal(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """Return cipher text and tag."""
    return encryptor(key)(nonce, plain, associated)[:_SURPLUS]


def open_(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return the plain text; raise DecipheringFailed when the tag does not confirm it."""
    if len(sealed) < TAG_OCTETS:
        raise DecipheringFailed(f"a protected text of {len(sealed)} octets has no room for its tag")
    encrypt = encryptor(key)
    plain = encrypt(nonce, sealed[:-TAG_OCTETS], None)[:-_FULL_TAG]
    if not compare_digest(encrypt(nonce, plain, associated)[:_SURPLUS], sealed):
        raise DecipheringFailed("a protected text whose tag does not confirm it: another key or title, or damage")
    return plain


def stream(key: bytes, nonce: bytes, octets: bytes) -> bytes:
    """Encrypt, or decrypt, without a tag: what came without one cannot be confirmed."""
    return encryptor(key)(nonce, octets, None)[:-_FULL_TAG]


def tag(key: bytes, nonce: bytes, associated: bytes) -> bytes:
    """Return the tag of associated data alone (GMAC)."""
    return encryptor(key)(nonce, b"", associated)[:TAG_OCTETS]
