"""The ACCESS service (IEC 62056-5-3, 6.9): gets, sets and actions of any objects in one request.

Goes in: what is to be done, or a received APDU. Comes out: octets, or typed fields. A structure that is wrong raises
UnexpectedReply, a value that cannot be decoded BadData.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import Reader, encode_data, encode_length
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import BadData, UnexpectedReply, access_error
from poller.dlms.xdlms import structure_of

ACCESS_REQUEST, ACCESS_RESPONSE = 0xD9, 0xDA
LONG_INVOKE_MASK: Final = 0xFF_FFFF
"""long-invoke-id-and-priority: the identifier is its low 24 bits."""
LONG_CONFIRMED_HIGH: Final = 0xC000_0000
"""High priority, confirmed, going on after an error, not self-descriptive."""
_NULL: Final = Data(DataType.NULL, None)


class AccessKind(IntEnum):
    """The choices of an access-request-specification; those of a response end with ACTION."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_WITH_SELECTION = 4
    SET_WITH_SELECTION = 5


@dataclass(frozen=True, slots=True)
class AccessGet:
    """Read an attribute, or the part of it that is asked for."""

    ref: AttributeRef
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class AccessSet:
    """Write an attribute, or the part of it that is named."""

    ref: AttributeRef
    data: Data
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class AccessAction:
    """Invoke a method."""

    method: MethodRef
    parameters: Data | None = None


AccessItem = AccessGet | AccessSet | AccessAction
AccessResult = Data | BridgeError | None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """An access-request; ``moment`` is the octets of a date-time, mostly none."""

    invoke: int
    items: tuple[AccessItem, ...]
    moment: bytes = b""


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """An access-response: to each item its kind, and the value, nothing, or why it failed."""

    invoke: int
    outcomes: tuple[tuple[AccessKind, AccessResult], ...]
    moment: bytes = b""


def encode_access(invoke: int, items: Sequence[AccessItem]) -> bytes:
    """Return an access-request, confirmed and of high priority."""
    head = bytes((ACCESS_REQUEST,)) + (LONG_CONFIRMED_HIGH | invoke).to_bytes(4, "big") + b"\0"
    count = encode_length(len(items))
    return head + count + b"".join(map(_specified, items)) + count + b"".join(encode_data(_given(it)) for it in items)


def decode_access_request(octets: bytes) -> AccessRequest:
    """Return the fields of an access-request."""
    reader = Reader(octets)
    with structure_of("access-request"):
        invoke, moment = _head(reader, ACCESS_REQUEST)
        specified = _specifications(reader)
        _expect_count(reader, len(specified))
    items = tuple([_item(specification, reader.data()) for specification in specified])
    _expect_end(reader)
    return AccessRequest(invoke, items, moment)


def decode_access_response(octets: bytes) -> AccessResponse:
    """Return the fields of an access-response; the specifications that a server may repeat are passed over."""
    reader = Reader(octets)
    with structure_of("access-response"):
        invoke, moment = _head(reader, ACCESS_RESPONSE)
        if reader.octet():
            _specifications(reader)
        count = _count(reader)
    values = [reader.data() for _ in range(count)]
    with structure_of("access-response"):
        _expect_count(reader, count)
        outcomes = tuple([_outcome(reader, value) for value in values])
    _expect_end(reader)
    return AccessResponse(invoke, outcomes, moment)


def results_of(response: AccessResponse, items: Sequence[AccessItem]) -> list[AccessResult]:
    """Return the results in the order asked; raise UnexpectedReply when they are not those of the items."""
    kinds = [kind for kind, _ in response.outcomes]
    if kinds != [_ANSWERED[type(item)] for item in items]:
        raise UnexpectedReply(f"an access-response to {len(items)} items has {len(kinds)} results, or of other kinds")
    return [result for _, result in response.outcomes]


_ANSWERED: Final = {AccessGet: AccessKind.GET, AccessSet: AccessKind.SET, AccessAction: AccessKind.ACTION}


def _specified(item: AccessItem) -> bytes:
    """Return the access-request-specification of an item."""
    if isinstance(item, AccessAction):
        return bytes((AccessKind.ACTION,)) + item.method.to_bytes()
    kind = _ANSWERED[type(item)]
    if item.selection is None:
        return bytes((kind,)) + item.ref.to_bytes()
    selected = kind + AccessKind.ACTION
    return bytes((selected,)) + item.ref.to_bytes() + _encoded_selection(item.selection)


def _encoded_selection(selection: Selection) -> bytes:
    return bytes((selection.selector,)) + encode_data(selection.parameters)


def _given(item: AccessItem) -> Data:
    """Return what an item hands over: null-data where it hands over nothing."""
    if isinstance(item, AccessSet):
        return item.data
    return (item.parameters if isinstance(item, AccessAction) else None) or _NULL


_Specification = tuple[AccessKind, AttributeRef | MethodRef, Selection | None]


def _specifications(reader: Reader) -> list[_Specification]:
    return [_specification(reader) for _ in range(_count(reader))]


def _specification(reader: Reader) -> _Specification:
    kind = _kind(reader, AccessKind.SET_WITH_SELECTION)
    class_id, obis = reader.unsigned(2), Obis.from_bytes(reader.take(6))
    number = int.from_bytes(reader.take(1), "big", signed=True)
    if kind is AccessKind.ACTION:
        return kind, MethodRef(class_id, obis, number), None
    selected = kind in {AccessKind.GET_WITH_SELECTION, AccessKind.SET_WITH_SELECTION}
    return kind, AttributeRef(class_id, obis, number), Selection(reader.octet(), reader.data()) if selected else None


def _item(specification: _Specification, data: Data) -> AccessItem:
    kind, named, selection = specification
    if isinstance(named, MethodRef):
        return AccessAction(named, None if data == _NULL else data)
    if kind in {AccessKind.GET, AccessKind.GET_WITH_SELECTION}:
        return AccessGet(named, selection)
    return AccessSet(named, data, selection)


def _outcome(reader: Reader, value: Data) -> tuple[AccessKind, AccessResult]:
    kind, result = _kind(reader, AccessKind.ACTION), reader.octet()
    if result:
        return kind, access_error(result)
    if kind is AccessKind.SET or (kind is AccessKind.ACTION and value == _NULL):
        return kind, None
    return kind, value


def _kind(reader: Reader, last: AccessKind) -> AccessKind:
    choice = reader.octet()
    if not AccessKind.GET <= choice <= last:
        raise BadData(f"an access specification of unknown kind {choice} at octet {reader.at - 1}")
    return AccessKind(choice)


def _head(reader: Reader, tag: int) -> tuple[int, bytes]:
    """Read tag, long-invoke-id-and-priority and date-time."""
    found = reader.octet()
    if found != tag:
        raise UnexpectedReply(f"an APDU with tag {tag:02x} expected, not {found:02x}")
    return reader.unsigned(4), reader.take(reader.length())


def _count(reader: Reader) -> int:
    count = reader.length()
    if count > reader.left:
        raise BadData(f"{count} items announced in {reader.left} octets")
    return count


def _expect_count(reader: Reader, expected: int) -> None:
    count = _count(reader)
    if count != expected:
        raise BadData(f"{expected} items, but {count} of what belongs to them")


def _expect_end(reader: Reader) -> None:
    if reader.left:
        raise UnexpectedReply(f"{reader.left} octets follow an access service")
