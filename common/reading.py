"""A reading: what one cycle of a worker learned from its meter.

The meter's integer, its scaler and its unit travel together and exact; a float is made only where a payload needs one.
A reading knows nothing of its place in the stream: name (uid, epoch, seq) and times are the envelope's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from common.errors import Hopeless

MAX_QUANTITIES: Final = 256  # a worker measures some dozens; more than this is not one of ours
MAX_TEXT: Final = 1024  # octets of a text value, a key or an OBIS code

_SOURCE: Final = 3  # its place in a body
_Word = TypeVar("_Word", bound=StrEnum)
Raw = int | float | str | bool


class BadReading(Hopeless):
    """The body of an envelope is not a reading; names the element at fault."""


class Quality(StrEnum):
    """Marks on a reading. They never change a value."""

    CLOCK_UNSYNCED = "clock_unsynced"
    IMPLAUSIBLE = "implausible"
    PARTIAL = "partial"


class Source(StrEnum):
    """Where the values come from."""

    LIVE = "live"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measured value: ``raw`` times ten to the ``scaler``, in ``unit`` (the standard's enumeration)."""

    key: str
    obis: str
    raw: Raw
    scaler: int | None = None
    unit: int | None = None

    def exact(self) -> Decimal | str | bool:
        """Return the value without loss: a Decimal for numbers, texts and booleans as they are."""
        if isinstance(self.raw, bool | str):
            return self.raw
        number = Decimal(self.raw)
        return number if self.scaler is None else number.scaleb(self.scaler)

    def payload(self) -> float | str | bool:
        """Return the value for a payload: a measured number is always a float."""
        value = self.exact()
        return float(value) if isinstance(value, Decimal) else value


@dataclass(frozen=True, slots=True)
class Failure:
    """A quantity that was asked for and not obtained; ``kind`` is the error's."""

    key: str
    kind: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of one cycle. ``duration_ms`` is the time from the first request to the last answer."""

    quantities: tuple[Quantity, ...]
    failures: tuple[Failure, ...] = ()
    quality: tuple[Quality, ...] = ()
    source: Source = Source.LIVE
    duration_ms: int = 0

    def to_body(self) -> list[object]:
        """Return plain lists, for msgpack."""
        return [
            [[q.key, q.obis, q.raw, q.scaler, q.unit] for q in self.quantities],
            [[f.key, f.kind] for f in self.failures],
            [str(mark) for mark in self.quality],
            str(self.source),
            self.duration_ms,
        ]

    @classmethod
    def from_body(cls, body: object) -> "Reading":
        """Return the reading that a body holds; raise BadReading that names the element at fault."""
        quantities, failures, quality, source, duration = _row(body, 5, "body")
        return cls(
            tuple(_quantity(item) for item in _rows(quantities, "quantities")),
            tuple(
                Failure(*(_text(word, "failure") for word in _row(item, 2, "failure")))
                for item in _rows(failures, "failures")
            ),
            tuple(_word(Quality, mark, "quality") for mark in _rows(quality, "quality")),
            _word(Source, source, "source"),
            _whole(duration, "duration_ms"),
        )


def is_backfilled(body: object) -> bool:
    """Return whether a body holds a reading from the meter's own memory; False for what is no reading."""
    return isinstance(body, list | tuple) and len(body) > _SOURCE and body[_SOURCE] == Source.PROFILE


def _quantity(item: object) -> Quantity:
    key, obis, raw, scaler, unit = _row(item, 5, "quantity")
    if not isinstance(raw, int | float | str | bool):
        raise BadReading(f"raw value of {key!r} is {type(raw).__name__}, not a number, text or boolean")
    return Quantity(
        _text(key, "key"),
        _text(obis, "obis"),
        raw if not isinstance(raw, str) else _text(raw, "raw"),
        None if scaler is None else _whole(scaler, "scaler", -128, 127),
        None if unit is None else _whole(unit, "unit", 0, 255),
    )


def _rows(value: object, name: str) -> Sequence[object]:
    if not isinstance(value, list | tuple) or len(value) > MAX_QUANTITIES:
        raise BadReading(f"{name}: a list of at most {MAX_QUANTITIES} elements was expected")
    return value


def _row(value: object, length: int, name: str) -> Sequence[object]:
    if not isinstance(value, list | tuple) or len(value) != length:
        raise BadReading(f"{name}: a list of {length} elements was expected")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise BadReading(f"{name}: a text of at most {MAX_TEXT} characters was expected")
    return value


def _whole(value: object, name: str, low: int = 0, high: int = 2**53) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadReading(f"{name}: a whole number from {low} to {high} was expected")
    return value


def _word(words: type[_Word], value: object, name: str) -> _Word:
    if isinstance(value, str) and value in words.__members__.values():
        return words(value)
    raise BadReading(f"{name}: {value!r} is not one of {', '.join(words)}")
