"""AES-GCM with tags of 12 octets, against the library's own way with such tags."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from poller.dlms import gcm
from poller.dlms.errors import DecipheringFailed

KEY, NONCE, PLAIN, ASSOCIATED = bytes(range(16)), bytes(range(12)), b"a text of some length", b"associated"


def library_seal(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    sealer = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    sealer.authenticate_additional_data(associated)
    return sealer.update(plain) + sealer.finalize() + sealer.tag[:12]


def library_open(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    opener = Cipher(algorithms.AES(key), modes.GCM(nonce, sealed[-12:], min_tag_length=12)).decryptor()
    opener.authenticate_additional_data(associated)
    return opener.update(sealed[:-12]) + opener.finalize()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 255, 4096])
def test_seals_and_opens_as_the_library_does(size: int) -> None:
    plain = bytes(i & 0xFF for i in range(size))
    sealed = gcm.seal(KEY, NONCE, plain, ASSOCIATED)
    assert sealed == library_seal(KEY, NONCE, plain, ASSOCIATED)
    assert gcm.open_(KEY, NONCE, sealed, ASSOCIATED) == plain == library_open(KEY, NONCE, sealed, ASSOCIATED)
    assert gcm.stream(KEY, NONCE, plain) == sealed[:-12]
    assert gcm.tag(KEY, NONCE, plain) == library_seal(KEY, NONCE, b"", plain)


def test_every_flipped_bit_is_found_where_the_library_finds_it() -> None:
    sealed = gcm.seal(KEY, NONCE, PLAIN, ASSOCIATED)
    for bit in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecipheringFailed, match="tag does not confirm"):
            gcm.open_(KEY, NONCE, bytes(damaged), ASSOCIATED)
        with pytest.raises(InvalidTag):
            library_open(KEY, NONCE, bytes(damaged), ASSOCIATED)


@pytest.mark.parametrize(
    ("key", "nonce", "associated"),
    [(bytes(16), NONCE, ASSOCIATED), (KEY, bytes(12), ASSOCIATED), (KEY, NONCE, b""), (KEY, NONCE, ASSOCIATED + b"\0")],
)
def test_another_key_nonce_or_association_does_not_open(key: bytes, nonce: bytes, associated: bytes) -> None:
    with pytest.raises(DecipheringFailed):
        gcm.open_(key, nonce, gcm.seal(KEY, NONCE, PLAIN, ASSOCIATED), associated)


@pytest.mark.parametrize("size", range(12))
def test_what_has_no_room_for_a_tag_is_refused(size: int) -> None:
    with pytest.raises(DecipheringFailed, match="no room"):
        gcm.open_(KEY, NONCE, bytes(size), ASSOCIATED)


def test_keys_are_expanded_once_and_not_without_end() -> None:
    assert gcm.encryptor(KEY) is gcm.encryptor(bytes(range(16)))
    for number in range(2 * gcm.MAX_KEYS):
        gcm.encryptor(number.to_bytes(16, "big"))
    assert gcm.encryptor.cache_info().currsize == gcm.MAX_KEYS
