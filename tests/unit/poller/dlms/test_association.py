"""What an AARE makes of a proposal."""

import pytest

from poller.dlms.apdu import decode_apdu
from poller.dlms.association import Association, Mechanism, Proposal, association_request, judge
from poller.dlms.errors import AssociationRefused, AuthenticationFailed, UnexpectedReply
from poller.dlms.xdlms import DEFAULT_CONFORMANCE

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


@pytest.mark.parametrize("octets", [bytes.fromhex("6303800100"), aare(information="")])
def test_what_is_no_answer_to_an_aarq(octets: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        judged(octets)
