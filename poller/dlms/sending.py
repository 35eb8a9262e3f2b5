"""Sending what is long with SET or ACTION: how much one list takes, and the turns of a transfer in blocks.

Goes in: encoded values, and functions that know the service. Comes out: the answer to the last block. Every block
but the last is acknowledged by its number before the next is sent (IEC 62056-5-3, 9.3.7 and 9.3.8).
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, TypeVar

from poller.dlms.channel import MAX_VALUE, Channel
from poller.dlms.errors import BadParameter, UnexpectedReply
from poller.dlms.exchange import Exchange
from poller.dlms.parts import HEAD_OCTETS, Part, parts
from poller.dlms.xdlms import Conformance

_LIST_HEAD: Final = 5
"""Octets of a request with-list besides its items: tag, kind, invoke id, and two counts."""
_EMPTY: Final = Part(False, 1, b"")
T = TypeVar("T")


def checked(value: bytes) -> bytes:
    """Return the value; raise BadParameter when it is too long to be sent at all."""
    if len(value) > MAX_VALUE:
        raise BadParameter(f"a value of {len(value)} octets, {MAX_VALUE} at most can be sent")
    return value


def fitting(channel: Channel, sizes: Sequence[int], name_octets: int, blocks: Conformance) -> int:
    """Return how many items of those sizes, at least one, a list takes.

    They fit the server's PDU; when the service's block transfer was negotiated, their names fit it beside a block.
    """
    room = channel.room - _LIST_HEAD
    if blocks & channel.require().conformance:
        return max(1, min(len(sizes), (room - HEAD_OCTETS - 1) // name_octets))
    return max(1, sum(channel.takes(_LIST_HEAD + octets) for octets in accumulate(sizes)))


def in_parts(
    value: bytes,
    room: int,
    first: Callable[[Part], bytes],
    further: Callable[[Part], bytes],
    call: Callable[[bytes], Exchange[T]],
    acknowledged: Callable[[T], int],
) -> Exchange[T]:
    """Send a value in blocks of APDUs that fit ``room``; return the answer to the last.

    ``acknowledged`` returns the number in an answer to any other, or raises what that answer says.
    """
    heads = [len(make(_EMPTY)) - len(_EMPTY.to_bytes()) for make in (first, further)]
    for part in parts(value, room - heads[0], room - heads[1]):
        answer = yield from call(first(part) if part.number == 1 else further(part))
        if not part.last and (number := acknowledged(answer)) != part.number:
            raise UnexpectedReply(f"block {part.number} was sent, the meter acknowledges block {number}")
    return answer
