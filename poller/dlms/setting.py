"""Writing attributes: one, many in lists, long ones in blocks (IEC 62056-5-3, 6.7 and 9.3.7).

Goes in: a channel, what is to be written. Comes out: nothing, or the errors in the order of the items. A list whose
answer makes no sense is not written again: nobody knows what was.
"""

from collections.abc import Callable, Sequence

from common.errors import Again, BridgeError, Skip
from poller.dlms.axdr import encode_data
from poller.dlms.channel import MAX_LIST, Channel
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import ExceptionResponse, TemporaryFailure, UnexpectedReply, named
from poller.dlms.exchange import Exchange
from poller.dlms.get_service import DESCRIPTOR_OCTETS
from poller.dlms.parts import Part
from poller.dlms.sending import checked, fitting, in_parts
from poller.dlms.set_service import (
    SET_RESPONSE,
    SetAcknowledged,
    SetResponse,
    decode_set_response,
    encode_set,
    encode_set_block,
    encode_set_first,
    encode_set_list,
    encode_set_list_first,
    encode_values,
)
from poller.dlms.xdlms import Conformance

Item = tuple[AttributeRef, Data]


def set_one(channel: Channel, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
    """Write an attribute, or the selected part of it; in blocks when the meter takes no APDU as long."""
    try:
        channel.require(Conformance.SET if selection is None else Conformance.SET | Conformance.SELECTIVE_ACCESS)
        value = checked(encode_data(data))
        invoke = channel.next_invoke()
        request = encode_set(invoke, ref, value, selection)
        if channel.takes(len(request)):
            results = _results((yield from _call(channel, request, invoke)), 1)
        else:
            results = yield from _blocks(
                channel, invoke, lambda part: encode_set_first(invoke, ref, part, selection), value, 1
            )
        if results[0] is not None:
            raise results[0]
    except (Skip, TemporaryFailure, ExceptionResponse) as error:
        raise named(error, ref) from None


def set_many(channel: Channel, items: Sequence[Item]) -> Exchange[list[BridgeError | None]]:
    """Write attributes in order; return None or the Skip or Again error in each one's place, raise all others."""
    terms = channel.require()
    results: list[BridgeError | None] = []
    while len(results) < len(items):
        left = items[len(results) :]
        sizes = [DESCRIPTOR_OCTETS + len(encode_data(data)) for _, data in left[:MAX_LIST]]
        chunk = left[: fitting(channel, sizes, DESCRIPTOR_OCTETS, Conformance.BLOCK_TRANSFER_WITH_SET)]
        if len(chunk) > 1 and terms.supports_with_list and terms.supports_set:
            results += yield from _set_list(channel, chunk)
        else:
            results.append((yield from _set_alone(channel, *left[0])))
    return results


def _set_alone(channel: Channel, ref: AttributeRef, data: Data) -> Exchange[BridgeError | None]:
    try:
        yield from set_one(channel, ref, data)
    except (Skip, Again) as error:
        return error
    return None


def _set_list(channel: Channel, items: Sequence[Item]) -> Exchange[list[BridgeError | None]]:
    invoke = channel.next_invoke()
    refs = [ref for ref, _ in items]
    values = encode_values([data for _, data in items])
    request = encode_set_list(invoke, refs, values)
    if channel.takes(len(request)):
        results = _results((yield from _call(channel, request, invoke)), len(items), with_list=True)
    else:
        results = yield from _blocks(
            channel, invoke, lambda part: encode_set_list_first(invoke, refs, part), checked(values), len(items)
        )
    return [named(error, ref) if error else None for ref, error in zip(refs, results, strict=True)]


def _blocks(
    channel: Channel, invoke: int, first: Callable[[Part], bytes], value: bytes, count: int
) -> Exchange[tuple[BridgeError | None, ...]]:
    """Write a value, or the values of a list, in blocks."""
    channel.require(Conformance.BLOCK_TRANSFER_WITH_SET)
    answer = yield from in_parts(
        value,
        channel.room,
        first,
        lambda part: encode_set_block(invoke, part),
        lambda request: _call(channel, request, invoke),
        lambda answer: answer.block if isinstance(answer, SetAcknowledged) else _refused(answer),
    )
    return _results(answer, count, with_list=count > 1)


def _refused(answer: SetResponse) -> int:
    """Raise what a final response says that comes before the last block."""
    for error in answer.results:
        if error is not None:
            raise error
    raise UnexpectedReply("the meter has enough of a value before its last block")


def _results(
    answer: SetResponse | SetAcknowledged, count: int, *, with_list: bool = False
) -> tuple[BridgeError | None, ...]:
    """Return the results; raise UnexpectedReply when they are not those of what was written."""
    if not isinstance(answer, SetResponse) or answer.with_list != with_list or len(answer.results) != count:
        raise UnexpectedReply(f"a set-response with {count} results expected, not {answer}")
    return answer.results


def _call(channel: Channel, request: bytes, invoke: int) -> Exchange[SetResponse | SetAcknowledged]:
    return decode_set_response((yield from channel.call(request, SET_RESPONSE, invoke)))
