"""Transfers in general blocks against a scripted link; a meter on a bad line is in the properties."""

from collections.abc import Sequence

import pytest

from poller.dlms.block_service import GeneralBlock, decode_general_block, encode_general_block
from poller.dlms.blocks import (
    MAX_IDLE_BLOCKS,
    MAX_OCTETS,
    MAX_REPEATS,
    BlockTerms,
    collect_blocks,
    exchange_blocks,
)
from poller.dlms.errors import BadParameter, BlockUnavailable, MeterBusy, ReplyTimeout, UnexpectedReply
from poller.dlms.exchange import Counters, Exchange

SIZE = 12
"""Three octets of content in a block."""
PUSH = b"\x0f\0\0\0\0\0\0"


class Script:
    """A link that gives each answer once: octets, or an error to raise; it keeps what was sent and how often asked."""

    def __init__(self, *answers: bytes | GeneralBlock | Exception) -> None:
        self.sent: list[list[GeneralBlock]] = []
        self.mores = 0
        self._answers = list(answers)

    def request(self, *apdus: bytes) -> Exchange[bytes]:
        self.sent.append([decode_general_block(apdu) for apdu in apdus])
        return self._next()

    def more(self) -> Exchange[bytes]:
        self.mores += 1
        return self._next()

    def _next(self) -> Exchange[bytes]:
        yield from ()
        answer = self._answers.pop(0) if self._answers else ReplyTimeout("silence")
        if isinstance(answer, Exception):
            raise answer
        return encode_general_block(answer) if isinstance(answer, GeneralBlock) else answer


def run(exchange: Exchange[bytes]) -> bytes:
    with pytest.raises(StopIteration) as end:
        next(exchange)
    result: bytes = end.value.value
    return result


def is_push(apdu: bytes) -> bool:
    return apdu == PUSH


def exchanged(link: Script, apdu: bytes, terms: BlockTerms | None = None, counters: Counters | None = None) -> bytes:
    return run(exchange_blocks(link, apdu, terms or BlockTerms(SIZE), counters or Counters(), is_push))


def collected(link: Script, first: GeneralBlock, window: int = 1) -> bytes:
    octets = encode_general_block(first)
    return run(collect_blocks(link, octets, BlockTerms(SIZE, window), Counters(), is_push))


def data(number: int, content: bytes, *, last: bool = False, streaming: bool = False, window: int = 1) -> GeneralBlock:
    return GeneralBlock(number, content, last, streaming, window)


def acknowledgement(number: int, acknowledged: int, window: int = 1) -> GeneralBlock:
    return GeneralBlock(number, last=False, window=window, acknowledged=acknowledged)


def test_the_first_block_goes_alone_and_the_server_tells_its_window() -> None:
    terms = BlockTerms(SIZE, window=4)
    link = Script(acknowledgement(1, 1, 3), acknowledgement(2, 4, 3), data(3, b"ok", last=True, window=3))
    assert exchanged(link, b"abcdefghijklm", terms) == b"ok"
    assert [[block.number for block in flight] for flight in link.sent] == [[1], [2, 3, 4], [5]]
    assert [block.streaming for flight in link.sent for block in flight] == [False, True, True, False, False]
    assert [block.last for flight in link.sent for block in flight] == [False] * 4 + [True]
    assert {block.window for flight in link.sent for block in flight} == {4}
    assert terms.peer_window == 3


def test_a_row_is_no_longer_than_the_link_carries() -> None:
    link = Script(acknowledgement(1, 1, 9), acknowledgement(2, 3, 9), data(3, b"ok", last=True))
    assert exchanged(link, b"abcdefghijkl", BlockTerms(SIZE, at_once=2)) == b"ok"
    assert [len(flight) for flight in link.sent] == [1, 2, 1]


def test_what_was_not_acknowledged_goes_out_again() -> None:
    counters = Counters()
    link = Script(acknowledgement(1, 1, 3), acknowledgement(2, 2, 3), data(3, b"ok", last=True))
    assert exchanged(link, b"abcdefghijkl", counters=counters) == b"ok"
    assert [[block.number for block in flight] for flight in link.sent] == [[1], [2, 3, 4], [3, 4]]
    assert counters.blocks_resent == 2


def test_after_silence_no_more_than_the_end_of_a_row_goes_out_again() -> None:
    counters = Counters()
    silence = ReplyTimeout("silence")
    link = Script(silence, acknowledgement(1, 1, 3), data(2, b"ok", last=True))
    assert exchanged(link, b"abcdefghi", BlockTerms(SIZE, peer_window=3), counters) == b"ok"
    assert [[block.number for block in flight] for flight in link.sent] == [[1, 2, 3], [3], [2, 3]]
    assert counters.blocks_resent == 3


def test_a_server_that_acknowledges_the_last_block_by_itself_is_waited_for() -> None:
    link = Script(acknowledgement(1, 1), data(2, b"ok", last=True))
    assert exchanged(link, b"abc") == b"ok"
    assert (len(link.sent), link.mores) == (1, 1)


def test_an_answer_that_comes_whole_is_returned_as_it_is() -> None:
    assert exchanged(Script(b"\xd8\x01\x02"), b"abcd") == b"\xd8\x01\x02"
    assert exchanged(Script(acknowledgement(1, 1), b"\xc4\x01"), b"abc") == b"\xc4\x01"


def test_a_push_among_blocks_is_put_aside() -> None:
    link = Script(PUSH, acknowledgement(1, 1), PUSH, PUSH, data(2, b"ok", last=True))
    assert exchanged(link, b"abc") == b"ok"


def test_blocks_are_fetched_while_they_stream_and_acknowledged_when_they_do_not() -> None:
    link = Script(data(2, b"b"), data(3, b"c", streaming=True), data(4, b"d", last=True))
    assert collected(link, data(1, b"a", streaming=True), window=2) == b"abcd"
    assert link.mores == 2
    assert link.sent == [[GeneralBlock(1, window=2, acknowledged=2)]]


def test_one_block_may_be_all_there_is() -> None:
    assert collected(Script(), data(1, b"a", last=True)) == b"a"


def test_a_missing_block_is_asked_for_again_and_what_came_behind_it_dropped() -> None:
    link = Script(data(3, b"c"), data(2, b"b", streaming=True), data(3, b"c", last=True))
    assert collected(link, data(1, b"a", streaming=True)) == b"abc"
    assert link.sent == [[GeneralBlock(1, acknowledged=1)]]


def test_a_repeated_block_is_dropped() -> None:
    link = Script(data(1, b"a", streaming=True), data(2, b"b", last=True))
    assert collected(link, data(1, b"a", streaming=True)) == b"ab"


def test_silence_is_answered_by_asking_again() -> None:
    link = Script(MeterBusy("busy"), data(2, b"b", last=True))
    assert collected(link, data(1, b"a", streaming=True)) == b"ab"
    assert link.sent == [[GeneralBlock(1, acknowledged=1)]]
    link = Script(ReplyTimeout("silence"), data(1, b"ok", last=True))
    counters = Counters()
    assert exchanged(link, b"abc", counters=counters) == b"ok"
    assert counters.blocks_resent == 1


def test_lasting_silence_is_the_links_own_error() -> None:
    link = Script()
    with pytest.raises(ReplyTimeout):
        next(exchange_blocks(link, b"abc", BlockTerms(SIZE), Counters(), is_push))
    assert len(link.sent) == MAX_REPEATS + 1
    link = Script()
    with pytest.raises(ReplyTimeout):
        next(collect_blocks(link, encode_general_block(data(1, b"a")), BlockTerms(SIZE), Counters(), is_push))
    assert len(link.sent) == MAX_REPEATS + 1


@pytest.mark.parametrize("acknowledged", [0, 2, 7])
def test_acknowledgements_that_lead_nowhere_end_it(acknowledged: int) -> None:
    link = Script(*[acknowledgement(number, acknowledged) for number in range(1, 9)])
    with pytest.raises(UnexpectedReply):
        next(exchange_blocks(link, b"abcdef", BlockTerms(SIZE), Counters(), is_push))
    assert len(link.sent) == MAX_REPEATS + 1


def endless(link: Script, first: GeneralBlock) -> None:
    with pytest.raises(UnexpectedReply):
        next(collect_blocks(link, encode_general_block(first), BlockTerms(SIZE), Counters(), is_push))


def test_blocks_that_bring_nothing_new_end_it() -> None:
    link = Script(*[data(5, b"x", streaming=True)] * 500)
    endless(link, data(1, b"a", streaming=True))
    assert link.mores == MAX_IDLE_BLOCKS + 1
    endless(Script(*[acknowledgement(number, 0) for number in range(2, 9)]), data(1, b"a"))
    endless(Script(*[PUSH] * 500), data(1, b"a", streaming=True))


def test_a_transfer_has_an_end_in_octets() -> None:
    content = bytes(0xF000)
    blocks = [data(number, content, streaming=True) for number in range(2, 100)]
    endless(Script(*blocks), data(1, content, streaming=True))
    assert MAX_OCTETS // len(content) < 100


@pytest.mark.slow
def test_a_transfer_has_an_end_in_numbers() -> None:
    endless(Script(*[data(number, b"x") for number in range(2, 0x10000)]), data(1, b"x"))


def test_a_transfer_that_the_meter_gives_up_is_given_up() -> None:
    link = Script(GeneralBlock(0))
    with pytest.raises(BlockUnavailable):
        next(collect_blocks(link, encode_general_block(data(1, b"a")), BlockTerms(SIZE), Counters(), is_push))
    with pytest.raises(BlockUnavailable):
        next(exchange_blocks(Script(GeneralBlock(0)), b"abcd", BlockTerms(SIZE), Counters(), is_push))


@pytest.mark.parametrize("words", [(9, 1), (12, 0), (12, 64)])
def test_terms_that_cannot_be_are_refused(words: Sequence[int]) -> None:
    with pytest.raises(BadParameter):
        BlockTerms(*words)


def test_an_apdu_of_too_many_blocks_is_ours_to_avoid() -> None:
    with pytest.raises(BadParameter):
        next(exchange_blocks(Script(), bytes(0x10000), BlockTerms(10), Counters(), is_push))
