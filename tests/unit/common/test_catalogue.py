"""Models and their measurements: every file of ours is read."""

from pathlib import Path

import pytest

from common import catalogue
from common.catalogue import (
    DEFAULT_MEASUREMENTS,
    DEFAULT_MODEL,
    FOLDER,
    MODELS,
    UnknownMeasurement,
    UnknownModel,
    measurement,
    model,
)
from common.meter_model import REAL, Ability, Scope, Status
from common.model_file import BadModel
from common.obis import Obis

EXPECTED = {  # SPEC section 4
    "voltage_l1": ("32.7.0", "V"),
    "voltage_l2": ("52.7.0", "V"),
    "voltage_l3": ("72.7.0", "V"),
    "current_l1": ("31.7.0", "A"),
    "current_l2": ("51.7.0", "A"),
    "current_l3": ("71.7.0", "A"),
    "frequency": ("14.7.0", "Hz"),
    "active_power": ("1.7.0", "W"),
    "reactive_power": ("3.7.0", "var"),
    "apparent_power": ("9.7.0", "VA"),
    "power_factor": ("13.7.0", ""),
    "active_energy": ("1.8.0", "Wh"),
    "active_energy_export": ("2.8.0", "Wh"),
    "reactive_energy": ("3.8.0", "varh"),
}


CHANNEL_ONE = {"microstar", "gurux-reference"}
FAMILIES = {"microstar", "landis-gyr", "iskraemeco", "kamstrup-omnipower", "itron", "gurux-reference"}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_reads_its_channel(name: str) -> None:
    channel = 1 if name in CHANNEL_ONE else 0
    assert model(name).channel == channel
    found = {entry.key: (entry.obis, entry.unit) for entry in model(name).measurements.values()}
    assert found == {key: (f"1-{channel}:{code}", unit) for key, (code, unit) in EXPECTED.items()}


def test_every_code_is_written_as_it_is_printed() -> None:
    codes = [entry.obis for each in MODELS.values() for entry in each.measurements.values()]
    assert codes == [str(Obis.parse(code)) for code in codes]


def test_every_model_has_the_default_measurements() -> None:
    assert next(iter(MODELS)) == DEFAULT_MODEL
    assert all(set(DEFAULT_MEASUREMENTS) <= set(each.measurements) for each in MODELS.values())


def test_every_file_is_a_model_and_every_model_a_file() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(MODELS)
    assert len(MODELS) == len(set(MODELS)) == len(list(FOLDER.iterdir()))
    assert set(MODELS) >= FAMILIES


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_where_its_facts_are_from(name: str) -> None:
    about = model(name).about
    assert about.sources
    assert about.evidence
    assert len({quirk.word for quirk in about.quirks}) == len(about.quirks)
    assert model(name).client_id in {sap.client for sap in about.saps} or about.reading is Status.NOT_KNOWN


@pytest.mark.parametrize("name", MODELS)
def test_a_model_claims_what_its_evidence_shows(name: str) -> None:
    about = model(name).about
    shown = {item.scope for item in about.evidence if item.replay and item.origin in REAL}
    assert (about.reading is Status.REPLAYED) == (Scope.READING in shown)
    assert (about.push is Status.REPLAYED) == (Scope.PUSH in shown)


@pytest.mark.parametrize("name", MODELS)
def test_an_ability_is_what_a_known_conformance_block_grants(name: str) -> None:
    """Without a block that somebody has seen, nothing is promised."""
    expected = model(name).about.expected
    for bit, ability in ((9, expected.lists), (12, expected.blocks), (2, expected.selection)):
        granted = Ability.UNKNOWN if expected.conformance is None else Ability.NO
        if expected.conformance is not None and expected.conformance & 1 << bit:
            granted = Ability.YES
        assert ability is granted


@pytest.mark.parametrize(
    ("name", "transport", "port"), [("microstar", "hdlc", 3333), ("generic-wrapper", "wrapper", 4059)]
)
def test_a_model_knows_its_transport(name: str, transport: str, port: int) -> None:
    assert (model(name).transport, model(name).port) == (transport, port)


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(UnknownModel, match="microstar, generic"):
        model("nope")
    with pytest.raises(UnknownMeasurement, match="voltage_l1"):
        measurement("microstar", "nope")
    assert MODELS.get("nope") is None
    assert measurement("microstar", "frequency").obis == "1-1:14.7.0"


def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    catalogue._read.cache_clear()
    try:
        with pytest.raises(BadModel, match=r"itron\.toml: cannot be read"):
            model("itron")
        (tmp_path / "itron.toml").write_text((FOLDER / "aidon.toml").read_text("utf-8"), "utf-8")
        with pytest.raises(BadModel, match=r"itron\.toml: name: itron was expected, not aidon"):
            model("itron")
    finally:
        catalogue._read.cache_clear()
