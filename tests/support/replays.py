"""Replays: captures with a file beside each that says what a client needs to know, and what has to come out.

A name goes in. Out come the values that travel to the broker, through the code that reads real meters: conversation or
listener, cycle, sampler, payload.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.catalogue import Model, model
from common.envelope import Envelope, Kind, encode
from common.errors import BridgeError
from common.obis import Obis
from common.reading import Quantity, Reading
from common.worker_file import Measurement
from poller.capture import IN, Capture, read_capture
from poller.cycle import Reader
from poller.dlms.conversation import (
    Association,
    AttributeRef,
    Conversation,
    Mechanism,
    Profile,
    Referencing,
    Transport,
)
from poller.dlms.cosem import ScalerUnit, scaler_unit
from poller.dlms.data import Data, DataType
from poller.dlms.listening import PushListener
from poller.dlms.notification import Notification
from poller.dlms.push_streams import Framing
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.xdlms import DEFAULT_CONFORMANCE
from poller.sampler import quantity
from poller.scalers import ScalerCache
from publisher import telemetry
from tests.support.replaying import Replay, source_of
from tests.support.simulated import StillClock

FOLDER: Final = Path(__file__).parents[1] / "replays"
NAMES: Final = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
NO_UNIT: Final = 255
OBJECT_LIST: Final = 4
"""Members of an entry of a push object list: class, name, attribute, index."""


@dataclass(frozen=True)
class Told:
    """The file beside a capture."""

    fields: Mapping[str, Any]

    @property
    def client(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.fields.get("client", {})
        return found

    @property
    def measurements(self) -> list[Measurement]:
        return [_measurement(key, *item.split("/")) for key, item in self.fields.get("measurements", {}).items()]


def _measurement(key: str, class_id: str, obis: str, attribute: str) -> Measurement:
    return Measurement(key, obis, int(class_id), int(attribute))


def told(name: str) -> Told:
    return Told(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")))


def captured(name: str) -> Capture:
    return read_capture(FOLDER / f"{name}.jsonl")


class ReplayedSession:
    """What a cycle uses of a session, against a capture."""

    def __init__(self, capture: Capture, client: Mapping[str, Any]) -> None:
        self.conversation = Conversation(profile_of(capture, client), source_of(capture))
        self.replay = Replay(capture)
        self._invoke: int | None = client.get("invoke")
        self._lists: bool = client.get("lists", True)

    @property
    def takes_lists(self) -> bool:
        terms = self.conversation.association
        return self._lists and terms is not None and terms.supports_with_list

    def open(self) -> Association:
        return self.replay.run(self.conversation.open())

    def get(self, ref: AttributeRef) -> Data:
        self._pin()
        return self.replay.run(self.conversation.get(ref))

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        self._pin()
        return self.replay.run(self.conversation.get_many(refs))

    def close(self) -> None:
        self.replay.run(self.conversation.close())

    def _pin(self) -> None:
        """Use one invoke id for every request, where the captured client did."""
        if self._invoke is not None:
            self.conversation._channel.invoke = self._invoke - 1


def profile_of(capture: Capture, client: Mapping[str, Any]) -> Profile:
    header = capture.header
    return Profile(
        transport=Transport(header.transport),
        client_id=header.client_id,
        server_logical=header.server_logical,
        server_physical=header.server_physical,
        address_size=header.address_size,
        mechanism=Mechanism(header.authentication),
        secret=client.get("secret", "").encode(),
        max_info=header.max_info,
        window=header.window,
        max_pdu=client.get("max_pdu", 0xFFFF),
        security=SecuritySettings(
            level=Security(header.security),
            client_title=bytes.fromhex(client.get("client_title", "")),
            encryption_key=bytes.fromhex(client.get("encryption_key", "")),
            authentication_key=bytes.fromhex(client.get("authentication_key", "")),
        ),
        referencing=Referencing(header.referencing),
        conformance=int(client["conformance"], 16) if "conformance" in client else DEFAULT_CONFORMANCE,
    )


@dataclass(frozen=True)
class Outcome:
    """What a replay brings: terms, quantities, what failed by kind, pieces that nobody needed."""

    terms: Association | None
    quantities: tuple[Quantity, ...]
    failed: Mapping[str, str]
    left: int


def play(name: str) -> Outcome:
    """Replay a capture through the code for what it is about."""
    capture, file = captured(name), told(name)
    if file.fields["scope"] == "push":
        return Outcome(None, tuple(_heard(capture, model(file.fields["family"]))), {}, 0)
    session = ReplayedSession(capture, file.client)
    terms = session.open()
    cycle = Reader(session, StillClock(), _scalers(file)).read(file.measurements)
    if file.client.get("close", True):
        session.close()
    failed = {key: error.kind for key, error in cycle.errors.items()}
    return Outcome(terms, tuple(cycle.quantities), failed, session.replay.left)


def _scalers(file: Told) -> ScalerCache:
    """Return an empty cache; where the captured client did not ask for scalers, one that takes numbers as they are."""
    known = ScalerCache()
    for item in file.measurements if file.client.get("raw") else ():
        known.keep(AttributeRef(item.class_id, Obis.parse(item.obis), 3), ScalerUnit(0, NO_UNIT))
    return known


def _heard(capture: Capture, kind: Model) -> Iterator[Quantity]:
    listener = PushListener(Framing(capture.header.transport))
    heard = [push for piece in capture.pieces if piece.way == IN for push in listener.feed(piece.octets)]
    for push in heard + listener.expire():
        assert isinstance(push.content, Notification), push.content
        yield from pushed(push.content.data, kind)


def pushed(body: Data, kind: Model) -> Iterator[Quantity]:
    """Yield what a push brings: values with their codes, or an object list and the values in its order."""
    members = _members(body)
    listed = _members(members[0]) if members else ()
    if listed and all(len(_members(entry)) == OBJECT_LIST for entry in listed):
        for entry, value in list(zip(listed, members, strict=True))[1:]:
            class_id, obis, attribute, _index = (each.value for each in _members(entry))
            assert isinstance(class_id, int)
            assert isinstance(attribute, int)
            yield quantity(_named(_obis(obis), kind, class_id, attribute), value, None)
        return
    for member in members:
        code, value, *scaling = _members(member)
        item = _named(_obis(code.value), kind, 3, 2)
        yield quantity(item, value, scaler_unit(scaling[0]) if scaling else None)


def _members(data: Data) -> tuple[Data, ...]:
    return data.value if data.type in {DataType.ARRAY, DataType.STRUCTURE} and isinstance(data.value, tuple) else ()


def _obis(value: object) -> Obis:
    assert isinstance(value, bytes)
    return Obis.from_bytes(value)


def _named(obis: Obis, kind: Model, class_id: int, attribute: int) -> Measurement:
    """Return a measurement: under the catalogue's key where all but group B is that of one, else under its code."""
    for entry in kind.measurements.values():
        known = Obis.parse(entry.obis)
        if (known.a, known.c, known.d, known.e) == (obis.a, obis.c, obis.d, obis.e):
            return Measurement(entry.key, str(obis), class_id, attribute)
    return Measurement(str(obis), str(obis), class_id, attribute)


@dataclass(frozen=True)
class _Way:
    meter: str = "replayed"
    mode: str = telemetry.GENERIC
    topic: str = "meters/replayed/telemetry"
    device: str = ""
    keys: Mapping[str, str] = None  # type: ignore[assignment]


@dataclass(frozen=True)
class _Row:
    envelope: bytes
    route: _Way


def payload(outcome: Outcome) -> Mapping[str, Any]:
    """Return the payload that a broker would get."""
    envelope = encode(Envelope(Kind.READING, body=Reading(outcome.quantities).to_body()))
    message = telemetry.packet([_Row(envelope, _Way(keys={}))], "live").message
    assert message is not None
    found: Mapping[str, Any] = json.loads(message.payload)
    return found
