"""The outside of protected APDUs."""

import pytest

from poller.dlms.ciphered import (
    CIPHERED,
    DEDICATED_TAGS,
    GENERAL_DED,
    GENERAL_GLO,
    GLOBAL_TAGS,
    PLAIN_TAGS,
    Ciphered,
    decode_ciphered,
)
from poller.dlms.errors import UnexpectedReply


@pytest.mark.parametrize(
    ("octets", "parts"),
    [
        ("c8 06 30 01234567 aa", Ciphered(0xC8, b"", 0x30, 0x01234567, b"\xaa")),
        ("d4 05 10 00000000", Ciphered(0xD4, b"", 0x10, 0, b"")),
        ("db 08 4d4d4d0000bc614e 05 21 ffffffff", Ciphered(GENERAL_GLO, b"MMM\0\0\xbcaN", 0x21, 0xFFFFFFFF, b"")),
        ("dc 00 06 20 00000001 bb", Ciphered(GENERAL_DED, b"", 0x20, 1, b"\xbb")),
        ("cc 81 80 30 00000002" + "cc" * 123, Ciphered(0xCC, b"", 0x30, 2, b"\xcc" * 123)),
    ],
)
def test_the_parts_are_told_and_make_the_same_octets(octets: str, parts: Ciphered) -> None:
    assert decode_ciphered(bytes.fromhex(octets)) == parts
    assert parts.to_bytes() == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("control", "authenticated", "encrypted"), [(0x10, True, False), (0x20, False, True), (0x31, True, True)]
)
def test_the_control_octet_says_how(control: int, *, authenticated: bool, encrypted: bool) -> None:
    parts = Ciphered(0xC8, b"", control, 0, b"")
    assert (parts.authenticated, parts.encrypted) == (authenticated, encrypted)


@pytest.mark.parametrize(
    "octets",
    [
        *("c8", "c8 80", "c8 81", "c8 85 01 02 03 04 05", "c8 82 00", "c8 04 30 000000", "c8 05 30 000000"),
        *("c8 05 30 00000000 00", "db", "db 08 4d4d", "db 08 4d4d4d0000bc614e", "db 81", "db 00 04 30 000000"),
    ],
)
def test_what_is_cut_or_too_long_is_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply, match="protected APDU"):
        decode_ciphered(bytes.fromhex(octets))


def test_a_length_may_have_more_octets_than_it_needs() -> None:
    assert decode_ciphered(bytes.fromhex("c8 84 00000006 30 00000001 aa")).text == b"\xaa"


def test_tags_belong_together_and_to_one_form() -> None:
    assert GLOBAL_TAGS.keys() == DEDICATED_TAGS.keys()
    assert len(CIPHERED) == 2 * len(GLOBAL_TAGS) + 2
    assert len(PLAIN_TAGS) == 2 * len(GLOBAL_TAGS)
    for plain, tag in GLOBAL_TAGS.items():
        assert tag == plain + (0x08 if plain >= 0xC0 else 0x20)
        assert DEDICATED_TAGS[plain] == plain + (0x10 if plain >= 0xC0 else 0x40)
        assert PLAIN_TAGS[tag] == plain
