"""Association LN (IEC 62056-6-2, 4.4.4): what a client finds in a meter, and on which terms it is let in.

Goes in: a conversation, a logical name. Comes out: the object list with access rights, partners, context, mechanism,
users. The secret (attribute 7) is not read.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData
from poller.dlms.exchange import Exchange
from poller.dlms.objects.access_rights import BITS_FROM, NO_RIGHTS, AccessRights, access_rights, must_be_bits
from poller.dlms.objects.asking import Asking, Refused, answers, get, parsed
from poller.dlms.objects.fields import array, bits, choice, integer, logical_name, octets, structure, text
from poller.dlms.selection import by_classes

ASSOCIATION_LN: Final = 15
CURRENT: Final = Obis(0, 0, 40, 0, 0)
"""The name under which every client finds its own association."""
MAX_OBJECTS: Final = 5_000
"""Objects of one list; the largest meters have some hundreds."""
_ARCS: Final = 7
"""Of a context or mechanism name: 2.16.756.5.8 and two that say which."""
_OBJECT_IDENTIFIER: Final = 0x06
_NAME_OCTETS: Final = 7
"""Of its encoding: 60 85 74 05 08 and the two last arcs."""
_MODES_VERSION: Final = 1
_LIST, _PARTNERS, _CONTEXT, _TERMS, _MECHANISM = 2, 3, 4, 5, 6
_STATUS, _SETUP, _USERS, _USER = 8, 9, 10, 11
_TOLD: Final = (_PARTNERS, _CONTEXT, _TERMS, _MECHANISM, _STATUS, _SETUP, _USERS, _USER)


class AssociationStatus(IntEnum):
    """Attribute 8."""

    NON_ASSOCIATED = 0
    PENDING = 1
    ASSOCIATED = 2


@dataclass(frozen=True, slots=True)
class CosemObject:
    """An object of a meter."""

    class_id: int
    version: int
    obis: Obis
    access: AccessRights = NO_RIGHTS


@dataclass(frozen=True, slots=True)
class Partners:
    """Attribute 3: the service access points."""

    client: int
    server: int


@dataclass(frozen=True, slots=True)
class ContextInfo:
    """Attribute 5, xDLMS_context_info."""

    conformance: int
    max_receive_pdu: int
    max_send_pdu: int
    version: int
    quality_of_service: int
    ciphering_info: bytes


@dataclass(frozen=True, slots=True)
class User:
    """One of attribute 10."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class AssociationLn:
    """Class 15 without its object list. Names are their arcs, the last of which says which it is."""

    obis: Obis
    partners: Partners | None
    context: tuple[int, ...] | None
    terms: ContextInfo | None
    mechanism: tuple[int, ...] | None
    status: AssociationStatus | None
    security_setup: Obis | None
    users: tuple[User, ...] | None
    current_user: User | None
    refused: tuple[Refused, ...] = ()


def read_object_list(
    conversation: Asking, obis: Obis = CURRENT, selection: Selection | None = None, version: int | None = None
) -> Exchange[tuple[CosemObject, ...]]:
    """Return the objects that this client sees (attribute 2), all or those of a selection.

    ``version`` of the association, when it is known; else the list tells it, or its access rights do.
    """
    ref = AttributeRef(ASSOCIATION_LN, obis, _LIST)
    data = yield from get(conversation, ref, selection)
    return parsed(ref, data, partial(object_list, version=version))


def read_objects_of(conversation: Asking, *class_ids: int) -> Exchange[tuple[CosemObject, ...]]:
    """Return the objects of some classes (selector 2), where the meter has selective access to its list."""
    return (yield from read_object_list(conversation, selection=by_classes(class_ids)))


def read_association_ln(conversation: Asking, obis: Obis = CURRENT) -> Exchange[AssociationLn]:
    """Return on which terms the client is let in."""
    found = yield from answers(conversation, ASSOCIATION_LN, obis, _TOLD)
    return AssociationLn(
        obis,
        found.optional(_PARTNERS, _partners),
        found.optional(_CONTEXT, _name),
        found.optional(_TERMS, _terms),
        found.optional(_MECHANISM, _name),
        found.optional(_STATUS, lambda data: choice(data, AssociationStatus)),
        found.optional(_SETUP, _reference),
        found.optional(_USERS, lambda data: tuple(_user(each) for each in array(data))),
        found.optional(_USER, _user),
        found.refused,
    )


def object_list(data: Data, version: int | None = None) -> tuple[CosemObject, ...]:
    """Return the objects of an object_list; raise BadData."""
    items = [structure(item, 3) + _rights(item) for item in array(data)]
    if len(items) > MAX_OBJECTS:
        raise BadData(f"an object list of {len(items)}, more than {MAX_OBJECTS}")
    if version is None:
        version = _version(items)
    return tuple(_object(item, version) for item in items)


def _rights(item: Data) -> tuple[Data, ...]:
    """Return the fourth member, which a list by selector 1 does not have."""
    members = structure(item, 3) and item.value
    return members[3:4] if isinstance(members, tuple) else ()


def _version(items: list[tuple[Data, ...]]) -> int:
    """Return the version of the association as the list tells it, or as its rights must mean."""
    for class_id, version, name, *_ in items:
        if integer(class_id) == ASSOCIATION_LN and logical_name(name) == CURRENT:
            return integer(version)
    bits_seen = any(must_be_bits(rights) for *_, rights in (item for item in items if len(item) > 3))
    return BITS_FROM if bits_seen else _MODES_VERSION


def _object(item: tuple[Data, ...], version: int) -> CosemObject:
    class_id, own_version, name, *rights = item
    access = access_rights(rights[0], version) if rights else NO_RIGHTS
    return CosemObject(integer(class_id), integer(own_version), logical_name(name), access)


def _partners(data: Data) -> Partners:
    client, server = structure(data, 2)
    return Partners(integer(client), integer(server))


def _terms(data: Data) -> ContextInfo:
    conformance, receive, send, version, quality, ciphering = structure(data, 6)
    block = bits(conformance)
    return ContextInfo(
        int.from_bytes(block.octets, "big"),
        integer(receive),
        integer(send),
        integer(version),
        integer(quality),
        octets(ciphering) if ciphering.value else b"",
    )


def _user(data: Data) -> User:
    number, name = structure(data, 2)
    return User(integer(number), text(name))


def _reference(data: Data) -> Obis | None:
    """Return the security setup that is meant; an association without security means none."""
    return logical_name(data) if data.value else None


def _name(data: Data) -> tuple[int, ...]:
    """Return the arcs of a name that is a structure of numbers or the BER encoding of an object identifier."""
    if isinstance(data.value, tuple):
        return tuple(integer(arc) for arc in structure(data, _ARCS))
    encoded = octets(data)
    name = encoded.removeprefix(bytes((_OBJECT_IDENTIFIER, max(len(encoded) - 2, 0) & 0xFF)))
    if len(name) != _NAME_OCTETS:
        raise BadData(f"{encoded.hex()} is no name of a context or mechanism")
    return _arcs(name)


def _arcs(encoded: bytes) -> tuple[int, ...]:
    """Return the arcs of an object identifier (ITU-T X.690, 8.19)."""
    first, second = divmod(encoded[0], 40)
    arcs, arc = [first, second], 0
    for octet in encoded[1:]:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    return tuple(arcs)
