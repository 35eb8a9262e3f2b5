"""Alarms become notes: each change once, everything again for a new publisher, nothing left behind of a meter."""

import json

import pytest

from common.envelope import Kind, decode
from common.store.engine import Store
from common.store.model import Severity
from supervisor_qos.alarm_notes import AlarmNotes
from tests.support.installation import NOON_MS, StillClock

UID = bytes(range(16))
NAMES = {UID: "meter/1"}
HERE = b"publisher"
TOPIC = "bridges/bridge/alarms/connection/meter_1"


class Scene:
    """Notes over a store, and what they sent."""

    def __init__(self, store: Store, clock: StillClock) -> None:
        self.store, self.sent, self.takes = store, list[tuple[str, bytes]](), True
        self.notes = AlarmNotes(store, clock, "bridge", self.send)

    def send(self, octets: bytes) -> bool:
        envelope = decode(octets)
        assert envelope.kind is Kind.NOTE
        match envelope.body:
            case [str(topic), bytes(payload), True] if self.takes:
                self.sent.append((topic, payload))
        return self.takes

    def raise_(self, severity: Severity = Severity.ERROR) -> int:
        return self.store.alarms.raise_(f"connection:{UID.hex()}", severity, "connection", "no answer", meter_uid=UID)

    def said(self, names: dict[bytes, str] | None = None, listener: bytes = HERE) -> list[tuple[str, str]]:
        """Look; return topics and states of what was said."""
        self.sent.clear()
        self.notes.look(NAMES if names is None else names, listener)
        return [(topic, json.loads(payload)["state"] if payload else "") for topic, payload in self.sent]


@pytest.fixture
def scene(store: Store, clock: StillClock) -> Scene:
    return Scene(store, clock)


def test_each_change_is_said_once(scene: Scene) -> None:
    number = scene.raise_()
    assert scene.said() == [(TOPIC, "raised")]
    assert scene.said() == []
    scene.raise_(Severity.CRITICAL)
    assert scene.said() == [(TOPIC, "raised")]
    assert json.loads(scene.sent[0][1])["severity"] == "critical"
    scene.store.alarms.acknowledge(number, "ann")
    assert scene.said() == [(TOPIC, "raised")]
    assert json.loads(scene.sent[0][1])["acknowledged_by"] == "ann"
    scene.store.alarms.clear(f"connection:{UID.hex()}")
    assert scene.said() == [(TOPIC, "cleared")]
    assert scene.said() == []


def test_the_payload_says_what_a_person_asks(scene: Scene) -> None:
    number = scene.raise_()
    scene.said()
    assert json.loads(scene.sent[0][1]) == {
        "state": "raised",
        "severity": "error",
        "category": "connection",
        "meter": "meter/1",
        "component": None,
        "message": "no answer",
        "count": 1,
        "id": number,
        "raised_at": NOON_MS + 1_000_000,
        "updated_at": NOON_MS + 1_000_000,
        "cleared_at": None,
        "acknowledged": False,
        "acknowledged_by": "",
    }


def test_an_alarm_of_the_system_is_named_by_its_component(scene: Scene) -> None:
    scene.store.alarms.raise_("process:supervisor:look", Severity.CRITICAL, "process", "it failed")
    assert scene.said() == [("bridges/bridge/alarms/process/supervisor:look", "raised")]


def test_nobody_is_told_before_a_publisher_was_heard(scene: Scene) -> None:
    scene.raise_()
    assert scene.said(listener=b"") == []


def test_a_new_publisher_is_told_everything_again_what_is_over_too(scene: Scene) -> None:
    scene.raise_()
    scene.store.alarms.raise_("clock:system", Severity.WARNING, "clock", "not synchronised")
    scene.said()
    scene.store.alarms.clear("clock:system")
    assert scene.said(listener=b"another") == [("bridges/bridge/alarms/clock/system", "cleared"), (TOPIC, "raised")]


def test_of_past_episodes_only_the_last_is_said_and_none_where_one_lasts(scene: Scene) -> None:
    for _ in range(3):
        scene.raise_()
        scene.store.alarms.clear(f"connection:{UID.hex()}")
    assert scene.said() == [(TOPIC, "cleared")]
    scene.raise_()
    assert scene.said(listener=b"another") == [(TOPIC, "raised")]


def test_a_renamed_meter_leaves_no_alarm_behind(scene: Scene) -> None:
    scene.raise_()
    scene.said()
    assert scene.said({UID: "new"}) == [(TOPIC, ""), ("bridges/bridge/alarms/connection/new", "raised")]


def test_the_topic_of_a_meter_that_is_gone_becomes_empty(scene: Scene) -> None:
    scene.raise_()
    scene.said()
    scene.store.alarms.clear(f"connection:{UID.hex()}")
    assert scene.said({}) == [(TOPIC, "")]


def test_what_the_bus_did_not_take_is_said_again(scene: Scene) -> None:
    scene.raise_()
    scene.takes = False
    assert scene.said() == []
    scene.takes = True
    assert scene.said() == [(TOPIC, "raised")]


def test_without_a_generic_broker_nothing_is_said(store: Store, clock: StillClock) -> None:
    scene = Scene(store, clock)
    scene.notes.client_id = ""
    scene.raise_()
    assert scene.said() == []
