"""Protection of APDUs: forms, keys, titles, counters, and what must not be taken for protected."""

from collections.abc import Callable

import pytest

from poller.dlms import gcm
from poller.dlms.ciphered import GENERAL_DED, GENERAL_GLO, Ciphered, decode_ciphered
from poller.dlms.ciphering import Cipher
from poller.dlms.errors import (
    BadParameter,
    CounterExhausted,
    CounterRefused,
    DecipheringFailed,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters
from poller.dlms.security import MAX_COUNTER, MAX_RESYNC, Security, SecuritySettings
from tests.support.keyring import (
    AUTHENTICATION_KEY,
    BROADCAST_KEY,
    CLIENT,
    ENCRYPTION_KEY,
    METER,
    FixedSource,
    mirrored,
    pair,
    settings,
)

GET = bytes.fromhex("c001c100080000010000ff0200")
ANSWER = bytes.fromhex("c401c10006000059e5")
PUSH = b"\x0f\0\0\0\1\0\0"
ACCESS = bytes.fromhex("d9 40000001 00")
PROTECTING = [Security.AUTHENTICATED, Security.ENCRYPTED, Security.BOTH]


def flipped(octets: bytes, bit: int) -> bytes:
    damaged = bytearray(octets)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


# What is sent


@pytest.mark.parametrize(
    ("apdu", "dedicated", "general", "tag"),
    [
        (GET, False, False, 0xC8),
        (GET, True, False, 0xD0),
        (GET, False, True, GENERAL_GLO),
        (GET, True, True, GENERAL_DED),
        (ACCESS, False, False, GENERAL_GLO),
        (ACCESS, True, False, GENERAL_DED),
        (b"\x05\x01\x02\xfa\x08", False, False, 0x25),
        (b"\x06\x01\x02\xfa\x08", False, False, 0x26),
    ],
)
def test_the_form_follows_from_service_key_and_wish(apdu: bytes, tag: int, *, dedicated: bool, general: bool) -> None:
    client, meter = pair(settings(dedicated=dedicated, general=general))
    octets = client.protect(apdu)
    outside = decode_ciphered(octets)
    assert (outside.tag, outside.control, outside.counter) == (tag, 0x30, 1)
    assert outside.title == (CLIENT if tag in {GENERAL_GLO, GENERAL_DED} else b"")
    assert meter.unprotect_fresh(octets) == apdu


@pytest.mark.parametrize("level", PROTECTING)
@pytest.mark.parametrize("suite", [0, 1])
def test_the_control_octet_names_level_and_suite(level: Security, suite: int) -> None:
    client, meter = pair(settings(level, suite))
    octets = client.protect(GET)
    bits = {Security.AUTHENTICATED: 0x10, Security.ENCRYPTED: 0x20, Security.BOTH: 0x30}
    assert decode_ciphered(octets).control == bits[level] | suite
    assert (GET in octets) == (level is Security.AUTHENTICATED)
    assert meter.unprotect_fresh(octets) == GET


def test_without_protection_nothing_changes() -> None:
    client, meter = pair(settings(Security.NONE))
    assert client.protect(GET) is GET
    assert meter.unprotect(GET) is GET
    assert meter.unprotect_fresh(GET) is GET
    assert not client.protects
    assert client.client_title == CLIENT


def test_every_text_has_its_own_counter() -> None:
    client, _ = pair(settings(), first=7)
    counters = [decode_ciphered(client.protect(GET)).counter for _ in range(3)]
    counters.append(int.from_bytes(client.gmac(b"challenge")[1:5], "big"))
    counters.append(decode_ciphered(client.protect_initiate(b"\x01\0")).counter)
    assert counters == [7, 8, 9, 10, 11]


def test_a_counter_that_is_used_up_protects_nothing() -> None:
    client, _ = pair(settings(), first=MAX_COUNTER)
    client.protect(GET)
    with pytest.raises(CounterExhausted):
        client.protect(GET)


def test_an_initiate_goes_under_the_global_key_even_where_a_dedicated_one_is_used() -> None:
    client, meter = pair(settings(dedicated=True, general=True))
    octets = client.protect_initiate(b"\x01\0\0\0\x06")
    assert octets[0] == 0x21
    meter.dedicated_key = b""
    assert meter.unprotect(octets) == b"\x01\0\0\0\x06"


def test_a_dedicated_key_never_travels_in_the_open() -> None:
    client, meter = pair(settings(Security.AUTHENTICATED, dedicated=True))
    initiate = b"\x01\x01\x10" + client.dedicated_key
    octets = client.protect_initiate(initiate)
    assert decode_ciphered(octets).control == 0x30
    assert client.dedicated_key not in octets
    assert meter.unprotect(octets) == initiate


# Beginning anew


def test_an_association_begins_with_nothing_learnt() -> None:
    cipher = Cipher(settings(server_title=b"", dedicated=True), FixedSource(draws=[b"1" * 16, b"2" * 16]), Counters())
    cipher.begin()
    assert cipher.dedicated_key == b"1" * 16
    cipher.server_title = METER
    cipher.begin()
    assert (cipher.server_title, cipher.dedicated_key) == (b"", b"2" * 16)


def test_the_meters_counter_may_begin_anew_with_an_association() -> None:
    client, meter = pair(settings())
    octets = meter.protect(ANSWER)
    assert client.unprotect_fresh(octets) == ANSWER
    client.begin()
    assert client.unprotect_fresh(octets) == ANSWER


# Replays


def test_a_replay_is_dropped_and_counted() -> None:
    given, counters = settings(), Counters()
    client = Cipher(given, FixedSource(), counters)
    _, meter = pair(given)
    first, second = meter.protect(ANSWER), meter.protect(ANSWER)
    assert client.unprotect_fresh(second) == ANSWER
    assert client.unprotect_fresh(second) is None
    assert client.unprotect_fresh(first) is None
    assert counters.replayed == 2
    assert client.unprotect_fresh(meter.protect(ANSWER)) == ANSWER


def test_a_counter_of_zero_is_fresh_once() -> None:
    client, meter = pair(settings(), first=0)
    octets = meter.protect(ANSWER)
    assert client.unprotect_fresh(octets) == ANSWER
    assert client.unprotect_fresh(octets) is None


def test_what_the_initiate_used_is_not_fresh_any_more() -> None:
    client, meter = pair(settings())
    octets = meter.protect(ANSWER)
    assert client.unprotect(octets) == client.unprotect(octets) == ANSWER
    assert client.unprotect_fresh(octets) is None


def test_each_key_has_its_own_counter() -> None:
    client, meter = pair(settings(dedicated=True))
    high = meter.protect(ANSWER)
    meter.dedicated_key = b""
    meter.source = FixedSource(1)
    low = meter.protect(PUSH)
    assert client.unprotect_fresh(high) == ANSWER
    assert client.unprotect_fresh(low) == PUSH
    assert client.unprotect_fresh(low) is None


# What is received


@pytest.mark.parametrize("level", [Security.AUTHENTICATED, Security.BOTH])
@pytest.mark.parametrize("general", [False, True])
def test_no_flipped_bit_passes(level: Security, *, general: bool) -> None:
    """Outside of what is authenticated lie the form's tag, and a general form's empty-or-not title."""
    given = settings(level, general=general)
    octets = pair(given)[1].protect(ANSWER)
    for bit in range(8, len(octets) * 8):
        client = pair(given)[0]
        with pytest.raises((DecipheringFailed, UnexpectedReply)):
            client.unprotect_fresh(flipped(octets, bit))


@pytest.mark.parametrize("level", PROTECTING)
def test_no_shorter_text_passes(level: Security) -> None:
    given = settings(level)
    octets = pair(given)[1].protect(ANSWER)
    for size in range(1, len(octets)):
        with pytest.raises((DecipheringFailed, UnexpectedReply)):
            pair(given)[0].unprotect(octets[:size])


@pytest.mark.parametrize("level", [Security.AUTHENTICATED, Security.BOTH])
def test_a_text_without_room_for_its_tag_is_refused(level: Security) -> None:
    given = settings(level)
    control = decode_ciphered(pair(given)[1].protect(ANSWER)).control
    for size in range(12):
        with pytest.raises(DecipheringFailed):
            pair(given)[0].unprotect(Ciphered(0xCC, b"", control, 9, bytes(size)).to_bytes())


@pytest.mark.parametrize("level", [Security.AUTHENTICATED, Security.BOTH])
@pytest.mark.parametrize(
    "other",
    [
        {"encryption_key": bytes(16)},
        {"authentication_key": bytes(16)},
        {"server_title": b"MTR\0\0\0\0\3"},
    ],
)
def test_another_key_or_title_does_not_open(level: Security, other: dict[str, object]) -> None:
    octets = pair(settings(level))[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="tag does not confirm"):
        pair(settings(level, **other))[0].unprotect(octets)


@pytest.mark.parametrize(
    ("agreed", "came"),
    [
        (Security.BOTH, Security.AUTHENTICATED),
        (Security.BOTH, Security.ENCRYPTED),
        (Security.AUTHENTICATED, Security.ENCRYPTED),
        (Security.ENCRYPTED, Security.AUTHENTICATED),
    ],
)
def test_less_protection_than_agreed_is_refused(agreed: Security, came: Security) -> None:
    octets = pair(settings(came))[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="less protection"):
        pair(settings(agreed))[0].unprotect(octets)


@pytest.mark.parametrize("agreed", [Security.AUTHENTICATED, Security.ENCRYPTED])
def test_more_protection_than_agreed_is_welcome(agreed: Security) -> None:
    octets = pair(settings(Security.BOTH))[1].protect(ANSWER)
    assert pair(settings(agreed))[0].unprotect(octets) == ANSWER


def test_nothing_plain_passes_for_an_answer_where_protection_was_agreed() -> None:
    client, _ = pair(settings())
    with pytest.raises(DecipheringFailed, match="unprotected APDU with tag c4"):
        client.unprotect_fresh(ANSWER)


@pytest.mark.parametrize("report", [b"\xd8\x01\x02", b"\x0e\x01\x00\x06"])
def test_an_error_report_may_come_plain(report: bytes) -> None:
    assert pair(settings())[0].unprotect_fresh(report) == report


@pytest.mark.parametrize("read", [Cipher.unprotect, Cipher.unprotect_fresh])
def test_an_empty_apdu_is_refused(read: Callable[[Cipher, bytes], bytes | None]) -> None:
    with pytest.raises(UnexpectedReply, match="empty"):
        read(pair(settings())[0], b"")


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (0x00, "less protection"),
        (0x40, "less protection"),
        (0x32, "suite 2"),
        (0x3F, "suite 15"),
        (0xB0, "compression"),
    ],
)
def test_a_control_octet_that_is_not_ours(control: int, text: str) -> None:
    for level in (Security.NONE, Security.BOTH):
        with pytest.raises(DecipheringFailed, match=text):
            pair(settings(level))[0].unprotect(Ciphered(0xCC, b"", control, 9, bytes(20)).to_bytes())


def test_the_broadcast_key_is_taken_where_the_control_octet_says_so() -> None:
    text = gcm.seal(BROADCAST_KEY, METER + b"\0\0\0\5", PUSH, b"\x70" + AUTHENTICATION_KEY)
    octets = Ciphered(GENERAL_GLO, METER, 0x70, 5, text).to_bytes()
    assert pair(settings())[0].unprotect_fresh(octets) == PUSH
    with pytest.raises(DecipheringFailed, match="global broadcast key"):
        pair(settings(broadcast_key=b""))[0].unprotect(octets)


def test_an_answer_has_the_key_that_was_agreed() -> None:
    text = gcm.seal(BROADCAST_KEY, METER + b"\0\0\0\5", ANSWER, b"\x70" + AUTHENTICATION_KEY)
    with pytest.raises(DecipheringFailed, match="another key"):
        pair(settings())[0].unprotect_fresh(Ciphered(GENERAL_GLO, METER, 0x70, 5, text).to_bytes())
    client, earlier = pair(settings(dedicated=True))[0], pair(settings())[1]
    with pytest.raises(DecipheringFailed, match="another key"):
        client.unprotect_fresh(earlier.protect(ANSWER))
    for report in (b"\x0e\x01\0\0", PUSH):
        assert client.unprotect_fresh(earlier.protect(report)) == report


def test_a_key_that_we_do_not_have_is_named() -> None:
    dedicated = pair(settings(dedicated=True))[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="dedicated key, and we have none"):
        pair(settings())[0].unprotect(dedicated)
    bare = Cipher(SecuritySettings(), FixedSource(), Counters())
    with pytest.raises(DecipheringFailed, match="global unicast key, and we have none"):
        bare.unprotect(pair(settings())[1].protect(ANSWER))


def test_an_authenticated_text_without_authentication_key_is_refused() -> None:
    octets = pair(settings(Security.BOTH))[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="no authentication key"):
        pair(settings(Security.ENCRYPTED, authentication_key=b""))[0].unprotect(octets)


# Titles


def test_a_title_is_learnt_only_from_what_opens() -> None:
    given = settings(server_title=b"")
    client = Cipher(given, FixedSource(), Counters())
    octets = Cipher(mirrored(settings(general=True)), FixedSource(), Counters()).protect(ANSWER)
    with pytest.raises(DecipheringFailed):
        client.unprotect(flipped(octets, 8 * len(octets) - 1))
    assert client.server_title == b""
    assert client.unprotect(octets) == ANSWER
    assert client.server_title == METER


def test_a_form_without_title_needs_one_that_is_known() -> None:
    client = Cipher(settings(server_title=b""), FixedSource(), Counters())
    octets = pair(settings())[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="title is not known"):
        client.unprotect(octets)
    client.server_title = METER
    assert client.unprotect(octets) == ANSWER


def test_the_title_of_somebody_else_is_refused() -> None:
    octets = pair(settings(server_title=b"MTR\0\0\0\0\3", general=True))[1].protect(ANSWER)
    with pytest.raises(DecipheringFailed, match="somebody else"):
        pair(settings())[0].unprotect(octets)


def test_a_title_of_another_length_is_refused() -> None:
    client = Cipher(settings(server_title=b""), FixedSource(), Counters())
    with pytest.raises(DecipheringFailed, match="3 octets"):
        client.unprotect(Ciphered(GENERAL_GLO, b"abc", 0x30, 1, bytes(20)).to_bytes())


def test_our_own_request_sent_back_is_refused() -> None:
    client = Cipher(settings(server_title=b"", general=True), FixedSource(), Counters())
    with pytest.raises(DecipheringFailed, match="our own system title"):
        client.unprotect(client.protect(GET))


# GMAC


def test_both_sides_prove_themselves() -> None:
    client, meter = pair(settings(Security.NONE, 1))
    answer = client.gmac(b"the meter's challenge")
    assert answer[:5] == b"\x11\0\0\0\1"
    assert answer[5:] == gcm.tag(
        ENCRYPTION_KEY, CLIENT + b"\0\0\0\1", b"\x11" + AUTHENTICATION_KEY + b"the meter's challenge"
    )
    assert meter.check_gmac(answer, b"the meter's challenge")
    assert not meter.check_gmac(answer, b"another challenge")


def test_no_damaged_proof_passes() -> None:
    client, meter = pair(settings())
    proof = client.gmac(b"challenge")
    for bit in range(len(proof) * 8):
        assert not meter.check_gmac(flipped(proof, bit), b"challenge")
    for size in range(len(proof)):
        assert not meter.check_gmac(proof[:size], b"challenge")
    assert not meter.check_gmac(proof + b"\0", b"challenge")


def test_a_proof_without_a_title_to_check_it_with_does_not_pass() -> None:
    client, meter = pair(settings())
    proof = client.gmac(b"challenge")
    meter.server_title = b""
    assert not meter.check_gmac(proof, b"challenge")


@pytest.mark.parametrize("missing", ["client_title", "encryption_key", "authentication_key"])
def test_gmac_needs_title_and_keys(missing: str) -> None:
    cipher = Cipher(settings(Security.NONE, **{missing: b""}), FixedSource(), Counters())
    with pytest.raises(BadParameter, match="GMAC needs"):
        cipher.gmac(b"challenge")


# Counters that the meter refuses


def test_a_refusal_raises_the_counter_above_the_one_it_tells() -> None:
    client, _ = pair(settings())
    assert isinstance(client.refused(500), CounterRefused)
    assert client.source.take() == 501


def test_a_refusal_cannot_use_the_key_up() -> None:
    client, _ = pair(settings())
    assert isinstance(client.refused(MAX_RESYNC + 1), CounterExhausted)
    assert client.source.take() == 1


# Secrets


def test_nothing_prints_a_key() -> None:
    given = settings(dedicated=True)
    client, _ = pair(given)
    texts = [repr(client), repr(given), str(given)]
    for key in (ENCRYPTION_KEY, AUTHENTICATION_KEY, BROADCAST_KEY, client.dedicated_key):
        assert not any(form in text for text in texts for form in (key.hex(), repr(key)))
