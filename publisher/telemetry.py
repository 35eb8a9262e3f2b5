"""Rows of the outbox to MQTT messages: topic, payload, and nothing else.

In: rows as they were stored at intake (envelope, mode, topic or device, keys). Out: ``Message``. No socket, clock, log
or file may enter. Equal rows give equal octets: a repeat at the broker has the content of the first.

A measured number is always a float, so that a key keeps one JSON type for ever; NaN and infinities never leave, they
are named under ``failed``. ThingsBoard turns texts that look like numbers into numbers, so texts get a mark there.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from common.envelope import Envelope, decode
from common.errors import BridgeError, Skip
from common.reading import Quantity, Reading
from common.units import unit_name

GENERIC: Final = "generic"
TB_DEVICE: Final = "tb_device"
TB_GATEWAY: Final = "tb_gateway"

MAX_PAYLOAD: Final = 60_000  # octets; ThingsBoard closes the session on a packet of more than 65 536
_BRACKETS: Final = len("{:[]}")
MAX_BATCH: Final = 200  # readings in one packet; the server makes a rule-engine message of each

TB_DEVICE_TELEMETRY: Final = "v1/devices/me/telemetry"
TB_DEVICE_ATTRIBUTES: Final = "v1/devices/me/attributes"
TB_GATEWAY_TELEMETRY: Final = "v1/gateway/telemetry"
TB_GATEWAY_ATTRIBUTES: Final = "v1/gateway/attributes"
TB_GATEWAY_CONNECT: Final = "v1/gateway/connect"

_NUMERIC: Final = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|(?i:nan|[-+]?inf(inity)?)")
_MARKS: Final[Mapping[str, str]] = {"serial_number": "SN-", "firmware_version": "v"}
_MARK: Final = "#"
_NUMBERS: Final = frozenset({"interval_s", "port", "client_id", "server_logical", "server_physical"})
_NOT_IN_TOPIC: Final = re.compile(r"[+#/\x00-\x1f\x7f]")


class Oversize(Skip):
    """One reading alone is larger than the broker takes."""


class Way(Protocol):
    """The part of a route that shapes a message."""

    @property
    def meter(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def keys(self) -> Mapping[str, str]: ...


class Stored(Protocol):
    """What a row of the outbox must tell to become a message."""

    @property
    def envelope(self) -> bytes: ...
    @property
    def route(self) -> Way: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT publication, QoS 1. ``lane`` travels as a user property where the protocol has them."""

    topic: str
    payload: bytes
    retain: bool = False
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Packet:
    """A message that carries the first ``rows`` of what was offered; no message: they hold nothing to send."""

    message: Message | None
    rows: int


def packet(rows: Sequence[Stored], lane: str, limit: int = MAX_PAYLOAD) -> Packet:
    """Return the packet for as many of the first rows as one message may carry.

    One row in generic mode; in ThingsBoard's modes rows of the first row's device, until ``limit`` octets or MAX_BATCH.
    Raises BadEnvelope, UnknownKind, UnknownVersion, BadReading or Oversize when the first row is at fault; a later one
    that is at fault ends the batch.
    """
    way = rows[0].route
    if way.mode == GENERIC:
        payload = _dump(_object(rows[0]))
        return Packet(Message(way.topic, _within(payload, limit), lane=lane), 1)
    entries, used = _entries(rows, limit - len(_dump(way.device)) - _BRACKETS)
    if not entries:
        return Packet(None, used)
    body = b"[" + b",".join(entries) + b"]"
    if way.mode == TB_GATEWAY:
        return Packet(Message(TB_GATEWAY_TELEMETRY, b"{" + _dump(way.device) + b":" + body + b"}", lane=lane), used)
    return Packet(Message(TB_DEVICE_TELEMETRY, body, lane=lane), used)


def _entries(rows: Sequence[Stored], limit: int) -> tuple[list[bytes], int]:
    """Return the entries of the first rows that fit, and how many rows they are; empty readings have no entry."""
    entries: list[bytes] = []
    used = size = 0
    for row in rows[:MAX_BATCH]:
        try:
            entry = _entry(row) if _same_way(rows[0].route, row.route) else None
        except BridgeError:
            if used == 0:
                raise
            break
        if entry is None or (entries and size + len(entry) + 1 > limit):
            break
        used += 1
        if entry:
            entries.append(_within(entry, limit))
            size += len(entry) + 1
    return entries, used


def _same_way(first: Way, way: Way) -> bool:
    return (way.mode, way.device) == (first.mode, first.device)


def _entry(row: Stored) -> bytes:
    """Return ThingsBoard's entry for one row; empty where the reading has no value: the server would not answer it."""
    envelope = decode(row.envelope)
    values, _ = _values(Reading.from_body(envelope.body).quantities, row.route.keys)
    marked = {key: _marked(key, value) if isinstance(value, str) else value for key, value in values.items()}
    return _dump({"ts": envelope.ts_ms, "values": marked}) if marked else b""


def _object(row: Stored) -> dict[str, object]:
    """Return the generic payload of one row (docs/MQTT.md)."""
    envelope = decode(row.envelope)
    reading, keys = Reading.from_body(envelope.body), row.route.keys
    values, failed = _values(reading.quantities, keys)
    names = ((keys.get(q.key, q.key), unit_name(q.unit)) for q in reading.quantities)
    return {
        "ts": envelope.ts_ms,
        "meter": row.route.meter,
        **_name(envelope),
        "values": values,
        "units": {key: unit for key, unit in names if unit and key in values},
        "quality": [str(mark) for mark in reading.quality],
        "failed": {keys.get(item.key, item.key): item.kind for item in reading.failures} | failed,
        "source": str(reading.source),
    }


def _name(envelope: Envelope) -> dict[str, object]:
    return {"uid": envelope.uid.hex(), "epoch": envelope.epoch.hex(), "seq": envelope.seq}


def _values(
    quantities: Iterable[Quantity], keys: Mapping[str, str]
) -> tuple[dict[str, float | str | bool], dict[str, str]]:
    """Return the values under the keys they are sent as, and what is no number."""
    values: dict[str, float | str | bool] = {}
    failed: dict[str, str] = {}
    for quantity in quantities:
        key, value = keys.get(quantity.key, quantity.key), quantity.payload()
        if isinstance(value, float) and not math.isfinite(value):
            failed[key] = "not_a_number"
        else:
            values[key] = value
    return values, failed


def gateway_connect(device: str, device_type: str) -> Message:
    """Return the message that makes a device known in a gateway's session; acknowledged before its first telemetry."""
    return Message(TB_GATEWAY_CONNECT, _dump({"device": device, "type": device_type or "default"}))


def attributes(mode: str, device: str, values: Mapping[str, str]) -> Message | None:
    """Return the message with a device's client attributes; None where there are none or the mode has none."""
    if not values or mode == GENERIC:
        return None
    body = {key: _attribute(key, value) for key, value in values.items()}
    if mode == TB_GATEWAY:
        return Message(TB_GATEWAY_ATTRIBUTES, _dump({device: body}))
    return Message(TB_DEVICE_ATTRIBUTES, _dump(body))


def meter_status(meter: str, status: str) -> Message:
    """Return the retained word on one meter, for generic mode."""
    return Message(f"meters/{topic_word(meter)}/status", _dump({"status": status}), retain=True)


def bridge_status(client_id: str, status: str) -> Message:
    """Return the retained word on this bridge; with ``offline`` it is also the last will of the connection."""
    return Message(f"bridges/{topic_word(client_id or 'dlms-bridge')}/status", _dump({"status": status}), retain=True)


def topic_word(text: str) -> str:
    """Return a text as one level of a topic: wildcards, level separators and control characters become ``_``."""
    return _NOT_IN_TOPIC.sub("_", text)


def _attribute(key: str, value: str) -> str | float:
    if key in _NUMBERS and _NUMERIC.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    return _marked(key, value)


def _marked(key: str, text: str) -> str:
    """Return a text that ThingsBoard leaves a text: "00012345" would arrive as the number 12345."""
    return f"{_MARKS.get(key, _MARK)}{text}" if _NUMERIC.fullmatch(text) else text


def _within(payload: bytes, limit: int) -> bytes:
    if len(payload) > limit:
        raise Oversize(f"a reading of {len(payload)} octets, more than the {limit} that a packet may have")
    return payload


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
