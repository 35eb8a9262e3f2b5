"""Captures played back to a conversation: what it sends has to be what was sent, and it gets what was received."""

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from poller.capture import IN, OUT, Capture
from poller.dlms.errors import ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.dlms.explain.stream import Explainer, Kind

T = TypeVar("T")


class CaptureSource:
    """A SecuritySource that hands out what a client handed out when it was captured: challenges and counters."""

    def __init__(self, challenges: Iterable[bytes] = (), first: int = 1) -> None:
        self._challenges = deque(challenges)
        self._next = first

    def entropy(self, octets: int) -> bytes:
        challenge = self._challenges.popleft()
        assert len(challenge) == octets, "another challenge is in the capture"
        return challenge

    def take(self) -> int:
        self._next += 1
        return self._next - 1

    def raise_to(self, counter: int) -> None:
        self._next = max(self._next, counter)


def source_of(capture: Capture) -> CaptureSource:
    """Return what a conversation with high-level security or protection needs to say again what it said."""
    explainer = Explainer(Kind(capture.header.transport))
    sent = [node for piece in capture.pieces if piece.way == OUT for node in explainer.feed(piece.octets)]
    fields = [node for root in sent for _, node in root.walk()]
    challenges = [node.children[-1].octets for node in fields if node.name == "calling-authentication-value"]
    counter = next((int.from_bytes(n.octets, "big") for n in fields if n.name == "invocation-counter"), 1)
    return CaptureSource(challenges, counter)


class Replay:
    """A peer made of a capture."""

    def __init__(self, capture: Capture) -> None:
        self._pieces = deque(capture.pieces)

    @property
    def left(self) -> int:
        """Pieces that were not needed."""
        return len(self._pieces)

    def run(self, exchange: Exchange[T]) -> T:
        """Drive an exchange to its end; where the capture has silence, it is silent."""
        try:
            out = next(exchange)
            while True:
                self._expect(out)
                if self._pieces and self._pieces[0].way == IN:
                    out = exchange.send(self._pieces.popleft().octets)
                else:
                    out = exchange.throw(ReplyTimeout("the capture has nothing more here"))
        except StopIteration as end:
            result: T = end.value
            return result

    def _expect(self, out: bytes) -> None:
        while out:
            assert self._pieces, f"nothing was sent any more, now {out.hex()}"
            piece = self._pieces.popleft()
            assert piece.way == OUT, f"octets came before {out.hex()} was sent"
            assert out.startswith(piece.octets), f"{piece.octets.hex()} was sent, now {out.hex()}"
            out = out[len(piece.octets) :]


def replay(capture: Capture, exchange: Exchange[T]) -> T:
    """Drive one exchange against a capture that has nothing else."""
    peer = Replay(capture)
    result = peer.run(exchange)
    assert peer.left == 0, f"{peer.left} pieces of the capture are left"
    return result
