"""What changed between two looks at the fleet, and how it is told: server-sent events as octets. Pure.

In: two sights, rows behind what differs. Out: ``Event`` values. An event's data is one JSON object; its kind is the
name that an EventSource listens for.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from admin_api.documents import alarm_document, latest_document
from common.store.model import AlarmRow, LatestRow
from common.store.sight import Sight, StateSight

KINDS: Final = ("reading", "state", "alarm", "gone")
KEEP_ALIVE: Final = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One change. ``uid``: of the meter that it is about, None: of the system; ``octets``: as they go to clients."""

    kind: str
    uid: bytes | None
    octets: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """Whose state and last reading are others than before, which alarms are."""

    states: frozenset[bytes]
    readings: frozenset[bytes]
    alarms: frozenset[int]


@dataclass(frozen=True, slots=True)
class Named:
    """Who a meter is."""

    uid: bytes
    number: int
    name: str

    def document(self) -> dict[str, object]:
        """Return the fields that every event of a meter begins with."""
        return {"meter_id": self.number, "uid": self.uid.hex(), "name": self.name}


def difference(before: Sight, now: Sight) -> Difference:
    """Return what changed; an alarm that lasts no longer has changed, too."""
    return Difference(
        frozenset(uid for uid, state in now.states.items() if before.states.get(uid) != state),
        frozenset(uid for uid, mark in now.readings.items() if before.readings.get(uid) != mark),
        frozenset(
            number for number in {*before.alarms, *now.alarms} if before.alarms.get(number) != now.alarms.get(number)
        ),
    )


def reading_event(meter: Named, row: LatestRow) -> Event:
    """Return a meter's last reading as an event."""
    return _event("reading", meter.uid, meter.document() | (latest_document(row) or {}))


def state_event(meter: Named, state: StateSight) -> Event:
    """Return a meter's state as an event."""
    return _event("state", meter.uid, meter.document() | asdict(state))


def alarm_event(alarm: AlarmRow, names: Mapping[bytes, Named]) -> Event:
    """Return an alarm as an event."""
    meter = names.get(alarm.meter_uid or b"")
    return _event("alarm", alarm.meter_uid, alarm_document(alarm) | {"name": meter.name if meter else None})


def gone_event(meter: Named) -> Event:
    """Return that a meter was removed."""
    return _event("gone", meter.uid, meter.document())


def end_event(reason: str, retry_ms: int) -> bytes:
    """Return the last event of a stream: why it ends, and after what time to come again."""
    return b"retry: %d\n" % retry_ms + _octets("end", {"reason": reason})


def _event(kind: str, uid: bytes | None, document: Mapping[str, object]) -> Event:
    return Event(kind, uid, _octets(kind, document))


def _octets(kind: str, document: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()  # json.dumps leaves no line break in it
