"""What one list takes, and the turns of a transfer in blocks."""

import pytest

from poller.dlms.channel import MAX_VALUE, Channel
from poller.dlms.errors import BadParameter, UnexpectedReply
from poller.dlms.exchange import Exchange
from poller.dlms.parts import Part
from poller.dlms.sending import checked, fitting, in_parts
from poller.dlms.xdlms import Conformance
from tests.support.scripted_meter import FULL, Meter, granting, normal, opened

BLOCKS = Conformance.BLOCK_TRANSFER_WITH_SET


def channel(max_pdu: int, without: int = 0) -> Channel:
    return opened(Meter(normal, granting(max_pdu, without)), FULL)._channel


@pytest.mark.parametrize(
    ("max_pdu", "sizes", "count"),
    [(100, [20] * 9, 4), (105, [20] * 9, 5), (100, [20, 20], 2), (100, [500, 20], 1), (100, [20, 500, 20], 1)],
)
def test_without_blocks_a_list_fits_the_pdu(max_pdu: int, sizes: list[int], count: int) -> None:
    assert fitting(channel(max_pdu, without=BLOCKS), sizes, 10, BLOCKS) == count


@pytest.mark.parametrize(("max_pdu", "count"), [(100, 8), (200, 9), (20, 1)])
def test_with_blocks_its_names_do(max_pdu: int, count: int) -> None:
    assert fitting(channel(max_pdu), [1000] * 9, 10, BLOCKS) == count


def test_a_value_has_a_limit() -> None:
    assert checked(b"abc") == b"abc"
    with pytest.raises(BadParameter, match="at most"):
        checked(bytes(MAX_VALUE + 1))


def send(value: bytes, room: int, numbers: list[int]) -> tuple[list[bytes], int]:
    """Send in blocks to somebody who acknowledges these numbers; return what was sent, and the last answer."""
    sent: list[bytes] = []

    def call(request: bytes) -> Exchange[int]:
        sent.append(request)
        yield b""
        return numbers.pop(0)

    exchange = in_parts(
        value, room, lambda part: b"first" + part.to_bytes(), lambda part: b"f" + part.to_bytes(), call, lambda it: it
    )
    next(exchange)
    try:
        while True:
            exchange.send(b"")
    except StopIteration as end:
        last: int = end.value
        return sent, last


def test_blocks_fill_the_room() -> None:
    sent, last = send(bytes(40), 29, [1, 2, 99])
    assert last == 99
    assert sent == [
        b"first" + Part(False, 1, bytes(16)).to_bytes(),
        b"f" + Part(False, 2, bytes(20)).to_bytes(),
        b"f" + Part(True, 3, bytes(4)).to_bytes(),
    ]


def test_what_fits_is_one_block() -> None:
    assert send(bytes(16), 29, [5]) == ([b"first" + Part(True, 1, bytes(16)).to_bytes()], 5)


def test_another_number_is_unexpected() -> None:
    with pytest.raises(UnexpectedReply, match="block 2 was sent, the meter acknowledges block 1"):
        send(bytes(80), 29, [1, 1])
