"""Opening and releasing an association (ISO/IEC 8650, IEC 62056-5-3, 6.2): AARQ, AARE, RLRQ, RLRE.

Goes in: what we propose, or a received APDU. Comes out: octets, or its fields. The user-information stays octets: the
initiate services inside belong to ``xdlms``.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from poller.dlms.ber import encode_field, fields, only_field
from poller.dlms.errors import UnexpectedReply

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
_OID_CONTEXT: Final = bytes.fromhex("608574050801")
_OID_MECHANISM: Final = bytes.fromhex("608574050802")
_REQUIREMENTS: Final = bytes.fromhex("0780")
"""sender-acse-requirements: authentication, a bit string of one bit."""
_OBJECT_IDENTIFIER, _INTEGER, _OCTET_STRING = 0x06, 0x02, 0x04
_CHARSTRING, _BITSTRING = 0x80, 0x81


class Context(IntEnum):
    """Application context names (IEC 62056-5-3, 7.2.2)."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4


class MechanismName(IntEnum):
    """Authentication mechanism names (IEC 62056-5-3, 7.2.3)."""

    LOWEST = 0
    LLS = 1
    HLS = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6
    HLS_ECDSA = 7


class Result(IntEnum):
    """The result of an AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Source(IntEnum):
    """Who diagnosed; the value is the tag of the choice."""

    USER = 0xA1
    PROVIDER = 0xA2


DIAGNOSTICS: Final = {
    (Source.USER, 0): "null",
    (Source.USER, 1): "no-reason-given",
    (Source.USER, 2): "application-context-name-not-supported",
    (Source.USER, 3): "calling-AP-title-not-recognized",
    (Source.USER, 4): "calling-AP-invocation-identifier-not-recognized",
    (Source.USER, 5): "calling-AE-qualifier-not-recognized",
    (Source.USER, 6): "calling-AE-invocation-identifier-not-recognized",
    (Source.USER, 7): "called-AP-title-not-recognized",
    (Source.USER, 8): "called-AP-invocation-identifier-not-recognized",
    (Source.USER, 9): "called-AE-qualifier-not-recognized",
    (Source.USER, 10): "called-AE-invocation-identifier-not-recognized",
    (Source.USER, 11): "authentication-mechanism-name-not-recognised",
    (Source.USER, 12): "authentication-mechanism-name-required",
    (Source.USER, 13): "authentication-failure",
    (Source.USER, 14): "authentication-required",
    (Source.PROVIDER, 0): "null",
    (Source.PROVIDER, 1): "no-reason-given",
    (Source.PROVIDER, 2): "no-common-acse-version",
}


class ReleaseReason(IntEnum):
    """The reason in RLRQ and RLRE (tag 80)."""

    NORMAL = 0
    URGENT = 1
    NOT_FINISHED = 1 << 8 | 1
    USER_DEFINED = 30


@dataclass(frozen=True, slots=True)
class Aarq:
    """An association request; ``secret`` is a password or a challenge."""

    context: Context
    mechanism: MechanismName
    user_information: bytes
    secret: bytes | None = field(default=None, repr=False)
    calling_title: bytes | None = None
    implementation: bytes | None = None
    """implementation-information: free text of the maker."""


@dataclass(frozen=True, slots=True)
class Aare:
    """An association response."""

    context: Context
    result: Result
    source: Source
    diagnostic: int
    user_information: bytes
    mechanism: MechanismName | None = None
    secret: bytes | None = None
    responding_title: bytes | None = None
    implementation: bytes | None = None

    @property
    def diagnostic_text(self) -> str:
        """The diagnostic's name and number."""
        return f"{DIAGNOSTICS.get((self.source, self.diagnostic), 'unknown')} ({self.diagnostic})"


@dataclass(frozen=True, slots=True)
class Release:
    """RLRQ (``response`` false) or RLRE."""

    response: bool
    reason: int | None
    user_information: bytes


def encode_aarq(aarq: Aarq) -> bytes:
    """Return the octets of a request, its fields in the order of their tags (Green Book 9.4.2.2)."""
    parts = [encode_field(0xA1, _object_identifier(_OID_CONTEXT, aarq.context))]
    if aarq.calling_title:
        parts.append(encode_field(0xA6, encode_field(_OCTET_STRING, aarq.calling_title)))
    if aarq.mechanism is not MechanismName.LOWEST:
        parts += (
            encode_field(0x8A, _REQUIREMENTS),
            encode_field(0x8B, _OID_MECHANISM + bytes((aarq.mechanism,))),
            encode_field(0xAC, encode_field(_CHARSTRING, aarq.secret or b"")),
        )
    if aarq.implementation:
        parts.append(encode_field(0xBD, aarq.implementation))
    parts.append(encode_field(0xBE, encode_field(_OCTET_STRING, aarq.user_information)))
    return encode_field(AARQ, b"".join(parts))


def decode_aarq(octets: bytes) -> Aarq:
    """Return the fields of a request; raise UnexpectedReply when it is malformed."""
    found = dict(fields(only_field(octets, AARQ)))
    return Aarq(
        _context(found),
        _mechanism(found.get(0x8B)) or MechanismName.LOWEST,
        _wrapped(found.get(0xBE), _OCTET_STRING) or b"",
        _secret(found.get(0xAC)),
        _wrapped(found.get(0xA6), _OCTET_STRING),
        found.get(0xBD),
    )


def decode_aare(octets: bytes) -> Aare:
    """Return the fields of a response; raise UnexpectedReply when it is malformed."""
    found = dict(fields(only_field(octets, AARE)))
    if 0xA2 not in found or 0xA3 not in found:
        raise UnexpectedReply("an AARE without result or diagnostic")
    chosen = list(fields(found[0xA3]))
    if len(chosen) != 1 or chosen[0][0] not in {Source.USER, Source.PROVIDER}:
        raise UnexpectedReply(f"an AARE with diagnostic {found[0xA3].hex()}")
    result = _integer(found[0xA2])
    if result > max(Result):
        raise UnexpectedReply(f"an AARE with result {result}")
    return Aare(
        _context(found),
        Result(result),
        Source(chosen[0][0]),
        _integer(chosen[0][1]),
        _wrapped(found.get(0xBE), _OCTET_STRING) or b"",
        _mechanism(found.get(0x89)),
        _secret(found.get(0xAA)),
        _wrapped(found.get(0xA4), _OCTET_STRING),
        found.get(0xBD),
    )


def encode_rlrq(user_information: bytes = b"") -> bytes:
    """Return a release request with the normal reason; with an initiate-request in a ciphered context."""
    content = encode_field(0x80, bytes((ReleaseReason.NORMAL,)))
    if user_information:
        content += encode_field(0xBE, encode_field(_OCTET_STRING, user_information))
    return encode_field(RLRQ, content)


def decode_release(octets: bytes) -> Release:
    """Return the fields of RLRQ or RLRE; raise UnexpectedReply when it is malformed."""
    tag = RLRE if octets[:1] == bytes((RLRE,)) else RLRQ
    found = dict(fields(only_field(octets, tag)))
    reason = found.get(0x80)
    if reason == b"":
        raise UnexpectedReply("a release with an empty reason")
    number = None if reason is None else int.from_bytes(reason, "big")
    return Release(tag == RLRE, number, _wrapped(found.get(0xBE), _OCTET_STRING) or b"")


def _object_identifier(prefix: bytes, number: int) -> bytes:
    return encode_field(_OBJECT_IDENTIFIER, prefix + bytes((number,)))


def _context(found: dict[int, bytes]) -> Context:
    name = _wrapped(found.get(0xA1), _OBJECT_IDENTIFIER)
    if name is None or name[:-1] != _OID_CONTEXT or name[-1] not in {int(context) for context in Context}:
        raise UnexpectedReply(f"application context name {'missing' if name is None else name.hex()}")
    return Context(name[-1])


def _mechanism(name: bytes | None) -> MechanismName | None:
    if name is None:
        return None
    if name[:-1] != _OID_MECHANISM or name[-1] > max(MechanismName):
        raise UnexpectedReply(f"authentication mechanism name {name.hex()}")
    return MechanismName(name[-1])


def _secret(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    chosen = list(fields(value))
    if len(chosen) != 1 or chosen[0][0] not in {_CHARSTRING, _BITSTRING}:
        raise UnexpectedReply("an authentication value that is neither charstring nor bitstring")
    return chosen[0][1]


def _wrapped(content: bytes | None, tag: int) -> bytes | None:
    return None if content is None else only_field(content, tag)


def _integer(content: bytes) -> int:
    number = only_field(content, _INTEGER)
    if not 1 <= len(number) <= 2:
        raise UnexpectedReply(f"an integer of {len(number)} octets")
    return int.from_bytes(number, "big")
