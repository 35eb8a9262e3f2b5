"""How fast a backlog drains while readings go on: `python -m tests.bench.drain`, part of `make bench`.

A real Mosquitto, a real publisher process, and meters without a device (real feeds and journals on the real bus, in
a process of their own), each taking a reading every half second; a backlog an hour old waits in the outbox when the
broker comes. Prints the rate at which the backlog drains beside the rate of the live readings, the live readings' time
from `Feed.publish` to a subscriber while it drains, and the publisher's CPU. The median of some runs; exits 1 when a
target is missed.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from common.clock import SystemClock, boot_id
from common.envelope import Envelope, Kind, encode
from common.heartbeat import PublisherBeat
from common.paths import Paths
from common.reading import Quantity, Reading
from common.routes import Mode, Route, Target
from publisher.outbox import Arrival, Outbox
from tests.bench.figures import cpu_s, percentile
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.publishing import Meters, Publisher, generic_routes, uid_of

METERS: Final = 100
INTERVAL_S: Final = 0.5
BACKLOG: Final = 100_000  # readings
BACKLOG_AGE_MS: Final = 3_600_000
GROUP: Final = 1000  # readings per transaction when the backlog is made
RUNS: Final = 3
PAUSE_S: Final = 0.02  # between two rounds of the feeds, so that they leave the machine to the publisher
LONGEST_S: Final = 300.0
SETTLE_S: Final = 3.0  # of live readings alone, before the broker comes
TARGET_RATIO: Final = 5.0
TARGET_P99_MS: Final = 2000.0
EPOCH: Final = b"backlog!"
REGISTERS: Final = 10
FEEDS: Final = "feeds"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed. ``ratio``: drained per second beside taken per second."""

    drained_per_s: float
    live_per_s: float
    live_ms: tuple[float, ...]
    cpu_share: float
    cpu_ms_per_packet: float

    @property
    def ratio(self) -> float:
        """Drain rate beside live rate."""
        return self.drained_per_s / self.live_per_s


def fill(paths: Paths, meters: int, rows: int, age_ms: int = BACKLOG_AGE_MS) -> None:
    """Write a backlog into the outbox: rows of all meters in turn, an hour old, with a topic of their own."""
    clock, boot = SystemClock(), boot_id()
    outbox = Outbox.open(paths.outbox, clock, boot, max_age_s=7 * 86_400.0, max_octets=2 << 30)
    routes = [
        Route(uid_of(number), f"m{number}", Mode.GENERIC, "default", f"past/m{number}")
        for number in range(1, meters + 1)
    ]
    for route in routes:
        outbox.begin(route.uid, EPOCH, 1)
    for first in range(0, rows, GROUP):
        outbox.take([_past(routes[row % meters], row // meters + 1, clock, boot, age_ms) for row in _part(first, rows)])
    outbox.close()


def _part(first: int, rows: int) -> range:
    return range(first, min(first + GROUP, rows))


def _past(route: Route, seq: int, clock: SystemClock, boot: bytes, age_ms: int) -> Arrival:
    quantities = tuple(
        Quantity(f"quantity_{number}", f"1-1:{number}.8.0*255", seq * 10 + number, -1, 30)
        for number in range(REGISTERS)
    )
    times = (clock.wall_ms() - age_ms, clock.boottime_ms() - age_ms)
    envelope = Envelope(Kind.READING, route.uid, EPOCH, seq, *times, boot[:8], Reading(quantities).to_body())
    return Arrival(envelope, encode(envelope), route)


def run(directory: Path, meters: int = METERS, backlog: int = BACKLOG) -> Run:
    """Return what one run shows."""
    broker = Mosquitto(directory / "broker")
    broker.start()
    broker.stop()
    publisher = Publisher(directory / "state")
    fill(publisher.paths, meters, backlog)
    publisher.route(generic_routes(Target("default", "127.0.0.1", broker.port, client_id="drain"), meters))
    with publisher, _feeds(publisher.paths, meters):
        time.sleep(SETTLE_S)
        with broker, Subscriber(broker.port, ["meters/+/telemetry"]) as subscriber:
            return _measure(publisher, subscriber)


@contextmanager
def _feeds(paths: Paths, meters: int) -> Iterator[None]:
    """Let a process of its own take readings: here it would keep the subscriber waiting."""
    words = [sys.executable, "-m", "tests.bench.drain", FEEDS, str(paths.root), str(meters)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.communicate(b"end")


def feed(root: Path, meters: int) -> None:
    """Take readings of so many meters until standard input ends."""
    with Meters(Paths(root), range(1, meters + 1), INTERVAL_S, PAUSE_S):
        sys.stdin.read()


def _measure(publisher: Publisher, subscriber: Subscriber) -> Run:
    first = _wait_delivering(publisher)
    since, cpu = time.monotonic(), cpu_s(publisher.pid)
    last, at = first, since
    while last.counters["waiting"] > METERS and time.monotonic() - since < LONGEST_S:
        for beat in publisher.beats():
            last, at = beat, time.monotonic()
    took_s = at - since
    live = (last.counters["taken"] - first.counters["taken"]) / took_s
    delivered = last.counters["delivered"] - first.counters["delivered"]
    used = cpu_s(publisher.pid) - cpu
    return Run(
        drained_per_s=delivered / took_s - live,
        live_per_s=live,
        live_ms=tuple(_latencies_ms(subscriber, since)),
        cpu_share=used / took_s,
        cpu_ms_per_packet=1000.0 * used / max(1, delivered),
    )


def _wait_delivering(publisher: Publisher) -> PublisherBeat:
    limit = time.monotonic() + LONGEST_S
    while time.monotonic() < limit:
        for beat in publisher.beats():
            if beat.counters["delivered"]:
                return beat
    raise AssertionError("nothing is delivered")


def _latencies_ms(subscriber: Subscriber, since: float) -> list[float]:
    """Return how long live readings took that were taken since ``since``; both clocks are this machine's."""
    offset_ms = time.time() * 1000.0 - time.monotonic() * 1000.0
    found = []
    for item in subscriber.received():
        taken_ms = json.loads(item.payload)["ts"] - offset_ms
        if taken_ms >= since * 1000.0:
            found.append(item.at * 1000.0 - taken_ms)
    return found


def report(runs: Sequence[Run]) -> bool:
    """Print the medians; return whether the targets are met."""
    ratio = median(item.ratio for item in runs)
    p50, p99 = (median(percentile(item.live_ms, share) for item in runs) for share in (0.5, 0.99))
    print(f"{METERS} meters every {INTERVAL_S:g} s while {BACKLOG} readings wait, median of {len(runs)} runs")
    print(f"  drained {median(item.drained_per_s for item in runs):.0f}/s, ", end="")
    print(f"live {median(item.live_per_s for item in runs):.0f}/s: {ratio:.1f} times")
    print(f"  live readings while draining: median {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"  publisher: {100 * median(item.cpu_share for item in runs):.0f} % of a core, ", end="")
    print(f"{median(item.cpu_ms_per_packet for item in runs):.3f} ms per packet")
    good = ratio >= TARGET_RATIO and p99 < TARGET_P99_MS
    print(f"  targets (at least {TARGET_RATIO:g} times, p99 below {TARGET_P99_MS:g} ms) {'met' if good else 'MISSED'}")
    return good


def main(runs: int = RUNS) -> bool:
    """Measure and report; return whether the targets are met."""
    found = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="dlms-drain-") as scratch:
            found.append(run(Path(scratch)))
    return report(found)


if __name__ == "__main__":
    if sys.argv[1:2] == [FEEDS]:
        feed(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS) else 1)
