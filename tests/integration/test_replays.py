"""Every replay: from octets to the payload that a broker gets; and what it claims to be made of."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from common.catalogue import MODELS
from common.meter_model import Evidence, Origin, Scope
from poller.capture import OUT, read_capture
from tests.support.recording import METERS, record
from tests.support.replays import FOLDER, NAMES, captured, payload, play, told

VECTORS: Final[dict[str, bytes]] = {
    vector["id"]: bytes.fromhex(vector["hex"] if "hex" in vector else vector["frame"])
    for name in ("dlms_public.json", "microstar_hdlc.json")
    for vector in json.loads((Path(__file__).parents[1] / "vectors" / name).read_text("utf-8"))["vectors"]
}
EVIDENCE: Final[dict[str, tuple[str, Evidence]]] = {
    item.replay: (model.name, item) for model in MODELS.values() for item in model.about.evidence if item.replay
}


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_brings_what_is_written_beside_it(name: str) -> None:
    expected: dict[str, Any] = told(name).fields["expected"]
    outcome = play(name)
    assert outcome.failed == {}
    assert outcome.left == 0
    if outcome.terms is not None:
        terms = (f"{outcome.terms.conformance:06x}", outcome.terms.max_pdu)
        assert terms == (expected["conformance"], expected["max_pdu"])
    if outcome.quantities:
        found = payload(outcome)
        assert (found["values"], found["units"]) == (expected["values"], expected.get("units", {}))
    assert bool(outcome.quantities) == (told(name).fields["scope"] != Scope.OPENING)


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_is_made_of_what_it_says(name: str) -> None:
    """Vectors stand in it octet for octet; what is composed says of which; the rest is the simulator's."""
    fields, pieces = told(name).fields, captured(name).pieces
    if fields["origin"] == Origin.SIMULATOR:
        assert "pieces" not in fields
        return
    assert len(fields["pieces"]) == len(pieces)
    header = fields.get("header_octets", 0)
    for vector, piece in zip(fields["pieces"], pieces, strict=True):
        if vector:
            assert piece.octets[header:] == VECTORS[vector], vector
    composed = [place for place, vector in enumerate(fields["pieces"]) if not vector]
    assert len(composed) == len(fields.get("composed_from", []))
    assert set(fields.get("composed_from", [])) <= set(VECTORS)


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_is_the_evidence_that_a_model_names(name: str) -> None:
    family, evidence = EVIDENCE[name]
    fields = told(name).fields
    assert (fields["family"], fields["scope"], fields["origin"]) == (family, evidence.scope, evidence.origin)
    used = {vector for vector in fields.get("pieces", []) if vector} | set(fields.get("composed_from", []))
    assert set(evidence.vectors) == used


def test_what_models_name_is_there() -> None:
    assert set(EVIDENCE) == set(NAMES)
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(NAMES)
    named = {vector for model in MODELS.values() for item in model.about.evidence for vector in item.vectors}
    assert named <= set(VECTORS)


@pytest.mark.parametrize("name", METERS)
def test_the_simulator_is_recorded_as_it_was(name: str, tmp_path: Path) -> None:
    """Requests are the same octets as before; answers may have other values."""
    record(name, tmp_path)
    before, now = captured(name), read_capture(tmp_path / f"{name}.jsonl")
    assert before.header == now.header
    sent = [b"".join(piece.octets for piece in capture.pieces if piece.way == OUT) for capture in (before, now)]
    assert sent[0] == sent[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_of_a_model_has_its_terms(name: str) -> None:
    """What a family is expected to negotiate is what its real octets negotiated."""
    family, evidence = EVIDENCE[name]
    expected = MODELS[family].about.expected
    if evidence.origin is not Origin.SIMULATOR and evidence.scope is not Scope.PUSH:
        terms = play(name).terms
        assert terms is not None
        assert (terms.conformance, terms.max_pdu) == (expected.conformance, expected.max_pdu)
