"""A real worker process against a simulated meter, with the far ends of its bus in the test's hands.

In: a meter's port, changes to the worker file. Out: the readings, heartbeats and results that the worker sent. Readings
are acknowledged as the publisher would do, unless the test says otherwise.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from common.bus import PublisherBus, SupervisorBus
from common.command import Command, CommandResult
from common.envelope import Envelope, Kind, decode, encode
from common.heartbeat import WorkerBeat
from common.meter_state import DesiredState, MeterState
from common.reading import Reading
from common.secret import Secret
from common.worker_file import Limits, Measurement, WorkerFile

UID = bytes(range(16))
MEASUREMENTS = (
    Measurement("voltage_l1", "1-1:32.7.0"),
    Measurement("current_l1", "1-1:31.7.0"),
    Measurement("frequency", "1-1:14.7.0"),
    Measurement("active_power", "1-1:1.7.0"),
    Measurement("active_energy", "1-1:1.8.0"),
)
QUICK = Limits(
    connect_timeout_s=1.0,
    reply_timeout_s=0.5,
    inter_octet_timeout_s=0.2,
    reconnect_delay_s=0.1,
    backoff_first_s=0.2,
    backoff_max_s=0.5,
    breaker_open_s=0.5,
)


def worker_file(root: Path, port: int) -> WorkerFile:
    """Return the file of a worker for a Microstar-like meter on loopback, below ``root``, in a hurry."""
    for name in ("journal", "counters", "locks", "bus"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
    return WorkerFile(
        uid=UID,
        name="sim-1",
        revision=1,
        desired_state=DesiredState.RUNNING,
        host="127.0.0.1",
        port=port,
        transport="hdlc",
        client_id=16,
        server_logical=1,
        server_physical=None,
        address_size=1,
        authentication="none",
        password=Secret(""),
        security="none",
        security_suite=0,
        encryption_key=Secret(""),
        authentication_key=Secret(""),
        client_title="",
        server_title="",
        dedicated_key=False,
        general_ciphering=False,
        referencing="ln",
        model="microstar",
        interval_s=0.2,
        line_mode="exclusive",
        clock_synchronised=True,
        journal_dir=str(root / "journal" / UID.hex()),
        counter_dir=str(root / "counters" / UID.hex()),
        lock_dir=str(root / "locks"),
        bus_dir=str(root / "bus"),
        measurements=MEASUREMENTS,
        backfill=False,
        load_profile="1-0:99.1.0",
        row_names=(),
        limits=QUICK,
    )


class Ends:
    """The publisher's and the supervisor's ends of the bus: what one worker said, in order."""

    def __init__(self, directory: Path) -> None:
        self.acknowledging = True
        self.readings: list[tuple[Envelope, Reading]] = []
        self.beats: list[WorkerBeat] = []
        self.beat_times: list[float] = []
        self.results: dict[str, CommandResult] = {}
        self.diagnostics: list[bytes] = []
        self._publisher = PublisherBus(directory)
        self._supervisor = SupervisorBus(directory)

    def look(self, seconds: float = 0.02) -> None:
        """Take what has come within ``seconds``."""
        for octets in self._publisher.wait(seconds).messages:
            envelope = decode(octets)
            if envelope.kind is Kind.READING:
                self._take(envelope)
        for heard in self._supervisor.receive(0.0):
            envelope = decode(heard.octets)
            if envelope.kind is Kind.DIAGNOSTIC:
                self.diagnostics.append(heard.octets)
            if envelope.kind is Kind.RESULT:
                self._conclude(*CommandResult.from_body(envelope.body))
            elif envelope.kind is Kind.HEARTBEAT:
                self.beats.append(WorkerBeat.from_body(envelope.body))
                self.beat_times.append(time.monotonic())

    def _conclude(self, command: str, result: CommandResult) -> None:
        if not result.progress:
            self.results[command] = result

    def _take(self, envelope: Envelope) -> None:
        self.readings.append((envelope, Reading.from_body(envelope.body)))
        if self.acknowledging:
            ack = Envelope(Kind.ACK, envelope.uid, envelope.epoch, envelope.seq)
            self._publisher.to_worker(envelope.uid, encode(ack))

    @property
    def last(self) -> WorkerBeat:
        """Return the latest heartbeat, an empty one before the first."""
        return self.beats[-1] if self.beats else WorkerBeat()

    def order(self, command: Command, uid: bytes = UID) -> bool:
        """Send a command to the worker; return whether it could be sent."""
        return self._supervisor.to_worker(uid, encode(Envelope(Kind.COMMAND, uid, body=command.to_body())))

    def close(self) -> None:
        """Close both ends."""
        self._publisher.close()
        self._supervisor.close()


class Worker:
    """One worker process and the ends of its bus."""

    def __init__(self, root: Path, file: WorkerFile) -> None:
        self.path = root / "worker.json"
        self.file = file
        self.log = root / "worker.log"
        self.ends = Ends(Path(file.bus_dir))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.file.dump(self.path)
        self.start()
        return self

    def start(self) -> None:
        """Start the process; its log is appended to."""
        command = [sys.executable, "-P", "-m", "poller.main", "--config", str(self.path)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=Path(__file__).parents[2])

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self.process is not None
        return self.process.pid

    def change(self, **values: object) -> None:
        """Write a new worker file with some fields replaced; the revision rises."""
        self.file = replace(self.file, revision=self.file.revision + 1, **values)  # type: ignore[arg-type]
        self.file.dump(self.path)

    def until(self, condition: Callable[[], object], timeout: float, what: str) -> float:
        """Look at the bus until ``condition()`` is true; return the seconds it took, fail after ``timeout``."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > timeout:
                raise AssertionError(f"waited {timeout:g} s in vain for {what}\n{self.log.read_text()[-3000:]}")
            self.ends.look()
        return time.monotonic() - started

    def reads(self, count: int, timeout: float = 15.0) -> float:
        """Wait for so many further readings; return the seconds it took."""
        goal = len(self.ends.readings) + count
        return self.until(lambda: len(self.ends.readings) >= goal, timeout, f"{count} readings")

    def in_state(self, state: MeterState, timeout: float = 15.0) -> float:
        """Wait until a heartbeat says that state; return the seconds it took."""
        return self.until(lambda: self.ends.last.state is state, timeout, f"the state {state}")

    def command(self, verb: str, timeout: float = 10.0, **arguments: object) -> CommandResult:
        """Give an order and return its result."""
        identity = f"{verb}-{len(self.ends.results)}"
        command = Command(identity, verb, arguments)
        self.until(lambda: self.ends.order(command), timeout, "the worker's way back")
        self.until(lambda: identity in self.ends.results, timeout, f"the result of {verb}")
        return self.ends.results[identity]

    def stop(self, number: int = signal.SIGTERM, timeout: float = 10.0) -> int:
        """Send a signal, take what still comes, and return the exit code."""
        os.kill(self.pid, number)
        return self.exit_code(timeout)

    def exit_code(self, timeout: float = 10.0) -> int:
        """Wait for the end of the process and return its exit code."""
        assert self.process is not None
        self.until(lambda: self.process is not None and self.process.poll() is not None, timeout, "the worker's end")
        return int(self.process.returncode)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.ends.close()


@contextmanager
def running(root: Path, port: int, **changes: object) -> Iterator[Worker]:
    """Run a worker against a meter on loopback for the length of a with block."""
    file = replace(worker_file(root, port), **changes)  # type: ignore[arg-type]
    with Worker(root, file) as worker:
        yield worker
