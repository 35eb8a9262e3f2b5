"""One table of bad input, whatever door it comes in by: each row is refused with a typed error that names the fault.

MQTT's own refusals need a broker that refuses: test_publisher_broker.py, and tests/integration/test_publisher_mqtt.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from admin_api.completing import new_meter
from admin_api.schemas.meters import NewMeter
from common import settings
from common.envelope import BadEnvelope, Envelope, Kind, UnknownKind, UnknownVersion, decode, encode
from common.errors import BridgeError
from common.heartbeat import BadHeartbeat, PublisherBeat, WorkerBeat
from common.json_record import BadFile
from common.key_file import BadKeys, load_key_file
from common.obis import BadObis, Obis
from common.reading import BadReading, Reading
from common.routes import Routes
from common.settings import BadSettings
from common.store.errors import BadWish
from common.worker_file import WorkerFile
from poller.capture import BadCapture, read_capture
from poller.errors import BadCounterFile
from poller.invocation import CounterFile

GOOD_WORKER: dict[str, object] = {
    "uid": "00" * 16,
    "name": "m",
    "revision": 1,
    "desired_state": "running",
    "host": "127.0.0.1",
    "port": 3333,
    "transport": "hdlc",
    "client_id": 16,
    "server_logical": 1,
    "server_physical": None,
    "address_size": 1,
    "authentication": "none",
    "password": "",
    "security": "none",
    "security_suite": 0,
    "encryption_key": "",
    "authentication_key": "",
    "client_title": "",
    "server_title": "",
    "dedicated_key": False,
    "general_ciphering": False,
    "referencing": "ln",
    "model": "microstar",
    "interval_s": 2.0,
    "line_mode": "exclusive",
    "clock_synchronised": True,
    "journal_dir": "j",
    "counter_dir": "c",
    "lock_dir": "l",
    "bus_dir": "b",
    "measurements": [],
    "backfill": True,
    "load_profile": "",
    "row_names": [],
    "limits": {},
}
ROUTE: dict[str, object] = {
    "uid": "00" * 16,
    "meter": "m",
    "mode": "generic",
    "target": "t",
    "topic": "x",
    "device": "",
    "device_type": "",
    "strict_order": False,
    "purged": False,
    "keys": {},
    "attributes": {},
}


def _settings(text: str) -> Callable[[Path], object]:
    def load(directory: Path) -> object:
        (directory / "bridge.toml").write_text(text, encoding="utf-8")
        return settings.load(str(directory), {})

    return load


def _worker(**changes: object) -> Callable[[Path], object]:
    def load(directory: Path) -> object:
        (directory / "w.json").write_text(json.dumps(GOOD_WORKER | changes), encoding="utf-8")
        return WorkerFile.load(directory / "w.json")

    return load


def _routes(**changes: object) -> Callable[[Path], object]:
    def load(directory: Path) -> object:
        (directory / "r.json").write_text(json.dumps({"targets": [], "routes": [ROUTE | changes]}), encoding="utf-8")
        return Routes.load(directory / "r.json")

    return load


def _body(**fields: object) -> Callable[[Path], object]:
    return lambda _directory: new_meter(NewMeter.read({"name": "m", "ip_address": "127.0.0.1"} | fields))


def _obis(text: str) -> Callable[[Path], object]:
    return lambda _directory: Obis.parse(text)


def _keys(text: str) -> Callable[[Path], object]:
    def load(directory: Path) -> object:
        path = directory / "m.keys"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return load_key_file(path)

    return load


def _capture(text: str) -> Callable[[Path], object]:
    def load(directory: Path) -> object:
        (directory / "c.jsonl").write_text(text, encoding="utf-8")
        return read_capture(directory / "c.jsonl")

    return load


def _counter(directory: Path) -> object:
    (directory / "c.counter").write_bytes(b"ceiling 9 00000000\n")
    return CounterFile(directory / "c.counter")


def _bus(octets: bytes) -> Callable[[Path], object]:
    return lambda _directory: decode(octets)


def _fields(place: int, value: object) -> Callable[[Path], object]:
    fields = msgpack.unpackb(encode(Envelope(Kind.READING)))
    fields[place] = value
    return _bus(msgpack.packb(fields))


def _from(read: Callable[[object], object], body: object) -> Callable[[Path], object]:
    return lambda _directory: read(body)


TABLE: list[tuple[str, Callable[[Path], object], type[BridgeError], str]] = [
    ("settings: no TOML", _settings("[mqtt\n"), BadSettings, "not TOML"),
    ("settings: unknown section", _settings("[mqqt]\n"), BadSettings, "[mqqt] is not a section"),
    ("settings: unknown key", _settings("[mqtt]\nhots = 1\n"), BadSettings, "[mqtt] hots is not a setting"),
    ("settings: wrong type", _settings('[mqtt]\nport = "x"\n'), BadSettings, "[mqtt] port: int was expected"),
    ("settings: out of bounds", _settings("[mqtt]\nport = 70000\n"), BadSettings, "must be from 1 to 65535"),
    ("settings: not one of the words", _settings('[mqtt]\nmode = "x"\n'), BadSettings, "must be one of generic"),
    ("worker file: port", _worker(port=0), BadFile, "port must be a whole number from 1 to 65535"),
    ("worker file: uid", _worker(uid="xy"), BadFile, "uid must be 16 octets"),
    ("worker file: transport", _worker(transport="udp"), BadFile, "transport must be one of hdlc, wrapper"),
    ("worker file: limit", _worker(limits={"speed": 1}), BadFile, "speed is not a limit"),
    (
        "worker file: OBIS",
        _worker(measurements=[{"key": "k", "obis": "1.8.0", "class_id": 3, "attribute": 2}]),
        BadObis,
        "'1.8.0' is not an OBIS code",
    ),
    ("worker file: security", _worker(security="some"), BadFile, "security must be one of none, auth"),
    ("worker file: suite", _worker(security_suite=2), BadFile, "security_suite must be a whole number from 0 to 1"),
    ("keys file: no digits", _keys("encryption_key = 00\n"), BadKeys, "encryption_key needs 32 hexadecimal digits"),
    ("keys file: unknown field", _keys("key = 00\n"), BadKeys, "line 1: expected one of encryption_key"),
    ("API body: keys", _body(encryption_key="00"), BadWish, "encryption_key"),
    ("API body: security without keys", _body(security="both"), BadWish, "client_title"),
    ("capture: a line", _capture('{"capture": 1}\nnonsense\n'), BadCapture, "line"),
    ("counter file: damaged", _counter, BadCounterFile, "damaged"),
    ("routes file: mode", _routes(mode="x"), BadFile, "mode must be one of generic"),
    ("routes file: target", _routes(), BadFile, "routed to 't', which is not a target"),
    ("API body: name", _body(name="a/b"), BadWish, "name"),
    ("API body: port", _body(port="x"), BadWish, "port"),
    ("API body: unknown field", _body(speed=1), BadWish, "speed"),
    ("API body: measurement", _body(measurements=["warp"]), BadWish, "measurements"),
    ("API body: OBIS", _body(measurements=[{"measurement_name": "k", "obis_code": "1"}]), BadWish, "obis_code"),
    ("OBIS: words", _obis("energy"), BadObis, "'energy' is not an OBIS code"),
    ("OBIS: group too large", _obis("1-0:1.8.256"), BadObis, "value group E"),
    ("OBIS: five groups", _obis("1.0.1.8.0"), BadObis, "expected A-B:C.D.E"),
    ("OBIS: too long", _obis("1" * 99), BadObis, "too long"),
    ("OBIS: foreign digits", _obis("1-0:١.8.0"), BadObis, "not ASCII"),
    ("bus: no msgpack", _bus(b"\xc1"), BadEnvelope, "not msgpack"),
    ("bus: cut", _bus(encode(Envelope(Kind.READING))[:-1]), BadEnvelope, "not msgpack"),
    ("bus: endless", _bus(bytes(2 << 20)), BadEnvelope, "more than an envelope may have"),
    ("bus: nested without end", _bus(b"\x91" * 4096), BadEnvelope, "not msgpack"),
    ("bus: no array", _bus(msgpack.packb({})), BadEnvelope, "begins with its version"),
    ("bus: version", _fields(0, 2), UnknownVersion, "version 2"),
    ("bus: kind", _fields(1, 99), UnknownKind, "kind 99"),
    ("bus: uid", _fields(2, b"short"), BadEnvelope, "uid"),
    ("bus: epoch", _fields(3, "text"), BadEnvelope, "epoch"),
    ("bus: seq", _fields(4, -1), BadEnvelope, "seq"),
    ("bus: time", _fields(5, 1.5), BadEnvelope, "ts_ms"),
    ("bus: reading", _from(Reading.from_body, [1]), BadReading, "body"),
    ("bus: reading's value", _from(Reading.from_body, [[["k", "o", [], 0, 0]], [], [], "live", 0]), BadReading, "raw"),
    ("bus: heartbeat", _from(WorkerBeat.from_body, 1), BadHeartbeat, "map"),
    ("bus: heartbeat's state", _from(WorkerBeat.from_body, {"state": "happy"}), BadHeartbeat, "state"),
    ("bus: publisher's heartbeat", _from(PublisherBeat.from_body, {"meters": {b"u": [1]}}), BadHeartbeat, "meters"),
]


@pytest.mark.parametrize(("give", "error", "text"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_input_is_refused_and_named(
    tmp_path: Path, give: Callable[[Path], object], error: type[BridgeError], text: str
) -> None:
    with pytest.raises(error) as refusal:
        give(tmp_path)
    assert text in (refusal.value.detail + str(getattr(refusal.value, "field", "")))


def test_the_good_ones_are_good(tmp_path: Path) -> None:
    assert _worker()(tmp_path)
    assert _body()(tmp_path)
    assert _settings("")(tmp_path)
    assert decode(encode(Envelope(Kind.READING))).kind is Kind.READING
