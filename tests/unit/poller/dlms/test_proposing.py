"""What an AARE makes of a proposal."""

from dataclasses import replace

import pytest

from poller.dlms.acse import Aare, Aarq, Context, MechanismName, Result, Source
from poller.dlms.apdu import decode_apdu
from poller.dlms.association import Association, Mechanism
from poller.dlms.ciphering import Cipher
from poller.dlms.errors import (
    AssociationRefused,
    AuthenticationFailed,
    CounterRefused,
    DecipheringFailed,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters
from poller.dlms.proposing import NAMES, Proposal, association_request, judge
from poller.dlms.security import Security
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, Conformance, InitiateRequest
from tests.support.keyring import CLIENT, METER, FixedSource, mirrored, settings

INITIATE = "0800065f1f0400{conformance}{pdu}0007"


def aare(
    result: int = 0,
    diagnostic: int = 0,
    source: int = 0xA1,
    context: int = 1,
    information: str = INITIATE.format(conformance="00301d", pdu="1900"),
) -> bytes:
    inner = bytes.fromhex(information)
    content = bytes.fromhex("a1090607608574050801") + bytes((context,))
    content += bytes((0xA2, 3, 2, 1, result, 0xA3, 5, source, 3, 2, 1, diagnostic))
    if inner:
        content += bytes((0xBE, len(inner) + 2, 4, len(inner))) + inner
    return bytes((0x61, len(content))) + content


def judged(octets: bytes, proposed: int = DEFAULT_CONFORMANCE) -> Association:
    return judge(decode_apdu(octets), Mechanism.LLS, Proposal(proposed, 0xFFFF))


def test_the_request_with_a_password_is_the_derived_one() -> None:
    expected = (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083232323232323232"
        "be10040e01000000065f1f0400007e1f04b0"
    )
    assert association_request(Mechanism.LLS, b"22222222", Proposal(0x007E1F, 1200)).hex() == expected
    assert association_request(Mechanism.NONE, b"", Proposal(0x00301D, 0xFFFF)).hex().startswith("601d")


def test_the_terms_of_the_meters_guide() -> None:
    terms = judged(aare())
    assert terms == Association(0x00301D, 6400, 7)
    assert not terms.supports_with_list
    assert terms.supports_block_get
    assert terms.supports_selective_access


def test_nothing_is_granted_that_was_not_proposed() -> None:
    terms = judged(aare(information=INITIATE.format(conformance="ffffff", pdu="1900")), 0x000010)
    assert terms.conformance == 0x10
    assert not (terms.supports_with_list)
    assert not (terms.supports_block_get)
    assert not (terms.supports_selective_access)


def test_a_pdu_size_of_zero_is_no_limit() -> None:
    assert judged(aare(information=INITIATE.format(conformance="00301d", pdu="0000"))).max_pdu == 0xFFFF


@pytest.mark.parametrize(
    ("diagnostic", "name"),
    [
        (11, "authentication-mechanism-name-not-recognised"),
        (12, "authentication-mechanism-name-required"),
        (13, "authentication-failure"),
        (14, "authentication-required"),
    ],
)
def test_diagnostics_of_authentication(diagnostic: int, name: str) -> None:
    with pytest.raises(AuthenticationFailed, match=rf"{name} \({diagnostic}\)"):
        judged(aare(1, diagnostic))


@pytest.mark.parametrize("diagnostic", range(11))
def test_other_refusals(diagnostic: int) -> None:
    with pytest.raises(AssociationRefused, match=rf"\({diagnostic}\)"):
        judged(aare(2, diagnostic, information=""))


def test_a_provider_refusal_is_none_of_authentication() -> None:
    with pytest.raises(AssociationRefused, match="unknown"):
        judged(aare(1, 13, source=0xA2))


def test_the_error_inside_a_refusal_is_told() -> None:
    with pytest.raises(AssociationRefused, match="dlms-version-too-low"):
        judged(aare(1, 1, information="0e010601"))


def test_a_demand_for_high_level_security_is_a_failed_authentication() -> None:
    with pytest.raises(AuthenticationFailed, match="high-level"):
        judged(aare(0, 14))


@pytest.mark.parametrize(
    ("octets", "named"),
    [
        (aare(context=3), "LN_CIPHERED"),
        (aare(information="0e010601"), "no initiate-response"),
        (aare(information=INITIATE.format(conformance="00301d", pdu="000b")), "11 octets"),
        (aare(information="0800055f1f040000301d19000007"), "version 5"),
        (bytes.fromhex("d80102"), "exception-response"),
        (bytes.fromhex("0e010601"), "confirmed-service-error"),
    ],
)
def test_terms_we_cannot_work_under(octets: bytes, named: str) -> None:
    with pytest.raises(AssociationRefused, match=named):
        judged(octets)


def test_a_meter_that_cannot_open_the_request_has_other_keys() -> None:
    with pytest.raises(AuthenticationFailed, match="keys"):
        judged(bytes.fromhex("d80105"))


@pytest.mark.parametrize("octets", [bytes.fromhex("6303800100"), aare(information="")])
def test_what_is_no_answer_to_an_aarq(octets: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        judged(octets)


# Ciphered contexts and high-level security

CTOS, STOC = b"C" * 16, b"S" * 16
GRANTED = bytes.fromhex("0800065f1f040000301d19000007")
HIGH = [mechanism for mechanism in Mechanism if mechanism.high_level]


def answered(
    mechanism: MechanismName | None = MechanismName.HLS_GMAC,
    challenge: bytes | None = STOC,
    diagnostic: int = 14,
    title: bytes | None = METER,
    context: Context = Context.LN,
    information: bytes = GRANTED,
) -> Aare:
    return Aare(context, Result.ACCEPTED, Source.USER, diagnostic, information, mechanism, challenge, title)


def proposed(level: Security = Security.NONE, **other: object) -> Proposal:
    cipher = Cipher(settings(level, **other), FixedSource(), Counters())
    cipher.begin()
    return Proposal(DEFAULT_CONFORMANCE, 0xFFFF, challenge=CTOS, cipher=cipher)


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_request_with_high_level_security_carries_title_and_challenge(mechanism: Mechanism) -> None:
    aarq = decode_apdu(association_request(mechanism, b"never sent", proposed()))
    assert isinstance(aarq, Aarq)
    assert (aarq.mechanism, aarq.secret, aarq.calling_title) == (NAMES[mechanism], CTOS, CLIENT)
    assert aarq.context is Context.LN


@pytest.mark.parametrize(
    ("level", "short", "context"),
    [
        (Security.NONE, False, Context.LN),
        (Security.NONE, True, Context.SN),
        (Security.BOTH, False, Context.LN_CIPHERED),
        (Security.BOTH, True, Context.SN_CIPHERED),
    ],
)
def test_the_context_follows_from_protection_and_names(level: Security, context: Context, *, short: bool) -> None:
    proposal = replace(proposed(level), short_names=short)
    aarq = decode_apdu(association_request(Mechanism.LLS, b"password", proposal))
    assert isinstance(aarq, Aarq)
    assert aarq.context is context
    assert aarq.user_information[:1] == (b"\x21" if level is Security.BOTH else b"\x01")


def test_a_dedicated_key_is_in_the_protected_initiate() -> None:
    proposal = proposed(Security.BOTH, dedicated=True)
    assert proposal.cipher is not None
    meter = Cipher(mirrored(settings()), FixedSource(), Counters())
    initiate = decode_apdu(meter.unprotect(proposal.initiate()))
    assert isinstance(initiate, InitiateRequest)
    assert initiate.dedicated_key == proposal.cipher.dedicated_key != b""
    assert initiate.dedicated_key.hex() not in repr(initiate)


@pytest.mark.parametrize("mechanism", HIGH)
@pytest.mark.parametrize("diagnostic", [14, 0])
def test_high_level_security_is_pending(mechanism: Mechanism, diagnostic: int) -> None:
    terms = judge(answered(NAMES[mechanism], diagnostic=diagnostic), mechanism, proposed())
    assert terms.authentication_pending
    assert (terms.server_challenge, terms.server_title, terms.ciphered) == (STOC, METER, False)


def test_a_meter_that_does_not_repeat_the_mechanism_may_still_ask_for_the_proof() -> None:
    assert judge(answered(None), Mechanism.HLS_MD5, proposed()).authentication_pending


@pytest.mark.parametrize("mechanism", [MechanismName.LLS, MechanismName.HLS_MD5, MechanismName.HLS_ECDSA])
def test_another_mechanism_than_the_one_offered_is_refused(mechanism: MechanismName) -> None:
    with pytest.raises(AuthenticationFailed, match="we offered hls-gmac"):
        judge(answered(mechanism), Mechanism.HLS_GMAC, proposed())


def test_an_association_that_is_simply_granted_where_proof_was_offered_is_refused() -> None:
    with pytest.raises(AuthenticationFailed, match="mechanism none"):
        judge(answered(None, None, 0), Mechanism.HLS_GMAC, proposed())


@pytest.mark.parametrize("challenge", [None, b"", b"short", bytes(65), CTOS])
def test_a_challenge_that_cannot_be_the_meters(challenge: bytes | None) -> None:
    with pytest.raises(AuthenticationFailed, match="challenge"):
        judge(answered(challenge=challenge), Mechanism.HLS_GMAC, proposed())


def ciphered_answer(title: bytes = METER, information: bytes = GRANTED) -> Aare:
    meter = Cipher(mirrored(settings(server_title=title)), FixedSource(), Counters())
    return answered(None, None, 0, title, Context.LN_CIPHERED, meter.protect_initiate(information))


def test_a_ciphered_answer_gives_terms_and_title() -> None:
    proposal = proposed(Security.BOTH, server_title=b"")
    terms = judge(ciphered_answer(), Mechanism.LLS, proposal)
    assert terms == Association(0x00301D, 6400, 7, ciphered=True, server_title=METER)
    assert proposal.cipher is not None
    assert proposal.cipher.server_title == METER


def test_a_plain_grant_in_a_ciphered_context_is_refused() -> None:
    with pytest.raises(DecipheringFailed, match="unprotected"):
        judge(answered(None, None, 0, context=Context.LN_CIPHERED), Mechanism.LLS, proposed(Security.BOTH))


def test_a_plain_context_where_a_ciphered_one_was_asked_is_refused() -> None:
    with pytest.raises(AssociationRefused, match="asked was LN_CIPHERED"):
        judge(answered(None, None, 0), Mechanism.LLS, proposed(Security.BOTH))


def test_a_configured_title_must_be_the_meters() -> None:
    with pytest.raises(AuthenticationFailed, match="is configured"):
        judge(ciphered_answer(b"MTR\0\0\0\0\3"), Mechanism.LLS, proposed(Security.BOTH))


def test_our_own_title_is_not_the_meters_where_its_proof_alone_is_protected() -> None:
    with pytest.raises(AuthenticationFailed, match="our system title"):
        judge(answered(title=CLIENT), Mechanism.HLS_GMAC, proposed(server_title=b""))


@pytest.mark.parametrize("title", [None, b"", b"no title"[:5]])
def test_a_meter_without_a_title_has_the_configured_one(title: bytes | None) -> None:
    assert judge(answered(title=title), Mechanism.HLS_GMAC, proposed()).server_title == METER


def test_without_a_cipher_the_title_is_only_told() -> None:
    assert judge(answered(None, None, 0), Mechanism.LLS, Proposal(DEFAULT_CONFORMANCE, 0xFFFF)).server_title == METER


def test_a_refused_counter_is_raised() -> None:
    proposal = proposed(Security.BOTH)
    assert proposal.cipher is not None
    with pytest.raises(CounterRefused, match="expects 1000"):
        judge(decode_apdu(bytes.fromhex("d80106000003e8")), Mechanism.LLS, proposal)
    assert proposal.cipher.source.take() == 1001


def test_a_refused_counter_without_keys_is_a_refusal() -> None:
    with pytest.raises(AssociationRefused, match="invocation-counter-error"):
        judged(bytes.fromhex("d80106000003e8"))


@pytest.mark.parametrize(
    ("name", "bit"),
    [
        ("supports_block_set", Conformance.BLOCK_TRANSFER_WITH_SET),
        ("supports_block_action", Conformance.BLOCK_TRANSFER_WITH_ACTION),
        ("supports_general_block", Conformance.GENERAL_BLOCK_TRANSFER),
        ("supports_general_protection", Conformance.GENERAL_PROTECTION),
        ("supports_set", Conformance.SET),
        ("supports_action", Conformance.ACTION),
        ("supports_access", Conformance.ACCESS),
    ],
)
def test_what_was_negotiated(name: str, bit: Conformance) -> None:
    assert getattr(Association(bit, 100, 7), name)
    assert not getattr(Association(0xFFFFFF & ~bit, 100, 7), name)
