"""Simulated meters on real sockets: who is served, what goes wrong on demand, the control channel, the command."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from poller.cli import simulate
from poller.simulator import Fleet, MeterSpec, frames, personality
from poller.simulator.control import BadCommand
from poller.simulator.control_server import ControlServer
from poller.simulator.frames import Frame, FrameReader
from poller.simulator.meter import PortTaken
from poller.simulator.personality import BadSpecification
from tests.support.simulated import AARQ_LLS
from tests.support.waiting import wait_until

PATIENCE = 15.0
SNRM = frames.encode(Frame(b"\x03", b"\x03", 0x93))
DISC = frames.encode(Frame(b"\x03", b"\x03", 0x53))
GET_ENERGY = bytes.fromhex("c001c100030101010800ff0200")
UA, DM = 0x73, 0x1F


class Line:
    """A client's socket and the numbers of its link."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.number = 0

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def exchange(self, octets: bytes) -> Frame:
        self.socket.sendall(octets)
        return self.heard()

    def heard(self) -> Frame:
        reader = FrameReader(3600)
        while True:
            octets = self.socket.recv(4096)
            if not octets:
                raise ConnectionError("closed")
            for frame in reader.feed(octets, 0.0):
                return frame

    def ask(self, apdu: bytes) -> Frame:
        control = self.number << 5 | 0x10 | self.number << 1
        self.number = (self.number + 1) & 7
        return self.exchange(frames.encode(Frame(b"\x03", b"\x03", control, b"\xe6\xe6\x00" + apdu)))

    def associate(self) -> None:
        self.number = 0
        assert self.exchange(SNRM).control == UA
        self.ask(bytes.fromhex(AARQ_LLS))

    def energy(self) -> int:
        return int.from_bytes(self.ask(GET_ENERGY).info[-4:], "big")

    def silent(self, seconds: float = 0.2) -> bool:
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet([MeterSpec("sim-1"), MeterSpec("sim-2", "wrapper")], log=tmp_path / "log") as running:
        yield running


def line(fleet: Fleet, name: str = "sim-1") -> Line:
    return Line(fleet.meters[name].port)


def logged(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in (tmp_path / "log").read_text().splitlines()]


def test_the_log_holds_what_was_answered(fleet: Fleet, tmp_path: Path) -> None:
    with line(fleet) as client:
        client.associate()
        energies = [client.energy() for _ in range(3)]
        client.exchange(DISC)
    wait_until(lambda: logged(tmp_path)[-1]["event"] == "close", PATIENCE, "the end in the log")
    log = logged(tmp_path)
    assert [entry["event"] for entry in log] == ["connect", "associate", "get", "get", "get", "disc", "close"]
    assert [entry["raw"] for entry in log if entry["event"] == "get"] == energies
    assert energies == list(range(energies[0], energies[0] + 3))


def test_a_second_client_is_refused_by_default(fleet: Fleet) -> None:
    with line(fleet) as first:
        first.associate()
        with line(fleet) as second, pytest.raises(ConnectionError):
            second.exchange(SNRM)
        assert first.energy()
    status = fleet.status("sim-1")
    assert (status["second_clients"], status["connected_max"], status["associated_max"]) == (1, 1, 1)


def test_a_second_client_may_be_left_without_an_answer(fleet: Fleet) -> None:
    fleet.do(meter="sim-1", do="second_client", policy="silent")
    with line(fleet) as first, line(fleet) as second:
        first.associate()
        second.socket.sendall(SNRM)
        assert second.silent()


def test_a_second_client_may_queue(fleet: Fleet) -> None:
    fleet.do(meter="sim-1", do="second_client", policy="queue")
    with line(fleet) as second_first:
        second_first.associate()
        with line(fleet) as second:
            second.socket.sendall(SNRM)
            assert second.silent()
            second_first.socket.close()
            assert second.heard().control == UA


def test_clients_may_be_served_together(fleet: Fleet) -> None:
    fleet.do(meter="sim-1", do="second_client", policy="serve")
    with line(fleet) as first, line(fleet) as second:
        first.associate()
        second.associate()
        assert second.energy() + 1 == first.energy()
    assert fleet.status("sim-1")["associated_max"] == 2


def test_a_client_that_left_without_a_word_does_not_stand_in_the_way(fleet: Fleet) -> None:
    for _ in range(50):
        with line(fleet) as client:
            client.associate()
    wait_until(lambda: fleet.status("sim-1")["connected"] == 0, PATIENCE, "all connections to end")
    status = fleet.status("sim-1")
    assert (status["associations"], status["unclean"], status["second_clients"]) == (50, 50, 0)


def test_a_lingering_session_refuses_the_next_client(fleet: Fleet) -> None:
    fleet.do(meter="sim-1", do="linger", after="unclean", seconds=2.0)
    with line(fleet) as client:
        client.associate()
    wait_until(lambda: fleet.status("sim-1")["unclean"] == 1, PATIENCE, "the unclean end")
    with line(fleet) as client:
        assert client.exchange(SNRM).control == DM
        wait_until(lambda: client.exchange(SNRM).control == UA, PATIENCE, "the meter to let go")
        client.exchange(DISC)


def test_reset_and_end_in_the_middle_of_a_frame(fleet: Fleet) -> None:
    for fault, error in (("rst", ConnectionResetError), ("fin", ConnectionError)):
        with line(fleet) as client:
            client.associate()
            fleet.do(meter="sim-1", do=fault, on="get")
            with pytest.raises(error):
                client.energy()


def test_a_stalled_answer_comes_late(fleet: Fleet) -> None:
    with line(fleet) as client:
        client.associate()
        fleet.do(meter="sim-1", do="stall", seconds=0.3, on="get")
        started = time.monotonic()
        assert client.energy()
        assert 0.3 <= time.monotonic() - started < 3
        fleet.do(meter="sim-1", do="slow", milliseconds=5, on="get")
        started = time.monotonic()
        assert client.energy()
        assert time.monotonic() - started > 0.1


def test_an_answer_that_never_went_out_is_logged_as_such(fleet: Fleet, tmp_path: Path) -> None:
    with line(fleet) as client:
        client.associate()
        fleet.do(meter="sim-1", do="stall", seconds=60, on="get")
        client.socket.sendall(frames.encode(Frame(b"\x03", b"\x03", 0x32, b"\xe6\xe6\x00" + GET_ENERGY)))
        wait_until(lambda: fleet.status("sim-1")["gets"] == 1, PATIENCE, "the request to arrive")
    wait_until(lambda: logged(tmp_path)[-1]["event"] == "close", PATIENCE, "the end in the log")
    answers = [entry for entry in logged(tmp_path) if entry["event"] == "get"]
    assert [entry["answered"] for entry in answers] == [False]


def test_a_reboot_drops_the_association(fleet: Fleet) -> None:
    with line(fleet) as client:
        client.associate()
        fleet.do(meter="sim-1", do="reboot")
        assert client.ask(GET_ENERGY).control == DM
        fleet.do(meter="sim-1", do="reboot", close=True)
        with pytest.raises(ConnectionError):
            client.ask(GET_ENERGY)


def test_objects_can_be_taken_away_and_given_back(fleet: Fleet) -> None:
    with line(fleet) as client:
        client.associate()
        fleet.do(do="undefine", obis="1-1:1.8.0")
        assert client.ask(GET_ENERGY).info[-2:] == b"\x01\x04"
        fleet.do(do="clear")
        assert client.energy()


@pytest.mark.parametrize(
    "command",
    [
        {"do": "melt"},
        {"do": "drop", "meter": "sim-9"},
        {"do": "drop", "colour": "red"},
        {"do": "bad_fcs", "meter": "sim-2"},
        {"do": "linger", "after": "lunch"},
        {"do": "second_client", "policy": "shout"},
        {"do": "undefine", "obis": "one"},
        {"do": "reboot", "seconds": -1},
        {"do": "status", "seconds": 1},
        {"do": "push", "count": 17},
        {"do": "push_to", "to": "nowhere"},
        {"do": "push_to", "to": "127.0.0.1:1"},
        {"do": "push_to", "to": "127.0.0.1:1", "form": "pigeon"},
        {"do": "counter", "least": 5},
        {"do": "clock", "seconds": "soon"},
    ],
)
def test_a_bad_command_changes_nothing(fleet: Fleet, command: dict[str, object]) -> None:
    before = fleet.do(do="status")
    with pytest.raises(BadCommand):
        fleet.do(**command)  # type: ignore[arg-type]
    assert fleet.do(do="status") == before


def test_inactivity_is_timed() -> None:
    specs = [
        MeterSpec("hdlc", replace(personality("microstar"), inactivity=0.2)),
        MeterSpec("wrapper", replace(personality("wrapper"), inactivity=0.2)),
    ]
    with Fleet(specs) as fleet:
        with line(fleet, "hdlc") as client:
            client.associate()
            wait_until(lambda: fleet.status("hdlc")["expired"] == 1, PATIENCE, "the link to expire")
            assert client.ask(GET_ENERGY).control == DM
        with line(fleet, "wrapper") as client:
            assert client.silent(PATIENCE)
            assert fleet.status("wrapper")["expired"] == 1


def test_hundreds_of_meters_answer_from_one_thread() -> None:
    with Fleet([MeterSpec(f"sim-{number}") for number in range(200)]) as fleet:
        clients = [line(fleet, name) for name in fleet.meters]
        for client in clients:
            client.associate()
        first = [client.energy() for client in clients]
        assert [client.energy() for client in clients] == [energy + 1 for energy in first]
        assert len(set(first)) == 200
        for client in clients:
            client.exchange(DISC)
            client.socket.close()


@pytest.mark.parametrize("specs", [[], [MeterSpec("a"), MeterSpec("a")]])
def test_a_fleet_needs_meters_with_names(specs: list[MeterSpec]) -> None:
    with pytest.raises(BadSpecification):
        Fleet(specs)


def test_a_taken_port_is_said(fleet: Fleet) -> None:
    with pytest.raises(PortTaken, match=r"sim-9 cannot listen on 127\.0\.0\.1"):
        Fleet([MeterSpec("sim-8"), MeterSpec("sim-9", port=fleet.meters["sim-1"].port)])


def test_descriptors_are_given_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count is all that is wanted

    before = descriptors()
    for _ in range(3):
        with Fleet([MeterSpec("sim-1")]) as fleet, line(fleet) as client:
            client.associate()
    assert descriptors() == before


class Running:
    """`meterctl simulate` as a process."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.ready = directory / "ready.json"
        code = "import sys; from poller.cli.simulate import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, "--ready-file", str(self.ready), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def content(self) -> dict[str, object]:
        wait_until(self.ready.exists, PATIENCE, "the ready file")
        return cast("dict[str, object]", json.loads(self.ready.read_text()))

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_runs_until_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    running = Running(tmp_path, "--meters", "3", "--control", str(tmp_path / "control"))
    content = running.content()
    meters = cast("list[dict[str, object]]", content["meters"])
    assert [meter["name"] for meter in meters] == ["sim-1", "sim-2", "sim-3"]
    assert (meters[0]["client_id"], meters[0]["password"], meters[0]["address_size"]) == (1, "22222222", 1)
    with Line(cast(int, meters[2]["port"])) as client:
        client.associate()
        assert client.energy() == 58_281_000
    code, out, err = running.end(number)
    assert (code, err) == (0, "")
    assert out.startswith(f"sim-1 127.0.0.1:{meters[0]['port']} hdlc microstar\n")
    assert not (tmp_path / "control").exists()


@pytest.mark.parametrize("where", ["path", "tcp"])
def test_the_control_channel_answers_line_by_line(tmp_path: Path, where: str) -> None:
    at = str(tmp_path / "control") if where == "path" else "127.0.0.1:0"
    running = Running(tmp_path, "--control", at)
    control = cast(str, running.content()["control"])
    host, _colon, port = control.rpartition(":")
    family = socket.AF_UNIX if where == "path" else socket.AF_INET
    with socket.socket(family) as channel:
        channel.settimeout(PATIENCE)
        channel.connect(control if where == "path" else (host, int(port)))
        lines = channel.makefile("rw")
        commands = [
            '{"do": "stall", "meter": "sim-1", "seconds": 5, "count": 1}',
            '{"do": "status"}',
            '{"do": "melt"}',
            "not json",
            "[1]",
            "[" * 50_000,
        ]
        lines.write("\n".join(commands) + "\n")
        lines.flush()
        answers = [json.loads(lines.readline()) for _ in commands]
        lines.close()
    assert answers[0] == {"ok": True, "meters": 1}
    assert answers[1]["meters"]["sim-1"]["armed"] == ["stall"]
    assert [answer["error"] for answer in answers[2:]] == ["bad_command"] * 4
    assert running.end()[0] == 0


def test_a_control_line_without_end_is_cut_off(tmp_path: Path) -> None:
    running = Running(tmp_path, "--control", str(tmp_path / "control"))
    running.content()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(PATIENCE)
        channel.connect(str(tmp_path / "control"))
        with pytest.raises(OSError):  # noqa: PT012 - it is cut while sending, or answered with the end
            channel.sendall(b"x" * 1_000_000)
            if not channel.recv(1):
                raise ConnectionError("closed")
    assert running.end()[0] == 0


def test_control_listens_on_loopback_only(fleet: Fleet) -> None:
    with pytest.raises(PortTaken, match="only loopback"):
        ControlServer("0.0.0.0:0", fleet.loop, fleet.execute)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--meters", "0"], "bad_specification"),
        (["--port", "65535", "--meters", "2"], "bad_specification"),
        (["--delay", "3-1"], "bad_specification"),
        (["--log", "/nonexistent/log"], "bad_specification"),
        (["--scenario", "/nonexistent/scenario"], "bad_specification"),
        (["--command", '{"do": "melt"}'], "bad_command"),
        (["--linger", "-1"], "bad_specification"),
        (["--encryption-key", "00"], "bad_specification"),
        (["--profile-period", "0"], "bad_specification"),
        (["--window", "8"], "bad_specification"),
        (["--block-window", "64"], "bad_specification"),
    ],
)
def test_wrong_arguments_are_said(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(arguments) == simulate.USAGE
    assert capsys.readouterr().err.startswith(f"meterctl simulate: {words}: ")


@pytest.mark.parametrize(
    "arguments", [["--delay", "soon"], ["--command", "melt"], ["--personality", "nobody"], ["--system-title", "xy"]]
)
def test_arguments_that_cannot_be_read_are_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        simulate.main(arguments)
    assert end.value.code == simulate.USAGE
    assert "usage" in capsys.readouterr().err


def test_a_port_in_use_ends_the_command_with_two(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(["--port", str(fleet.meters["sim-1"].port)]) == simulate.USAGE
    assert "port_taken: sim-1 cannot listen on" in capsys.readouterr().err


def test_a_scenario_and_habits_are_set_at_start(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario"
    scenario.write_text('{"do": "dm", "count": 1}\n\n{"do": "second_client", "policy": "serve"}\n')
    running = Running(tmp_path, "--scenario", str(scenario), "--habit", "dm-to-disc", "--delay", "0.01-0.02")
    port = cast("list[dict[str, int]]", running.content()["meters"])[0]["port"]
    with Line(port) as client:
        assert client.exchange(SNRM).control == DM
        assert client.exchange(SNRM).control == UA
        assert client.exchange(DISC).control == DM
    assert running.end()[0] == 0


def test_secrets_clock_and_profile_are_options(tmp_path: Path) -> None:
    title = "4d4554524f303031"
    options = [
        "--encryption-key",
        "ab" * 16,
        "--authentication-key",
        "cd" * 16,
        "--system-title",
        title,
        "--suite",
        "1",
    ]
    options += [
        "--policy",
        "both",
        "--counter",
        "7",
        "--hls-secret",
        "another",
        "--clock-offset",
        "3600",
        "--zone",
        "-60",
    ]
    options += [
        "--summer",
        "--profile-period",
        "60",
        "--profile-depth",
        "10",
        "--habit",
        "null-data",
        "--max-info",
        "512",
    ]
    running = Running(tmp_path, "--personality", "secure", *options)
    (meter,) = cast("list[dict[str, object]]", running.content()["meters"])
    assert running.end()[0] == 0
    assert (meter["system_title"], meter["encryption_key"], meter["suite"]) == (title, "ab" * 16, 1)
    assert cast("dict[str, list[object]]", meter["hls"])["33"] == [3, "another"]


def test_a_clock_jumps(fleet: Fleet) -> None:
    clock = fleet.meters["sim-1"].device.time
    before = clock.now_ms()
    fleet.do(meter="sim-1", do="clock", seconds=-3600)
    assert -3_600_000 <= clock.now_ms() - before < -3_590_000


def test_thousands_of_gets_a_second() -> None:
    with Fleet([MeterSpec("sim-1")]) as fleet, line(fleet) as client:
        client.associate()
        started = time.monotonic()
        for _ in range(5000):
            client.ask(GET_ENERGY)
        assert time.monotonic() - started < 10
        assert fleet.status("sim-1")["gets"] == 5000
