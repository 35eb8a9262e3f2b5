"""The whole product in a directory of its own: Mosquitto, simulated meters, `meterctl run`, on ports the kernel chose.

In: a temporary directory and how many meters. Out: a ``System`` that tests look at from outside: the broker's record,
supervisord's processes, the store through meterctl. Every process is started here or by supervisord below it, and
ended by its id.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, cast

from admin_api.audit.auditor import audit
from admin_api.audit.files import answers
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import Verdict
from common.paths import Paths
from common.process_state import Process, ProcessState
from common.settings import load as load_settings
from common.store.engine import open_from_settings
from common.supervisord import SOCKET_NAME, NotListening, Supervisord
from tests.support.mosquitto import Mosquitto, Received, Subscriber, free_port
from tests.support.waiting import wait_until

BIN: Final = Path(sys.executable).parent
START_S: Final = 30.0
STOP_S: Final = 40.0
CALL_S: Final = 60.0
QUIET_S: Final = 4.0  # nothing more arrives after this time of silence
CORE: Final = ("publisher", "supervisor_qos", "api")
CLIENT_ID: Final = "1"
PASSWORD: Final = "22222222"
Sections = Mapping[str, Mapping[str, object]]


def meterctl(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run meterctl on a state directory; return what it said and exited with."""
    return subprocess.run(
        [str(BIN / "meterctl"), "--state", str(state), *words], capture_output=True, text=True, timeout=60, check=False
    )


class Simulator:
    """`meterctl simulate` as a process; ``meters`` is its ready file, by name."""

    def __init__(self, directory: Path, meters: int, options: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "log.jsonl"
        self._directory = directory
        self._options = [
            *("--meters", str(meters), "--port", "0", "--control", "127.0.0.1:0"),
            *("--log", str(self.log), "--ready-file", str(directory / "ready.json")),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.meters: dict[str, dict[str, object]] = {}
        self._control = ("127.0.0.1", 0)

    def start(self) -> None:
        """Start and wait until all meters listen."""
        ready = self._directory / "ready.json"
        ready.unlink(missing_ok=True)
        with (self._directory / "simulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "meterctl"), "simulate", *self._options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(ready.exists, START_S, "the simulated meters")
        content = json.loads(ready.read_text(encoding="utf-8"))
        self.meters = {meter["name"]: meter for meter in content["meters"]}
        host, _, port = content["control"].rpartition(":")
        self._control = (host, int(port))

    def port(self, name: str) -> int:
        """Return the port that a meter listens on."""
        return int(str(self.meters[name]["port"]))

    def do(self, do: str, meter: str = "*", **details: object) -> dict[str, object]:
        """Give a command of docs/SIMULATOR.md; return its answer, which is no error."""
        command = json.dumps({"do": do, "meter": meter, **details}).encode() + b"\n"
        with socket.create_connection(self._control, timeout=10) as connection, connection.makefile("rwb") as stream:
            stream.write(command)
            stream.flush()
            answer = cast("dict[str, object]", json.loads(stream.readline()))
        assert "error" not in answer, answer
        return answer

    def stop(self) -> None:
        """End it with SIGTERM."""
        _end(self._process, STOP_S)
        self._process = None


class System:
    """A whole product; a context manager that leaves nothing running.

    ``options``: of `meterctl simulate`; ``words``: of `meterctl add`. ``settings``: sections of bridge.toml beside
    those that ports demand; ``environment``: variables that `meterctl run` finds beside ours.
    """

    def __init__(
        self,
        directory: Path,
        *,
        meters: int = 3,
        interval_s: float = 1.0,
        options: Sequence[str] = (),
        words: Sequence[str] = (),
        settings: Sections | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.state = directory / "state"
        self._environment = {**os.environ, **(environment or {})}
        self.interval_s = interval_s
        self.broker = Mosquitto(directory / "broker")
        self.simulator = Simulator(directory / "sim", meters, options)
        self.api_port = free_port()
        self.paths = Paths(self.state.absolute())
        self._directory = directory
        self._settings = settings or {}
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._subscriber: Subscriber | None = None
        self._uids: dict[str, str] = {}
        self.reach: Callable[[str], int] = self.simulator.port
        """The port by which a simulated meter is reached; of a proxy, where one stands before it."""

    def __enter__(self) -> "System":
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs(), file=sys.stderr)
        self.close()

    def _prepare(self) -> None:
        self.broker.start()
        self.simulator.start()
        self._subscriber = Subscriber(self.broker.port, ["meters/+/telemetry"])
        self._subscriber.__enter__()
        self.state.mkdir(exist_ok=True)
        (self.state / "bridge.toml").write_text(self._toml(), encoding="utf-8")
        self.cli("init")
        self._add_fleet(list(self.simulator.meters))

    def _toml(self) -> str:
        sections: dict[str, dict[str, object]] = {
            "mqtt": {"host": "127.0.0.1", "port": self.broker.port},
            "api": {"port": self.api_port, "workers": 1},
            "clock": {"trusted": True},
        }
        for name, values in self._settings.items():
            sections[name] = {**sections.get(name, {}), **values}
        lines = []
        for name, values in sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
        return "\n".join(lines)

    # the product

    def start(self) -> None:
        """Start `meterctl run` and wait until all its programs run."""
        with (self._directory / "run.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "meterctl"), "run", "--state", str(self.state)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
            )
        wait_until(self._runs, START_S, "supervisord and its programs")
        wait_until(self._listens, START_S, "the API to listen")

    def _runs(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"`meterctl run` ended: {self.logs()}"
        running = self.pids()
        return all(name in running for name in CORE)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.api_port), timeout=CALL_S).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop the product as Ctrl-C or SIGTERM do; return its exit code. Nothing it started is left."""
        before = list(self.pids().values())
        code = _end(self._process, STOP_S, number)
        self._process = None
        wait_until(lambda: not any(map(_is_alive, before)), 5.0, f"the end of all of {before}")
        return code

    def close(self) -> None:
        """End everything."""
        try:
            if self._process is not None and self._process.poll() is None:
                _end(self._process, STOP_S)
        finally:
            self._process = None
            if self._subscriber is not None:
                self._subscriber.__exit__(None, None, None)
                self._subscriber = None
            self.simulator.stop()
            self.broker.kill()
            if self.paths.sockets != self.paths.run:
                shutil.rmtree(self.paths.sockets, ignore_errors=True)

    # processes

    @property
    def run_pid(self) -> int:
        """Return the process id of `meterctl run`."""
        assert self._process is not None
        return self._process.pid

    def processes(self) -> dict[str, Process]:
        """Return supervisord's processes by name; none when it does not answer."""
        try:
            return Supervisord(self.paths.sockets / SOCKET_NAME).processes()
        except NotListening:
            return {}

    def pids(self) -> dict[str, int]:
        """Return the ids of all processes that run, by program."""
        return {
            name: process.pid for name, process in self.processes().items() if process.state is ProcessState.RUNNING
        }

    def settled_pids(self) -> dict[str, int]:
        """Return the ids of all processes as soon as none is only starting: a second long none counts as running."""
        wait_until(lambda: len(self.pids()) == len(self.processes()), START_S, "all programs to run")
        return self.pids()

    def pid_of(self, program: str) -> int:
        """Return a program's process id; it runs within moments."""
        return wait_until(lambda: self.pids().get(program), START_S, f"{program} to run")

    def worker(self, meter: str) -> str:
        """Return the program that serves a meter."""
        return f"meter-{self._uids[meter]}"

    def kill(self, program: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a program's process; return the id it had."""
        pid = self.pid_of(program)
        os.kill(pid, number)
        return pid

    def wait_replaced(self, program: str, old_pid: int, timeout: float) -> int:
        """Wait until a program runs under another process id; return it."""
        return wait_until(
            lambda: found if (found := self.pids().get(program, old_pid)) != old_pid else 0,
            timeout,
            f"{program} to be replaced",
        )

    # wishes and states

    def cli(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run meterctl on this system; ``code``: what it must exit with, None for whatever it does."""
        done = subprocess.run(
            [str(BIN / "meterctl"), "--state", str(self.state), *words],
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
            env={**os.environ, "DLMS_PASSWORD": PASSWORD},
        )
        assert code is None or done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def cli_json(self, *words: str, code: int | None = 0) -> object:
        """Run meterctl with --json; return the document it prints."""
        return json.loads(self.cli(*words, "--json", code=code).stdout)

    def add_meter(self, name: str, *words: str, port: int | None = None, password: str = PASSWORD) -> str:
        """Add a simulated meter, or one at any ``port``; return its uid in hexadecimal."""
        secret = self._directory / f"{name}.pw"
        secret.write_text(password, encoding="utf-8")
        added = self.cli_json(
            *("add", name, "--host", "127.0.0.1", "--port", str(port or self.reach(name))),
            *("--client-id", CLIENT_ID, "--auth", "lls", "--password-file", str(secret)),
            *("--interval", str(self.interval_s), *words),
        )
        uid = str(cast("dict[str, object]", added)["uid"])
        self._uids[name] = uid
        return uid

    def _add_fleet(self, names: Sequence[str]) -> None:
        """Add the simulated meters: the first as a person does, the others as copies of its wish.

        A `meterctl add` takes 0.6 s; a hundred of them would take longer than what is to be tested.
        """
        first, *others = names
        self.add_meter(first, *self._words)
        if not others:
            return
        store = open_from_settings(load_settings(str(self.state), {}))
        try:
            wish = store.meters.by_name(first).wish
            for name in others:
                copy = replace(wish, name=name, port=self.reach(name))
                self._uids[name] = store.meters.add(copy, "test").uid.hex()
        finally:
            store.close()

    def state_of(self, meter: str) -> str:
        """Return a meter's state, as `meterctl list` shows it."""
        meters = cast("list[dict[str, object]]", self.cli_json("list"))
        (found,) = [each for each in meters if each["name"] == meter]
        return str(cast("dict[str, object]", found["state"])["status"])

    def wait_for_state(self, meter: str, state: str, timeout: float) -> None:
        """Wait until a meter has a state."""
        wait_until(lambda: self.state_of(meter) == state, timeout, f"{meter} to be {state}")

    def alarms(self) -> list[dict[str, object]]:
        """Return the alarms that last."""
        return cast("list[dict[str, object]]", self.cli_json("alarms", "list"))

    # readings

    @property
    def subscriber(self) -> Subscriber:
        """The record of all readings since before the first start."""
        assert self._subscriber is not None
        return self._subscriber

    def arrived(self) -> list[Received]:
        """Return all readings in the order of their arrival, repeats included."""
        return self.subscriber.received()

    def readings(self, meter: str) -> list[dict[str, object]]:
        """Return a meter's readings in the order of their arrival."""
        return self.subscriber.readings(f"meters/{meter}/telemetry")

    def wait_for_readings(self, count: int = 1, timeout: float = START_S, meters: Sequence[str] = ()) -> None:
        """Wait until each meter (all, if none is named) has ``count`` more readings at the broker than now."""
        wanted = {name: len(self.readings(name)) + count for name in meters or self._uids}
        wait_until(
            lambda: all(len(self.readings(name)) >= number for name, number in wanted.items()),
            timeout,
            f"{count} readings of {', '.join(wanted)}",
        )

    def settle(self, timeout: float = 30.0) -> Verdict:
        """Pause all meters, wait until what was taken has arrived, and return the auditor's verdict.

        A pause breaks off the cycle it comes into: what a meter answered after it was wished may be taken or not.
        """
        until_ms = 1 << 62
        if self._uids:
            until_ms = time.time_ns() // 1_000_000
            self.cli("pause", *self._uids)
            wait_until(self._all_paused, timeout, "all meters to be paused")
        deadline = time.monotonic() + timeout
        last, since = len(self.arrived()), time.monotonic()
        while time.monotonic() < deadline:
            verdict = self.audit(until_ms=until_ms)
            if verdict.is_clean or time.monotonic() - since > QUIET_S:
                return verdict
            time.sleep(0.2)
            if len(self.arrived()) != last:
                last, since = len(self.arrived()), time.monotonic()
        return self.audit(until_ms=until_ms)

    def _all_paused(self) -> bool:
        meters = cast("list[dict[str, dict[str, object]]]", self.cli_json("list"))
        return all(meter["state"]["status"] not in {"active", "starting"} for meter in meters)

    def audit(self, *, since_ms: int = 0, until_ms: int = 1 << 62) -> Verdict:
        """Compare the simulator's log with what arrived."""
        scope = Scope(since_ms=since_ms, until_ms=until_ms, complete=True)
        return audit(self.arrived(), answers(self.simulator.log), scope)

    def logs(self) -> str:
        """Return the last lines of every log, for a failure's report."""
        files = [self._directory / "run.log", self._directory / "sim" / "simulator.log", *self.paths.log.glob("*.log")]
        return last_lines(files)


def last_lines(files: Iterable[Path]) -> str:
    """Return the last lines of those files that are there."""
    tails = []
    for path in files:
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            tails.append("\n".join([f"--- {path.name}", *lines]))
    return "\n".join(tails)


def _end(process: subprocess.Popen[bytes] | None, timeout: float, number: signal.Signals = signal.SIGTERM) -> int:
    if process is None:
        return 0
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout)
        raise


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
