"""The commands of the meter's side through the console script, against simulated meters: ours and a peer's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from pydlms import simulator as pydlms_simulator
from pydlms.apdu.xdlms import Conformance

from common.obis import Obis
from poller.capture import read_capture
from poller.dlms.conversation import AttributeRef, Conversation, Mechanism, Profile, Transport
from poller.dlms.data import Data
from poller.dlms.explain.stream import Explainer, Kind
from poller.dlms.security import Security
from poller.keys import load_keys
from poller.simulator import Fleet, MeterSpec, personality
from poller.simulator.personality import ClockSetting, Keys
from tests.support.replaying import Replay, source_of

METERCTL = Path(sys.executable).parent / "meterctl"
ENERGY, SERIAL, CLOCK, PROFILE, SWITCH = "1-0:1.8.0", "1/0-0:96.1.0", "8/0-0:1.0.0", "1-0:99.1.0", "0-0:96.3.10"
KEYS = f"""# of the simulated meter
encryption_key = {bytes(range(16)).hex()}
authentication_key = hex:{bytes(range(0xD0, 0xE0)).hex()}
password = "22222222"
hls_secret = "SimulatorSecret1"
"""
CLIENTS = {"lls": 1, "hls-md5": 33, "hls-sha1": 34, "hls-gmac": 35, "hls-sha256": 36}
ADMINISTRATOR = ("--auth", "lls", "--client-id", "1")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    secure = personality("secure")
    specs = [
        MeterSpec("hdlc", secure),
        MeterSpec("wrapper", "secure-wrapper"),
        MeterSpec("high-counter", replace(secure, keys=Keys(counter=5_000))),
        MeterSpec("short", "short-names"),
        MeterSpec("late", replace(secure, clock=ClockSetting(offset=-100.0))),
    ]
    with Fleet(specs) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    return tmp_path


class Cli:
    """The console script with a state home and a keys file of its own."""

    def __init__(self, fleet: Fleet, home: Path) -> None:
        self._fleet = fleet
        self._home = home
        self.keys = ("--keys-file", str(home / "keys"))

    def __call__(
        self, command: str, *words: str, meter: str = "hdlc", code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        where: tuple[str, ...] = ()
        if meter:
            kind = self._fleet.meters[meter].device.kind
            where = ("--host", "127.0.0.1", "--port", str(self._fleet.meters[meter].port))
            where += ("--transport", kind.transport.value)
            if kind.transport.value == "hdlc" and kind.preferred_size > 1:
                where += ("--address-size", "4", "--server-physical", str(kind.physical))
        environment = {"XDG_STATE_HOME": str(self._home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [METERCTL, command, *where, *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def json(self, command: str, *words: str, meter: str = "hdlc", code: int = 0) -> object:
        return json.loads(self(command, "--json", *words, meter=meter, code=code).stdout)


@pytest.fixture
def cli(fleet: Fleet, home: Path) -> Cli:
    return Cli(fleet, home)


Rows = list[dict[str, object]]


# read


@pytest.mark.parametrize(("meter", "security"), [("wrapper", "none"), ("hdlc", "both")])
@pytest.mark.parametrize("mechanism", CLIENTS)
def test_every_authentication_reads_plain_and_protected(cli: Cli, mechanism: str, security: str, meter: str) -> None:
    proof = ("--auth", mechanism, "--client-id", str(CLIENTS[mechanism]), *cli.keys)
    title = ("--security", security, "--system-title", "CLI00001")
    (row,) = cast("Rows", cli.json("read", *proof, *title, ENERGY, meter=meter))
    assert row["unit"] == "Wh"


@pytest.mark.parametrize("options", [("--dedicated",), ("--general",), ("--dedicated", "--general"), ("--window", "7")])
def test_other_protections_and_windows_read(cli: Cli, options: tuple[str, ...]) -> None:
    proof = ("--auth", "hls-gmac", "--client-id", "35", *cli.keys, "--security", "both", "--system-title", "CLI00001")
    rows = cast("Rows", cli.json("read", *proof, *options, ENERGY, SERIAL))
    assert [row.get("error") for row in rows] == [None, None]


def test_a_counter_that_is_too_low_is_read_from_the_meter(cli: Cli, home: Path) -> None:
    proof = (*ADMINISTRATOR, *cli.keys, "--security", "both", "--system-title", "434c493030303031")
    counter = ("--counter-file", str(home / "counter"), "--read-counter")
    cli("read", *proof, *counter, ENERGY, meter="high-counter")
    assert int((home / "counter").read_text().split()[1]) > 5_000


def test_a_trace_shows_both_ways_without_the_password(cli: Cli) -> None:
    done = cli("read", *ADMINISTRATOR, *cli.keys, "--trace", ENERGY)
    lines = [line.split() for line in done.stderr.splitlines()]
    assert {line[1] for line in lines} == {">", "<"}
    explainer = Explainer(Kind.HDLC)
    nodes = [node for line in lines for node in explainer.feed(bytes.fromhex(line[2]), line[1])]
    assert not any(node.faulty for node in nodes)
    assert b"22222222".hex() not in done.stderr
    assert b"********".hex() in done.stderr


def test_a_refused_connection_says_what_to_look_at(cli: Cli) -> None:
    done = cli("read", "--host", "127.0.0.1", "--port", "1", ENERGY, meter="", code=2)
    assert done.stderr.splitlines() == [
        "connect_refused: connection refused by 127.0.0.1:1",
        "  is the meter's module on, and is this its port?",
    ]


def test_errors_are_json_where_json_is_asked_for(cli: Cli) -> None:
    done = cli("clock", "--json", "--host", "127.0.0.1", "--port", "1", meter="", code=2)
    error = json.loads(done.stderr)["error"]
    assert (done.stdout, error["kind"]) == ("", "connect_refused")
    assert error["hint"] == "is the meter's module on, and is this its port?"
    error = json.loads(cli("read", "--json", "3/1-0:99.99.0", code=2).stderr)["error"]
    assert (error["kind"], error["at"]) == ("object_undefined", "1-0:99.99.0")


def test_an_address_that_is_given_goes_before_that_of_the_model(cli: Cli) -> None:
    """The meter's address is 1/17 in four octets, the model's 1 in one."""
    assert cli("read", "--model", "generic", ENERGY).stdout.startswith(ENERGY.split("/")[-1])


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--security", "both", ENERGY), "bad_argument: --keys-file is needed"),
        (("--auth", "hls-gmac", ENERGY), "bad_argument: --keys-file is needed"),
        (("--line", "tin-can", ENERGY), "bad_parameter: 'tin-can' is no line"),
        (("--keys-file", "/nonexistent", ENERGY), "bad_keys: "),
        (("--system-title", "x", ENERGY), "bad_keys: a system title"),
        (("--window", "8", ENERGY), "bad_parameter: the HDLC window"),
    ],
)
def test_wrong_options_are_named(cli: Cli, words: tuple[str, ...], kind: str) -> None:
    assert cli("read", *words, code=2).stderr.startswith(kind)


def test_a_host_or_a_serial_line_is_needed(cli: Cli) -> None:
    assert "--host is needed" in cli("objects", meter="", code=2).stderr


# objects


def test_objects_are_listed_with_names_and_rights(cli: Cli) -> None:
    rows = cast("Rows", cli.json("objects", *ADMINISTRATOR, *cli.keys))
    by_name = {row["obis"]: row for row in rows}
    energy = by_name[ENERGY]
    assert (energy["class"], energy["class_name"], energy["name"]) == (3, "Register", "active energy import")
    attributes = cast("Rows", energy["attributes"])
    assert [each["name"] for each in attributes] == ["logical_name", "value", "scaler_unit"]
    assert attributes[1]["rights"] == ["read"]
    text = cli("objects", "--class", "8").stdout
    assert "0-0:1.0.0" in text
    assert "Clock, version" in text
    assert ENERGY not in text


def test_objects_with_values_are_read(cli: Cli) -> None:
    rows = cast("Rows", cli.json("objects", "--class", "3", "--values"))
    energy = next(row for row in rows if row["obis"] == ENERGY)
    values = cast("dict[str, dict[str, object]]", energy["values"])
    assert values["2"]["unit"] == "Wh"
    assert "Wh" in cli("objects", "--class", "3", "--values").stdout


# profile


def test_a_profile_is_shown_by_time_by_place_and_by_its_end(cli: Cli) -> None:
    newest = cast("dict[str, list[list[object]]]", cli.json("profile", PROFILE, "--last", "3"))
    assert len(newest["rows"]) == 3
    first, last = str(newest["rows"][0][0]), str(newest["rows"][-1][0])
    between = cast("dict[str, list[list[object]]]", cli.json("profile", PROFILE, "--from", first, "--to", last))
    assert between["rows"] == newest["rows"]
    placed = cast("dict[str, list[list[object]]]", cli.json("profile", PROFILE, "--entries", "1-2", "--columns", "2"))
    assert [len(row) for row in placed["rows"]] == [2, 2]


def test_a_profile_is_printed_as_table_and_csv(cli: Cli) -> None:
    heading, row, *_ = cli("profile", PROFILE, "--last", "2", "--csv").stdout.splitlines()
    assert heading.startswith("0-0:1.0.0/2 clock,")
    assert row.count(",") == heading.count(",")
    assert cli("profile", PROFILE, "--last", "2").stdout.splitlines()[0].startswith("0-0:1.0.0/2 clock ")


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "yesterday"),
        ("--from", "2026-01-02", "--to", "2026-01-01"),
        ("--entries", "0-5"),
        ("--entries", "x"),
        ("--entries", "1-5", "--from", "2026-01-01"),
        ("--last", "0"),
        ("--columns", "a"),
    ],
)
def test_windows_that_are_none_are_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("profile", PROFILE, *words, code=2).stderr.startswith(("bad_argument: ", "bad_moment: "))


def test_a_profile_that_is_not_there_is_1(cli: Cli) -> None:
    done = cli("profile", "1-0:99.99.0", code=1)
    assert done.stderr.startswith("object_undefined: ")
    assert "`meterctl objects`" in done.stderr


# clock, set, action


def test_a_clock_is_shown_and_set_within_the_bound(cli: Cli) -> None:
    shown = cast("dict[str, object]", cli.json("clock", meter="late"))
    assert cast("float", shown["offset_s"]) == pytest.approx(100, abs=5)
    admin = (*ADMINISTRATOR, *cli.keys)
    refused = cli("clock", *admin, "--sync", "--max-correction", "30", meter="late", code=1).stdout
    assert "further than --max-correction" in refused
    done = cast("dict[str, object]", cli.json("clock", *admin, "--sync", meter="late"))
    assert done["verified"] is True
    assert abs(cast("float", done["after_s"])) < 5
    assert "left as it is" in cli("clock", *admin, "--sync", meter="late").stdout


def test_a_value_is_written_and_read_back(cli: Cli) -> None:
    admin = (*ADMINISTRATOR, *cli.keys)
    assert cli("set", *admin, f"{CLOCK}/3", "int16:-120").stdout == "8/0-0:1.0.0/3 written\n"
    (row,) = cast("Rows", cli.json("read", *admin, f"{CLOCK}/3"))
    assert row["raw"] == -120
    cli("set", *admin, f"{CLOCK}/3", "int16:0")


def test_a_refused_write_is_1_and_a_bad_value_is_2(cli: Cli) -> None:
    refused = cli("set", SERIAL, "octet-string:00", code=1)
    assert refused.stderr.startswith("access_denied: ")
    assert cli("set", SERIAL, "uint8:256", code=2).stderr.startswith("bad_value: ")


def test_a_method_is_invoked(cli: Cli) -> None:
    admin = (*ADMINISTRATOR, *cli.keys)
    assert cli("action", *admin, f"70/{SWITCH}/1", "int8:0").stdout == f"70/{SWITCH}/1 done\n"
    (row,) = cast("Rows", cli.json("read", *admin, f"70/{SWITCH}/2"))
    assert row["raw"] is False
    assert cast("dict[str, object]", cli.json("action", *admin, f"70/{SWITCH}/2", "int8:0"))["returned"] is None
    assert cli("action", f"70/{SWITCH}/1", code=1).stderr.startswith("access_denied: ")
    assert cli("action", SWITCH, code=2).stderr.startswith("bad_item: ")


# capture and decode


def test_a_capture_is_redacted_decoded_and_replayed(cli: Cli, home: Path, fleet: Fleet) -> None:
    path = home / "capture.jsonl"
    cli("capture", *ADMINISTRATOR, *cli.keys, "--output", str(path), "--objects", SERIAL, CLOCK)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"22222222".hex() not in path.read_text()
    tree = cli("decode", "--file", str(path), meter="").stdout
    assert "'********'" in tree
    assert "joined" in tree
    assert not [line for line in tree.splitlines() if line.startswith("!")]
    capture = read_capture(path)
    kind = fleet.meters["hdlc"].device.kind
    profile = Profile(
        Transport(capture.header.transport),
        capture.header.client_id,
        capture.header.server_logical,
        capture.header.server_physical,
        capture.header.address_size,
        Mechanism(capture.header.authentication),
        b"********",
    )
    conversation, peer = Conversation(profile), Replay(capture)
    peer.run(conversation.open())
    objects = peer.run(conversation.get(AttributeRef(15, Obis.parse("0-0:40.0.0*255"), 2)))
    assert isinstance(objects.value, tuple)
    serial, clock = peer.run(
        conversation.get_many([AttributeRef(1, Obis(0, 0, 96, 1, 0), 2), AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)])
    )
    peer.run(conversation.close())
    assert isinstance(serial, Data)
    assert isinstance(clock, Data)
    assert peer.left == 0
    assert kind.physical == capture.header.server_physical


def test_a_capture_without_serial_numbers_has_none(cli: Cli, home: Path, fleet: Fleet) -> None:
    path = home / "capture.jsonl"
    cli("capture", "--output", str(path), "--redact-serials", SERIAL, meter="wrapper")
    assert fleet.meters["wrapper"].device.serial.encode().hex() not in path.read_text()
    assert cli("capture", "--output", str(path), SERIAL, code=2).stderr.startswith("bad_capture: ")


def test_a_protected_capture_opens_with_its_keys_alone(cli: Cli, home: Path) -> None:
    path = home / "capture.jsonl"
    proof = ("--auth", "hls-gmac", "--client-id", "35", *cli.keys, "--security", "both", "--system-title", "CLI00001")
    cli("capture", *proof, "--dedicated", "--output", str(path), ENERGY)
    closed = cli("decode", "--file", str(path), meter="").stdout
    assert "not opened: no key is given" in closed
    assert ENERGY not in closed
    opened = cli("decode", "--file", str(path), *cli.keys, meter="").stdout
    assert "not opened" not in opened
    assert f"{ENERGY} (active energy import)" in opened
    assert KEYS.split()[8] not in opened


def test_a_protected_capture_is_replayed_with_its_keys(cli: Cli, home: Path) -> None:
    path = home / "capture.jsonl"
    proof = ("--auth", "hls-gmac", "--client-id", "35", *cli.keys, "--security", "both", "--system-title", "CLI00001")
    cli("capture", *proof, "--output", str(path), ENERGY, meter="wrapper")
    capture, header = read_capture(path), read_capture(path).header
    security = load_keys(home / "keys").security(Security(header.security), b"CLI00001")
    profile = Profile(
        Transport(header.transport),
        header.client_id,
        header.server_logical,
        mechanism=Mechanism.HLS_GMAC,
        security=security,
    )
    conversation, peer = Conversation(profile, source_of(capture)), Replay(capture)
    assert peer.run(conversation.open()).ciphered
    energy, scaler = (AttributeRef(3, Obis.parse(ENERGY), attribute) for attribute in (2, 3))
    assert isinstance(peer.run(conversation.get(energy)).value, int)
    assert isinstance(peer.run(conversation.get(scaler)).value, tuple)
    peer.run(conversation.close())
    assert peer.left == 0


def test_octets_are_decoded_from_arguments_a_file_and_standard_input(cli: Cli, home: Path) -> None:
    octets = "7e a0:07-03 2371 0xa3f6 7E"
    (home / "hex").write_text(octets)
    for words in ((octets,), tuple(octets.split()), ("--file", str(home / "hex"))):
        assert "RR, N(R) 3" in cli("decode", *words, meter="").stdout
    piped = subprocess.run([METERCTL, "decode", "-"], input=octets, capture_output=True, text=True, check=True)
    assert "RR, N(R) 3" in piped.stdout


def test_decode_says_by_its_exit_code_what_it_could_read(cli: Cli) -> None:
    (node,) = cast("Rows", cli.json("decode", "--transport", "data", "060000", meter="", code=1))
    assert node["fault"] is True
    assert "octets expected" in str(node["meaning"])
    assert cli("decode", "7e7", meter="", code=2).stderr.startswith("bad_argument: ")
    assert cli("decode", meter="", code=2).stderr.startswith("bad_argument: ")
    assert cli("decode", "--file", "/nonexistent", meter="", code=2).stderr.startswith("bad_argument: ")


# A peer's meter


@pytest.mark.parametrize("transport", ["hdlc", "wrapper"])
def test_a_peers_meter_is_read_written_and_switched(cli: Cli, transport: str) -> None:
    server = pydlms_simulator.serve(pydlms_simulator.example_meter(), hdlc=transport == "hdlc")
    try:
        where = ("--host", "127.0.0.1", "--port", str(server.server_address[1]), "--transport", transport)
        rows = cast("Rows", cli.json("read", *where, ENERGY, "1-0:32.7.0", meter=""))
        assert [row["value"] for row in rows] == ["12345678", "230.1"]
        assert "active energy import" in cli("objects", *where, meter="").stdout
        window = ("--from", "2024-05-01T01:00:00", "--to", "2024-05-01T02:00:00")
        found = cast("dict[str, list[list[object]]]", cli.json("profile", *where, PROFILE, *window, meter=""))
        assert [row[1] for row in found["rows"]] == ["1028", "1035", "1042", "1049", "1056"]
        cli("set", *where, f"{CLOCK}/3", "int16:-120", meter="")
        cli("action", *where, f"70/{SWITCH}/1", "int8:0", meter="")
        (row,) = cast("Rows", cli.json("read", *where, f"70/{SWITCH}/2", meter=""))
        assert row["raw"] is False
        assert cast("dict[str, object]", cli.json("clock", *where, meter=""))["time"] == "2024-05-01T12:00:00+02:00"
    finally:
        server.shutdown()
        server.server_close()


def test_short_names_are_read_and_listed(cli: Cli) -> None:
    (row,) = cast("Rows", cli.json("read", "--referencing", "sn", ENERGY, meter="short"))
    assert row["unit"] == "Wh"
    rows = cast("Rows", cli.json("objects", "--referencing", "sn", meter="short"))
    assert all(isinstance(row["base"], int) for row in rows)


def test_a_peers_meter_is_read_by_short_names(cli: Cli) -> None:
    granted = Conformance.READ | Conformance.WRITE | Conformance.PARAMETERIZED_ACCESS | Conformance.MULTIPLE_REFERENCES
    server = pydlms_simulator.serve(pydlms_simulator.example_meter(conformance=granted))
    try:
        where = ("--host", "127.0.0.1", "--port", str(server.server_address[1]), "--transport", "wrapper")
        short = (*where, "--referencing", "sn")
        (row,) = cast("Rows", cli.json("read", *short, ENERGY, meter=""))
        assert row["value"] == "12345678"
        rows = cast("Rows", cli.json("objects", *short, meter=""))
        assert {row["obis"]: row["base"] for row in rows}["0-0:1.0.0"] == 0x2000
        assert "0-0:1.0.0          Clock, version 0  2000  clock" in cli("objects", *short, meter="").stdout
    finally:
        server.shutdown()
        server.server_close()
