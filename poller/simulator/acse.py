"""Association requests and answers (IEC 62056-5-3, ACSE in BER) on the meter's side.

AARQ octets in, an AssociationRequest out; a verdict in, AARE octets out; RLRQ in, RLRE out. What is no AARQ raises
BadRequest. No state, no passwords checked here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from common.errors import BridgeError

AARQ: Final = 0x60
RLRQ: Final = 0x62
_OID_CONTEXT: Final = bytes.fromhex("60857405 0801")
_OID_MECHANISM: Final = bytes.fromhex("60857405 0802")
_LN_CONTEXT: Final = bytes.fromhex("a109060760857405080101")
_RLRE: Final = bytes.fromhex("6303800100")
_VERSION: Final = 6
_VAA_LN: Final = 7
_SMALLEST_PDU: Final = 12


class BadRequest(BridgeError):
    """Octets from a client that no service of a meter understands."""


class Diagnostic(IntEnum):
    """acse-service-user diagnostics."""

    NONE = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class InitiateError(Enum):
    """Why xDLMS itself refused (confirmedServiceError, initiateError)."""

    VERSION_TOO_LOW = bytes.fromhex("0e010601")
    INCOMPATIBLE_CONFORMANCE = bytes.fromhex("0e010602")
    PDU_TOO_SHORT = bytes.fromhex("0e010603")


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What an AARQ asks for. ``context`` and ``mechanism`` are the last arcs of their identifiers."""

    context: int
    mechanism: int
    secret: bytes | None = field(repr=False)
    conformance: int
    max_pdu: int
    version: int

    def initiate_error(self, conformance: int) -> InitiateError | None:
        """Return why xDLMS cannot work with this request; ``conformance``: what both sides can."""
        if self.version < _VERSION:
            return InitiateError.VERSION_TOO_LOW
        if not conformance:
            return InitiateError.INCOMPATIBLE_CONFORMANCE
        return InitiateError.PDU_TOO_SHORT if 0 < self.max_pdu < _SMALLEST_PDU else None


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and contents of BER elements that follow one another; raise BadRequest when one is cut."""
    at = 0
    while at < len(octets):
        tag = octets[at]
        size = octets[at + 1] if at + 1 < len(octets) else -1
        start = at + 2
        if size & 0x80 and size > 0:
            start += size & 0x7F
            size = int.from_bytes(octets[at + 2 : start], "big")
        if size < 0 or start + size > len(octets):
            raise BadRequest(f"BER element {tag:#04x} at octet {at} is cut")
        yield tag, octets[start : start + size]
        at = start + size


def _last_arc(octets: bytes | None, stem: bytes) -> int:
    """Return the last arc of an object identifier under ``stem``; 0 when there is none or another stem."""
    if octets is None or len(octets) != len(stem) + 1 or not octets.startswith(stem):
        return 0
    return octets[-1]


def _only(octets: bytes) -> bytes:
    """Return the contents of the first element inside, b"" when there is none."""
    return next((contents for _tag, contents in _elements(octets)), b"")


def parse_aarq(apdu: bytes) -> AssociationRequest:
    """Return what an AARQ asks for; raise BadRequest when it cannot be read."""
    tag, body = next(_elements(apdu), (0, b""))
    if tag != AARQ:
        raise BadRequest("not an AARQ")
    fields = dict(_elements(body))
    conformance, max_pdu, version = _initiate(_only(fields.get(0xBE, b"")))
    secret = _only(fields[0xAC]) if 0xAC in fields else None
    return AssociationRequest(
        context=_last_arc(_only(fields.get(0xA1, b"")), _OID_CONTEXT),
        mechanism=_last_arc(fields.get(0x8B), _OID_MECHANISM),
        secret=secret,
        conformance=conformance,
        max_pdu=max_pdu,
        version=version,
    )


def _initiate(octets: bytes) -> tuple[int, int, int]:
    """Return conformance, client's receive size and version of an InitiateRequest (A-XDR)."""
    if octets[:1] != b"\x01":
        raise BadRequest("user information holds no InitiateRequest")
    at = 1
    if octets[at : at + 1] == b"\x01":
        at += 1 + int.from_bytes(octets[at + 1 : at + 2], "big")
    at += 1
    for _optional in ("response-allowed", "quality of service"):
        at += 2 if octets[at : at + 1] == b"\x01" else 1
    rest = octets[at:]
    if len(rest) < 10 or rest[1:5] != b"\x5f\x1f\x04\x00":
        raise BadRequest("InitiateRequest without conformance")
    return int.from_bytes(rest[5:8], "big"), int.from_bytes(rest[8:10], "big"), rest[0]


def initiate_response(conformance: int, max_pdu: int) -> bytes:
    """Return an InitiateResponse without quality of service, version 6."""
    return b"\x08\x00%c\x5f\x1f\x04\x00%b%b\x00%c" % (
        _VERSION,
        conformance.to_bytes(3, "big"),
        max_pdu.to_bytes(2, "big"),
        _VAA_LN,
    )


def aare(diagnostic: Diagnostic, user_information: bytes) -> bytes:
    """Return an AARE; accepted when the diagnostic is NONE, rejected for good otherwise."""
    result = 0 if diagnostic is Diagnostic.NONE else 1
    body = b"%b\xa2\x03\x02\x01%c\xa3\x05\xa1\x03\x02\x01%c\xbe%c\x04%c%b" % (
        _LN_CONTEXT,
        result,
        diagnostic,
        len(user_information) + 2,
        len(user_information),
        user_information,
    )
    return b"\x61%c%b" % (len(body), body)


def rlre() -> bytes:
    """Return an RLRE, reason normal."""
    return _RLRE
