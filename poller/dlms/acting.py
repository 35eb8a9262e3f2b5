"""Invoking methods: one, many in lists, long parameters and long answers in blocks (IEC 62056-5-3, 6.8 and 9.3.8).

Goes in: a channel, methods and their parameters. Comes out: what they return, or the errors that stand in its place.
Nothing is ever done twice: an answer that makes no sense is raised.
"""

from collections.abc import Callable, Sequence

from common.errors import Again, BridgeError, Skip
from poller.dlms.action_service import (
    ACTION_RESPONSE,
    METHOD_OCTETS,
    ActionAcknowledged,
    ActionAnswerBlock,
    ActionResponse,
    ActionResult,
    decode_action_response,
    decode_action_result,
    decode_action_results,
    encode_action,
    encode_action_block,
    encode_action_first,
    encode_action_list,
    encode_action_list_first,
    encode_action_next,
)
from poller.dlms.axdr import encode_data, encode_length
from poller.dlms.channel import MAX_LIST, MAX_VALUE, Channel
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import BadData, ExceptionResponse, TemporaryFailure, UnexpectedReply, named
from poller.dlms.exchange import Exchange
from poller.dlms.parts import Part
from poller.dlms.sending import checked, fitting, in_parts
from poller.dlms.xdlms import Conformance

Item = tuple[MethodRef, Data | None]
Outcome = Data | BridgeError | None
Answer = ActionResponse | ActionAnswerBlock | ActionAcknowledged
_NOTHING = Data(DataType.NULL, None)
"""The parameters, in a list, of a method that has none."""


def action(channel: Channel, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
    """Invoke a method; return what it returns, None when that is nothing."""
    try:
        channel.require(Conformance.ACTION)
        encoded = None if parameters is None else checked(encode_data(parameters))
        invoke = channel.next_invoke()
        request = encode_action(invoke, method, encoded)
        if encoded is None or channel.takes(len(request)):
            answer = yield from _call(channel, request, invoke)
        else:
            answer = yield from _in_blocks(
                channel, invoke, lambda part: encode_action_first(invoke, method, part), encoded
            )
        outcome = (yield from _results(channel, answer, invoke, 1))[0].outcome
        if isinstance(outcome, BridgeError):
            raise outcome
        return outcome
    except (Skip, TemporaryFailure, ExceptionResponse) as error:
        raise named(error, method) from None


def action_many(channel: Channel, items: Sequence[Item]) -> Exchange[list[Outcome]]:
    """Invoke methods in order; return what each returns, or the Skip or Again error in its place; raise all others."""
    terms = channel.require()
    outcomes: list[Outcome] = []
    while len(outcomes) < len(items):
        left = items[len(outcomes) :]
        sizes = [METHOD_OCTETS + len(encode_data(given or _NOTHING)) for _, given in left[:MAX_LIST]]
        chunk = left[: fitting(channel, sizes, METHOD_OCTETS, Conformance.BLOCK_TRANSFER_WITH_ACTION)]
        if len(chunk) > 1 and terms.supports_with_list and terms.supports_action:
            outcomes += yield from _act_listed(channel, chunk)
        else:
            outcomes.append((yield from _act_alone(channel, *left[0])))
    return outcomes


def _act_alone(channel: Channel, method: MethodRef, parameters: Data | None) -> Exchange[Outcome]:
    try:
        return (yield from action(channel, method, parameters))
    except (Skip, Again) as error:
        return error


def _act_listed(channel: Channel, items: Sequence[Item]) -> Exchange[list[Outcome]]:
    invoke = channel.next_invoke()
    methods = [method for method, _ in items]
    values = encode_length(len(items)) + b"".join(encode_data(given or _NOTHING) for _, given in items)
    request = encode_action_list(invoke, methods, values)
    if channel.takes(len(request)):
        answer = yield from _call(channel, request, invoke)
    else:
        answer = yield from _in_blocks(
            channel, invoke, lambda part: encode_action_list_first(invoke, methods, part), checked(values)
        )
    results = yield from _results(channel, answer, invoke, len(items))
    outcomes = [result.outcome for result in results]
    return [named(it, name) if isinstance(it, BridgeError) else it for name, it in zip(methods, outcomes, strict=True)]


def _in_blocks(channel: Channel, invoke: int, first: Callable[[Part], bytes], value: bytes) -> Exchange[Answer]:
    channel.require(Conformance.BLOCK_TRANSFER_WITH_ACTION)
    return (
        yield from in_parts(
            value,
            channel.room,
            first,
            lambda part: encode_action_block(invoke, part),
            lambda request: _call(channel, request, invoke),
            _acknowledged,
        )
    )


def _acknowledged(answer: Answer) -> int:
    """Return the number of the block that arrived; raise what any other answer says before the last one."""
    if isinstance(answer, ActionAcknowledged):
        return answer.block
    errors = [result.error for result in answer.results if result.error] if isinstance(answer, ActionResponse) else []
    raise errors[0] if errors else UnexpectedReply("the meter answers before the last block of the parameters")


def _results(channel: Channel, answer: Answer, invoke: int, count: int) -> Exchange[tuple[ActionResult, ...]]:
    """Return the results of an answer, its blocks put together; raise UnexpectedReply when they are not ``count``."""
    if isinstance(answer, ActionAnswerBlock):
        octets = yield from _answer_blocks(channel, answer, invoke)
        results = decode_action_results(octets) if count > 1 else (decode_action_result(octets),)
    elif isinstance(answer, ActionResponse) and answer.with_list == (count > 1):
        results = answer.results
    else:
        raise UnexpectedReply(f"an action-response with {count} results expected, not {type(answer).__name__}")
    if len(results) != count:
        raise UnexpectedReply(f"{count} results expected, {len(results)} came")
    return results


def _answer_blocks(channel: Channel, answer: ActionAnswerBlock, invoke: int) -> Exchange[bytes]:
    """Fetch the blocks of an answer behind the first; return what they hold together."""
    contents: list[bytes] = []
    size = 0
    while True:
        contents.append(answer.part.content)
        size += len(answer.part.content)
        if size > MAX_VALUE:
            raise BadData(f"an answer of more than {MAX_VALUE} octets")
        if answer.part.last:
            return b"".join(contents)
        answer = yield from _next_block(channel, answer.part, invoke)


def _next_block(channel: Channel, part: Part, invoke: int) -> Exchange[ActionAnswerBlock]:
    if not part.content:
        raise UnexpectedReply(f"block {part.number} is empty and not the last")
    answer = yield from _call(channel, encode_action_next(invoke, part.number), invoke)
    if isinstance(answer, ActionResponse) and answer.results and answer.results[0].error:
        raise answer.results[0].error
    if not isinstance(answer, ActionAnswerBlock) or answer.part.number != part.number + 1:
        raise UnexpectedReply(f"block {part.number + 1} expected, not {type(answer).__name__}")
    return answer


def _call(channel: Channel, request: bytes, invoke: int) -> Exchange[Answer]:
    return decode_action_response((yield from channel.call(request, ACTION_RESPONSE, invoke)))
