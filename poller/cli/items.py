"""What ``meterctl read`` is asked for, and how it is shown: texts to attributes, answers to plain JSON values. Pure.

An item is ``[CLASS/]OBIS[/ATTRIBUTE]``. Without a class the model's counts, else 3 (register); without an attribute 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from common.catalogue import Model
from common.errors import BridgeError, Hopeless
from common.obis import Obis
from poller.dlms.cosem import AttributeRef, ScalerUnit, scaled, unit_name
from poller.dlms.data import Data, Date, DateTime, Time
from poller.sampler import CLOCK_CLASS, moment_text, octets_text
from poller.typed import Json, raw_of

REGISTER: Final = 3
VALUE: Final = 2
NO_UNIT: Final = (254, 255)  # other, and none at all
_MOMENT_OCTETS: Final = 12


class BadItem(Hopeless):
    """A text that is no item."""


def parse_item(text: str, model: Model | None) -> AttributeRef:
    """Return the attribute that a text names; raise BadItem or BadObis."""
    parts = text.split("/")
    place = next((n for n, part in enumerate(parts) if "." in part), -1)
    if place not in {0, 1} or len(parts) - place > 2:
        raise BadItem(f"{text!r} is not [CLASS/]OBIS[/ATTRIBUTE]")
    channel = None if model is None else model.channel
    obis = Obis.parse(parts[place], a=None if model is None else 1, b=channel)
    default_class, default_attribute = _defaults(obis, model)
    class_id = _number(parts[0], text, "class", 0, 65535) if place else default_class
    tail = parts[place + 1 :]
    return AttributeRef(class_id, obis, _number(tail[0], text, "attribute", -128, 127) if tail else default_attribute)


def _defaults(obis: Obis, model: Model | None) -> tuple[int, int]:
    for entry in model.measurements.values() if model else ():
        if entry.obis == str(obis):
            return entry.class_id, entry.attribute
    return REGISTER, VALUE


def _number(text: str, item: str, name: str, low: int, high: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise BadItem(f"{item!r}: the {name} is a whole number, not {text!r}") from None
    if not low <= number <= high:
        raise BadItem(f"{item!r}: the {name} must be {low} to {high}, not {number}")
    return number


@dataclass(frozen=True, slots=True)
class Result:
    """One item with its answer, or with the error that took its place."""

    ref: AttributeRef
    answer: Data | BridgeError
    scaling: ScalerUnit | None = None

    @property
    def succeeded(self) -> bool:
        """Return whether the meter answered with data."""
        return isinstance(self.answer, Data)

    def to_json(self) -> Mapping[str, object]:
        """Return {obis, class, value, raw, scaler, unit}, or {obis, class, error}."""
        head: dict[str, object] = {"obis": str(self.ref.obis), "class": self.ref.class_id}
        if isinstance(self.answer, BridgeError):
            return head | {"error": {"kind": self.answer.kind, "detail": self.answer.detail}}
        return head | {
            "value": value_of(self.answer, self.scaling, moment=self.ref.class_id == CLOCK_CLASS),
            "raw": raw_of(self.answer),
            "scaler": None if self.scaling is None else self.scaling.scaler,
            "unit": None if self.scaling is None else unit_text(self.scaling.unit),
        }


def unit_text(code: int) -> str | None:
    """Return a unit's symbol, None where there is none, its number where the standard knows no symbol."""
    return None if code in NO_UNIT else unit_name(code) or str(code)


def value_of(data: Data, scaling: ScalerUnit | None, *, moment: bool = False) -> Json:
    """Return a number as exact decimal text, texts and booleans as they are, dates in ISO 8601.

    Arrays and structures have no single value: None; ``raw_of`` has them whole.
    """
    value = data.value
    if value is None or isinstance(value, bool | tuple):
        return value if isinstance(value, bool) else None
    if isinstance(value, int | float):
        return format(scaled(value, 0 if scaling is None else scaling.scaler), "f")
    if moment and isinstance(value, bytes) and len(value) == _MOMENT_OCTETS:
        value = DateTime.from_bytes(value)
    if isinstance(value, bytes):
        return octets_text(value)
    return moment_text(value) if isinstance(value, Date | Time | DateTime) else str(value)
