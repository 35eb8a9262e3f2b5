"""Association requests and answers (IEC 62056-5-3, ACSE in BER) on the meter's side.

AARQ octets in, an AssociationRequest out; a verdict in, AARE octets out; RLRQ in, RLRE out. What is no AARQ raises
BadRequest. No state, no passwords checked here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from common.errors import BridgeError

AARQ: Final = 0x60
RLRQ: Final = 0x62
_OID_CONTEXT: Final = bytes.fromhex("60857405 0801")
_OID_MECHANISM: Final = bytes.fromhex("60857405 0802")
_RLRE: Final = bytes.fromhex("6303800100")
_VERSION: Final = 6
_VAA_LN: Final = 7
VAA_SN: Final = 0xFA00
"""Base name of the association under short names."""
_SMALLEST_PDU: Final = 12


class BadRequest(BridgeError):
    """Octets from a client that no service of a meter understands."""


class Diagnostic(IntEnum):
    """acse-service-user diagnostics."""

    NONE = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    TITLE_NOT_RECOGNISED = 3
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
    client_title: bytes = b""
    dedicated: bytes = field(default=b"", repr=False)

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


Opener = Callable[[bytes, bytes], bytes]
"""The client's system title and its user information, to the InitiateRequest inside."""


def parse_aarq(apdu: bytes, opener: Opener | None = None) -> AssociationRequest:
    """Return what an AARQ asks for; raise BadRequest when it cannot be read. ``opener`` takes protection off."""
    tag, body = next(_elements(apdu), (0, b""))
    if tag != AARQ:
        raise BadRequest("not an AARQ")
    fields = dict(_elements(body))
    title = _only(fields.get(0xA6, b""))
    information = _only(fields.get(0xBE, b""))
    if opener is not None and information[:1] != b"\x01":
        information = opener(title, information)
    dedicated, conformance, max_pdu, version = _initiate(information)
    return AssociationRequest(
        context=_last_arc(_only(fields.get(0xA1, b"")), _OID_CONTEXT),
        mechanism=_last_arc(fields.get(0x8B), _OID_MECHANISM),
        secret=_only(fields[0xAC]) if 0xAC in fields else None,
        conformance=conformance,
        max_pdu=max_pdu,
        version=version,
        client_title=title,
        dedicated=dedicated,
    )


def released_information(apdu: bytes) -> bytes:
    """Return the user information of an RLRQ, empty when it has none; raise BadRequest when it cannot be read."""
    _tag, body = next(_elements(apdu), (0, b""))
    return _only(dict(_elements(body)).get(0xBE, b""))


def _initiate(octets: bytes) -> tuple[bytes, int, int, int]:
    """Return dedicated key, conformance, client's receive size and version of an InitiateRequest (A-XDR)."""
    if octets[:1] != b"\x01":
        raise BadRequest("user information holds no InitiateRequest")
    at, dedicated = 1, b""
    if octets[at : at + 1] == b"\x01":
        size = int.from_bytes(octets[at + 1 : at + 2], "big")
        dedicated = octets[at + 2 : at + 2 + size]
        at += 1 + size
    at += 1
    for _optional in ("response-allowed", "quality of service"):
        at += 2 if octets[at : at + 1] == b"\x01" else 1
    rest = octets[at:]
    if len(rest) < 10 or rest[1:5] != b"\x5f\x1f\x04\x00":
        raise BadRequest("InitiateRequest without conformance")
    return dedicated, int.from_bytes(rest[5:8], "big"), int.from_bytes(rest[8:10], "big"), rest[0]


def initiate_response(conformance: int, max_pdu: int, *, short: bool = False) -> bytes:
    """Return an InitiateResponse without quality of service, version 6."""
    return b"\x08\x00%c\x5f\x1f\x04\x00%b%b%b" % (
        _VERSION,
        conformance.to_bytes(3, "big"),
        max_pdu.to_bytes(2, "big"),
        (VAA_SN if short else _VAA_LN).to_bytes(2, "big"),
    )


@dataclass(frozen=True, slots=True)
class Hls:
    """What an AARE adds when the client has to answer a challenge."""

    mechanism: int
    challenge: bytes


def aare(
    diagnostic: Diagnostic, user_information: bytes, context: int = 1, title: bytes = b"", hls: Hls | None = None
) -> bytes:
    """Return an AARE; accepted when the diagnostic is NONE (or a challenge is put), rejected for good otherwise."""
    rejected = diagnostic is not Diagnostic.NONE and hls is None
    body = b"\xa1\x09\x06\x07%b%c\xa2\x03\x02\x01%c\xa3\x05\xa1\x03\x02\x01%c" % (
        _OID_CONTEXT,
        context,
        rejected,
        diagnostic,
    )
    if title:
        body += _element(0xA4, _element(0x04, title))
    if hls is not None:
        challenge = _element(0xAA, _element(0x80, hls.challenge))
        body += b"\x88\x02\x07\x80\x89\x07%b%c%b" % (_OID_MECHANISM, hls.mechanism, challenge)
    if user_information:
        body += _element(0xBE, _element(0x04, user_information))
    return _element(0x61, body)


def rlre(user_information: bytes = b"") -> bytes:
    """Return an RLRE, reason normal."""
    if not user_information:
        return _RLRE
    return _element(0x63, b"\x80\x01\x00" + _element(0xBE, _element(0x04, user_information)))


def _element(tag: int, contents: bytes) -> bytes:
    """Return one BER element of less than 256 octets."""
    size = len(contents)
    return bytes((tag, size) if size < 0x80 else (tag, 0x81, size)) + contents
