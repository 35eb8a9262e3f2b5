"""The sending half of HDLC numbering: what is queued, in flight and acknowledged (ISO/IEC 13239, 5.5).

Goes in: segments to send, N(R) of received frames. Comes out: the I frames that are due, with their N(S). Numbers run
modulo 8; a number leaves the window only when the peer's N(R) has passed it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from poller.dlms.errors import OutOfSequence

MODULO: Final = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a payload; ``more`` says that another follows."""

    info: bytes
    more: bool


def segments(payload: bytes, size: int) -> list[Segment]:
    """Return a payload in parts of at most ``size`` octets."""
    starts = range(0, len(payload), size)
    return [Segment(payload[start : start + size], start + size < len(payload)) for start in starts]


class SendWindow:
    """I frames from the queue to their acknowledgement."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: deque[Segment] = deque()
        self._flight: deque[Segment] = deque()
        self.oldest = 0
        """N(S) of the oldest frame that is not acknowledged; of the next to be sent when there is none."""

    @property
    def idle(self) -> bool:
        """Whether everything offered was sent and acknowledged."""
        return not self._queue and not self._flight

    @property
    def in_flight(self) -> list[tuple[int, Segment]]:
        """What was sent and not acknowledged, with its N(S)."""
        return [((self.oldest + place) % MODULO, segment) for place, segment in enumerate(self._flight)]

    def offer(self, parts: Sequence[Segment]) -> None:
        """Queue what is to be sent."""
        self._queue.extend(parts)

    def due(self) -> list[tuple[int, Segment]]:
        """Move what the window admits into flight; return it with its N(S)."""
        before = len(self._flight)
        while self._queue and len(self._flight) < self._size:
            self._flight.append(self._queue.popleft())
        return self.in_flight[before:]

    def admits(self, nr: int) -> bool:
        """Say whether an N(R) lies between the oldest unacknowledged and the next number to send."""
        return (nr - self.oldest) % MODULO <= len(self._flight)

    def acknowledge(self, nr: int) -> bool:
        """Take an N(R); return whether it acknowledged anything; raise OutOfSequence when it cannot be."""
        if not self.admits(nr):
            raise OutOfSequence(f"N(R) {nr} acknowledges what was not sent: {self.oldest} is expected at the earliest")
        passed = (nr - self.oldest) % MODULO
        for _ in range(passed):
            self._flight.popleft()
        self.oldest = nr
        return passed > 0
