"""A broker that is away for long: `python -m tests.bench.away [readings]`, part of `make bench`.

A real Mosquitto that is stopped, a real publisher process, and a hundred meters without a device (real feeds and
journals on the real bus, in a process of their own). While the broker is away they take readings in quick succession
until as many wait as in an hour of two-second intervals and more; then each goes on every two seconds. A minute later
the broker comes back. The auditor reads what a subscriber got: every number of every meter, each lane in order. Prints
the rate of the drain beside the live rate, and how long live readings took meanwhile; exits 1 when a target is missed.
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
from typing import IO, Final

from admin_api.audit.auditor import audit
from admin_api.audit.verdict import Verdict
from common.paths import Paths
from common.routes import Target
from tests.bench.figures import percentile
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.publishing import Meters, Publisher, generic_routes

METERS: Final = 100
READINGS: Final = 200_000
QUICK_S: Final = 0.04
INTERVAL_S: Final = 2.0  # the default of a meter
PAUSE_S: Final = 0.005  # between two rounds of the feeds, so that they leave the machine to the publisher
PAST_S: Final = 62.0  # until all that piled up is the past: older than a minute
LONGEST_S: Final = 900.0
TARGET_RATIO: Final = 5.0
TARGET_P99_S: Final = 2.0
FEEDS: Final = "feeds"


@dataclass(frozen=True, slots=True)
class Outage:
    """What one outage showed. ``waited``: readings in the outbox when the broker came back."""

    waited: int
    away_s: float
    drained_s: float
    live_s: tuple[float, ...]
    verdict: Verdict
    taken: int

    @property
    def ratio(self) -> float:
        """How much faster than they are taken readings left, the live ones not counted."""
        return self.waited / self.drained_s / (METERS / INTERVAL_S)

    @property
    def lost(self) -> int:
        """Readings that were taken and never came."""
        return self.taken - self.verdict.readings

    @property
    def is_good(self) -> bool:
        """Whether every target is met."""
        whole = not self.lost and not self.verdict.faults
        return whole and self.ratio >= TARGET_RATIO and percentile(self.live_s, 0.99) < TARGET_P99_S


def run(directory: Path, readings: int) -> Outage:
    """Play one outage."""
    broker = Mosquitto(directory / "broker")
    publisher = Publisher(directory / "state")
    publisher.route(generic_routes(Target("default", "127.0.0.1", broker.port, client_id="away"), METERS))
    with broker, Subscriber(broker.port, ["meters/+/telemetry"]) as subscriber, publisher:
        publisher.wait_for_state("default", {"online"}, 30.0)
        broker.stop()
        left = time.time()
        with _feeds(publisher.paths, readings) as (tell, told):
            assert told.readline() == "piled\n"
            time.sleep(PAST_S)
            waited = publisher.wait_for_beat().counters["waiting"]
            back = time.time()
            broker.start()
            _wait_for_waiting(publisher, METERS)
            drained = time.time()
            print("quiet", file=tell, flush=True)
            taken = int(told.readline())
            _wait_for_waiting(publisher, 0)
        arrived = subscriber.received()
    offset = time.time() - time.monotonic()
    first = min(item.at + offset for item in arrived if item.at + offset >= back)  # the publisher has found the broker
    live = _latencies_s([item for item in arrived if item.lane == "live"], first, drained)
    return Outage(waited, back - left, drained - back, live, audit(arrived), taken)


@contextmanager
def _feeds(paths: Paths, readings: int) -> Iterator[tuple[IO[str], IO[str]]]:
    """Let a process of its own take readings: here it would keep the subscriber waiting."""
    words = [sys.executable, "-m", "tests.bench.away", FEEDS, str(paths.root), str(readings)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdin, process.stdout
        finally:
            process.stdin.close()


def feed(root: Path, readings: int) -> None:
    """Take so many readings quickly and say so, then go on at the usual pace until told to be quiet."""
    with Meters(Paths(root), range(1, METERS + 1), QUICK_S, PAUSE_S) as meters:
        while meters.total < readings:
            time.sleep(QUICK_S)
        meters.pace(INTERVAL_S)
        print("piled", flush=True)
        sys.stdin.readline()
        print(meters.quiet(), flush=True)
        sys.stdin.read()


def _wait_for_waiting(publisher: Publisher, most: int) -> None:
    """Wait until no more than so many readings wait for the broker."""
    limit = time.monotonic() + LONGEST_S
    while time.monotonic() < limit:
        if any(beat.counters["waiting"] <= most for beat in publisher.beats()):
            return
    raise AssertionError(f"more than {most} readings wait after {LONGEST_S:.0f} s")


def _latencies_s(live: Sequence[Received], since_s: float, until_s: float) -> tuple[float, ...]:
    """Return how long readings took that were taken within a time (UTC); both clocks are this machine's."""
    offset_s = time.time() - time.monotonic()
    taken = [json.loads(item.payload)["ts"] / 1000.0 for item in live]
    pairs = zip(live, taken, strict=True)
    return tuple(item.at + offset_s - at for item, at in pairs if since_s <= at <= until_s)


def report(outage: Outage) -> None:
    """Print what was found."""
    p50, p99 = (percentile(outage.live_s, share) for share in (0.5, 0.99))
    print(f"{outage.waited} readings of {METERS} meters waited, the broker was away for {outage.away_s:.0f} s")
    print(f"  drained in {outage.drained_s:.1f} s: {outage.ratio:.1f} times as fast as they are taken")
    print(f"  live readings meanwhile: {len(outage.live_s)}, median {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")
    print(f"  taken {outage.taken}, lost {outage.lost}, repeated {outage.verdict.repeats}", end="")
    print(f", out of order, unequal or missing: {len(outage.verdict.faults)}")
    for fault in outage.verdict.faults[:10]:
        print(f"    {fault}")
    targets = f"none lost, each lane in order, at least {TARGET_RATIO:g} times, p99 below {TARGET_P99_S:g} s"
    print(f"  targets ({targets}) {'met' if outage.is_good else 'MISSED'}")


def main(readings: int = READINGS) -> bool:
    """Play and report; return whether the targets are met."""
    with tempfile.TemporaryDirectory(prefix="dlms-away-") as scratch:
        outage = run(Path(scratch), readings)
    report(outage)
    return outage.is_good


if __name__ == "__main__":
    if sys.argv[1:2] == [FEEDS]:
        feed(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else READINGS) else 1)
