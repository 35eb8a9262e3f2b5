"""Brokers that refuse, hang, limit or die at a certain message: nothing is lost, and nothing stands in the way."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from common.routes import Mode, Route, Routes, Target
from publisher.delivery import MAX_REJECTIONS
from tests.support.publishing import Meters, Publisher, generic_routes, uid_of
from tests.support.scripted_broker import Answer, Published, ScriptedBroker
from tests.support.waiting import wait_until

TELEMETRY = "meters/m1/telemetry"


@pytest.fixture
def publisher(tmp_path: Path) -> Iterable[Publisher]:
    with Publisher(tmp_path / "state", {"DLMS_BRIDGE_OUTBOX_PUBACK_TIMEOUT_S": "3"}) as running:
        yield running


def target(port: int) -> Target:
    return Target("default", "127.0.0.1", port, client_id="bridge")


def body(item: Published) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(item.payload)
    return found


def is_bad(item: Published) -> bool:
    """Return whether this is the reading that the script has something against."""
    return item.topic == TELEMETRY and body(item)["seq"] == 3


def delivered(broker: ScriptedBroker, topic: str = TELEMETRY) -> set[object]:
    """Return the numbers of the readings that were published."""
    return {body(item)["seq"] for item in broker.received(topic)}


def test_a_broker_that_does_not_answer_a_connect_is_given_up_in_time(publisher: Publisher) -> None:
    with ScriptedBroker(connack=None) as broker:
        publisher.route(generic_routes(target(broker.port), 1))
        assert "no CONNACK within 10 s" in publisher.wait_for_condition("connection", 30)
        assert broker.connections <= 3


def test_a_broker_that_asks_for_patience_is_not_hammered(publisher: Publisher) -> None:
    with ScriptedBroker(connack=0x88) as broker:
        publisher.route(generic_routes(target(broker.port), 1))
        assert "Server unavailable (0x88)" in publisher.wait_for_condition("connection", 15)
        assert broker.connections <= 5


def test_a_quota_pauses_the_connection_and_loses_nothing(publisher: Publisher) -> None:
    refused: list[float] = []

    def quota(item: Published) -> Answer:
        if len(refused) < 3 and item.topic.endswith("telemetry"):
            refused.append(item.at)
            return Answer(0x97)
        return Answer()

    with ScriptedBroker(quota) as broker:
        publisher.route(generic_routes(target(broker.port), 2))
        with Meters(publisher.paths, (1, 2), 0.1) as meters:
            wait_until(lambda: len(refused) == 3, 15, "the refusals")
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat().counters["delivered"] == total, 15, "everything delivered")
            assert broker.sessions == 1
            assert refused[2] - refused[0] >= 0.9


def test_a_receive_maximum_is_kept(publisher: Publisher) -> None:
    with ScriptedBroker(lambda _: Answer(delay_s=0.05), receive_maximum=3) as broker:
        publisher.route(generic_routes(target(broker.port), 12))
        with Meters(publisher.paths, range(1, 13), 0.2) as meters:
            wait_until(lambda: meters.total >= 60, 15, "readings")
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat().counters["delivered"] == total, 15, "everything delivered")
        assert 1 < broker.most_unanswered <= 3


def test_what_is_larger_than_the_broker_takes_is_set_aside_and_counted(publisher: Publisher) -> None:
    with ScriptedBroker(maximum_packet_size=200) as broker:
        publisher.route(generic_routes(target(broker.port), 1))
        with Meters(publisher.paths, (1,), 0.1) as meters:
            wait_until(lambda: meters.total >= 5, 10, "readings")
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat().counters["set_aside"] == total, 10, "all set aside")
            counters = publisher.wait_for_beat().counters
            assert counters["set_aside_oversize"] == total
            assert counters["taken"] == counters["delivered"] + counters["waiting"] + counters["set_aside"]
        assert not broker.received(TELEMETRY)


def test_no_puback_names_the_gateway_flag(publisher: Publisher) -> None:
    def not_a_gateway(item: Published) -> Answer:
        return Answer(None if item.topic.startswith("v1/gateway/") else 0)

    with ScriptedBroker(not_a_gateway) as broker:
        route = Route(uid_of(1), "m1", Mode.TB_GATEWAY, "default", device="METER-1")
        publisher.route(Routes({"default": replace(target(broker.port), username="T")}, {route.uid: route}))
        with Meters(publisher.paths, (1,), 0.2) as meters:
            text = publisher.wait_for_condition("no_puback", 20)
            assert "flagged as a gateway" in text
            assert {item.topic for item in broker.received()} == {"v1/gateway/connect"}
            total = meters.quiet()
            assert publisher.wait_for_beat().counters["waiting"] == total


@pytest.mark.slow
def test_a_reading_that_the_broker_never_accepts_is_set_aside_and_the_queue_moves(publisher: Publisher) -> None:
    with ScriptedBroker(lambda item: Answer(0x99 if is_bad(item) else 0)) as broker:
        publisher.route(generic_routes(target(broker.port), 2))
        with Meters(publisher.paths, (1, 2), 0.1) as meters:
            publisher.wait_for_condition("publish", 15)
            wait_until(lambda: publisher.wait_for_beat().counters["set_aside"] == 1, 40, "the row to be set aside")
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat().counters["delivered"] == total - 1, 15, "all the others")
            assert len([item for item in broker.received(TELEMETRY) if is_bad(item)]) == MAX_REJECTIONS
            assert delivered(broker) == set(range(1, meters.taken[1] + 1))
            assert publisher.wait_for_beat().counters["set_aside_rejected"] == 1


@pytest.mark.slow
def test_a_reading_that_kills_sessions_is_found_and_set_aside(publisher: Publisher) -> None:
    def poisoned(item: Published) -> Answer:
        return Answer(None, close=True) if is_bad(item) else Answer()

    with ScriptedBroker(poisoned) as broker:
        publisher.route(generic_routes(target(broker.port), 2))
        started = time.monotonic()
        with Meters(publisher.paths, (1, 2), 0.5) as meters:
            wait_until(lambda: publisher.wait_for_beat().counters["set_aside"] == 1, 120, "the row to be set aside")
            assert time.monotonic() - started > 30.0  # three sessions of more than 10 s testified
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat().counters["delivered"] == total - 1, 30, "all the others")
            counters = publisher.wait_for_beat().counters
            assert counters["set_aside_poison"] == 1
            assert delivered(broker) == set(range(1, meters.taken[1] + 1))
            assert broker.sessions <= 8


@pytest.mark.slow
def test_a_broker_that_dies_at_every_message_sets_nothing_aside(publisher: Publisher) -> None:
    with ScriptedBroker(lambda _: Answer(None, close=True)) as broker:
        publisher.route(generic_routes(target(broker.port), 2))
        with Meters(publisher.paths, (1, 2), 0.2) as meters:
            publisher.wait_for_condition("session_takeover", 40)
            time.sleep(10.0)
            broker.answer = lambda _: Answer()
            total = meters.quiet()
            wait_until(lambda: publisher.wait_for_beat(30).counters["delivered"] == total, 60, "everything delivered")
            assert publisher.wait_for_beat().counters["set_aside"] == 0
