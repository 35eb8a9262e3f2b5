"""What a worker and the publisher say of themselves: bodies of the heartbeat envelopes.

A heartbeat is a snapshot: every field has a default, so that a receiver copes with a sender that leaves one out, and
unknown fields are passed over. Boot times are milliseconds of CLOCK_BOOTTIME; durations carry their unit in the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Final, cast

from common.errors import Skip
from common.meter_state import MeterState

MAX_EPOCHS: Final = 64  # journals hold a day; more epochs than this are announced in turn
MAX_DETAIL: Final = 300  # characters of a cause's text
MAX_ENTRIES: Final = 1000  # of one map; ours hold some fifty
BOUNDS_MS: Final = (50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000)
"""How long cycles take: each is counted once, under the least bound that it keeps, else under ``took_longer``."""
TOOK: Final = (*(f"took_{bound}_ms" for bound in BOUNDS_MS), "took_longer")
_VALUES: Final[Mapping[str, tuple[type, ...]]] = {
    "counters": (int,),
    "gauges": (float, int),
    "facts": (str,),
    "conditions": (str,),
}


class BadHeartbeat(Skip):
    """The body is not a heartbeat; names the field at fault."""


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """One epoch held in a worker's journal, oldest first: what is not acknowledged, and the last record written."""

    epoch: bytes
    first_unacknowledged: int
    last: int


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """A worker's last words. ``conditions`` maps an alarm category that holds just now to its text."""

    pid: int = 0
    started_boot_ms: int = 0
    revision: int = 0
    state: MeterState = MeterState.STARTING
    cause: str = ""
    detail: str = ""
    interval_s: float = 0.0
    last_read_boot_ms: int = 0
    last_progress_boot_ms: int = 0
    next_attempt_s: float = 0.0
    spans: tuple[EpochSpan, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)

    def to_body(self) -> dict[str, object]:
        """Return plain data, for msgpack."""
        body: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        body["state"] = str(self.state)
        body["spans"] = [[span.epoch, span.first_unacknowledged, span.last] for span in self.spans[:MAX_EPOCHS]]
        body["detail"] = self.detail[:MAX_DETAIL]
        return body

    @classmethod
    def from_body(cls, body: object) -> "WorkerBeat":
        """Return the heartbeat that a body holds; raise BadHeartbeat."""
        known = _known(cls, body)
        if "state" in known:
            known["state"] = _state(known["state"])
        if "spans" in known:
            known["spans"] = _spans(known["spans"])
        return cls(**known)  # type: ignore[arg-type]  # each field was checked against its default's type


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the publisher knows of one meter: taken = delivered + waiting + set_aside + dropped.

    ``reasons``: what was dropped, by reason.
    """

    last_taken_boot_ms: int = 0
    last_acknowledged_boot_ms: int = 0
    waiting: int = 0
    taken: int = 0
    delivered: int = 0
    repeats: int = 0
    gaps: int = 0
    dropped: int = 0
    set_aside: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublisherBeat:
    """The publisher's last words; ``meters`` holds those that changed since the last heartbeat, by uid.

    ``targets`` maps each MQTT connection to its state (``offline connecting draining online``) and cause.
    """

    pid: int = 0
    instance: bytes = b""
    started_boot_ms: int = 0
    meters: Mapping[bytes, Delivery] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)

    def to_body(self) -> dict[str, object]:
        """Return plain data, for msgpack."""
        body: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        body["meters"] = {uid: [getattr(row, item.name) for item in fields(row)] for uid, row in self.meters.items()}
        body["targets"] = {name: list(pair) for name, pair in self.targets.items()}
        return body

    @classmethod
    def from_body(cls, body: object) -> "PublisherBeat":
        """Return the heartbeat that a body holds; raise BadHeartbeat."""
        known = _known(cls, body)
        if "meters" in known:
            known["meters"] = _deliveries(known["meters"])
        if "targets" in known:
            known["targets"] = _targets(known["targets"])
        return cls(**known)  # type: ignore[arg-type]  # each field was checked against its default's type


def _known(kind: type[WorkerBeat] | type[PublisherBeat], body: object) -> dict[str, object]:
    if not isinstance(body, Mapping):
        raise BadHeartbeat("a heartbeat's body is a map")
    model = kind()
    known: dict[str, object] = {}
    for item in fields(kind):
        if item.name not in body:
            continue
        value, default = body[item.name], getattr(model, item.name)
        if not _is_one_of(value, _accepted(default)):
            raise BadHeartbeat(f"{item.name}: {type(default).__name__} was expected, not {type(value).__name__}")
        if item.name in _VALUES:
            _check_map(item.name, cast("Mapping[object, object]", value))
        known[item.name] = value
    return known


def _check_map(name: str, given: Mapping[object, object]) -> None:
    """Raise BadHeartbeat unless a map holds names and values of its kind, and not more than are ours."""
    if len(given) > MAX_ENTRIES:
        raise BadHeartbeat(f"{name}: more than {MAX_ENTRIES} entries")
    for key, value in given.items():
        if not isinstance(key, str) or not _is_one_of(value, _VALUES[name]):
            raise BadHeartbeat(f"{name}: names and values of {_VALUES[name][0].__name__} were expected")


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    """Return whether a value is of a kind; a truth is no number, and a number is finite."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    return not isinstance(value, float) or isfinite(value)


def _accepted(default: object) -> tuple[type, ...]:
    if isinstance(default, float):
        return (float, int)
    if isinstance(default, tuple):
        return (list, tuple)
    return (str,) if isinstance(default, str) else (type(default),)


def _state(value: object) -> MeterState:
    try:
        return MeterState(str(value))
    except ValueError:
        raise BadHeartbeat(f"state: {value!r} is not a state of a meter") from None


def _spans(value: object) -> tuple[EpochSpan, ...]:
    spans = []
    for row in value if isinstance(value, list | tuple) else ():
        match row:
            case [bytes(epoch), int(first), int(last)]:
                spans.append(EpochSpan(epoch, first, last))
            case _:
                raise BadHeartbeat("spans: rows of [epoch, first unacknowledged, last] were expected")
    return tuple(spans[:MAX_EPOCHS])


def _deliveries(value: object) -> dict[bytes, Delivery]:
    rows = {}
    for uid, row in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(uid, bytes) or not isinstance(row, list | tuple) or len(row) != len(fields(Delivery)):
            raise BadHeartbeat("meters: uid to a row of whole numbers was expected")
        *numbers, reasons = row
        if not all(_is_one_of(number, (int,)) for number in numbers) or not isinstance(reasons, Mapping):
            raise BadHeartbeat("meters: uid to a row of whole numbers and a map was expected")
        _check_map("counters", reasons)
        rows[uid] = replace(Delivery(*numbers), reasons=cast("Mapping[str, int]", reasons))
    return rows


def _targets(value: object) -> dict[str, tuple[str, str]]:
    rows = {}
    for name, row in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(row, list | tuple) or len(row) != 2:
            raise BadHeartbeat("targets: name to [state, cause] was expected")
        rows[str(name)] = (str(row[0]), str(row[1]))
    return rows
