"""The explanation on any octets: it ends, raises nothing, and shows every octet once and in order."""

import json
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from poller.dlms.explain.stream import Explainer, Kind, explain
from poller.dlms.explain.tree import Node
from poller.dlms.security import SecuritySettings

VECTORS: Final = Path(__file__).parents[1] / "vectors"
KNOWN: Final = [
    bytes.fromhex(vector.get("hex") or vector["frame"])
    for name in ("dlms_public.json", "microstar_hdlc.json")
    for vector in json.loads((VECTORS / name).read_text("utf-8"))["vectors"]
]
KEYS: Final = SecuritySettings(encryption_key=b"E" * 16, authentication_key=b"A" * 16, client_title=b"ABCDEFGH")
kinds = st.sampled_from(Kind)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(st.sampled_from(KNOWN)))
    for _ in range(draw(st.integers(1, 4))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    return bytes(octets[: draw(st.integers(0, len(octets)))]) + draw(st.binary(max_size=4))


def own(nodes: list[Node]) -> bytes:
    return b"".join(own(node.children) or node.octets for node in nodes if not node.derived)


@given(st.one_of(st.binary(max_size=200), damaged()), kinds)
def test_any_octets_are_shown_whole(octets: bytes, kind: Kind) -> None:
    assert own(explain(octets, kind, KEYS)) == octets


@given(st.lists(st.one_of(damaged(), st.sampled_from(KNOWN)), max_size=6), st.sampled_from([Kind.HDLC, Kind.WRAPPER]))
def test_a_line_is_shown_the_same_however_it_is_cut(parts: list[bytes], kind: Kind) -> None:
    line = b"".join(parts)
    explainer = Explainer(kind)
    nodes = [node for octet in line for node in explainer.feed(bytes((octet,)))] + explainer.finish()
    assert own(nodes) == line
    good = [node.meaning for node in explain(line, kind) if node.name in {"HDLC frame", "WRAPPER message"}]
    assert [node.meaning for node in nodes if node.name in {"HDLC frame", "WRAPPER message"}] == good
