"""What a client proposes in an AARQ, and what an AARE makes of it (IEC 62056-5-3, 6.2; Green Book 9.3.2, 9.4.2).

Goes in: our terms; the decoded answer. Comes out: the AARQ; the Association with the terms that bind, or the error that
says why there is none. High-level security is only begun here: passes 3 and 4 are ``opening``'s.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from poller.dlms.acse import Aare, Aarq, Context, MechanismName, Result, Source, encode_aarq
from poller.dlms.apdu import Apdu, decode_apdu
from poller.dlms.association import MIN_PDU, Association, Mechanism
from poller.dlms.errors import AssociationRefused, AuthenticationFailed, UnexpectedReply
from poller.dlms.security import TITLE_OCTETS
from poller.dlms.xdlms import (
    DLMS_VERSION,
    Conformance,
    ExceptionApdu,
    InitiateRequest,
    InitiateResponse,
    ServiceError,
    encode_initiate_request,
)

if TYPE_CHECKING:  # without security neither is needed, and what they load weighs more than the whole protocol
    from poller.dlms.ciphering import Cipher

_AUTHENTICATION_DIAGNOSTICS: Final = range(11, 15)
_HLS_PENDING: Final = 14
UNLIMITED_PDU: Final = 0xFFFF
NAMES: Final = {
    Mechanism.NONE: MechanismName.LOWEST,
    Mechanism.LLS: MechanismName.LLS,
    Mechanism.HLS_MD5: MechanismName.HLS_MD5,
    Mechanism.HLS_SHA1: MechanismName.HLS_SHA1,
    Mechanism.HLS_GMAC: MechanismName.HLS_GMAC,
    Mechanism.HLS_SHA256: MechanismName.HLS_SHA256,
}
"""ECDSA, mechanism 7, is not among them: it needs the asymmetric part of suites 1 and 2."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a client asks for, beside mechanism and secret, that the answer is measured by."""

    conformance: int
    max_pdu: int
    short_names: bool = False
    challenge: bytes = b""
    """Ours to the server; HLS only."""
    cipher: "Cipher | None" = field(default=None, repr=False)
    """There where APDUs are protected, or a system title is to be told."""

    @property
    def ciphered(self) -> bool:
        """Whether a ciphered application context is asked for."""
        return self.cipher is not None and self.cipher.protects

    @property
    def context(self) -> Context:
        """The application context name (IEC 62056-5-3, 7.2.2)."""
        if self.short_names:
            return Context.SN_CIPHERED if self.ciphered else Context.SN
        return Context.LN_CIPHERED if self.ciphered else Context.LN

    def initiate(self) -> bytes:
        """Return the user-information of AARQ and RLRQ: an initiate-request, under the global key where ciphered."""
        key = self.cipher.dedicated_key if self.cipher else b""
        request = InitiateRequest(Conformance(self.conformance), self.max_pdu, dedicated_key=key or None)
        initiate = encode_initiate_request(request)
        return self.cipher.protect_initiate(initiate) if self.cipher and self.ciphered else initiate


def association_request(mechanism: Mechanism, secret: bytes, proposal: Proposal) -> bytes:
    """Return the AARQ; its authentication value is the password, or our challenge."""
    value = proposal.challenge if mechanism.high_level else secret
    title = proposal.cipher.client_title if proposal.cipher else b""
    return encode_aarq(Aarq(proposal.context, NAMES[mechanism], proposal.initiate(), value, title))


def judge(answer: Apdu, mechanism: Mechanism, proposal: Proposal) -> Association:
    """Return the association that an answer to an AARQ makes; with HLS it is pending.

    Raises AuthenticationFailed, AssociationRefused, DecipheringFailed, CounterRefused and CounterExhausted, or
    UnexpectedReply when it is no such answer at all.
    """
    cipher = proposal.cipher
    if isinstance(answer, ExceptionApdu) and answer.expected_counter is not None and cipher:
        raise cipher.refused(answer.expected_counter)
    if isinstance(answer, ExceptionApdu) and answer.undeciphered:
        raise AuthenticationFailed(f"the meter cannot open the AARQ, its keys or its suite are others: {answer}")
    if isinstance(answer, ServiceError | ExceptionApdu):
        raise AssociationRefused(f"the meter answers the AARQ with {answer}")
    if not isinstance(answer, Aare):
        raise UnexpectedReply(f"an AARE expected, not {type(answer).__name__}")
    if answer.result is not Result.ACCEPTED:
        raise _refusal(answer)
    challenge = _challenge(answer, mechanism, proposal.challenge)
    if answer.context is not proposal.context:
        asked = proposal.context.name
        raise AssociationRefused(
            f"the meter answers in the application context {answer.context.name}, asked was {asked}"
        )
    return _terms(answer, proposal, _title(answer, cipher), challenge)


def _refusal(answer: Aare) -> AuthenticationFailed | AssociationRefused:
    text = f"{answer.result.name.lower().replace('_', '-')}, {answer.source.name.lower()}: {answer.diagnostic_text}"
    if answer.source is Source.USER and answer.diagnostic in _AUTHENTICATION_DIAGNOSTICS:
        return AuthenticationFailed(text)
    if answer.user_information[:1] == b"\x0e":
        text = f"{text}, {decode_apdu(answer.user_information)}"
    return AssociationRefused(text)


def _challenge(answer: Aare, mechanism: Mechanism, own: bytes) -> bytes:
    """Return the server's challenge, empty without HLS; raise AuthenticationFailed when it is not what we offered."""
    pending = answer.source is Source.USER and answer.diagnostic == _HLS_PENDING
    if not mechanism.high_level:
        if pending:
            raise AuthenticationFailed(f"the meter asks for high-level security, we offered {mechanism}")
        return b""
    if answer.mechanism is not NAMES[mechanism] and (answer.mechanism is not None or not pending):
        granted = "none" if answer.mechanism is None else answer.mechanism.name.lower().replace("_", "-")
        raise AuthenticationFailed(f"the meter answers with mechanism {granted}, we offered {mechanism}")
    from poller.dlms.hls import check_challenge

    return check_challenge(answer.secret, own)


def _title(answer: Aare, cipher: "Cipher | None") -> bytes:
    """Return the meter's system title, and let the cipher know it; a configured one must be the meter's."""
    stated = answer.responding_title or b""
    if cipher is None:
        return stated
    known = cipher.server_title
    if len(stated) == TITLE_OCTETS:
        if known and known != stated:
            raise AuthenticationFailed(f"the meter's system title is {stated.hex()}, {known.hex()} is configured")
        if stated == cipher.client_title and not cipher.protects:  # a proof of ours, sent back, would be the meter's
            raise AuthenticationFailed("the meter gives our system title as its own")
        cipher.server_title = stated
    return cipher.server_title


def _terms(answer: Aare, proposal: Proposal, title: bytes, challenge: bytes) -> Association:
    information = answer.user_information
    if proposal.cipher and proposal.ciphered:
        information = proposal.cipher.unprotect(information)
    initiate = decode_apdu(information)
    if not isinstance(initiate, InitiateResponse):
        raise AssociationRefused(f"an accepted AARE that carries no initiate-response: {initiate}")
    if initiate.version < DLMS_VERSION:
        raise AssociationRefused(f"DLMS version {initiate.version}, at least {DLMS_VERSION} is needed")
    max_pdu = initiate.max_pdu or UNLIMITED_PDU
    if max_pdu < MIN_PDU:
        raise AssociationRefused(f"a maximum PDU of {max_pdu} octets, at least {MIN_PDU} are needed")
    conformance = initiate.conformance & proposal.conformance
    ciphered = proposal.ciphered
    return Association(conformance, max_pdu, initiate.vaa_name, ciphered, title, challenge, bool(challenge))
