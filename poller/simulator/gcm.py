"""AES in Galois/counter mode as the simulated meters use it (NIST SP 800-38D, tags of twelve octets).

Key, nonce, text and associated data in; text and tag out. ``cryptography`` is imported at the first use only: meters
without keys do without it.
"""

from typing import Final

from common.errors import BridgeError

TAG: Final = 12


class Damaged(BridgeError):
    """A tag that does not belong to its text."""


def seal(key: bytes, nonce: bytes, text: bytes, associated: bytes) -> tuple[bytes, bytes]:
    """Return ciphertext and tag."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(key).encrypt(nonce, text, associated)
    return sealed[: len(text)], sealed[len(text) : len(text) + TAG]


def unseal(key: bytes, nonce: bytes, sealed: bytes, associated: bytes, tag: bytes | None) -> bytes:
    """Return the text; raise Damaged when the tag is wrong. Without a tag nothing is checked."""
    # Counter mode undoes itself, so that the tag of what comes out can be made with ``seal`` and compared.
    text, _ = seal(key, nonce, sealed, b"")
    if tag is not None and seal(key, nonce, text, associated)[1] != tag:
        raise Damaged("authentication tag")
    return text


def gmac(key: bytes, nonce: bytes, associated: bytes) -> bytes:
    """Return the tag of associated data alone."""
    return seal(key, nonce, b"", associated)[1]
