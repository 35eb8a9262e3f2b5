"""An opening against whatever a peer may answer: an association, or a typed error and none."""

import json
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from poller.dlms.association import Mechanism
from poller.dlms.channel import Channel
from poller.dlms.ciphering import Cipher
from poller.dlms.exchange import Counters
from poller.dlms.opening import associate, release
from poller.dlms.profile import Profile, Referencing, Transport
from poller.dlms.security import Security
from tests.support.dlms_drive import run_against
from tests.support.keyring import FixedSource, settings

VECTORS: Final = Path(__file__).parents[1] / "vectors" / "dlms_public.json"
APDUS: Final = [
    bytes.fromhex(vector["hex"])
    for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]
    if vector["kind"] in {"apdu", "ciphered"}
]
ANSWERS: Final = st.one_of(st.binary(max_size=80), st.sampled_from(APDUS))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw an answer with a few octets changed, cut out or put in."""
    octets = bytearray(draw(ANSWERS))
    for _ in range(draw(st.integers(0, 3))):
        at, new = draw(st.integers(0, len(octets))), draw(st.binary(max_size=3))
        octets[at : at + draw(st.integers(0, 3))] = new
    return bytes(octets)


@given(
    st.sampled_from(list(Mechanism)),
    st.sampled_from(list(Security)),
    st.sampled_from(list(Referencing)),
    st.lists(mutated(), min_size=1, max_size=6),
)
def test_an_opening_ends_with_an_association_or_a_typed_error(
    mechanism: Mechanism, level: Security, names: Referencing, answers: list[bytes]
) -> None:
    profile = Profile(
        Transport.WRAPPER, 1, 1, mechanism=mechanism, secret=b"p", security=settings(level), referencing=names
    )
    counters, left = Counters(), list(answers)
    cipher = Cipher(profile.security, FixedSource(), counters)
    channel = Channel(profile, profile.make_link(counters), counters, cipher)

    def peer(_: bytes) -> bytes | None:
        if not left:
            return None
        answer = left.pop(0)
        return b"\0\1\0\1\0\1" + len(answer).to_bytes(2, "big") + answer

    try:
        terms = run_against(associate(channel), peer)
    except BridgeError:
        assert channel.terms is None
    else:
        assert channel.terms is terms
        assert not terms.authentication_pending
        assert not mechanism.high_level, "no peer without the key opens an association with high-level security"
    run_against(release(channel), peer)
    assert channel.terms is None
