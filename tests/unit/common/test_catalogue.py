"""Models and their measurements."""

import pytest

from common.catalogue import (
    DEFAULT_MEASUREMENTS,
    DEFAULT_MODEL,
    MODELS,
    UnknownMeasurement,
    UnknownModel,
    measurement,
    model,
)
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


@pytest.mark.parametrize(("name", "channel"), [("microstar", 1), ("generic", 0), ("generic-wrapper", 0)])
def test_a_model_reads_its_channel(name: str, channel: int) -> None:
    found = {entry.key: (entry.obis, entry.unit) for entry in model(name).measurements.values()}
    assert found == {key: (f"1-{channel}:{code}", unit) for key, (code, unit) in EXPECTED.items()}


def test_every_code_is_written_as_it_is_printed() -> None:
    codes = [entry.obis for each in MODELS.values() for entry in each.measurements.values()]
    assert codes == [str(Obis.parse(code)) for code in codes]


def test_every_model_has_the_default_measurements() -> None:
    assert DEFAULT_MODEL in MODELS
    assert all(set(DEFAULT_MEASUREMENTS) <= set(each.measurements) for each in MODELS.values())


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
