"""The SET service (IEC 62056-5-3, 6.7 and 9.3.7): requests and responses, normal, with-list, in blocks.

Goes in: what is to be written, or a received APDU. Comes out: octets, or typed fields. A structure that is wrong raises
UnexpectedReply, a value that cannot be decoded BadData. The octets of a block stay octets: only all of them together
are a value, or a list of values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import BridgeError
from poller.dlms.axdr import Reader, encode_data, encode_length
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData, UnexpectedReply, access_error
from poller.dlms.get_service import CONFIRMED_HIGH, DESCRIPTOR_OCTETS, GetItem, count_of, head_of, item_of, selected
from poller.dlms.parts import Part, part_of
from poller.dlms.xdlms import apdu_reader, structure_of

SET_REQUEST, SET_RESPONSE = 0xC1, 0xC5
NORMAL, FIRST_BLOCK, BLOCK, WITH_LIST, LIST_FIRST_BLOCK = 1, 2, 3, 4, 5
"""Kinds of requests."""
ANSWER_NORMAL, ANSWER_BLOCK, ANSWER_LAST, ANSWER_LAST_LIST, ANSWER_LIST = 1, 2, 3, 4, 5
"""Kinds of responses."""


@dataclass(frozen=True, slots=True)
class SetRequest:
    """set-request-normal (one item), -with-list, or their first blocks, which have a part in place of the values."""

    invoke: int
    items: tuple[GetItem, ...]
    values: tuple[Data, ...]
    with_list: bool = False
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class SetBlock:
    """set-request-with-datablock: a further block."""

    invoke: int
    part: Part


@dataclass(frozen=True, slots=True)
class SetResponse:
    """set-response-normal or -with-list; with a block number, the last-datablock forms. None is success."""

    invoke: int
    results: tuple[BridgeError | None, ...]
    with_list: bool = False
    block: int | None = None


@dataclass(frozen=True, slots=True)
class SetAcknowledged:
    """set-response-datablock: a block arrived, the next may come."""

    invoke: int
    block: int


def encode_set(invoke: int, ref: AttributeRef, value: bytes, selection: Selection | None = None) -> bytes:
    """Return a set-request-normal; the value comes encoded."""
    return _head(NORMAL, invoke) + selected(ref, selection) + value


def encode_set_first(invoke: int, ref: AttributeRef, part: Part, selection: Selection | None = None) -> bytes:
    """Return a set-request-with-first-datablock."""
    return _head(FIRST_BLOCK, invoke) + selected(ref, selection) + part.to_bytes()


def encode_set_block(invoke: int, part: Part) -> bytes:
    """Return a set-request-with-datablock."""
    return _head(BLOCK, invoke) + part.to_bytes()


def encode_set_list(invoke: int, refs: Sequence[AttributeRef], values: bytes) -> bytes:
    """Return a set-request-with-list; the values come as ``encode_values`` makes them."""
    return _head(WITH_LIST, invoke) + _names(refs) + values


def encode_set_list_first(invoke: int, refs: Sequence[AttributeRef], part: Part) -> bytes:
    """Return a set-request-with-list-and-first-datablock."""
    return _head(LIST_FIRST_BLOCK, invoke) + _names(refs) + part.to_bytes()


def encode_values(values: Sequence[Data]) -> bytes:
    """Return a sequence of values: their count, then each."""
    return encode_length(len(values)) + b"".join(map(encode_data, values))


def decode_set_request(octets: bytes) -> SetRequest | SetBlock:
    """Return the fields of a request."""
    reader = Reader(octets)
    with structure_of("set-request"):
        kind, invoke = head_of(reader, SET_REQUEST)
        if kind not in {NORMAL, FIRST_BLOCK, BLOCK, WITH_LIST, LIST_FIRST_BLOCK}:
            raise UnexpectedReply(f"set-request of unknown kind {kind}")
        items = () if kind == BLOCK else _items(reader, kind)
        part = part_of(reader) if kind in {FIRST_BLOCK, BLOCK, LIST_FIRST_BLOCK} else None
    listed = kind in {WITH_LIST, LIST_FIRST_BLOCK}
    values: tuple[Data, ...] = ()
    if part is None:
        values = tuple([reader.data() for _ in range(count_of(reader, 1) if listed else 1)])
    if reader.left:
        raise BadData(f"{reader.left} octets follow the value")
    return SetBlock(invoke, part) if part and kind == BLOCK else SetRequest(invoke, items, values, listed, part)


def decode_set_response(octets: bytes) -> SetResponse | SetAcknowledged:
    """Return the fields of a response."""
    with apdu_reader(octets, "set-response") as reader:
        kind, invoke = head_of(reader, SET_RESPONSE)
        if kind == ANSWER_BLOCK:
            return SetAcknowledged(invoke, reader.unsigned(4))
        if kind not in {ANSWER_NORMAL, ANSWER_LAST, ANSWER_LAST_LIST, ANSWER_LIST}:
            raise UnexpectedReply(f"set-response of unknown kind {kind}")
        listed = kind in {ANSWER_LIST, ANSWER_LAST_LIST}
        results = tuple([_result(reader) for _ in range(count_of(reader, 1) if listed else 1)])
        block = reader.unsigned(4) if kind in {ANSWER_LAST, ANSWER_LAST_LIST} else None
        return SetResponse(invoke, results, listed, block)


def _items(reader: Reader, kind: int) -> tuple[GetItem, ...]:
    count = count_of(reader, DESCRIPTOR_OCTETS) if kind in {WITH_LIST, LIST_FIRST_BLOCK} else 1
    return tuple([item_of(reader) for _ in range(count)])


def _result(reader: Reader) -> BridgeError | None:
    result = reader.octet()
    return access_error(result) if result else None


def _head(kind: int, invoke: int) -> bytes:
    return bytes((SET_REQUEST, kind, CONFIRMED_HIGH | invoke))


def _names(refs: Sequence[AttributeRef]) -> bytes:
    return encode_length(len(refs)) + b"".join(selected(ref, None) for ref in refs)
