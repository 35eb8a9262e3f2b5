"""One Read or Write with its answer, in blocks where it is long either way (Green Book 9.3.14 to 9.3.16 and 9.4.6).

Goes in: a channel, variables and values. Comes out: the results in the order asked. Which variable is what, and what a
failure means for the others, ``short_naming`` knows.
"""

from collections.abc import Callable, Sequence
from typing import Final

from common.errors import BridgeError
from poller.dlms.axdr import decode_whole
from poller.dlms.channel import MAX_VALUE, Channel
from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData, BadParameter, UnexpectedReply
from poller.dlms.exchange import Exchange
from poller.dlms.short_service import (
    READ_RESPONSE,
    WRITE_RESPONSE,
    BlockNumber,
    DataBlock,
    Specification,
    WriteBlock,
    decode_read_response,
    decode_read_results,
    decode_write_response,
    encode_read,
    encode_write,
)
from poller.dlms.xdlms import Conformance

_BLOCK_HEAD: Final = 12
"""Octets of a request that carries a block, besides its content: at most, with the length in its long form."""
_MAX_NUMBER: Final = 0xFFFF
_NO_INVOKE: Final = 0
"""These services have no invoke id: an answer is known by its tag."""
Result = Data | BridgeError


def read(channel: Channel, variables: Sequence[Specification]) -> Exchange[list[Result]]:
    """Return the results of one read-request."""
    request = encode_read(variables)
    if not channel.takes(len(request)):
        channel.require(Conformance.BLOCK_TRANSFER_WITH_GET)
        request = yield from _in_blocks(channel, request[1:], READ_RESPONSE, _read_block)
    answer = decode_read_response((yield from channel.call(request, READ_RESPONSE, _NO_INVOKE))).results
    if len(answer) == 1 and isinstance(answer[0], DataBlock):
        return _joined((yield from _blocks(channel, answer[0])), len(variables))
    return _checked(answer, len(variables))


def write(
    channel: Channel, variables: Sequence[Specification], values: Sequence[Data]
) -> Exchange[list[BridgeError | None]]:
    """Return the results of one write-request: None for what was written."""
    request = encode_write(variables, values)
    if not channel.takes(len(request)):
        channel.require(Conformance.BLOCK_TRANSFER_WITH_SET)
        request = yield from _in_blocks(channel, request[1:], WRITE_RESPONSE, _write_block)
    answer = decode_write_response((yield from channel.call(request, WRITE_RESPONSE, _NO_INVOKE))).results
    results = [result for result in answer if not isinstance(result, BlockNumber)]
    if len(results) != len(variables):
        raise UnexpectedReply(f"{len(variables)} results of a write expected, {len(results)} came")
    return results


def _blocks(channel: Channel, block: DataBlock) -> Exchange[bytes]:
    """Fetch the blocks behind the first; return what they hold together."""
    contents = [block.content]
    size = len(block.content)
    while not block.last:
        request = encode_read([BlockNumber(block.number)])
        answer = decode_read_response((yield from channel.call(request, READ_RESPONSE, _NO_INVOKE))).results
        following = answer[0] if len(answer) == 1 else None
        if isinstance(following, BridgeError):
            raise following
        if not isinstance(following, DataBlock) or following.number != block.number + 1 or not following.content:
            raise UnexpectedReply(f"block {block.number + 1} of a read expected, not {type(following).__name__}")
        block = following
        contents.append(block.content)
        size += len(block.content)
        if size > MAX_VALUE:
            raise BadData(f"an answer of more than {MAX_VALUE} octets")
    return b"".join(contents)


def _joined(content: bytes, expected: int) -> list[Result]:
    """Return the results that blocks add up to: a list of results, or from some meters the one value by itself."""
    try:
        return _checked(decode_read_results(content), expected)
    except (BadData, UnexpectedReply):
        if expected != 1:
            raise
    return [decode_whole(content)]


def _checked(results: Sequence[Result | DataBlock | BlockNumber], expected: int) -> list[Result]:
    values = [result for result in results if isinstance(result, Data | BridgeError)]
    if not len(values) == len(results) == expected:
        raise UnexpectedReply(f"{expected} results of a read expected, {len(values)} of {len(results)} came")
    return values


BlockMaker = Callable[[bool, int, bytes], bytes]


def _in_blocks(channel: Channel, body: bytes, tag: int, make: BlockMaker) -> Exchange[bytes]:
    """Send all blocks of a long request but the last; return the request that carries the last one."""
    size = channel.room - _BLOCK_HEAD
    if size < 1 or len(body) > min(MAX_VALUE, size * _MAX_NUMBER):
        raise BadParameter(f"a request of {len(body)} octets cannot be sent in blocks of {size}")
    number = 1
    while len(body) > size:
        octets = yield from channel.call(make(False, number, body[:size]), tag, _NO_INVOKE)
        _expect_acknowledged(octets, tag, number)
        body = body[size:]
        number += 1
    return make(True, number, body)


def _expect_acknowledged(octets: bytes, tag: int, number: int) -> None:
    decoded = decode_read_response(octets) if tag == READ_RESPONSE else decode_write_response(octets)
    result = decoded.results[0] if len(decoded.results) == 1 else None
    if isinstance(result, BridgeError):
        raise result
    if result != BlockNumber(number):
        raise UnexpectedReply(f"an acknowledgement of block {number} expected")


def _read_block(last: bool, number: int, content: bytes) -> bytes:
    return encode_read([DataBlock(last, number, content)])


def _write_block(last: bool, number: int, content: bytes) -> bytes:
    return encode_write([WriteBlock(last, number)], [Data(DataType.OCTET_STRING, content)])
