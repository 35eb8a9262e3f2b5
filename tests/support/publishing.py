"""A real publisher process, and meters' feeds (real journals on the real bus) that give it readings.

In: routes, rates. Out: what the feeds took, to compare with what a broker received. Everything on loopback and in the
test's directory; ``Publisher`` ends its process with the test.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from common.bus import SupervisorBus, WorkerBus
from common.clock import SystemClock, boot_id
from common.envelope import Kind, decode
from common.heartbeat import PublisherBeat, WorkerBeat
from common.journal import Journal
from common.paths import Paths
from common.reading import Quantity, Reading
from common.routes import Mode, Route, Routes, Target
from poller.feed import Feed
from tests.support.waiting import wait_until

END_S: Final = 10.0
BEAT_S: Final = 1.0
PAUSE_S: Final = 0.001


def uid_of(number: int) -> bytes:
    """Return the uid of the test's meter of that number."""
    return number.to_bytes(16, "big")


def generic_route(number: int, target: str = "default", **changes: object) -> Route:
    """Return a route in generic mode for a meter."""
    name = f"m{number}"
    fields = {"meter": name, "mode": Mode.GENERIC, "target": target, "topic": f"meters/{name}/telemetry"} | changes
    return Route(uid=uid_of(number), **fields)  # type: ignore[arg-type]  # the test names them


def generic_routes(target: Target, meters: int) -> Routes:
    """Return routes that lead so many meters to one target."""
    routes = (generic_route(number, target.name) for number in range(1, meters + 1))
    return Routes({target.name: target}, {route.uid: route for route in routes})


class Publisher:
    """``dlms-publisher`` on a state directory. Entering starts it."""

    def __init__(self, state: Path, environment: Mapping[str, str] | None = None) -> None:
        self.paths = Paths(state)
        self.paths.make()
        self._environment = dict(os.environ) | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._bus: SupervisorBus | None = None

    def route(self, routes: Routes) -> None:
        """Write the routes file."""
        routes.dump(self.paths.routes)

    def start(self) -> None:
        """Start the process and wait for its first heartbeat."""
        with (self.paths.log / "publisher.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "publisher.main", "--state", str(self.paths.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=Path(__file__).parents[2],
            )

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, return the exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(END_S)
        finally:
            process.kill()

    def wait_ended(self) -> int:
        """Wait until it ends by itself; return the exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process.wait(END_S)
        finally:
            process.kill()

    def log(self) -> str:
        """Return what it logged."""
        return (self.paths.log / "publisher.log").read_text(encoding="utf-8")

    def beats(self) -> list[PublisherBeat]:
        """Return the heartbeats since the last call."""
        self._bus = self._bus or SupervisorBus(self.paths.sockets)
        envelopes = [decode(heard.octets) for heard in self._bus.receive(0.05)]
        return [PublisherBeat.from_body(item.body) for item in envelopes if item.kind is Kind.PUBLISHER_HEARTBEAT]

    def wait_for_beat(self, timeout: float = 10.0) -> PublisherBeat:
        """Return a heartbeat that was sent from now on."""
        self.beats()
        return wait_until(self.beats, timeout, "a heartbeat of the publisher")[-1]

    def wait_for_condition(self, category: str, timeout: float) -> str:
        """Wait until a heartbeat names a condition; return its text."""

        def found() -> list[str]:
            return [beat.conditions[category] for beat in self.beats() if category in beat.conditions]

        return wait_until(found, timeout, f"the condition {category}; log: {self.log()[-2000:]}")[-1]

    def wait_for_state(self, target: str, states: Iterable[str], timeout: float) -> None:
        """Wait until a heartbeat tells one of these states of a target."""
        wanted = set(states)
        wait_until(
            lambda: any(beat.targets.get(target, ("", ""))[0] in wanted for beat in self.beats()),
            timeout,
            f"{target} to be one of {wanted}; log: {self.log()[-2000:]}",
        )

    def __enter__(self) -> "Publisher":
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
        if self._bus is not None:
            self._bus.close()


class Meters:
    """Feeds of some meters in a thread, each taking a reading every ``interval_s`` until the block ends."""

    def __init__(self, paths: Paths, numbers: Iterable[int], interval_s: float, pause_s: float = PAUSE_S) -> None:
        self._paths = paths
        self._numbers = list(numbers)
        self._interval_s, self._pause_s = interval_s, pause_s
        self._stop = threading.Event()
        self._quiet, self._fell_quiet = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="meters", daemon=True)
        self.taken = dict.fromkeys(self._numbers, 0)
        self.drained = False

    @property
    def total(self) -> int:
        """How many readings were taken."""
        return sum(self.taken.values())

    def pace(self, interval_s: float) -> None:
        """Take readings at another interval from now on."""
        self._interval_s = interval_s

    def quiet(self) -> int:
        """Take no more readings, go on with the hand-over; return how many were taken."""
        self._quiet.set()
        assert self._fell_quiet.wait(END_S), "the meters go on"
        return self.total

    def __enter__(self) -> "Meters":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        clock, boot = SystemClock(), boot_id()
        feeds: dict[int, Feed] = {}
        for number in self._numbers:
            uid = uid_of(number)
            journal = Journal.open(self._paths.journal / uid.hex(), uid, clock, boot)
            feeds[number] = Feed(uid, journal, WorkerBus(self._paths.sockets, uid), clock, boot)
        next_reading = next_beat = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if not self._is_quiet() and now >= next_reading:
                next_reading += self._interval_s
                self._read(feeds)
            if now >= next_beat:
                next_beat += BEAT_S
                for feed in feeds.values():
                    feed.beat(WorkerBeat())
            for feed in feeds.values():
                feed.pump(0.0)
            self.drained = all(feed.drained() for feed in feeds.values())
            time.sleep(self._pause_s)
        for feed in feeds.values():
            feed.close(0.0)

    def _is_quiet(self) -> bool:
        """Return whether no reading is taken any more; tell whoever waits for it."""
        if self._quiet.is_set():
            self._fell_quiet.set()
        return self._fell_quiet.is_set()

    def _read(self, feeds: Mapping[int, Feed]) -> None:
        for number, feed in feeds.items():
            count = self.taken[number] + 1
            quantities = (
                Quantity("voltage_l1", "1-1:32.7.0", 2300 + number, -1, 35),
                Quantity("active_energy", "1-1:1.8.0", count, 0, 30),
            )
            assert feed.publish(Reading(quantities))
            self.taken[number] = count
