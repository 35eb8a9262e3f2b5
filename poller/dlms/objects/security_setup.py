"""Security setup (IEC 62056-6-2, 4.4.7): how a meter protects its APDUs, and whom it knows.

Goes in: a conversation, a logical name. Comes out: policy, suite, titles, certificates by name. No key passes here in
the clear: key_transfer takes what the caller has wrapped already (RFC 3394, with the master key).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import BadData, BadParameter
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, Refused, answers, invoke
from poller.dlms.objects.fields import array, choice, integer, octets, structure

SECURITY_SETUP: Final = 64
SETUP_NAME: Final = Obis(0, 0, 43, 0, 0)
_POLICY, _SUITE, _CLIENT, _SERVER, _CERTIFICATES = range(2, 7)
_ACTIVATE, _TRANSFER = 1, 2
MAX_CERTIFICATES: Final = 64
_WRAPPED: Final = {24, 40}
"""Octets of a wrapped key of 16 or 32 octets."""


class Policy(IntFlag):
    """What must be protected, in both versions' words: version 0 counts 0 to 3 and means both directions."""

    NONE = 0
    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80


_AUTHENTICATED: Final = Policy.AUTHENTICATED_REQUEST | Policy.AUTHENTICATED_RESPONSE
_ENCRYPTED: Final = Policy.ENCRYPTED_REQUEST | Policy.ENCRYPTED_RESPONSE
_KNOWN: Final = sum(Policy)
_COUNTED: Final = {0: Policy.NONE, 1: _AUTHENTICATED, 2: _ENCRYPTED, 3: _AUTHENTICATED | _ENCRYPTED}


class Entity(IntEnum):
    """Whose certificate it is."""

    SERVER = 0
    CLIENT = 1
    CERTIFICATION_AUTHORITY = 2
    OTHER = 3


class CertificateUse(IntEnum):
    """What a certificate is for."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2
    OTHER = 3


class KeyKind(IntEnum):
    """Which key is transferred."""

    GLOBAL_UNICAST_ENCRYPTION = 0
    GLOBAL_BROADCAST_ENCRYPTION = 1
    AUTHENTICATION = 2
    MASTER = 3


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a meter tells of a certificate (version 1, attribute 6)."""

    entity: Entity
    use: CertificateUse
    serial: bytes
    issuer: bytes
    subject: bytes
    subject_alt_name: bytes


@dataclass(frozen=True, slots=True)
class SecuritySetup:
    """Class 64."""

    obis: Obis
    policy: Policy
    suite: int
    client_title: bytes | None
    """Of the client of now, or of the last one."""
    server_title: bytes | None
    certificates: tuple[Certificate, ...] | None
    refused: tuple[Refused, ...] = ()


def read_security_setup(conversation: Asking, obis: Obis = SETUP_NAME) -> Exchange[SecuritySetup]:
    """Return policy, suite, titles and certificates."""
    found = yield from answers(conversation, SECURITY_SETUP, obis, range(_POLICY, _CERTIFICATES + 1))
    return SecuritySetup(
        obis,
        found.required(_POLICY, _policy),
        found.required(_SUITE, integer),
        found.optional(_CLIENT, octets),
        found.optional(_SERVER, octets),
        found.optional(_CERTIFICATES, _certificates),
        found.refused,
    )


def activate_policy(conversation: Asking, policy: int, obis: Obis = SETUP_NAME) -> Exchange[None]:
    """Strengthen the policy (method 1, security_activate): a number as the meter's version of the class counts it."""
    yield from invoke(conversation, MethodRef(SECURITY_SETUP, obis, _ACTIVATE), Data(DataType.ENUM, policy))


def transfer_keys(
    conversation: Asking, keys: Sequence[tuple[KeyKind, bytes]], obis: Obis = SETUP_NAME
) -> Exchange[None]:
    """Give the meter new keys, wrapped by the caller (method 2, key_transfer); raise BadParameter for bare ones."""
    if any(len(wrapped) not in _WRAPPED for _, wrapped in keys):
        raise BadParameter("a wrapped key has 24 or 40 octets")
    members = [
        Data(DataType.STRUCTURE, (Data(DataType.ENUM, int(kind)), Data(DataType.OCTET_STRING, wrapped)))
        for kind, wrapped in keys
    ]
    yield from invoke(conversation, MethodRef(SECURITY_SETUP, obis, _TRANSFER), Data(DataType.ARRAY, tuple(members)))


def _policy(data: Data) -> Policy:
    number = integer(data)
    return _COUNTED[number] if number in _COUNTED else Policy(number & _KNOWN)


def _certificates(data: Data) -> tuple[Certificate, ...]:
    items = array(data)
    if len(items) > MAX_CERTIFICATES:
        raise BadData(f"{len(items)} certificates, more than {MAX_CERTIFICATES}")
    return tuple(_certificate(item) for item in items)


def _certificate(item: Data) -> Certificate:
    entity, use, *names = structure(item, 6)
    serial, issuer, subject, alternative = map(octets, names)
    return Certificate(choice(entity, Entity), choice(use, CertificateUse), serial, issuer, subject, alternative)
