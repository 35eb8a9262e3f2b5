"""Ciphering against the library used directly: every level, suite, form and key, and whatever may come."""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher as LibraryCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from poller.dlms.ciphered import (
    CIPHERED,
    DEDICATED_TAGS,
    GENERAL_DED,
    GENERAL_GLO,
    GLOBAL_TAGS,
    decode_ciphered,
)
from poller.dlms.ciphering import LEVEL_BITS, Cipher
from poller.dlms.errors import DecipheringFailed, UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.security import MAX_COUNTER, Security, SecuritySettings
from tests.support.keyring import FixedSource, mirrored

KEYS: Final = st.binary(min_size=16, max_size=16)
TITLES: Final = st.binary(min_size=8, max_size=8)
PLAIN: Final = st.builds(
    lambda tag, rest: bytes((tag,)) + rest,
    st.sampled_from([*GLOBAL_TAGS, 0xD9, 0xDA, 0x0F]),
    st.binary(max_size=300),
)


@st.composite
def protecting(draw: st.DrawFn) -> SecuritySettings:
    """Draw settings that protect; the two titles differ."""
    client = draw(TITLES)
    return SecuritySettings(
        draw(st.sampled_from([level for level in Security if level is not Security.NONE])),
        draw(st.sampled_from([0, 1])),
        client,
        draw(KEYS),
        draw(KEYS),
        b"",
        draw(TITLES.filter(lambda title: title != client)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


def expected_text(settings: SecuritySettings, key: bytes, counter: int, plain: bytes) -> bytes:
    """Return the protected text as the standard has it, made with the library's streaming interface."""
    control = LEVEL_BITS[settings.level] | settings.suite
    authenticated, encrypted = control & 0x10, control & 0x20
    cipher = LibraryCipher(
        algorithms.AES(key), modes.GCM(settings.client_title + counter.to_bytes(4, "big"))
    ).encryptor()
    if authenticated:
        cipher.authenticate_additional_data(bytes((control,)) + settings.authentication_key)
        if not encrypted:
            cipher.authenticate_additional_data(plain)
    text = cipher.update(plain) if encrypted else plain
    cipher.finalize()
    return text + (cipher.tag[:12] if authenticated else b"")


def expected_tag(settings: SecuritySettings, plain: bytes) -> int:
    own = (DEDICATED_TAGS if settings.dedicated else GLOBAL_TAGS).get(plain[0])
    general = GENERAL_DED if settings.dedicated else GENERAL_GLO
    return general if settings.general or own is None else own


@given(protecting(), st.integers(0, MAX_COUNTER), PLAIN, KEYS)
def test_protection_is_that_of_the_standard_and_opens_again(
    settings: SecuritySettings, counter: int, plain: bytes, dedicated: bytes
) -> None:
    client = Cipher(settings, FixedSource(counter, [dedicated]), Counters())
    client.begin()
    octets = client.protect(plain)
    outside = decode_ciphered(octets)
    key = dedicated if settings.dedicated else settings.encryption_key
    assert outside.to_bytes() == octets
    assert outside.tag == expected_tag(settings, plain)
    assert (outside.control, outside.counter) == (LEVEL_BITS[settings.level] | settings.suite, counter)
    assert outside.text == expected_text(settings, key, counter, plain)
    meter = Cipher(mirrored(settings), FixedSource(), Counters())
    meter.dedicated_key = client.dedicated_key
    assert meter.unprotect_fresh(octets) == plain
    assert meter.unprotect_fresh(octets) is None


@given(protecting(), PLAIN, st.data())
def test_whatever_is_changed_in_an_authenticated_text_is_found(
    settings: SecuritySettings, plain: bytes, data: st.DataObject
) -> None:
    meter = Cipher(mirrored(settings), FixedSource(), Counters())
    meter.dedicated_key = settings.authentication_key if settings.dedicated else b""
    client = Cipher(settings, FixedSource(), Counters())
    client.dedicated_key = meter.dedicated_key
    octets = bytearray(meter.protect(plain))
    at = data.draw(st.integers(1, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    try:
        client.unprotect_fresh(bytes(octets))
    except (DecipheringFailed, UnexpectedReply):
        return
    assert settings.level is Security.ENCRYPTED, "nothing but an encrypted text without a tag can be changed unseen"


@given(protecting(), st.sampled_from(sorted(CIPHERED)), st.binary(max_size=80))
def test_whatever_comes_opens_or_is_refused_with_a_typed_error(keys: SecuritySettings, tag: int, rest: bytes) -> None:
    client, told = Cipher(keys, FixedSource(), Counters()), ""
    for octets in (bytes((tag,)) + rest, bytes((tag, len(rest))) + rest, bytes((tag, 0, len(rest))) + rest):
        try:
            client.unprotect_fresh(octets)
        except BridgeError as error:
            told += error.detail
    assert not any(key.hex() in told for key in (keys.encryption_key, keys.authentication_key))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_exactly_the_counters_that_rise_are_fresh(counters: list[int]) -> None:
    settings = SecuritySettings(Security.BOTH, 0, b"CLIENT01", bytes(16), bytes(16), b"", b"METER001")
    seen = Counters()
    client, highest = Cipher(settings, FixedSource(), seen), -1
    for counter in counters:
        octets = Cipher(mirrored(settings), FixedSource(counter), Counters()).protect(b"\xc4\1\1\0\0")
        assert (client.unprotect_fresh(octets) is not None) == (counter > highest)
        highest = max(highest, counter)
    assert seen.replayed == len(counters) - len({max(counters[: i + 1]) for i in range(len(counters))})
