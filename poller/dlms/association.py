"""What a client proposes in an AARQ, and what an AARE makes of it (IEC 62056-5-3, 6.2).

Goes in: our terms; the decoded answer. Comes out: the AARQ; the Association with the terms that bind, or the error that
says why there is none.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poller.dlms.acse import Aare, Aarq, Context, MechanismName, Result, Source, encode_aarq
from poller.dlms.apdu import Apdu, decode_apdu
from poller.dlms.errors import AssociationRefused, AuthenticationFailed, UnexpectedReply
from poller.dlms.xdlms import (
    DLMS_VERSION,
    Conformance,
    ExceptionApdu,
    InitiateRequest,
    InitiateResponse,
    ServiceError,
    encode_initiate_request,
)

_AUTHENTICATION_DIAGNOSTICS: Final = range(11, 15)
_HLS_PENDING: Final = 14
UNLIMITED_PDU: Final = 0xFFFF
MIN_PDU: Final = 12
"""Below it the standard's own answer is pdu-size-too-short."""


class Mechanism(StrEnum):
    """How a client proves who it is."""

    NONE = "none"
    LLS = "lls"


_NAMES: Final = {Mechanism.NONE: MechanismName.LOWEST, Mechanism.LLS: MechanismName.LLS}


@dataclass(frozen=True, slots=True)
class Association:
    """The terms a server granted."""

    conformance: int
    max_pdu: int
    """Octets of the largest APDU that the server takes."""
    vaa_name: int

    @property
    def supports_with_list(self) -> bool:
        """Whether GET-with-list was negotiated (bit 14, multiple references)."""
        return bool(self.conformance & Conformance.MULTIPLE_REFERENCES)

    @property
    def supports_block_get(self) -> bool:
        """Whether block transfer with GET was negotiated (bit 11)."""
        return bool(self.conformance & Conformance.BLOCK_TRANSFER_WITH_GET)

    @property
    def supports_selective_access(self) -> bool:
        """Whether selective access was negotiated (bit 21)."""
        return bool(self.conformance & Conformance.SELECTIVE_ACCESS)


def association_request(mechanism: Mechanism, secret: bytes, conformance: int, max_pdu: int) -> bytes:
    """Return the AARQ for logical-name referencing without ciphering."""
    initiate = encode_initiate_request(InitiateRequest(Conformance(conformance), max_pdu))
    return encode_aarq(Aarq(Context.LN, _NAMES[mechanism], initiate, secret))


def judge(answer: Apdu, mechanism: Mechanism, proposed: int) -> Association:
    """Return the association that an answer to an AARQ makes.

    Raises AuthenticationFailed, AssociationRefused, or UnexpectedReply when it is no such answer at all.
    """
    if isinstance(answer, ServiceError | ExceptionApdu):
        raise AssociationRefused(f"the meter answers the AARQ with {answer}")
    if not isinstance(answer, Aare):
        raise UnexpectedReply(f"an AARE expected, not {type(answer).__name__}")
    if answer.result is not Result.ACCEPTED:
        raise _refusal(answer)
    if answer.source is Source.USER and answer.diagnostic == _HLS_PENDING:
        raise AuthenticationFailed(f"the meter asks for high-level security, we offered {mechanism}")
    return _terms(answer, proposed)


def _refusal(answer: Aare) -> AuthenticationFailed | AssociationRefused:
    text = f"{answer.result.name.lower().replace('_', '-')}, {answer.source.name.lower()}: {answer.diagnostic_text}"
    if answer.source is Source.USER and answer.diagnostic in _AUTHENTICATION_DIAGNOSTICS:
        return AuthenticationFailed(text)
    if answer.user_information[:1] == b"\x0e":
        text = f"{text}, {decode_apdu(answer.user_information)}"
    return AssociationRefused(text)


def _terms(answer: Aare, proposed: int) -> Association:
    if answer.context is not Context.LN:
        raise AssociationRefused(f"the meter answers in the application context {answer.context.name}, asked was LN")
    initiate = decode_apdu(answer.user_information)
    if not isinstance(initiate, InitiateResponse):
        raise AssociationRefused(f"an accepted AARE that carries no initiate-response: {initiate}")
    if initiate.version < DLMS_VERSION:
        raise AssociationRefused(f"DLMS version {initiate.version}, at least {DLMS_VERSION} is needed")
    max_pdu = initiate.max_pdu or UNLIMITED_PDU
    if max_pdu < MIN_PDU:
        raise AssociationRefused(f"a maximum PDU of {max_pdu} octets, at least {MIN_PDU} are needed")
    return Association(initiate.conformance & proposed, max_pdu, initiate.vaa_name)
