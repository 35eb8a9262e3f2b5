"""The GET service (IEC 62056-5-3, 6.6 and 9.3.6): requests and responses, normal, next, with-list, with block.

Goes in: what is to be read, or a received APDU. Comes out: octets, or typed fields. A structure that is wrong raises
UnexpectedReply, a value that cannot be decoded BadData.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import Reader, encode_data, encode_length
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData, BadParameter, UnexpectedReply, access_error
from poller.dlms.xdlms import apdu_reader

GET_REQUEST, GET_RESPONSE = 0xC0, 0xC4
NORMAL, NEXT, WITH_LIST = 1, 2, 3
WITH_BLOCK: Final = 2
INVOKE_MASK: Final = 0x0F
"""invoke-id-and-priority: the identifier is its low nibble."""
CONFIRMED_HIGH: Final = 0xC0
DESCRIPTOR_OCTETS: Final = 10
"""Of one item of a list without selective access."""
_NO_SELECTION: Final = b"\0"


@dataclass(frozen=True, slots=True)
class GetItem:
    """An attribute, and the part of it that is asked for."""

    ref: AttributeRef
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class GetRequest:
    """get-request-normal (one item) or -with-list."""

    invoke: int
    items: tuple[GetItem, ...]
    with_list: bool = False


@dataclass(frozen=True, slots=True)
class GetNext:
    """get-request-next: the block that arrived last."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class GetNormal:
    """get-response-normal: the value, or why there is none."""

    invoke: int
    result: Data | BridgeError


@dataclass(frozen=True, slots=True)
class GetBlock:
    """get-response-with-datablock: a part of the value, or why there is none."""

    invoke: int
    last: bool
    number: int
    content: bytes | BridgeError


@dataclass(frozen=True, slots=True)
class GetList:
    """get-response-with-list."""

    invoke: int
    results: tuple[Data | BridgeError, ...]


def encode_get(invoke: int, ref: AttributeRef, selection: Selection | None = None) -> bytes:
    """Return a get-request-normal."""
    return bytes((GET_REQUEST, NORMAL, CONFIRMED_HIGH | invoke)) + selected(ref, selection)


def encode_get_next(invoke: int, block: int) -> bytes:
    """Return a get-request-next that acknowledges a block."""
    return bytes((GET_REQUEST, NEXT, CONFIRMED_HIGH | invoke)) + block.to_bytes(4, "big")


def encode_get_list(invoke: int, refs: Sequence[AttributeRef]) -> bytes:
    """Return a get-request-with-list."""
    head = bytes((GET_REQUEST, WITH_LIST, CONFIRMED_HIGH | invoke)) + encode_length(len(refs))
    return head + b"".join(ref.to_bytes() + _NO_SELECTION for ref in refs)


def decode_get_request(octets: bytes) -> GetRequest | GetNext:
    """Return the fields of a request."""
    with apdu_reader(octets, "get-request") as reader:
        kind, invoke = head_of(reader, GET_REQUEST)
        if kind == NEXT:
            return GetNext(invoke, reader.unsigned(4))
        if kind not in {NORMAL, WITH_LIST}:
            raise UnexpectedReply(f"get-request of unknown kind {kind}")
        count = 1 if kind == NORMAL else count_of(reader, DESCRIPTOR_OCTETS)
        return GetRequest(invoke, tuple([item_of(reader) for _ in range(count)]), kind == WITH_LIST)


def decode_get_response(octets: bytes) -> GetNormal | GetBlock | GetList:
    """Return the fields of a response."""
    reader = Reader(octets)
    with apdu_reader(octets[:3], "get-response") as head:
        kind, invoke = head_of(head, GET_RESPONSE)
    reader.take(3)
    if kind == WITH_BLOCK:
        return _block(octets, invoke)
    if kind == NORMAL:
        response: GetNormal | GetList = GetNormal(invoke, result_of(reader))
    elif kind == WITH_LIST:
        response = GetList(invoke, _results(reader))
    else:
        raise UnexpectedReply(f"get-response of unknown kind {kind}")
    if reader.left:
        raise BadData(f"{reader.left} octets follow the value")
    return response


def decode_results(octets: bytes) -> tuple[Data | BridgeError, ...]:
    """Return the results that the blocks of a list add up to; raise BadData."""
    reader = Reader(octets)
    results = _results(reader)
    if reader.left:
        raise BadData(f"{reader.left} octets follow the list")
    return results


def _block(octets: bytes, invoke: int) -> GetBlock:
    with apdu_reader(octets, "get-response-with-datablock") as reader:
        reader.take(3)
        last, number = reader.octet() != 0, reader.unsigned(4)
        if _is_data(reader):
            return GetBlock(invoke, last, number, reader.take(reader.length()))
        return GetBlock(invoke, last, number, access_error(reader.octet()))


def _results(reader: Reader) -> tuple[Data | BridgeError, ...]:
    return tuple([result_of(reader) for _ in range(count_of(reader, 2))])


def result_of(reader: Reader) -> Data | BridgeError:
    """Read a Get-Data-Result."""
    return reader.data() if _is_data(reader) else access_error(reader.octet())


def _is_data(reader: Reader) -> bool:
    choice = reader.octet()
    if choice > 1:
        raise BadData(f"a result is data (0) or an error (1), not {choice}, at octet {reader.at - 1}")
    return choice == 0


def selected(ref: AttributeRef, selection: Selection | None) -> bytes:
    """Return a cosem-attribute-descriptor and its optional access-selection."""
    if selection is None:
        return ref.to_bytes() + _NO_SELECTION
    if not 0 <= selection.selector <= 0xFF:
        raise BadParameter(f"an access-selector has 8 bits, not {selection.selector}")
    return ref.to_bytes() + bytes((1, selection.selector)) + encode_data(selection.parameters)


def item_of(reader: Reader) -> GetItem:
    """Read a cosem-attribute-descriptor and its optional access-selection."""
    class_id, obis = reader.unsigned(2), Obis.from_bytes(reader.take(6))
    ref = AttributeRef(class_id, obis, int.from_bytes(reader.take(1), "big", signed=True))
    if not reader.octet():
        return GetItem(ref)
    return GetItem(ref, Selection(reader.octet(), reader.data()))


def count_of(reader: Reader, smallest: int) -> int:
    """Read the count of a list of items of at least ``smallest`` octets; raise BadData when they cannot be there."""
    count = reader.length()
    if count * smallest > reader.left:
        raise BadData(f"{count} items announced in {reader.left} octets")
    return count


def head_of(reader: Reader, tag: int) -> tuple[int, int]:
    """Read tag, kind and invoke-id-and-priority."""
    found = reader.octet()
    if found != tag:
        raise UnexpectedReply(f"an APDU with tag {tag:02x} expected, not {found:02x}")
    return reader.octet(), reader.octet()
