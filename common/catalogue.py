"""Families of meters and what they can be asked, as data for the control plane and the command line.

In: names of models and measurements. Out: frozen descriptions, or UnknownModel, UnknownMeasurement that name what there
is; BadModel when a file of ours is damaged. Each family is a file of ``models``, read when it is first asked for; its
name alone costs nothing. A worker is told all it needs by its worker file, and never comes here.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from common.errors import Hopeless
from common.meter_model import CatalogueEntry, Model
from common.obis import Obis

__all__ = [
    "DEFAULT_MEASUREMENTS",
    "DEFAULT_MODEL",
    "MODELS",
    "CatalogueEntry",
    "Model",
    "UnknownMeasurement",
    "UnknownModel",
    "load_profile",
    "measurement",
    "model",
]

FOLDER: Final = Path(__file__).parent / "models"
STANDARD_LOAD_PROFILE: Final = Obis(1, 0, 99, 1, 0)  # IEC 62056-6-1: load profile with recording period 1
_LOAD_PROFILE: Final = (99, 1)
DEFAULT_MODEL: Final = "microstar"
DEFAULT_MEASUREMENTS: Final = ("voltage_l1", "current_l1", "frequency", "active_power", "active_energy")
_NAMES: Final = (
    DEFAULT_MODEL,
    "generic",
    "generic-wrapper",
    "landis-gyr",
    "iskraemeco",
    "kamstrup-omnipower",
    "itron",
    "aidon",
    "gurux-reference",
)


class UnknownModel(Hopeless):
    """No model of that name is in the catalogue."""


class UnknownMeasurement(Hopeless):
    """The model has no measurement of that name."""


@cache
def _read(name: str) -> Model:
    from common.model_file import BadModel, parse_model  # most who know the names never read a file

    file = f"{name}.toml"
    try:
        text = (FOLDER / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadModel(f"{file}: cannot be read: {error}") from None
    found = parse_model(text, file)
    if found.name != name:
        raise BadModel(f"{file}: name: {name} was expected, not {found.name}")
    return found


class _Catalogue(Mapping[str, Model]):
    """The models by name; only those that are looked at are read."""

    def __getitem__(self, name: str) -> Model:
        if name not in _NAMES:
            raise KeyError(name)
        return _read(name)

    def __contains__(self, name: object) -> bool:
        return name in _NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


MODELS: Final[Mapping[str, Model]] = _Catalogue()


def model(name: str) -> Model:
    """Return the model of that name; raise UnknownModel."""
    if name not in MODELS:
        raise UnknownModel(f"{name!r} is not a model; there are {', '.join(MODELS)}")
    return MODELS[name]


def load_profile(model_name: str) -> str:
    """Return where meters of a model have their load profile, else where the standard puts it; raise UnknownModel."""
    codes = [Obis.parse(profile.obis) for profile in model(model_name).about.profiles]
    return str(next((code for code in codes if (code.c, code.d) == _LOAD_PROFILE), STANDARD_LOAD_PROFILE))


def measurement(model_name: str, key: str) -> CatalogueEntry:
    """Return one measurement of a model; raise UnknownModel or UnknownMeasurement."""
    known = model(model_name).measurements
    try:
        return known[key]
    except KeyError:
        raise UnknownMeasurement(
            f"{key!r} is not a measurement of {model_name}; there are {', '.join(known)}"
        ) from None
