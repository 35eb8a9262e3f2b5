"""What a received frame means, by the state of the link."""

from poller.dlms.hdlc_frame import FrameKind
from poller.dlms.hdlc_reactions import REACTIONS, Link, Reaction, reaction_to


def test_every_state_and_kind_has_one_reaction() -> None:
    for state in Link:
        for kind in FrameKind:
            assert reaction_to(state, kind) is REACTIONS.get((state, kind), Reaction.IGNORE)
    assert not {state for state, _ in REACTIONS} & {Link.DOWN}
    assert Reaction.IGNORE not in REACTIONS.values()
