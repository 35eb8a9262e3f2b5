"""The shape of everything that talks to a meter: a generator that is driven from outside.

Goes in: received octets, sent into the generator, or ReplyTimeout, thrown into it. Comes out: octets to send (``b""``:
nothing to send, wait for more), and at its end the result. No socket, no clock: the driver owns both.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Exchange = Generator[bytes, bytes, T]


@dataclass(slots=True)
class Counters:
    """What a conversation has seen since it was made; only ever grows."""

    frames_sent: int = 0
    frames_received: int = 0
    octets_sent: int = 0
    octets_received: int = 0
    bad_frames: int = 0
    """Frames with a wrong checksum or address field."""
    octets_dropped: int = 0
    """Octets that belonged to no good frame."""
    foreign_frames: int = 0
    """Good frames of other addresses, and kinds that nobody waited for."""
    resent: int = 0
    """I frames, SNRM and DISC sent again."""
    polls: int = 0
    """RR frames sent to ask for an answer that did not come by itself."""
    out_of_sequence: int = 0
    """I frames that were repeated or came too early."""
    late_answers: int = 0
    """Good APDUs that answered an earlier request or none."""
    blocks_resent: int = 0
    """General blocks sent again."""
    blocks_dropped: int = 0
    """General blocks that were repeated, or came after one that was missing."""
    with_list_fallbacks: int = 0
    notifications: int = 0
    """Pushes that came meanwhile."""
    notifications_dropped: int = 0
    """Pushes that nobody fetched before there were too many, or that could not be read."""
    replayed: int = 0
    """Protected APDUs whose invocation counter had been seen before; dropped."""
    round_trips: int = 0


def swap(counters: Counters, out: bytes) -> Exchange[bytes]:
    """Hand out octets, return what came back; count both."""
    if out:
        counters.octets_sent += len(out)
        counters.round_trips += 1
    received = yield out
    counters.octets_received += len(received)
    return received
