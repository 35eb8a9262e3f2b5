"""Reading attributes: one, many in lists, long ones in blocks (IEC 62056-5-3, 6.6 and 9.3.6).

Goes in: a channel, what is to be read. Comes out: values, or the errors that stand in their place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from common.errors import Again, BridgeError, Relink, Skip
from poller.dlms.axdr import decode_whole, encode_data
from poller.dlms.channel import INVOKE_MASK, MAX_LIST, MAX_VALUE, Channel
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData, ExceptionResponse, MeterBusy, TemporaryFailure, UnexpectedReply, named
from poller.dlms.exchange import Exchange
from poller.dlms.get_service import (
    DESCRIPTOR_OCTETS,
    GET_RESPONSE,
    GetBlock,
    GetList,
    GetNormal,
    decode_get_response,
    decode_results,
    encode_get,
    encode_get_list,
    encode_get_next,
)
from poller.dlms.xdlms import Conformance

MAX_SIZES: Final = 1024
"""Attributes whose size is remembered: more than anybody reads of one meter again and again."""
LIST_HEAD: Final = 5
"""Octets of a request or response with-list before its items."""
_USUAL_SIZE: Final = 14
"""Octets of a result that is not known yet: those of a clock's time, which no register exceeds."""
_WITH_SELECTION: Final = Conformance.GET | Conformance.SELECTIVE_ACCESS
Result = Data | BridgeError
Read = Callable[[AttributeRef], Exchange[Data]]


@dataclass(slots=True)
class ListHabits:
    """What a meter has shown of its lists; belongs to a conversation, over its associations."""

    wanted: bool
    answered: bool = False
    sizes: dict[AttributeRef, int] = field(default_factory=dict)
    """Octets of the last result, where long answers cannot come in blocks."""


def get(channel: Channel, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
    """Return an attribute's value, or the selected part of it, however many blocks it takes."""
    try:
        channel.require(Conformance.GET if selection is None else _WITH_SELECTION)
        invoke = channel.next_invoke()
        return (yield from _value(channel, channel.call(encode_get(invoke, ref, selection), GET_RESPONSE, invoke)))
    except (Skip, TemporaryFailure, ExceptionResponse) as error:
        raise named(error, ref) from None


def get_by(channel: Channel, ref: AttributeRef, call: Exchange[bytes]) -> Exchange[Data]:
    """Return an attribute's value, as ``get``, when somebody else has made the request that is exchanged."""
    try:
        return (yield from _value(channel, call))
    except (Skip, TemporaryFailure, ExceptionResponse) as error:
        raise named(error, ref) from None


def _value(channel: Channel, call: Exchange[bytes]) -> Exchange[Data]:
    answer = decode_get_response((yield from call))
    if isinstance(answer, GetBlock):
        return decode_whole((yield from _blocks(channel, answer)))
    if not isinstance(answer, GetNormal):
        raise UnexpectedReply(f"a get-response-normal expected, not {type(answer).__name__}")
    if isinstance(answer.result, BridgeError):
        raise answer.result
    return answer.result


def get_many(
    channel: Channel, habits: ListHabits, refs: Sequence[AttributeRef], read: Read | None = None
) -> Exchange[list[Result]]:
    """Return the values in the order asked, each or the Skip or Again error in its place; raise all others.

    With-list where it was negotiated. A meter that answers a list wrongly, or its first list not at all, is asked
    one by one from then on; by ``read`` where it is given.
    """
    terms = channel.require()
    lists = terms.supports_with_list and bool(terms.conformance & Conformance.GET)
    one = read or partial(get, channel)
    results: list[Result] = []
    while len(results) < len(refs):
        chunk = refs[len(results) :]
        listed = None
        if habits.wanted and lists:
            chunk = chunk[: _list_size(channel, habits, chunk)]
            listed = (yield from _get_list(channel, habits, chunk)) if len(chunk) > 1 else None
        results += listed if listed is not None else (yield from _get_each(one, chunk))
    return results


def _list_size(channel: Channel, habits: ListHabits, refs: Sequence[AttributeRef]) -> int:
    """Return how many attributes one list takes: the request fits the server's PDU, the answer ours.

    With block transfer a long answer comes in blocks: then it is the request alone.
    """
    most = max(1, min(MAX_LIST, (channel.room - LIST_HEAD) // DESCRIPTOR_OCTETS))
    if channel.require().supports_block_get:
        return most
    size, limit = LIST_HEAD, channel.own_room
    for count, ref in enumerate(refs[:most]):
        size += habits.sizes.get(ref, _USUAL_SIZE)
        if size > limit:
            return max(1, count)
    return most


def _get_list(channel: Channel, habits: ListHabits, refs: Sequence[AttributeRef]) -> Exchange[list[Result] | None]:
    """Return the results of one list; None when this one went wrong: the attributes are to be asked one by one."""
    invoke = channel.next_invoke()
    try:
        answer = yield from _call(channel, encode_get_list(invoke, refs), invoke)
        results = _listed((yield from _blocks(channel, answer)) if isinstance(answer, GetBlock) else answer, len(refs))
    except TemporaryFailure:
        return None
    except (UnexpectedReply, ExceptionResponse, Skip):
        _give_up(channel, habits)
        return None
    except (Relink, MeterBusy):
        if not habits.answered:  # there are meters that negotiate lists and never answer one
            _give_up(channel, habits)
        raise
    habits.answered = True
    _learn(channel, habits, refs, results)
    return [named(it, ref) if isinstance(it, BridgeError) else it for ref, it in zip(refs, results, strict=True)]


def is_one_list(channel: Channel, habits: ListHabits, refs: Sequence[AttributeRef]) -> bool:
    """Say whether attributes are asked for in one list, however long the answers to earlier ones were."""
    terms = channel.require()
    lists = habits.wanted and terms.supports_with_list and terms.supports_block_get
    return lists and 1 < len(refs) <= _list_size(channel, habits, refs)


def _get_each(read: Read, refs: Sequence[AttributeRef]) -> Exchange[list[Result]]:
    results: list[Result] = []
    for ref in refs:
        try:
            results.append((yield from read(ref)))
        except MeterBusy as busy:  # so would be the others, after as many polls each
            return results + [busy] * (len(refs) - len(results))
        except (Skip, Again) as error:
            results.append(error)
    return results


def _give_up(channel: Channel, habits: ListHabits) -> None:
    channel.counters.with_list_fallbacks += 1
    habits.wanted = False


def _learn(channel: Channel, habits: ListHabits, refs: Sequence[AttributeRef], results: Sequence[Result]) -> None:
    """Remember what the results take, where the answer to the next list has to fit our PDU."""
    if channel.require().supports_block_get:
        return
    for ref, result in zip(refs, results, strict=True):
        if ref in habits.sizes or len(habits.sizes) < MAX_SIZES:
            habits.sizes[ref] = 2 if isinstance(result, BridgeError) else 1 + len(encode_data(result))


def _listed(answer: GetList | GetNormal | bytes, expected: int) -> tuple[Result, ...]:
    """Return the results of a list; raise UnexpectedReply when they are not what was asked for."""
    if isinstance(answer, GetNormal):
        raise UnexpectedReply("a get-response-with-list expected, not GetNormal")
    results = decode_results(answer) if isinstance(answer, bytes) else answer.results
    if len(results) != expected:
        raise UnexpectedReply(f"{expected} results expected, {len(results)} came")
    if any(map(_is_wrapped, results)):
        raise UnexpectedReply("a member of a list is wrapped in a structure of its own")
    return results


def _is_wrapped(result: Result) -> bool:
    """Say whether a result is a structure of one: some meters wrap the members of lists so, and no attribute is one."""
    return (
        isinstance(result, Data)
        and result.type is DataType.STRUCTURE
        and isinstance(result.value, tuple)
        and len(result.value) == 1
    )


def _blocks(channel: Channel, block: GetBlock) -> Exchange[bytes]:
    """Fetch the blocks behind the first; return what they hold together."""
    contents: list[bytes] = []
    size = 0
    while True:
        if isinstance(block.content, BridgeError):
            raise block.content
        contents.append(block.content)
        size += len(block.content)
        if size > MAX_VALUE:
            raise BadData(f"a value of more than {MAX_VALUE} octets")
        if block.last:
            return b"".join(contents)
        block = yield from _next_block(channel, block)


def _next_block(channel: Channel, block: GetBlock) -> Exchange[GetBlock]:
    invoke = block.invoke & INVOKE_MASK
    answer = yield from _call(channel, encode_get_next(invoke, block.number), invoke)
    if isinstance(answer, GetNormal) and isinstance(answer.result, BridgeError):
        raise answer.result
    if not isinstance(answer, GetBlock) or answer.number != block.number + 1:
        raise UnexpectedReply(f"block {block.number + 1} expected, not {type(answer).__name__}")
    if not block.content:
        raise UnexpectedReply(f"block {block.number} is empty and not the last")
    return answer


def _call(channel: Channel, request: bytes, invoke: int) -> Exchange[GetNormal | GetBlock | GetList]:
    return decode_get_response((yield from channel.call(request, GET_RESPONSE, invoke)))
