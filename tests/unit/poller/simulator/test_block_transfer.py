import pytest

from poller.simulator.acse import BadRequest
from poller.simulator.block_transfer import MAX_LONG, Block, GeneralBlocks, encode, parse

LONG = bytes(range(200))


def told(blocks: list[bytes]) -> list[tuple[bool, bool, int, int]]:
    return [(block.last, block.streaming, block.number, block.acknowledged) for block in map(parse, blocks)]


def test_a_block_is_written_and_read() -> None:
    block = Block(True, False, 5, 3, 2, b"abc")
    assert encode(block).hex() == "e085" + "0003" + "0002" + "03616263"
    assert parse(encode(block)) == block


@pytest.mark.parametrize("octets", ["e0", "e08000010000", "e0800001000005aa", "e08000010000ffff", "e0800001000001aaaa"])
def test_what_is_no_block_is_refused(octets: str) -> None:
    with pytest.raises(BadRequest):
        parse(bytes.fromhex(octets))


def test_an_answer_is_told_a_window_at_a_time() -> None:
    blocks = GeneralBlocks()
    assert told(blocks.answer(LONG, 59, 1)) == [(False, False, 1, 0)]
    confirmed = Block(True, False, 3, 1, 1, b"")
    assert blocks.take(confirmed) is None
    assert told(blocks.reply(confirmed)) == [(False, True, 2, 0), (False, True, 3, 0), (True, False, 4, 0)]
    assert blocks.under_way


def test_what_the_client_misses_is_told_again() -> None:
    blocks = GeneralBlocks()
    whole = blocks.answer(LONG, 59, 63)
    assert blocks.reply(Block(True, False, 63, 1, 1, b"")) == whole[1:]
    assert blocks.reply(Block(True, False, 63, 1, 9, b"")) == []


def test_a_lost_block_leaves_a_hole() -> None:
    blocks = GeneralBlocks()
    assert [number for *_, number, _ in told(blocks.answer(LONG, 59, 63, lose=True))] == [1, 3, 4]


def test_a_request_is_put_together_and_acknowledged() -> None:
    blocks = GeneralBlocks(window=2)
    first, second = Block(False, False, 1, 1, 0, b"ab"), Block(True, False, 1, 2, 1, b"cd")
    assert blocks.take(first) is None
    assert told(blocks.reply(first)) == [(False, False, 1, 1)]
    assert blocks.take(second) == b"abcd"
    assert told(blocks.answer(b"xy", 59, 1)) == [(True, False, 2, 2)]
    assert blocks.take(Block(True, False, 1, 1, 2, b"new")) == b"new"


def test_a_stream_is_answered_at_its_end_and_a_hole_is_told() -> None:
    blocks = GeneralBlocks()
    streamed, late = Block(False, True, 1, 1, 0, b"a"), Block(False, False, 1, 3, 0, b"c")
    assert blocks.take(streamed) is None
    assert blocks.reply(streamed) == []
    assert blocks.take(late) is None
    assert told(blocks.reply(late)) == [(False, False, 1, 1)]


def test_nothing_is_said_to_an_empty_block_out_of_place() -> None:
    assert GeneralBlocks().reply(Block(True, False, 1, 1, 1, b"")) == []


def test_a_request_without_end_is_refused() -> None:
    blocks = GeneralBlocks()
    blocks.take(Block(False, True, 1, 1, 0, bytes(MAX_LONG)))
    with pytest.raises(BadRequest):
        blocks.take(Block(False, True, 1, 2, 0, b"a"))
