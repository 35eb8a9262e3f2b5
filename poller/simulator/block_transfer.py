"""General block transfer on the meter's side (IEC 62056-5-3, general-block-transfer): windows, streaming, lost blocks.

Blocks of a client in, whole requests out; an answer in, its blocks out, as many at a time as the client's window
allows, and again from where the client misses one. No protection: what is cut here may be protected already.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from poller.simulator import axdr
from poller.simulator.acse import BadRequest
from poller.simulator.values import read_octets

TAG: Final = 0xE0
_LAST: Final = 0x80
_STREAMING: Final = 0x40
_WINDOW: Final = 0x3F
OVERHEAD: Final = 9
"""Octets around the data of a block, with a three-octet length."""
MAX_LONG: Final = 65_536
"""Octets of a request that comes in blocks."""


class Block(NamedTuple):
    """One general-block-transfer APDU."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    data: bytes


def parse(apdu: bytes) -> Block:
    """Return the block; raise BadRequest when it is none."""
    if len(apdu) < 7:
        raise BadRequest("block is cut")
    data, end = read_octets(apdu, 6)
    if end != len(apdu):
        raise BadRequest("octets after the block")
    control = apdu[1]
    return Block(
        bool(control & _LAST),
        bool(control & _STREAMING),
        control & _WINDOW,
        int.from_bytes(apdu[2:4], "big"),
        int.from_bytes(apdu[4:6], "big"),
        data,
    )


def encode(block: Block) -> bytes:
    """Return the octets of a block."""
    control = _LAST * block.last | _STREAMING * block.streaming | block.window
    numbers = block.number.to_bytes(2, "big") + block.acknowledged.to_bytes(2, "big")
    return bytes((TAG, control)) + numbers + axdr.length(len(block.data)) + block.data


@dataclass(slots=True)
class GeneralBlocks:
    """Both directions of one association. ``window``: how many blocks we take at a time."""

    window: int = 4
    _request: bytearray = field(default_factory=bytearray)
    _complete: bool = True
    """Whether the next block numbered 1 begins a new request."""
    _expected: int = 1
    """Number of the client's next block."""
    _number: int = 0
    """Number of our last block."""
    _parts: list[bytes] = field(default_factory=list)
    _first: int = 1
    """Number of our block that carries the first part."""

    @property
    def under_way(self) -> bool:
        """Whether a request or an answer is only partly told."""
        return bool(self._request or self._parts)

    def forget(self) -> None:
        """End everything."""
        self._request.clear()
        self._parts = []
        self._expected, self._number, self._first = 1, 0, 1
        self._complete = True

    def take(self, block: Block) -> bytes | None:
        """Return the request that this block completes; None when it does not, see ``reply``."""
        if not block.data:
            return None
        if block.number == 1 and self._complete:
            self.forget()
        if block.number != self._expected:
            return None
        self._expected += 1
        self._complete = False
        self._request += block.data
        self._parts = []
        if len(self._request) > MAX_LONG:
            raise BadRequest("request is too long")
        if not block.last:
            return None
        request = bytes(self._request)
        self._request.clear()
        self._complete = True
        return request

    def reply(self, block: Block, *, lose: bool = False) -> list[bytes]:
        """Return what is said to a block that completes nothing: an acknowledgement, more of the answer, or nothing."""
        if self._parts and not block.data:
            return self._stream(block.acknowledged + 1, block.window, lose=lose)
        if block.streaming or not (self._request or block.data):
            return []
        self._number += 1
        return [encode(Block(False, False, self.window, self._number, self._expected - 1, b""))]

    def answer(self, apdu: bytes, size: int, window: int, *, lose: bool = False) -> list[bytes]:
        """Return the first blocks of an answer; ``window`` is the client's, 1 when it has not told it."""
        size = max(1, size - OVERHEAD)
        self._parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
        self._first = self._number + 1
        return self._stream(self._first, window, lose=lose)

    def _stream(self, start: int, window: int, *, lose: bool) -> list[bytes]:
        """Return blocks from ``start`` on, as many as the client takes at a time."""
        at = start - self._first
        if not 0 <= at < len(self._parts):
            return []
        chosen = range(at, min(at + max(1, window), len(self._parts)))
        blocks = [self._block(each, streaming=each != chosen[-1]) for each in chosen]
        self._number = self._first + chosen[-1]
        if lose and len(blocks) > 1:
            del blocks[len(blocks) // 2 - 1]
        return blocks

    def _block(self, at: int, *, streaming: bool) -> bytes:
        last = at == len(self._parts) - 1
        data = self._parts[at]
        return encode(Block(last, streaming, self.window, self._first + at, self._expected - 1, data))
