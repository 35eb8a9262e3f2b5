"""Alarms for the broker: each change of one becomes a retained message, so that others can react and show it.

In: the alarms as the store has them, names of meters, which publisher listens. Out: NOTE envelopes for the publisher
(docs/MQTT.md, "Alarms"). What was said is remembered; a new publisher is told everything again, what was cleared of
late included: the broker may still show it as raised. A meter that is renamed or gone leaves no raised alarm behind.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from common.clock import Clock
from common.envelope import NO_UID, Envelope, Kind, encode
from common.store.engine import Store
from common.store.errors import NoSuchAlarm
from common.store.model import AlarmFilter, AlarmRow

REMEMBERED: Final = 500  # cleared alarms that a new publisher is told of
MAX_MESSAGE: Final = 300  # characters
_NOT_IN_TOPIC: Final = re.compile(r"[+#/\x00-\x1f\x7f]")
Send = Callable[[bytes], bool]


@dataclass(slots=True)
class AlarmNotes:
    """See the module's text. ``client_id``: ours at the broker; empty: nothing is said, there is no generic broker."""

    store: Store
    clock: Clock
    client_id: str
    send: Send
    _told: dict[int, tuple[str, bytes]] = field(default_factory=dict)  # of those that last: by id, topic and payload
    _listener: bytes = b""

    def look(self, names: Mapping[bytes, str], listener: bytes) -> None:
        """Say what changed since the last look; ``listener``: the publisher's instance. Raise StoreUnavailable."""
        if not self.client_id or not listener:
            return
        active = {row.id: row for row in self.store.alarms.active()}
        if listener != self._listener:
            self._told.clear()
            self._tell_past(names, active)
            self._listener = listener
        if ended := self._told.keys() - active.keys():
            lasting = {_topic(self.client_id, row, names) for row in active.values()}
            for number in ended:
                self._tell_end(number, names, lasting)
        for row in active.values():
            self._tell(row, names)

    def _tell_past(self, names: Mapping[bytes, str], active: Mapping[int, AlarmRow]) -> None:
        rows, _ = self.store.alarms.list(AlarmFilter(active=False), limit=REMEMBERED)
        lasting = {_topic(self.client_id, row, names) for row in active.values()}
        newest = {_topic(self.client_id, row, names): row for row in reversed(rows)}
        for topic, row in newest.items():
            if topic not in lasting and not _is_strange(row, names):
                self._say(topic, _payload(row, names))

    def _tell_end(self, number: int, names: Mapping[bytes, str], lasting: Set[str]) -> None:
        """Say that an alarm is over, unless the next episode of it has begun."""
        topic, _ = self._told[number]
        payload = b""
        with suppress(NoSuchAlarm):  # the store was made anew
            row = self.store.alarms.get(number)
            payload = b"" if _is_strange(row, names) else _payload(row, names)
        if topic in lasting or self._say(topic, payload):
            del self._told[number]

    def _tell(self, row: AlarmRow, names: Mapping[bytes, str]) -> None:
        if _is_strange(row, names):
            return  # of a meter that is gone: it ends within a second
        topic, payload = _topic(self.client_id, row, names), _payload(row, names)
        before = self._told.get(row.id)
        if before == (topic, payload):
            return
        if before is not None and before[0] != topic:
            self._say(before[0], b"")  # the meter has another name
        if self._say(topic, payload):
            self._told[row.id] = (topic, payload)

    def _say(self, topic: str, payload: bytes) -> bool:
        body = [topic, payload, True]
        note = Envelope(Kind.NOTE, NO_UID, ts_ms=self.clock.wall_ms(), boot_ms=self.clock.boottime_ms(), body=body)
        return self.send(encode(note))


def _is_strange(row: AlarmRow, names: Mapping[bytes, str]) -> bool:
    return row.meter_uid is not None and row.meter_uid not in names


def _who(row: AlarmRow, names: Mapping[bytes, str]) -> str:
    """Return the meter's name, or the component that the dedup key names."""
    if row.meter_uid is not None:
        return names.get(row.meter_uid, row.meter_uid.hex())
    return row.dedup_key.partition(":")[2] or "system"


def _topic(client_id: str, row: AlarmRow, names: Mapping[bytes, str]) -> str:
    words: Sequence[str] = ("bridges", client_id, "alarms", row.category, _who(row, names))
    return "/".join(_NOT_IN_TOPIC.sub("_", word) for word in words)


def _payload(row: AlarmRow, names: Mapping[bytes, str]) -> bytes:
    document = {
        "state": "raised" if row.cleared_at is None else "cleared",
        "severity": str(row.severity),
        "category": row.category,
        "meter": None if row.meter_uid is None else _who(row, names),
        "component": _who(row, names) if row.meter_uid is None else None,
        "message": row.message[:MAX_MESSAGE],
        "count": row.count,
        "id": row.id,
        "raised_at": row.raised_at,
        "updated_at": row.updated_at,
        "cleared_at": row.cleared_at,
        "acknowledged": row.acknowledged_at is not None,
        "acknowledged_by": row.acknowledged_by,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
