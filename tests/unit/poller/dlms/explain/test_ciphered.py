"""Protected APDUs: what opens with which keys, and what is said of the others."""

import pytest

from poller.dlms import gcm
from poller.dlms.explain.ciphered import control_words
from poller.dlms.explain.stream import Explainer, Kind
from poller.dlms.security import SecuritySettings
from tests.support.explaining import lines, told

EK, AK, BK, DK = b"E" * 16, b"A" * 16, b"B" * 16, b"D" * 16
TITLE = b"CLIENT01"
COUNTER = b"\0\0\0\7"
PLAIN = bytes.fromhex("c002c100000005")
KEYS = SecuritySettings(encryption_key=EK, authentication_key=AK, broadcast_key=BK, client_title=TITLE)


def sealed(control: int, key: bytes = EK, plain: bytes = PLAIN) -> bytes:
    nonce = TITLE + COUNTER
    head = bytes((control,))
    if control & 0x30 == 0x30:
        return head + COUNTER + gcm.seal(key, nonce, plain, head + AK)
    if control & 0x10:
        return head + COUNTER + plain + gcm.tag(key, nonce, head + AK + plain)
    return head + COUNTER + (gcm.stream(key, nonce, plain) if control & 0x20 else plain)


def glo(content: bytes, tag: int = 0xC8) -> bytes:
    return bytes((tag, len(content))) + content


@pytest.mark.parametrize(
    ("control", "verdict"),
    [(0x30, "authentication tag: right"), (0x10, "authentication tag: right"), (0x20, "opened; nothing confirms it")],
)
def test_every_level_opens_with_the_key(control: int, verdict: str) -> None:
    found = lines(glo(sealed(control)), keys=KEYS)
    assert any(verdict in line for line in found)
    assert "plain APDU: 7 octets" in found
    assert "block-number: 5" in found


def test_a_broadcast_needs_the_broadcast_key() -> None:
    assert "authentication tag: right" in lines(glo(sealed(0x70, BK)), keys=KEYS)
    assert "authentication tag: not confirmed by any key and title at hand" in lines(glo(sealed(0x70)), keys=KEYS)


def test_a_dedicated_key_is_learnt_from_the_initiate() -> None:
    initiate = b"\x01\x01\x10" + DK + bytes.fromhex("0000065f1f0400007e1f04b0")
    explainer = Explainer(Kind.APDU, KEYS)
    before = told(Explainer(Kind.APDU, KEYS).feed(glo(sealed(0x30, DK), 0xD0)))
    explainer.feed(glo(sealed(0x30, plain=initiate), 0x21))
    after = told(explainer.feed(glo(sealed(0x30, DK), 0xD0)))
    assert "authentication tag: not confirmed by any key and title at hand" in before
    assert after[0] == "ded-get-request"
    assert "authentication tag: right" in after


def test_a_dedicated_key_of_another_size_opens_nothing() -> None:
    explainer = Explainer(Kind.APDU, KEYS)
    explainer.feed(b"\x01\x01\x05short" + bytes.fromhex("0000065f1f0400007e1f04b0"))
    after = told(explainer.feed(glo(sealed(0x30, DK), 0xD0)))
    assert "authentication tag: not confirmed by any key and title at hand" in after


@pytest.mark.parametrize(
    ("keys", "control", "verdict"),
    [
        (None, 0x30, "not opened: no key is given"),
        (None, 0x10, "not checked: no key is given"),
        (SecuritySettings(encryption_key=EK, authentication_key=AK), 0x30, "the sender's system title is not known"),
        (KEYS, 0xB0, "not opened: compressed"),
        (SecuritySettings(encryption_key=AK, authentication_key=AK, client_title=TITLE), 0x30, "not confirmed by any"),
    ],
)
def test_what_stays_closed_says_why(keys: SecuritySettings | None, control: int, verdict: str) -> None:
    assert any(verdict in line for line in lines(glo(sealed(control)), keys=keys))


def test_what_is_only_authenticated_is_read_without_keys() -> None:
    assert "block-number: 5" in lines(glo(sealed(0x10)))


def test_general_protection_tells_the_title_itself() -> None:
    content = b"\x08" + TITLE + bytes((len(sealed(0x30)),)) + sealed(0x30)
    keys = SecuritySettings(encryption_key=EK, authentication_key=AK)
    found = lines(b"\xdb" + content, keys=keys)
    assert found[0] == "general-glo-ciphering"
    assert "block-number: 5" in found


def test_a_title_of_another_size_opens_nothing() -> None:
    content = b"\x02AB" + bytes((len(sealed(0x30)),)) + sealed(0x30)
    assert "authentication tag: not confirmed by any key and title at hand" in lines(b"\xdb" + content, keys=KEYS)


@pytest.mark.parametrize(
    ("key_info", "line"),
    [
        ("00", "key-info: absent"),
        ("010002", "key id: 2"),
        ("01010003aabbcc", "wrapped or agreed key"),
        ("010202aabb01cc", "key id or parameters"),
    ],
)
def test_general_ciphering_is_read_as_far_as_it_goes(key_info: str, line: str) -> None:
    found = lines("dd" + "0101" + "0102" + "0103" + "00" + "00" + key_info + "0b" + "3000000007" + "aabbccddeeff")
    assert line in found
    assert "invocation-counter: 7" in found
    assert found[-1].startswith("protected: not opened")


def test_a_control_octet_is_told_in_words() -> None:
    assert control_words(0x00) == "SC 00: plain, suite 0"
    assert control_words(0xF1) == "SC f1: authenticated, encrypted, broadcast key, compressed, suite 1"
