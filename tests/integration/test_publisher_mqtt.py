"""The publisher process between the real bus and a real Mosquitto."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from common.process import Exit
from common.routes import Mode, Route, Routes, Target
from common.secret import Secret
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.publishing import Meters, Publisher, generic_route, generic_routes, uid_of
from tests.support.waiting import wait_until


@pytest.fixture
def broker(tmp_path: Path) -> Iterable[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def publisher(tmp_path: Path) -> Iterable[Publisher]:
    with Publisher(tmp_path / "state") as running:
        yield running


def target(port: int, **changes: object) -> Target:
    base = Target("default", "127.0.0.1", port, client_id="bridge")
    return replace(base, **changes)  # type: ignore[arg-type]  # the test names fields


def seqs(readings: Iterable[Mapping[str, object]]) -> dict[tuple[object, object], list[int]]:
    """Return the sequence numbers per (uid, epoch) in the order of their first arrival."""
    found: dict[tuple[object, object], dict[int, None]] = defaultdict(dict)
    for body in readings:
        found[body["uid"], body["epoch"]][int(str(body["seq"]))] = None
    return {name: list(numbers) for name, numbers in found.items()}


def assert_complete(readings: list[dict[str, object]], meters: Meters) -> None:
    """Every taken reading arrived, without a hole, and repeats have equal content."""
    numbers = seqs(readings)
    assert {name: sorted(found) for name, found in numbers.items()} == {
        name: list(range(1, meters.taken[int(str(name[0]), 16)] + 1)) for name in numbers
    }
    assert len(numbers) == len(meters.taken)
    contents: dict[tuple[object, ...], dict[str, object]] = {}
    for body in readings:
        name = (body["uid"], body["epoch"], body["seq"])
        assert contents.setdefault(name, body) == body


def test_readings_arrive_with_their_names_in_order(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 3))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2, 3), 0.05) as meters:
        seen.wait_for(60, 20)
        readings = seen.wait_for(meters.quiet(), 10)
        assert_complete(readings, meters)
        assert all(found == sorted(found) for found in seqs(readings).values())
        first = readings[0]
        assert set(first) == {"ts", "meter", "uid", "epoch", "seq", "values", "units", "quality", "failed", "source"}
        assert {item.lane for item in seen.received("meters/m1/telemetry")} == {"live"}
        wait_until(lambda: meters.drained, 5, "the journals to be acknowledged")
        assert [json.loads(item.payload) for item in seen.received("meters/m1/status")] == [{"status": "online"}]
        assert [json.loads(item.payload) for item in seen.received("bridges/bridge/status")] == [{"status": "online"}]


def test_the_heartbeat_accounts_for_every_reading(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 2))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
        seen.wait_for(20, 20)
        total = meters.quiet()
        seen.wait_for(total, 10)
        wait_until(lambda: publisher.wait_for_beat().counters.get("delivered") == total, 10, "the account")
        beat = publisher.wait_for_beat()
        assert beat.counters["taken"] == total
        assert beat.counters["waiting"] == 0
        assert beat.targets["default"][0] == "online"
        assert beat.conditions == {}
        assert 0 < beat.gauges["puback_ms_p50"] <= beat.gauges["puback_ms_p99"] < 1000
        assert beat.gauges["rss_bytes"] > 1_000_000


def test_a_broker_that_restarts_costs_nothing(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 3))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2, 3), 0.02) as meters:
        seen.wait_for(30, 20)
        for _ in range(3):
            with broker.away(1.0):
                pass
            seen.wait_for(meters.total, 15)
        assert_complete(seen.wait_for(meters.quiet(), 15), meters)


def test_a_broker_that_is_killed_costs_nothing_that_it_had_not_taken(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 2))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.1) as meters:
        seen.wait_for(10, 20)
        broker.kill()
        time.sleep(1.0)
        away = meters.total
        broker.start()
        back = time.monotonic()
        seen.wait_for(away, 15)
        assert time.monotonic() - back < 10.0
        total = meters.quiet()
        wait_until(lambda: publisher.wait_for_beat().counters["delivered"] == total, 10, "everything delivered")


def test_a_publisher_that_is_killed_loses_nothing(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 3))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2, 3), 0.02) as meters:
        for _ in range(3):
            seen.wait_for(meters.total + 30, 20)
            publisher.kill()
            publisher.start()
        assert_complete(seen.wait_for(meters.quiet(), 20), meters)


def test_a_hanging_broker_is_waited_for_in_bounds_and_costs_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    environment = {"DLMS_BRIDGE_OUTBOX_PUBACK_TIMEOUT_S": "2"}
    with Publisher(tmp_path / "state", environment) as publisher:
        publisher.route(generic_routes(target(broker.port), 2))
        with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
            seen.wait_for(10, 20)
            broker.suspend()
            text = publisher.wait_for_condition("no_puback", 15)
            assert "no PUBACK for 2 s" in text
            broker.resume()
            assert_complete(seen.wait_for(meters.quiet(), 30), meters)
            wait_until(lambda: publisher.wait_for_beat().conditions == {}, 30, "the alarm to clear")


def test_a_clean_stop_says_goodbye_and_leaves_nothing_unsettled(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 1))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1,), 0.05) as meters:
        seen.wait_for(10, 20)
        assert publisher.end() == Exit.OK
        meters.quiet()
        wait_until(lambda: len(seen.received("bridges/bridge/status")) == 2, 5, "the goodbye")
        assert json.loads(seen.received("bridges/bridge/status")[-1].payload) == {"status": "offline"}
        before = len(seen.readings())
        publisher.start()
        assert_complete(seen.wait_for(meters.total, 20), meters)
        repeats = len(seen.readings()) - meters.total
        assert repeats == 0, f"{repeats} of {before} readings were sent again after a clean stop"


def test_the_last_will_tells_of_a_killed_publisher(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 1))
    with Subscriber(broker.port, ("bridges/#",)) as seen:
        wait_until(lambda: seen.received("bridges/bridge/status"), 10, "the bridge")
        publisher.kill()
        wait_until(lambda: len(seen.received("bridges/bridge/status")) == 2, 5, "the last will")
        assert json.loads(seen.received("bridges/bridge/status")[-1].payload) == {"status": "offline"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterable[Mosquitto]:
    users = {"bridge": "right", "test": "test"}
    acl = "user bridge\ntopic write meters/m1/#\ntopic write bridges/#\nuser test\ntopic read #\n"
    with Mosquitto(tmp_path / "broker", users=users, acl=acl) as running:
        yield running


def test_refused_credentials_are_named_and_a_changed_routes_file_is_tried_at_once(
    guarded: Mosquitto, publisher: Publisher
) -> None:
    wrong = target(guarded.port, username="bridge", password=Secret("wrong"))
    publisher.route(generic_routes(wrong, 1))
    seen = Subscriber(guarded.port, username="test", password="test")
    with seen, Meters(publisher.paths, (1,), 0.1) as meters:
        text = publisher.wait_for_condition("auth", 10)
        assert "Not authorized" in text
        assert "wrong" not in text
        publisher.route(generic_routes(replace(wrong, password=Secret("right")), 1))
        assert_complete(seen.wait_for(meters.quiet(), 10), meters)
    assert "wrong" not in publisher.log()


def test_a_topic_that_an_acl_denies_stops_its_meter_only(guarded: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(guarded.port, username="bridge", password=Secret("right")), 2))
    seen = Subscriber(guarded.port, username="test", password="test")
    with seen, Meters(publisher.paths, (1, 2), 0.1) as meters:
        assert "Not authorized (0x87)" in publisher.wait_for_condition("publish", 10)
        assert meters.quiet() > 0
        wait_until(lambda: len(seen.readings("meters/m1/telemetry")) == meters.taken[1], 10, "meter 1")
        beat = publisher.wait_for_beat()
        assert beat.counters["waiting"] == meters.taken[2]
        assert beat.counters["set_aside"] == 0


def test_a_takeover_is_a_named_fault_and_no_reconnect_loop(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 1))
    publisher.wait_for_state("default", {"draining", "online"}, 10)
    with Subscriber(broker.port, client_id="bridge"):  # it comes back each time, as a second publisher would
        assert "same client id" in publisher.wait_for_condition("session_takeover", 40)
        sessions = publisher.wait_for_beat().counters["mqtt_sessions"]
        time.sleep(5.0)
        assert publisher.wait_for_beat().counters["mqtt_sessions"] <= sessions + 1


def test_only_the_connection_whose_entry_changed_is_touched(broker: Mosquitto, publisher: Publisher) -> None:
    one, two = target(broker.port), target(broker.port, name="two", client_id="two")
    routes = {uid_of(1): generic_route(1), uid_of(2): generic_route(2, "two")}
    publisher.route(Routes({"default": one, "two": two}, routes))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
        seen.wait_for(20, 20)
        publisher.route(Routes({"default": one, "two": replace(two, client_id="changed")}, routes))
        wait_until(lambda: " changed " in broker.log() or "as changed" in broker.log(), 5, "the changed connection")
        assert broker.log().count(" as bridge ") == 1
        assert_complete(seen.wait_for(meters.quiet(), 10), meters)


def test_a_bad_routes_file_changes_nothing_and_is_an_alarm(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 1))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1,), 0.05) as meters:
        seen.wait_for(10, 20)
        publisher.paths.routes.write_text('{"targets": 7}', encoding="utf-8")
        assert "targets must be a list" in publisher.wait_for_condition("publish", 5)
        assert_complete(seen.wait_for(meters.quiet(), 10), meters)
        assert publisher.log().count("bad routes file") == 1


@pytest.mark.slow
def test_what_a_worker_left_behind_is_delivered_without_it(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port), 1))
    publisher.wait_for_beat()
    publisher.kill()
    with Meters(publisher.paths, (1,), 0.02) as meters:
        wait_until(lambda: meters.total >= 50, 10, "readings that nobody takes")
    publisher.start()
    with Subscriber(broker.port) as seen:
        assert_complete(seen.wait_for(meters.total, 30), meters)


@pytest.mark.slow
def test_live_readings_go_before_a_backlog_and_each_lane_keeps_its_order(
    broker: Mosquitto, publisher: Publisher
) -> None:
    publisher.route(generic_routes(target(broker.port), 2))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
        seen.wait_for(10, 20)
        broker.stop()
        wait_until(lambda: publisher.wait_for_beat(20).gauges["oldest_age_s"] > 63, 90, "a backlog")
        before = len(seen.received())
        broker.start()
        started = time.monotonic()
        seen.wait_for(meters.total, 20)
        assert time.monotonic() - started < 10.0
        assert_complete(seen.wait_for(meters.quiet(), 10), meters)
        for topic in ("meters/m1/telemetry", "meters/m2/telemetry"):
            lanes: dict[str, list[int]] = defaultdict(list)
            late = [item for item in seen.received()[before:] if item.topic == topic]
            for item in late:
                lanes[item.lane].append(json.loads(item.payload)["seq"])
            assert set(lanes) == {"live", "backlog"}
            assert all(found == sorted(found) for found in lanes.values())
            assert late[0].lane == "live"


def test_strict_order_is_one_lane(broker: Mosquitto, publisher: Publisher) -> None:
    strict = generic_route(1, strict_order=True)
    publisher.route(Routes({"default": target(broker.port)}, {strict.uid: strict}))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1,), 0.02) as meters:
        seen.wait_for(20, 20)
        with broker.away(1.0):
            pass
        readings = seen.wait_for(meters.quiet(), 15)
        assert_complete(readings, meters)
        assert {item.lane for item in seen.received("meters/m1/telemetry")} == {"strict"}
        assert all(found == sorted(found) for found in seqs(readings).values())


def test_a_gateway_session_makes_devices_known_before_their_telemetry(broker: Mosquitto, publisher: Publisher) -> None:
    def gateway(number: int) -> Route:
        return Route(
            uid_of(number),
            f"m{number}",
            Mode.TB_GATEWAY,
            "default",
            device=f"METER-{number}",
            device_type="dlms",
            keys={"voltage_l1": "u"},
            attributes={"serial_number": "000123"},
        )

    publisher.route(Routes({"default": target(broker.port, username="TOKEN")}, {uid_of(n): gateway(n) for n in (1, 2)}))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
        wait_until(lambda: len(seen.received("v1/gateway/telemetry")) >= 10, 20, "telemetry")
        total = meters.quiet()
        wait_until(lambda: sum(map(_entries, seen.received("v1/gateway/telemetry"))) >= total, 10, "all telemetry")
        topics = [item.topic for item in seen.received()]
        connects = [json.loads(item.payload) for item in seen.received("v1/gateway/connect")]
        assert sorted(body["device"] for body in connects) == ["METER-1", "METER-2"]
        assert {body["type"] for body in connects} == {"dlms"}
        assert topics[0] == "v1/gateway/connect"
        attributes = [json.loads(item.payload) for item in seen.received("v1/gateway/attributes")]
        assert {"METER-1": {"serial_number": "SN-000123"}} in attributes
        assert len(attributes) == 2
        for item in seen.received("v1/gateway/telemetry"):
            (device,) = body = json.loads(item.payload)
            assert set(body[device][0]) == {"ts", "values"}
            assert set(body[device][0]["values"]) == {"u", "active_energy"}
        assert not seen.received("meters/m1/status")


def _entries(item: object) -> int:
    (entries,) = json.loads(item.payload).values()  # type: ignore[attr-defined]  # a Received
    return len(entries)


def test_device_tokens_get_a_connection_each(broker: Mosquitto, publisher: Publisher) -> None:
    targets = {f"t{n}": target(broker.port, name=f"t{n}", client_id=f"t{n}", username=f"TOKEN{n}") for n in (1, 2)}
    routes = {
        uid_of(n): Route(uid_of(n), f"m{n}", Mode.TB_DEVICE, f"t{n}", attributes={"model": f"model {n}"})
        for n in (1, 2)
    }
    publisher.route(Routes(targets, routes))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1, 2), 0.05) as meters:
        wait_until(lambda: len(seen.received("v1/devices/me/telemetry")) >= 10, 20, "telemetry")
        meters.quiet()
        payload = json.loads(seen.received("v1/devices/me/telemetry")[0].payload)
        assert isinstance(payload, list)
        assert set(payload[0]) == {"ts", "values"}
        wait_until(lambda: len(seen.received("v1/devices/me/attributes")) == 2, 10, "what is known of both")
        models = {json.loads(item.payload)["model"] for item in seen.received("v1/devices/me/attributes")}
        assert models == {"model 1", "model 2"}
        assert broker.log().count("u'TOKEN1'") == broker.log().count("u'TOKEN2'") == 1


def test_mqtt_3_1_1_delivers_too(broker: Mosquitto, publisher: Publisher) -> None:
    publisher.route(generic_routes(target(broker.port, protocol=4), 1))
    with Subscriber(broker.port) as seen, Meters(publisher.paths, (1,), 0.05) as meters:
        seen.wait_for(10, 20)
        assert_complete(seen.wait_for(meters.quiet(), 10), meters)


def test_a_second_publisher_is_turned_away(tmp_path: Path, publisher: Publisher) -> None:
    publisher.wait_for_beat()
    second = Publisher(tmp_path / "state")
    second.start()
    assert second.wait_ended() == Exit.LOCK_HELD
    publisher.wait_for_beat()


def test_bad_settings_have_their_own_exit_code(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "state", {"DLMS_BRIDGE_OUTBOX_IN_FLIGHT": "many"})
    publisher.start()
    assert publisher.wait_ended() == Exit.BAD_CONFIGURATION
    assert "DLMS_BRIDGE_OUTBOX_IN_FLIGHT: a number was expected" in publisher.log()
