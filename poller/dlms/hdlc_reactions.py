"""What a received frame means to a primary station, by the state of its link (IEC 62056-46, 6.4.4; ISO/IEC 13239, 5.5).

Goes in: a state and the kind of a frame. Comes out: the reaction. Numbers and octets may not enter.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from poller.dlms.hdlc_frame import FrameKind


class Link(Enum):
    """States of the link."""

    DOWN = auto()
    OPENING = auto()
    UP = auto()
    CLOSING = auto()


class Reaction(Enum):
    """What a received frame means in a state."""

    IGNORE = auto()
    OPENED = auto()
    REFUSED = auto()
    CLOSED = auto()
    LOST = auto()
    TAKE = auto()
    READY = auto()
    BUSY = auto()
    REPEAT = auto()
    SELECT = auto()


REACTIONS: Final[Mapping[tuple[Link, FrameKind], Reaction]] = {
    (Link.OPENING, FrameKind.UA): Reaction.OPENED,
    (Link.OPENING, FrameKind.DM): Reaction.REFUSED,
    (Link.OPENING, FrameKind.FRMR): Reaction.REFUSED,
    (Link.UP, FrameKind.I): Reaction.TAKE,
    (Link.UP, FrameKind.RR): Reaction.READY,
    (Link.UP, FrameKind.RNR): Reaction.BUSY,
    (Link.UP, FrameKind.REJ): Reaction.REPEAT,
    (Link.UP, FrameKind.SREJ): Reaction.SELECT,
    (Link.UP, FrameKind.DM): Reaction.LOST,
    (Link.UP, FrameKind.FRMR): Reaction.LOST,
    (Link.CLOSING, FrameKind.UA): Reaction.CLOSED,
    (Link.CLOSING, FrameKind.DM): Reaction.CLOSED,
}
"""What is absent is ignored: a remainder of an earlier session, or a frame that a primary station never gets."""


def reaction_to(state: Link, kind: FrameKind) -> Reaction:
    """Return what a frame of a kind means in a state."""
    return REACTIONS.get((state, kind), Reaction.IGNORE)
