"""The ACTION service (IEC 62056-5-3, 6.8 and 9.3.8): requests and responses, normal, with-list, in blocks.

Goes in: a method and its parameters, or a received APDU. Comes out: octets, or typed fields. A structure that is wrong
raises UnexpectedReply, a value that cannot be decoded BadData. The octets of a block stay octets: only all of them
together are parameters, or what a method returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import Reader, decode_whole, encode_length
from poller.dlms.data import Data
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import BadData, UnexpectedReply, action_error
from poller.dlms.get_service import CONFIRMED_HIGH, count_of, head_of, result_of
from poller.dlms.parts import Part, part_of
from poller.dlms.xdlms import structure_of

ACTION_REQUEST, ACTION_RESPONSE = 0xC3, 0xC7
NORMAL, NEXT, WITH_LIST, FIRST_BLOCK, LIST_FIRST_BLOCK, BLOCK = 1, 2, 3, 4, 5, 6
"""Kinds of requests."""
ANSWER_NORMAL, ANSWER_BLOCK, ANSWER_LIST, ANSWER_NEXT = 1, 2, 3, 4
"""Kinds of responses."""
METHOD_OCTETS: Final = 9
"""Of one method in a list."""
_SMALLEST_RESULT: Final = 2
"""Octets of an action-result that returns nothing."""


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """action-request-normal (one method), -with-list, or their first blocks.

    ``parameters`` is None where there are none; a first block has a part in their place, a list always has values.
    """

    invoke: int
    methods: tuple[MethodRef, ...]
    parameters: tuple[Data | None, ...]
    with_list: bool = False
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """action-request-with-pblock: a further block."""

    invoke: int
    part: Part


@dataclass(frozen=True, slots=True)
class ActionNext:
    """action-request-next-pblock: the block of the answer that arrived last."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What one method did: an error when it failed, else what it returns, or why that cannot be had."""

    error: BridgeError | None = None
    returned: Data | BridgeError | None = None

    @property
    def outcome(self) -> Data | BridgeError | None:
        """The error, or what was returned."""
        return self.error or self.returned


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """action-response-normal (one result) or -with-list."""

    invoke: int
    results: tuple[ActionResult, ...]
    with_list: bool = False


@dataclass(frozen=True, slots=True)
class ActionAnswerBlock:
    """action-response-with-pblock: a block of the answer."""

    invoke: int
    part: Part


@dataclass(frozen=True, slots=True)
class ActionAcknowledged:
    """action-response-next-pblock: a block of the parameters arrived, the next may come."""

    invoke: int
    block: int


def encode_action(invoke: int, method: MethodRef, parameters: bytes | None) -> bytes:
    """Return an action-request-normal; parameters come encoded, None: there are none."""
    given = b"\0" if parameters is None else b"\1" + parameters
    return _head(NORMAL, invoke) + method.to_bytes() + given


def encode_action_first(invoke: int, method: MethodRef, part: Part) -> bytes:
    """Return an action-request-with-first-pblock."""
    return _head(FIRST_BLOCK, invoke) + method.to_bytes() + part.to_bytes()


def encode_action_block(invoke: int, part: Part) -> bytes:
    """Return an action-request-with-pblock."""
    return _head(BLOCK, invoke) + part.to_bytes()


def encode_action_next(invoke: int, block: int) -> bytes:
    """Return an action-request-next-pblock that acknowledges a block of the answer."""
    return _head(NEXT, invoke) + block.to_bytes(4, "big")


def encode_action_list(invoke: int, methods: Sequence[MethodRef], values: bytes) -> bytes:
    """Return an action-request-with-list; a method without parameters has null-data among the values."""
    return _head(WITH_LIST, invoke) + _names(methods) + values


def encode_action_list_first(invoke: int, methods: Sequence[MethodRef], part: Part) -> bytes:
    """Return an action-request-with-list-and-first-pblock."""
    return _head(LIST_FIRST_BLOCK, invoke) + _names(methods) + part.to_bytes()


def decode_action_request(octets: bytes) -> ActionRequest | ActionBlock | ActionNext:
    """Return the fields of a request."""
    reader = Reader(octets)
    with structure_of("action-request"):
        kind, invoke = head_of(reader, ACTION_REQUEST)
        if kind not in {NORMAL, NEXT, WITH_LIST, FIRST_BLOCK, LIST_FIRST_BLOCK, BLOCK}:
            raise UnexpectedReply(f"action-request of unknown kind {kind}")
        further = _further_request(reader, kind, invoke)
        methods = () if further else _methods(reader, kind)
    request = further or _request(reader, kind, invoke, methods)
    _nothing_left(reader)
    return request


def decode_action_response(octets: bytes) -> ActionResponse | ActionAnswerBlock | ActionAcknowledged:
    """Return the fields of a response."""
    reader = Reader(octets)
    response: ActionResponse | ActionAnswerBlock | ActionAcknowledged
    with structure_of("action-response"):
        kind, invoke = head_of(reader, ACTION_RESPONSE)
        if kind == ANSWER_NEXT:
            response = ActionAcknowledged(invoke, reader.unsigned(4))
        elif kind == ANSWER_BLOCK:
            response = ActionAnswerBlock(invoke, part_of(reader))
        elif kind not in {ANSWER_NORMAL, ANSWER_LIST}:
            raise UnexpectedReply(f"action-response of unknown kind {kind}")
    if kind == ANSWER_NORMAL:
        response = ActionResponse(invoke, (_result(reader),))
    elif kind == ANSWER_LIST:
        response = ActionResponse(invoke, _results(reader), with_list=True)
    _nothing_left(reader)
    return response


def decode_action_result(octets: bytes) -> ActionResult:
    """Return what the blocks of one method's answer add up to; raise BadData.

    The standard has the whole result in the blocks; there are servers that put in the returned value alone.
    """
    if octets[:1] != b"\0":
        return ActionResult(returned=decode_whole(octets))
    reader = Reader(octets)
    result = _result(reader)
    _nothing_left(reader)
    return result


def decode_action_results(octets: bytes) -> tuple[ActionResult, ...]:
    """Return what the blocks of a list's answer add up to; raise BadData."""
    reader = Reader(octets)
    results = _results(reader)
    _nothing_left(reader)
    return results


def _nothing_left(reader: Reader) -> None:
    if reader.left:
        raise BadData(f"{reader.left} octets follow the service")


def _further_request(reader: Reader, kind: int, invoke: int) -> ActionBlock | ActionNext | None:
    """Read the rest of a request that goes on with an earlier one; None: this one begins."""
    if kind == NEXT:
        return ActionNext(invoke, reader.unsigned(4))
    return ActionBlock(invoke, part_of(reader)) if kind == BLOCK else None


def _methods(reader: Reader, kind: int) -> tuple[MethodRef, ...]:
    count = count_of(reader, METHOD_OCTETS) if kind in {WITH_LIST, LIST_FIRST_BLOCK} else 1
    return tuple([_method(reader) for _ in range(count)])


def _request(reader: Reader, kind: int, invoke: int, methods: tuple[MethodRef, ...]) -> ActionRequest:
    listed = kind in {WITH_LIST, LIST_FIRST_BLOCK}
    if kind in {FIRST_BLOCK, LIST_FIRST_BLOCK}:
        with structure_of("action-request"):
            return ActionRequest(invoke, methods, (), listed, part_of(reader))
    if listed:
        return ActionRequest(invoke, methods, tuple([reader.data() for _ in range(count_of(reader, 1))]), listed)
    return ActionRequest(invoke, methods, (reader.data() if reader.octet() else None,))


def _results(reader: Reader) -> tuple[ActionResult, ...]:
    return tuple([_result(reader) for _ in range(count_of(reader, _SMALLEST_RESULT))])


def _result(reader: Reader) -> ActionResult:
    """Read an Action-Response-With-Optional-Data."""
    result = reader.octet()
    returned = result_of(reader) if reader.octet() else None
    return ActionResult(action_error(result) if result else None, returned)


def _method(reader: Reader) -> MethodRef:
    class_id, obis = reader.unsigned(2), Obis.from_bytes(reader.take(6))
    return MethodRef(class_id, obis, int.from_bytes(reader.take(1), "big", signed=True))


def _head(kind: int, invoke: int) -> bytes:
    return bytes((ACTION_REQUEST, kind, CONFIRMED_HIGH | invoke))


def _names(methods: Sequence[MethodRef]) -> bytes:
    return encode_length(len(methods)) + b"".join(method.to_bytes() for method in methods)
