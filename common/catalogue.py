"""Meter models and what they can be asked, as data shared by worker side and control plane.

In: names of models and measurements. Out: frozen descriptions, or UnknownModel, UnknownMeasurement that name what there
is. Nothing but data and look-ups may enter: a worker loads this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from common.errors import Hopeless
from common.obis import Obis


class UnknownModel(Hopeless):
    """No model of that name is in the catalogue."""


class UnknownMeasurement(Hopeless):
    """The model has no measurement of that name."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One measurement: its key, where it is found and the unit it is expected in (the meter's own unit decides)."""

    key: str
    obis: str
    unit: str
    class_id: int = 3
    attribute: int = 2


@dataclass(frozen=True, slots=True)
class Model:
    """What to assume of a kind of meter when nobody says otherwise. ``channel`` is value group B."""

    name: str
    transport: str
    port: int
    client_id: int
    server_logical: int
    server_physical: int | None
    address_size: int | None
    authentication: str
    channel: int
    measurements: Mapping[str, CatalogueEntry]


DEFAULT_MODEL: Final = "microstar"
DEFAULT_MEASUREMENTS: Final = ("voltage_l1", "current_l1", "frequency", "active_power", "active_energy")

# SPEC section 4: key, value groups C.D.E, unit
_QUANTITIES: Final = (
    ("voltage_l1", "32.7.0", "V"),
    ("voltage_l2", "52.7.0", "V"),
    ("voltage_l3", "72.7.0", "V"),
    ("current_l1", "31.7.0", "A"),
    ("current_l2", "51.7.0", "A"),
    ("current_l3", "71.7.0", "A"),
    ("frequency", "14.7.0", "Hz"),
    ("active_power", "1.7.0", "W"),
    ("reactive_power", "3.7.0", "var"),
    ("apparent_power", "9.7.0", "VA"),
    ("power_factor", "13.7.0", ""),
    ("active_energy", "1.8.0", "Wh"),
    ("active_energy_export", "2.8.0", "Wh"),
    ("reactive_energy", "3.8.0", "varh"),
)


def _measurements(channel: int) -> Mapping[str, CatalogueEntry]:
    entries = (CatalogueEntry(key, str(Obis.parse(code, a=1, b=channel)), unit) for key, code, unit in _QUANTITIES)
    return MappingProxyType({entry.key: entry for entry in entries})


MODELS: Final[Mapping[str, Model]] = MappingProxyType({
    model.name: model
    for model in (
        Model("microstar", "hdlc", 3333, 16, 1, None, 1, "none", 1, _measurements(1)),
        Model("generic", "hdlc", 3333, 16, 1, None, 1, "none", 0, _measurements(0)),
        Model("generic-wrapper", "wrapper", 4059, 16, 1, None, None, "none", 0, _measurements(0)),
    )
})


def model(name: str) -> Model:
    """Return the model of that name; raise UnknownModel."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel(f"{name!r} is not a model; there are {', '.join(MODELS)}") from None


def measurement(model_name: str, key: str) -> CatalogueEntry:
    """Return one measurement of a model; raise UnknownModel or UnknownMeasurement."""
    known = model(model_name).measurements
    try:
        return known[key]
    except KeyError:
        raise UnknownMeasurement(
            f"{key!r} is not a measurement of {model_name}; there are {', '.join(known)}"
        ) from None
