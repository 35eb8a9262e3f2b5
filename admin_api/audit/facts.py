"""What an audit is told: arrivals at a subscriber, answers of meters, what lies on disk, accounts, alarms.

In: plain data of the files that docs/OPERATIONS.md names. Out: values that an audit takes; None for a line that is
none of ours. Pure: whoever opens files is ``admin_api.audit.files``.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from common.envelope import BadEnvelope, UnknownKind, UnknownVersion, decode
from common.reading import Quantity, Source

ENERGY: Final = "active_energy"
ENERGY_CODE: Final = ":1.8.0"  # 1-0:1.8.0 or 1-1:1.8.0, by the model's channel
ENERGY_MARK: Final = b':1.8.0"'  # without these octets a line of the simulator's log is not about energy
VALUE: Final = 2  # the attribute that is read
MAX_SEQ: Final = 1 << 47
MAX_TIME: Final = 1 << 62


class Arrived(Protocol):
    """A message as a subscriber recorded it."""

    @property
    def payload(self) -> bytes: ...
    @property
    def lane(self) -> str: ...


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What names a reading for ever; uid and epoch in hexadecimal."""

    uid: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Copy:
    """One arrival of a reading. ``energy`` tells a cycle of a simulated meter from all others; ``at_ms``: 0 unknown."""

    name: Name
    meter: str
    ts_ms: int
    lane: str
    energy: int | None
    content: bytes
    is_profile: bool = False
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A value of active energy that went out undamaged, and when (UTC)."""

    meter: str
    energy: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading that lies on disk: in a journal, waiting in the outbox, or set aside there."""

    name: Name
    energy: int | None = None
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The outbox's books of one meter. ``rows``: how many rows it really holds, None where nobody counted."""

    taken: int
    delivered: int
    waiting: int
    set_aside: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    rows: int | None = None

    @property
    def imbalance(self) -> int:
        """How many readings were taken and are neither delivered, nor here, nor counted as dropped."""
        return self.taken - self.delivered - self.waiting - self.set_aside - sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Cursor:
    """What outbox and journal say of one epoch; ``acknowledged`` and ``last`` None: the journal knows it no more."""

    uid: str
    epoch: str
    taken_before: int  # the outbox's cursor, looked at before the journal
    taken_after: int  # … and after it: it only ever grows
    acknowledged: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class AlarmSpan:
    """One episode of an alarm; ``meter`` empty: of the system. Times are UTC."""

    meter: str
    category: str
    raised_ms: int
    cleared_ms: int | None


def copy_of(payload: bytes, lane: str = "", at_ms: int = 0) -> Copy | None:
    """Return the reading that a generic payload holds (docs/MQTT.md); None for anything else."""
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    match document:
        case {
            "ts": int(ts_ms),
            "meter": str(meter),
            "uid": str(uid),
            "epoch": str(epoch),
            "seq": int(seq),
            "values": dict(values),
        } if 0 < seq < MAX_SEQ and 0 < ts_ms < MAX_TIME:
            is_profile = document.get("source") == Source.PROFILE
            energy = None if is_profile else _whole(values.get(ENERGY))
            return Copy(Name(uid, epoch, seq), meter, ts_ms, lane, energy, payload, is_profile, at_ms)
    return None


def line_of(topic: str, payload: bytes, lane: str, at_ms: int, *, duplicate: bool = False) -> bytes:
    """Return one line of a recording: what a subscriber got."""
    line: dict[str, object] = {"at": at_ms, "topic": topic, "lane": lane, "dup": duplicate}
    try:
        line["payload"] = payload.decode()
    except UnicodeDecodeError:
        line["hex"] = payload.hex()
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def copy_from_line(line: bytes) -> Copy | None:
    """Return the reading that a line of a recording holds; None for anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    match record:
        case {"payload": str(payload), **more}:
            at = more.get("at")
            return copy_of(payload.encode(), str(more.get("lane", "")), at if isinstance(at, int) else 0)
    return None


def answer_from_line(line: bytes) -> Answer | None:
    """Return the answer that a line of the simulator's log tells of; None for anything else (docs/SIMULATOR.md)."""
    if ENERGY_MARK not in line:
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    match record:
        case {
            "event": "get" | "list",
            "obis": str(obis),
            "attr": 2,
            "answered": True,
            "raw": int(raw),
            "meter": str(meter),
            "t": int(at_ms),
        } if obis.endswith(ENERGY_CODE) and 0 < at_ms < MAX_TIME:
            return Answer(meter, raw, at_ms)
    return None


def kept_of(uid: bytes, epoch: bytes, seq: int, octets: bytes, *, is_aside: bool = False) -> Kept:
    """Return the reading of that name whose envelope lies on disk."""
    energy = None
    with suppress(BadEnvelope, UnknownKind, UnknownVersion):
        energy = _energy(decode(octets).body)
    return Kept(Name(uid.hex(), epoch.hex(), seq), energy, is_aside)


def _energy(body: object) -> int | None:
    """Return the energy in a reading's body, without checking the rest of it: an outbox holds millions of rows."""
    match body:
        case [list(quantities), _, _, str(source), *_] if source != Source.PROFILE:
            for item in quantities:
                match item:
                    case [str(key), str(obis), (int() | float()) as raw, (int() | None) as scaler, *_] if key == ENERGY:
                        return _whole(Quantity(key, obis, raw, scaler).payload())
    return None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value)
