"""Every protected vector: deciphered to what its source states, and protected again to the same octets."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from poller.dlms import acse, gcm
from poller.dlms.apdu import decode_apdu
from poller.dlms.association import Association, Mechanism
from poller.dlms.ciphered import GENERAL_GLO, Ciphered, decode_ciphered
from poller.dlms.ciphering import Cipher
from poller.dlms.errors import DecipheringFailed
from poller.dlms.exchange import Counters
from poller.dlms.notification import Notification
from poller.dlms.proposing import Proposal, association_request, judge
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.wrapper import WrapperDecoder
from poller.dlms.xdlms import InitiateRequest, decode_initiate_request
from tests.support.keyring import FixedSource

Vector = Mapping[str, Any]
HERE: Final = Path(__file__).parent
ALL: Final[list[Vector]] = json.loads((HERE / "dlms_public.json").read_text("utf-8"))["vectors"]
VECTORS: Final = {vector["id"]: vector for vector in ALL if vector["kind"] == "ciphered" or "keys" in vector}
TOTAL: Final = 20
SERVICES: Final = [
    "glo-get-req",
    "general-glo-push",
    *(f"heldout-gmac-action-{side}" for side in ("req", "resp")),
    *(f"heldout-gmac-get-{what}-{side}" for what in ("scaler", "value", "clock", "list") for side in ("req", "resp")),
]
INITIATES: Final = [
    "aarq-ciphered-lls",
    "rlrq-ciphered",
    "rlre-ciphered",
    "heldout-gmac-aarq",
    "heldout-gmac-aare",
]
BARE: Final = ["gcm-get-clock", "gmac-hls5", "general-glo-no-title"]


def octets_of(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["hex"])


def stated(name: str, field: str) -> bytes:
    """Return what a vector states in hexadecimal, among its fields or beside its keys."""
    vector = VECTORS[name]
    found: str = (vector["decoded"] | vector.get("keys", {}))[field]
    return bytes.fromhex(found)


def title_of(name: str) -> bytes:
    return stated(name, "calling_title" if name == "aarq-ciphered-lls" else "title")


def cipher_of(name: str, counter: int = 0, draws: tuple[bytes, ...] = (), **other: Any) -> Cipher:
    """Return a cipher with a vector's keys, of which sender and receiver have the vector's title."""
    title = title_of(name)
    given = SecuritySettings(Security.BOTH, 0, title, stated(name, "ek"), stated(name, "ak"), b"", title)
    cipher = Cipher(replace(given, **other), FixedSource(counter, list(draws)), Counters())
    cipher.begin()
    return cipher


def initiate_of(name: str) -> bytes:
    apdu = decode_apdu(octets_of(name))
    assert isinstance(apdu, acse.Aarq | acse.Aare | acse.Release)
    return apdu.user_information


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_deciphers_and_is_protected_to_the_same_octets(name: str) -> None:
    octets, plain = octets_of(name), stated(name, "plain")
    outside = decode_ciphered(octets)
    general = outside.tag == GENERAL_GLO
    assert outside.to_bytes() == octets
    assert outside.counter == VECTORS[name]["decoded"].get("ic", 0x01234567)
    assert (outside.control, outside.title) == (0x30, title_of(name) if general else b"")
    assert cipher_of(name).unprotect_fresh(octets) == plain
    assert cipher_of(name, outside.counter, general=general).protect(plain) == octets
    decode_apdu(plain)


@pytest.mark.parametrize("name", INITIATES)
def test_an_initiate_deciphers_and_is_protected_to_the_same_octets(name: str) -> None:
    octets, plain = initiate_of(name), stated(name, "initiate_plain")
    assert cipher_of(name).unprotect(octets) == plain
    assert cipher_of(name, decode_ciphered(octets).counter).protect_initiate(plain) == octets
    decode_apdu(plain)


def proposal_of(name: str, challenge: bytes = b"") -> Proposal:
    """Return the proposal that a vector's initiate-request makes."""
    request: InitiateRequest = decode_initiate_request(stated(name, "initiate_plain"))
    draws = (request.dedicated_key,) if request.dedicated_key else ()
    counter = decode_ciphered(initiate_of(name)).counter
    cipher = cipher_of(name, counter, draws, dedicated=bool(draws))
    return Proposal(request.conformance, request.max_pdu, challenge=challenge, cipher=cipher)


def test_the_request_with_password_and_dedicated_key_is_made_to_the_same_octets() -> None:
    name = "aarq-ciphered-lls"
    assert association_request(Mechanism.LLS, b"12345678", proposal_of(name)) == octets_of(name)
    found = decode_apdu(octets_of(name))
    assert isinstance(found, acse.Aarq)
    assert (found.context, found.mechanism) == (acse.Context.LN_CIPHERED, acse.MechanismName.LLS)
    assert found.calling_title == title_of(name)
    assert stated(name, "initiate_plain")[3:19] == bytes.fromhex("00112233445566778899aabbccddeeff")


def test_the_release_request_is_made_to_the_same_octets() -> None:
    assert acse.encode_rlrq(proposal_of("rlrq-ciphered").initiate()) == octets_of("rlrq-ciphered")


def exchanged() -> tuple[acse.Aarq, acse.Aare]:
    aarq, aare = decode_apdu(octets_of("heldout-gmac-aarq")), decode_apdu(octets_of("heldout-gmac-aare"))
    assert isinstance(aarq, acse.Aarq)
    assert isinstance(aare, acse.Aare)
    return aarq, aare


def test_the_captured_association_with_gmac_is_asked_for_and_granted() -> None:
    aarq, aare = exchanged()
    assert aarq.secret is not None
    assert aare.secret is not None
    proposal = proposal_of("heldout-gmac-aarq", aarq.secret)
    assert association_request(Mechanism.HLS_GMAC, b"", proposal) == octets_of("heldout-gmac-aarq")
    terms = judge(aare, Mechanism.HLS_GMAC, proposal)
    assert terms == Association(0x001E1D, 512, 7, True, title_of("heldout-gmac-aare"), aare.secret, True)


def test_the_captured_proofs_of_both_sides_are_recomputed() -> None:
    aarq, aare = exchanged()
    assert aarq.secret is not None
    assert aare.secret is not None
    ours = stated("heldout-gmac-action-req", "plain")[-17:]
    theirs = stated("heldout-gmac-action-resp", "plain")[-17:]
    assert cipher_of("heldout-gmac-action-req", 2).gmac(aare.secret) == ours
    assert cipher_of("heldout-gmac-action-resp").check_gmac(theirs, aarq.secret)
    assert not cipher_of("heldout-gmac-action-resp").check_gmac(theirs, aare.secret)


def test_the_bare_text_of_a_get_opens_and_is_sealed_to_the_same_octets() -> None:
    name = "gcm-get-clock"
    nonce = title_of(name) + VECTORS[name]["decoded"]["ic"].to_bytes(4, "big")
    associated = stated(name, "sc") + stated(name, "ak")
    assert gcm.open_(stated(name, "ek"), nonce, octets_of(name), associated) == stated(name, "plain")
    assert gcm.seal(stated(name, "ek"), nonce, stated(name, "plain"), associated) == octets_of(name)


def test_the_gmac_of_a_challenge_is_recomputed() -> None:
    name = "gmac-hls5"
    nonce = title_of(name) + b"\0\0\0\1"
    assert gcm.tag(stated(name, "ek"), nonce, stated(name, "aad")) == octets_of(name)
    answer = cipher_of(name, 1).gmac(bytes.fromhex("503677524a323146"))
    assert answer == b"\x10\0\0\0\1" + octets_of(name)


def test_a_general_form_without_title_takes_the_one_that_was_learnt() -> None:
    """The source has no keys: its octets tell the form, and fail at their tag, no earlier."""
    name, key, title = "general-glo-no-title", bytes(16), b"\0\1\2\3\4\5\6\7"
    octets = octets_of(name)
    outside = decode_ciphered(octets)
    assert outside.to_bytes() == octets
    assert (outside.tag, outside.title, outside.control, outside.counter) == (GENERAL_GLO, b"", 0x30, 2147483857)
    cipher = Cipher(SecuritySettings(encryption_key=key, authentication_key=key), FixedSource(), Counters())
    with pytest.raises(DecipheringFailed, match="title is not known"):
        cipher.unprotect(octets)
    cipher.server_title = title
    with pytest.raises(DecipheringFailed, match="tag does not confirm"):
        cipher.unprotect(octets)
    text = gcm.seal(key, title + octets[4:8], b"\x0f\0\0\0\1\0\0", octets[3:4] + key)
    same_form = Ciphered(GENERAL_GLO, b"", outside.control, outside.counter, text).to_bytes()
    assert same_form[:8] == octets[:2] + bytes((len(same_form) - 3,)) + octets[3:8]
    assert cipher.unprotect(same_form) == b"\x0f\0\0\0\1\0\0"


def test_the_push_in_a_wrapper_message_deciphers() -> None:
    (vector,) = (vector for vector in ALL if vector["id"] == "wrapper-push-general-glo")
    (message,) = WrapperDecoder().feed(bytes.fromhex(vector["hex"]))
    cipher = cipher_of("general-glo-push", client_title=b"\1" * 8, server_title=b"")
    plain = cipher.unprotect_fresh(message.apdu)
    assert plain == stated("general-glo-push", "plain")
    assert cipher.server_title == title_of("general-glo-push")
    assert cipher.unprotect_fresh(message.apdu) is None
    assert isinstance(decode_apdu(plain), Notification)


def test_every_protected_vector_is_handled() -> None:
    assert sorted((*SERVICES, *INITIATES, *BARE)) == sorted(VECTORS)
    assert len(VECTORS) == TOTAL
