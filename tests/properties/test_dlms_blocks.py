"""General blocks over a line that loses, repeats and reorders them: the APDUs arrive whole, or there is a typed error.

The other side is a meter of its own: it has its own codec, and keeps to the standard's rules for windows and numbers.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import chain, repeat

from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from poller.dlms.blocks import BlockTerms, exchange_blocks
from poller.dlms.errors import ReplyTimeout
from poller.dlms.exchange import Counters, Exchange

MAX_CALLS = 20_000


class Fate(Enum):
    """What the line does to an APDU."""

    ARRIVES = auto()
    LOST = auto()
    TWICE = auto()
    LATE = auto()
    """Behind the one that follows."""


FATES = st.lists(st.sampled_from(Fate), max_size=60)
RARE = st.lists(st.tuples(st.integers(9, 30), st.sampled_from(Fate)), max_size=6).map(
    lambda gaps: [fate for gap, last in gaps for fate in [*[Fate.ARRIVES] * gap, last]]
)
"""One fault at a time, with nine good APDUs between two: more than the largest window of these tests."""
WINDOWS = st.integers(1, 8)
SIZES = st.integers(10, 40)
APDUS = st.binary(min_size=1, max_size=300)


class Meter:
    """A link to a meter that answers one APDU with another, both in blocks."""

    def __init__(self, answer: bytes, size: int, window: int, fates: Iterable[Fate], *, forgets: bool) -> None:
        self.heard = b""
        self.calls = 0
        self._answer = [answer[at : at + size] for at in range(0, len(answer), size)]
        self._window, self._peer_window = window, 1
        self._fates = chain(fates, repeat(Fate.ARRIVES))
        self._forgets = forgets
        self._queue: deque[bytes] = deque()
        self._received = self._number = 0
        self._complete = False

    def request(self, *apdus: bytes) -> Exchange[bytes]:
        if self._forgets:  # as HDLC does with what nobody fetched
            self._queue.clear()
        for apdu in self._carried(apdus):
            self._queue.extend(self._carried(self._react(apdu)))
        return (yield from self.more())

    def more(self) -> Exchange[bytes]:
        yield from ()
        self.calls += 1
        assert self.calls < MAX_CALLS
        if not self._queue:
            raise ReplyTimeout("silence")
        return self._queue.popleft()

    def _carried(self, apdus: Iterable[bytes]) -> Iterator[bytes]:
        held: list[bytes] = []
        for apdu in apdus:
            fate = next(self._fates)
            if fate is Fate.LATE:
                held.append(apdu)
                continue
            yield from [] if fate is Fate.LOST else [apdu, apdu] if fate is Fate.TWICE else [apdu]
            yield from held
            held = []
        yield from held

    def _react(self, apdu: bytes) -> list[bytes]:
        assert apdu[0] == 0xE0
        control, number, acknowledged = apdu[1], int.from_bytes(apdu[2:4]), int.from_bytes(apdu[4:6])
        assert apdu[6] == len(apdu) - 7 < 0x80
        self._peer_window = control & 0x3F
        if number == self._received + 1:
            self._received = number
            if not self._complete:
                self.heard += apdu[7:]
                self._complete = bool(control & 0x80)
        if control & 0x40:
            return []
        return self._blocks(acknowledged) if self._complete else [self._acknowledgement()]

    def _acknowledgement(self) -> bytes:
        self._number += 1
        return self._block(0, self._number, b"")

    def _blocks(self, acknowledged: int) -> list[bytes]:
        """Return the window behind the last block that the client has."""
        done = max(acknowledged - self._number, 0)
        window = self._answer[done : done + self._peer_window]
        ends = [0x80 if done + place == len(self._answer) else 0 for place in range(1, len(window) + 1)]
        streams = [0x40 * (place < len(window)) for place in range(1, len(window) + 1)]
        numbers = range(self._number + done + 1, self._number + done + 1 + len(window))
        return [
            self._block(end | stream, number, part)
            for end, stream, number, part in zip(ends, streams, numbers, window, strict=True)
        ]

    def _block(self, control: int, number: int, data: bytes) -> bytes:
        head = bytes((0xE0, control | self._window))
        return head + number.to_bytes(2) + self._received.to_bytes(2) + bytes((len(data),)) + data


def transfer(meter: Meter, request: bytes, size: int, window: int) -> tuple[bytes | BridgeError, Counters]:
    counters = Counters()
    exchange = exchange_blocks(meter, request, BlockTerms(size, window), counters, lambda _: False)
    try:
        next(exchange)
    except StopIteration as end:
        result: bytes = end.value
        return result, counters
    except BridgeError as error:
        return error, counters
    raise AssertionError("a link of tests never waits")


@given(APDUS, APDUS, SIZES, SIZES, WINDOWS, WINDOWS, st.booleans())
def test_without_faults_no_block_is_sent_twice(
    request: bytes, answer: bytes, size: int, their_size: int, window: int, their_window: int, forgets: bool
) -> None:
    meter = Meter(answer, their_size, their_window, [], forgets=forgets)
    result, counters = transfer(meter, request, size, window)
    assert result == answer
    assert meter.heard == request
    assert (counters.blocks_resent, counters.blocks_dropped) == (0, 0)


@given(APDUS, APDUS, SIZES, SIZES, WINDOWS, WINDOWS, st.booleans(), RARE)
def test_rare_faults_are_recovered_from(
    request: bytes,
    answer: bytes,
    size: int,
    their_size: int,
    window: int,
    their_window: int,
    forgets: bool,
    fates: list[Fate],
) -> None:
    meter = Meter(answer, their_size, their_window, fates, forgets=forgets)
    result, _ = transfer(meter, request, size, window)
    assert result == answer
    assert meter.heard == request


@given(APDUS, APDUS, SIZES, SIZES, WINDOWS, WINDOWS, st.booleans(), FATES)
def test_whatever_the_line_does_an_answer_is_right_or_there_is_none(
    request: bytes,
    answer: bytes,
    size: int,
    their_size: int,
    window: int,
    their_window: int,
    forgets: bool,
    fates: list[Fate],
) -> None:
    meter = Meter(answer, their_size, their_window, fates, forgets=forgets)
    result, _ = transfer(meter, request, size, window)
    if not isinstance(result, BridgeError):
        assert (result, meter.heard) == (answer, request)
