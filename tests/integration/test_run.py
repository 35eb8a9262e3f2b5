"""`meterctl run --embedded` as a newcomer types it: readings at a broker of its own, and nothing left after Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from common.paths import Paths
from common.process import Exit
from common.process_state import ProcessState
from common.supervisord import SOCKET_NAME, NotListening, Supervisord
from tests.support.mosquitto import free_port
from tests.support.system import last_lines
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

METERCTL: Final = str(Path(sys.executable).parent / "meterctl")
STATIC: Final = {"broker", "simulator", "publisher", "supervisor_qos", "api"}
START_S: Final = 90.0
END_S: Final = 60.0


class Run:
    """One `meterctl run` and what it printed."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.state = directory / "state"
        self.output = directory / "run.txt"
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        command = [METERCTL, "run", "--state", str(self.state), *options]
        with self.output.open("ab") as stream:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=self._environment
            )

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self._child is not None
        self._child.send_signal(number)
        return self._child.wait(END_S)

    def pids(self) -> dict[str, int]:
        paths = Paths(self.state.absolute())
        try:
            table = Supervisord(paths.sockets / SOCKET_NAME).processes()
        except NotListening:
            return {}
        return {name: process.pid for name, process in table.items() if process.state is ProcessState.RUNNING}

    def is_going(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        if self.is_going():
            self.end(signal.SIGTERM)


@contextmanager
def running(directory: Path, **environment: str) -> Iterator[Run]:
    run = Run(
        directory,
        DLMS_BRIDGE_API_PORT=str(free_port()),
        DLMS_BRIDGE_EMBEDDED_BROKER_PORT=str(free_port()),
        DLMS_BRIDGE_EMBEDDED_SIMULATOR_PORT=str(free_port()),
        **environment,
    )
    try:
        run.start("--embedded")
        yield run
    except BaseException:
        print(last_lines([run.output, *Paths(run.state.absolute()).log.glob("*.log")]), file=sys.stderr)
        raise
    finally:
        run.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def arrived(run: Run, *names: str) -> bool:
    assert run.is_going(), "it ended"
    return all(f"  {name} " in run.text() for name in names)


def test_a_newcomer_sees_readings_of_three_meters_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        wait_until(lambda: arrived(run, "sim-1", "sim-2", "sim-3"), START_S, "readings of three meters at the broker")
        wait_until(lambda: len(run.pids()) == len(STATIC) + 3, START_S, "all programs to count as running")
        pids = run.pids()
        assert set(pids) > STATIC
        assert "dbt_" in run.text()
        assert run.end() == Exit.OK
        assert run.text().splitlines()[-1] == "stopped"
        wait_until(lambda: not any(map(is_alive, pids.values())), 5.0, "the end of all processes")
    assert {entry.name for entry in (run.state / "run").iterdir()} <= {"locks"}  # keys stand in run files


def test_a_second_run_on_the_same_state_is_refused_and_harmless(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        wait_until(lambda: set(run.pids()) >= STATIC, START_S, "all programs")
        before = run.pids()
        again = subprocess.run(
            [METERCTL, "run", "--state", str(run.state)], capture_output=True, timeout=30, check=False
        )
        assert again.returncode == Exit.LOCK_HELD
        assert b"already_running" in again.stderr
        assert before.items() <= run.pids().items()


def test_the_second_start_keeps_meters_ports_and_tokens(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        wait_until(lambda: arrived(run, "sim-1"), START_S, "a reading")
        assert run.end(signal.SIGTERM) == Exit.OK
        first = (run.state / "bridge.toml").read_bytes()
        run.output.unlink()
        run.start("--embedded")
        wait_until(lambda: arrived(run, "sim-1", "sim-2", "sim-3"), START_S, "readings after the second start")
        assert (run.state / "bridge.toml").read_bytes() == first
        assert "dbt_" not in run.text()
        listed = subprocess.run(
            [METERCTL, "--state", str(run.state), "list", "--json"], capture_output=True, timeout=30, check=True
        )
        assert listed.stdout.count(b'"name"') == 3


def test_a_killed_run_takes_everything_with_it_and_the_next_one_starts(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        wait_until(lambda: set(run.pids()) >= STATIC and arrived(run, "sim-1"), START_S, "all programs")
        pids = run.pids()
        run.end(signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids.values())), END_S, "the end of all processes")
        run.output.unlink()
        run.start("--embedded")
        wait_until(lambda: arrived(run, "sim-1"), START_S, "readings of the next run")


def test_a_port_that_is_taken_is_a_clear_refusal(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = [METERCTL, "run", "--state", str(tmp_path / "state")]
        environment = {**os.environ, "DLMS_BRIDGE_API_PORT": port}
        refused = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
    assert refused.returncode == Exit.LOCK_HELD
    assert f"port_taken: api: 127.0.0.1:{port} is taken".encode() in refused.stderr


@pytest.mark.parametrize("content", ["[mqtt]\nport = 0\n", "[mqtt\n", "[nonsense]\n"])
def test_settings_that_cannot_be_are_a_clear_refusal(tmp_path: Path, content: str) -> None:
    (tmp_path / "bridge.toml").write_text(content, encoding="ascii")
    command = [METERCTL, "run", "--state", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert refused.returncode == Exit.BAD_CONFIGURATION
    assert refused.stderr.startswith(b"meterctl: bad_settings: ")


def test_without_mosquitto_the_packaged_broker_does(tmp_path: Path) -> None:
    pytest.importorskip("iotcore")
    with running(tmp_path, DLMS_BRIDGE_EMBEDDED_BROKER_KIND="package") as run:
        wait_until(lambda: arrived(run, "sim-1", "sim-2", "sim-3"), START_S, "readings of three meters at the broker")
