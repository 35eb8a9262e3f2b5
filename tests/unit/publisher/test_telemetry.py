"""Golden payloads: a row of the outbox to topic and octets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from common.envelope import BadEnvelope, Envelope, Kind, encode
from common.reading import BadReading, Failure, Quality, Quantity, Reading
from publisher import telemetry
from publisher.telemetry import GENERIC, MAX_BATCH, MAX_PAYLOAD, TB_DEVICE, TB_GATEWAY, Message, Oversize, packet

UID = bytes(range(16))
EPOCH = bytes(range(8))
TS = 1_795_300_000_123
VOLTAGE = Quantity("voltage_l1", "1-1:32.7.0", 2301, -1, 35)
ENERGY = Quantity("active_energy", "1-1:1.8.0", 123_456, 0, 30)


@dataclass(frozen=True)
class Way:
    """A route as far as a message is shaped by it."""

    meter: str = "hall 1"
    mode: str = GENERIC
    topic: str = "meters/hall 1/telemetry"
    device: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """A row as far as a message is shaped by it."""

    envelope: bytes
    route: Way


def stored(*quantities: Quantity, way: Way | None = None, seq: int = 7, failures: tuple[Failure, ...] = ()) -> Stored:
    reading = Reading(quantities, failures, (Quality.PARTIAL,) if failures else ())
    body = reading.to_body()
    return Stored(encode(Envelope(Kind.READING, UID, EPOCH, seq, TS, body=body)), way or Way())


def gateway(device: str = "METER-1", keys: Mapping[str, str] | None = None) -> Way:
    return Way(mode=TB_GATEWAY, topic="", device=device, keys=keys or {})


def only(rows: list[Stored], lane: str = "live") -> Message:
    made = packet(rows, lane)
    assert made.message is not None
    return made.message


def test_the_generic_payload_names_the_reading_and_keeps_every_number_a_float() -> None:
    message = only([stored(VOLTAGE, ENERGY)])
    assert message.topic == "meters/hall 1/telemetry"
    assert message.lane == "live"
    assert message.retain is False
    assert message.payload == (
        b'{"ts":1795300000123,"meter":"hall 1","uid":"000102030405060708090a0b0c0d0e0f","epoch":"0001020304050607",'
        b'"seq":7,"values":{"voltage_l1":230.1,"active_energy":123456.0},"units":{"voltage_l1":"V",'
        b'"active_energy":"Wh"},"quality":[],"failed":{},"source":"live"}'
    )


def test_a_repeat_in_another_lane_has_equal_content() -> None:
    assert only([stored(VOLTAGE)], "live").payload == only([stored(VOLTAGE)], "backlog").payload


def test_a_partial_reading_names_what_failed_under_the_renamed_key() -> None:
    row = stored(
        VOLTAGE, way=Way(keys={"voltage_l1": "u1", "frequency": "f"}), failures=(Failure("frequency", "busy"),)
    )
    body = json.loads(only([row]).payload)
    assert body["values"] == {"u1": 230.1}
    assert body["units"] == {"u1": "V"}
    assert body["failed"] == {"f": "busy"}
    assert body["quality"] == ["partial"]


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_named_and_never_sent(raw: float) -> None:
    body = json.loads(only([stored(VOLTAGE, Quantity("power_factor", "1-1:13.7.0", raw, 0, 255))]).payload)
    assert body["values"] == {"voltage_l1": 230.1}
    assert body["failed"] == {"power_factor": "not_a_number"}


def test_texts_and_booleans_stay_what_they_are_in_generic_mode() -> None:
    row = stored(Quantity("serial", "0-0:96.1.0", "00012345"), Quantity("relay", "0-0:96.3.10", True))
    assert json.loads(only([row]).payload)["values"] == {"serial": "00012345", "relay": True}


def test_generic_mode_carries_one_reading_in_a_message() -> None:
    assert packet([stored(VOLTAGE, seq=1), stored(VOLTAGE, seq=2)], "backlog").rows == 1


def test_a_gateway_packet_holds_one_device_and_a_list_over_time() -> None:
    rows = [stored(VOLTAGE, seq=seq, way=gateway(keys={"voltage_l1": "u"})) for seq in (1, 2)]
    made = packet(rows, "backlog")
    assert made.rows == 2
    assert made.message == Message(
        "v1/gateway/telemetry",
        b'{"METER-1":[{"ts":1795300000123,"values":{"u":230.1}},{"ts":1795300000123,"values":{"u":230.1}}]}',
        lane="backlog",
    )


def test_another_device_ends_the_batch() -> None:
    rows = [stored(VOLTAGE, way=gateway("A")), stored(VOLTAGE, way=gateway("B")), stored(VOLTAGE, way=gateway("A"))]
    assert packet(rows, "live").rows == 1


def test_a_device_packet_is_a_list() -> None:
    message = only([stored(VOLTAGE, way=Way(mode=TB_DEVICE))])
    assert message.topic == "v1/devices/me/telemetry"
    assert message.payload == b'[{"ts":1795300000123,"values":{"voltage_l1":230.1}}]'


def test_a_batch_keeps_below_the_limits_of_octets_and_readings() -> None:
    rows = [stored(*(Quantity(f"{'k' * 90}{n}", "1-1:1.7.0", n) for n in range(50)), way=gateway())] * 20
    made = packet(rows, "backlog")
    assert made.message is not None
    assert 1 < made.rows < 20
    assert len(made.message.payload) <= MAX_PAYLOAD
    assert packet([stored(VOLTAGE, way=gateway())] * (MAX_BATCH + 5), "backlog").rows == MAX_BATCH


def test_one_reading_that_no_packet_can_carry_is_refused() -> None:
    row = stored(*(Quantity(f"{'k' * 400}{n}", "1-1:1.7.0", n) for n in range(200)), way=gateway())
    with pytest.raises(Oversize, match="more than the"):
        packet([row], "live")
    with pytest.raises(Oversize):
        packet([stored(VOLTAGE)], "live", limit=100)


def test_a_reading_without_values_is_not_sent_to_a_server_that_would_not_answer_it() -> None:
    empty = stored(way=gateway(), failures=(Failure("voltage_l1", "timeout"),))
    assert packet([empty], "live") == telemetry.Packet(None, 1)
    made = packet([empty, stored(VOLTAGE, way=gateway())], "live")
    assert made.rows == 2
    assert made.message is not None
    assert json.loads(made.message.payload)["METER-1"] == [{"ts": TS, "values": {"voltage_l1": 230.1}}]


def test_texts_that_look_like_numbers_are_marked_for_thingsboard() -> None:
    row = stored(Quantity("serial_number", "0-0:96.1.0", "00012345"), Quantity("t", "0-0:96.1.1", "1e5"), way=gateway())
    values = json.loads(only([row]).payload)["METER-1"][0]["values"]
    assert values == {"serial_number": "SN-00012345", "t": "#1e5"}


def test_damage_is_refused_with_a_typed_error_and_later_damage_ends_the_batch() -> None:
    with pytest.raises(BadEnvelope):
        packet([Stored(b"\xc1", gateway())], "live")
    with pytest.raises(BadReading):
        packet([Stored(encode(Envelope(Kind.READING, UID, EPOCH, 1, TS, body="?")), gateway())], "live")
    assert packet([stored(VOLTAGE, way=gateway()), Stored(b"\xc1", gateway())], "live").rows == 1


def test_attributes_keep_texts_texts_and_numbers_numbers() -> None:
    given = {"serial_number": "00012345", "firmware_version": "1.10", "interval_s": "2", "model": "microstar"}
    message = telemetry.attributes(TB_GATEWAY, "METER-1", given)
    assert message is not None
    assert message.topic == "v1/gateway/attributes"
    assert json.loads(message.payload) == {
        "METER-1": {
            "serial_number": "SN-00012345",
            "firmware_version": "v1.10",
            "interval_s": 2.0,
            "model": "microstar",
        }
    }
    device = telemetry.attributes(TB_DEVICE, "", {"model": "m"})
    assert device == Message("v1/devices/me/attributes", b'{"model":"m"}')
    assert telemetry.attributes(TB_DEVICE, "", {}) is None
    assert telemetry.attributes(GENERIC, "", given) is None


def test_a_gateway_makes_a_device_known_with_its_profile() -> None:
    connect = telemetry.gateway_connect('M "1"', "")
    assert connect == Message("v1/gateway/connect", b'{"device":"M \\"1\\"","type":"default"}')
    assert telemetry.gateway_connect("M", "meter").payload == b'{"device":"M","type":"meter"}'


def test_status_topics_are_retained_and_hold_no_wildcards() -> None:
    assert telemetry.meter_status("a/b+#", "online") == Message(
        "meters/a_b__/status", b'{"status":"online"}', retain=True
    )
    assert telemetry.bridge_status("bridge-1", "offline") == Message(
        "bridges/bridge-1/status", b'{"status":"offline"}', retain=True
    )
    assert telemetry.bridge_status("", "online").topic == "bridges/dlms-bridge/status"
