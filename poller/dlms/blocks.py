"""APDUs in general blocks, both ways (IEC 62056-5-3, 6.5; Green Book 9.4.6.13): windows, acknowledgement, lost blocks.

Goes in: an APDU that is to be sent, or the first block of one that comes. Comes out: the whole APDU that came. Blocks
are taken in order only: what comes after a gap is dropped, and asked for again from the first that is missing. What may
not happen: a transfer beyond MAX_OCTETS, or one that goes on while nothing new comes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from poller.dlms.block_service import (
    GENERAL_BLOCK,
    HEAD_OCTETS,
    MAX_NUMBER,
    MAX_WINDOW,
    GeneralBlock,
    decode_general_block,
    encode_general_block,
)
from poller.dlms.errors import BadParameter, BlockUnavailable, MeterBusy, ReplyTimeout, UnexpectedReply
from poller.dlms.exchange import Counters, Exchange

MAX_OCTETS: Final = 4 * 1024 * 1024
"""Of one APDU in blocks: as much as a value in blocks of GET may have."""
MAX_REPEATS: Final = 3
"""Times in a row that blocks are sent, or asked for, again: the link below has repeated each of them by itself."""
MAX_IDLE_BLOCKS: Final = 2 * MAX_WINDOW
"""Blocks in a row that bring nothing new: two windows that came again."""


class Link(Protocol):
    """What carries APDUs: ``HdlcLink`` or ``WrapperLink``."""

    def request(self, *apdus: bytes) -> Exchange[bytes]:
        """Send APDUs in a row, return the first that comes."""

    def more(self) -> Exchange[bytes]:
        """Return the next APDU without sending one."""


@dataclass(slots=True)
class BlockTerms:
    """What both ends of an association take, once general block transfer was negotiated."""

    size: int
    """Octets of the largest APDU that the server takes: so long may a block be with its head."""
    window: int = 1
    """Blocks that we take before we acknowledge."""
    at_once: int = MAX_WINDOW
    """Blocks that the link below carries in a row without waiting for an acknowledgement of its own: to send more would
    cost as many turns as to have them acknowledged here."""
    peer_window: int = 1
    """Blocks that the server takes; learnt from each block of its own."""

    def __post_init__(self) -> None:
        if self.size <= HEAD_OCTETS:
            raise BadParameter(f"blocks of {self.size} octets hold nothing but their head of {HEAD_OCTETS}")
        if not 1 <= self.window <= MAX_WINDOW:
            raise BadParameter(f"a window has 1 to {MAX_WINDOW} blocks, not {self.window}")


Aside = Callable[[bytes], bool]
"""Takes an APDU that is no block; says whether it was one that nobody asked for, and the answer is still to come."""


def exchange_blocks(link: Link, apdu: bytes, terms: BlockTerms, counters: Counters, aside: Aside) -> Exchange[bytes]:
    """Send an APDU in blocks; return the APDU that answers, whether it came in blocks or not.

    Raises BlockUnavailable when the meter gives the transfer up, what the link raises when it stays silent,
    UnexpectedReply when its blocks lead nowhere, BadParameter when the APDU is too long for blocks.
    """
    return (yield from _Transfer(link, terms, counters, aside).send(apdu))


def collect_blocks(link: Link, first: bytes, terms: BlockTerms, counters: Counters, aside: Aside) -> Exchange[bytes]:
    """Return the APDU whose first block answered a request that was sent whole; raises as ``exchange_blocks``."""
    return (yield from _Transfer(link, terms, counters, aside).receive(decode_general_block(first)))


class _Transfer:
    """One APDU there, one APDU back."""

    def __init__(self, link: Link, terms: BlockTerms, counters: Counters, aside: Aside) -> None:
        self._link = link
        self._terms = terms
        self._counters = counters
        self._aside = aside
        self._sent = self._received = 0
        """The numbers of the last block that we sent, and of the last of theirs with none missing before it."""
        self._parts: list[bytes] = []
        self._octets = self._rounds = self._idle = 0

    def send(self, apdu: bytes) -> Exchange[bytes]:
        """Send an APDU, a window at a time; return the one that answers."""
        parts = self._cut(apdu)
        silent = False
        while self._sent < len(parts):
            flight = parts[self._sent : self._sent + min(self._terms.peer_window, self._terms.at_once)]
            blocks = self._numbered(flight, len(parts))
            if silent:  # the answer to its end says what is missing; all of it could be taken, and done, once more
                blocks = blocks[-1:]
            answer = yield from self._heard(self._link.request(*blocks))
            silent = answer is None
            if answer is None:
                self._counters.blocks_resent += 1
            elif not _is_block(answer):
                return answer
            else:
                block = self._read(answer)
                if block.data and self._sent + len(flight) == len(parts):
                    self._sent = len(parts)  # it answers: so everything has arrived, whatever it acknowledges
                    return (yield from self.receive(block))
                self._note(block)
                self._advance(block.acknowledged, len(flight))
        return (yield from self._remainder(our_turn=False))

    def receive(self, block: GeneralBlock) -> Exchange[bytes]:
        """Return the APDU that begins with a block."""
        if self._take(block):
            return b"".join(self._parts)
        return (yield from self._remainder(our_turn=not block.streaming))

    def _remainder(self, *, our_turn: bool) -> Exchange[bytes]:
        """Wait for blocks, or acknowledge when the server does, until the last has come."""
        while True:
            waiting = self._link.request(self._acknowledgement()) if our_turn else self._link.more()
            answer = yield from self._heard(waiting)
            if answer is None:
                our_turn = True
                continue
            if not _is_block(answer):
                return answer
            block = self._read(answer)
            if self._take(block):
                return b"".join(self._parts)
            our_turn = not block.streaming

    def _heard(self, waiting: Exchange[bytes]) -> Exchange[bytes | None]:
        """Return the next APDU that is for us; None when nothing came and there is another try."""
        try:
            answer = yield from waiting
            while not _is_block(answer) and self._aside(answer):
                self._count_idle()
                answer = yield from self._link.more()
        except (ReplyTimeout, MeterBusy):
            if self._rounds > MAX_REPEATS:
                raise
            return None
        return answer

    def _read(self, octets: bytes) -> GeneralBlock:
        block = decode_general_block(octets)
        if block.aborts:
            raise BlockUnavailable("the meter gives the block transfer up")
        self._terms.peer_window = max(block.window, 1)
        return block

    def _take(self, block: GeneralBlock) -> bool:
        """Add a block if it is the next one; say whether the APDU is complete."""
        if not self._note(block) or not block.data:
            self._count_idle()
        else:
            self._rounds = self._idle = 0
            self._octets += len(block.data)
            if self._octets > MAX_OCTETS:
                raise UnexpectedReply(f"an APDU of more than {MAX_OCTETS} octets in blocks")
            self._parts.append(block.data)
        return block.last and self._received == block.number and bool(self._parts)

    def _note(self, block: GeneralBlock) -> bool:
        """Say whether a block is the next one; acknowledgements have numbers too."""
        if block.number != self._received + 1:
            self._counters.blocks_dropped += 1
            return False
        self._received = block.number
        return True

    def _advance(self, acknowledged: int, flight: int) -> None:
        """Go on behind what was acknowledged; what was not goes out again."""
        if self._sent < acknowledged <= self._sent + flight:
            self._counters.blocks_resent += self._sent + flight - acknowledged
            self._sent = acknowledged
            self._rounds = self._idle = 0
        else:
            self._counters.blocks_resent += flight

    def _count_round(self) -> None:
        if self._rounds > MAX_REPEATS:
            raise UnexpectedReply(f"blocks were sent or asked for {MAX_REPEATS + 1} times, and nothing new came")
        self._rounds += 1

    def _count_idle(self) -> None:
        self._idle += 1
        if self._idle > MAX_IDLE_BLOCKS:
            raise UnexpectedReply(f"more than {MAX_IDLE_BLOCKS} blocks were exchanged, and brought nothing new")

    def _cut(self, apdu: bytes) -> list[bytes]:
        size = self._terms.size - HEAD_OCTETS
        parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
        if len(parts) > MAX_NUMBER:
            raise BadParameter(f"an APDU of {len(apdu)} octets needs more than {MAX_NUMBER} blocks")
        return parts

    def _numbered(self, flight: Sequence[bytes], total: int) -> list[bytes]:
        """Return blocks for parts; all but the last of a window announce the next."""
        self._count_round()
        end = self._sent + len(flight)
        return [
            encode_general_block(
                GeneralBlock(
                    number,
                    part,
                    last=number == total,
                    streaming=number < end,
                    window=self._terms.window,
                    acknowledged=self._received,
                )
            )
            for number, part in enumerate(flight, self._sent + 1)
        ]

    def _acknowledgement(self) -> bytes:
        """Return a block that says what has come, and so asks for what is missing."""
        self._count_round()
        if self._sent == MAX_NUMBER:
            raise UnexpectedReply(f"an APDU that needs more than {MAX_NUMBER} blocks")
        self._sent += 1
        return encode_general_block(GeneralBlock(self._sent, window=self._terms.window, acknowledged=self._received))


def _is_block(octets: bytes) -> bool:
    return octets[:1] == bytes((GENERAL_BLOCK,))
