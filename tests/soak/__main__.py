"""`make soak`: the whole product with nothing done to it, for as long as one likes: what grows, what restarts.

Real Mosquitto, real supervisord, simulated meters over loopback. Every process is sampled each ten seconds; after the
warm-up a robust line through its minutes says what it grows by in an hour. Prints one table (each five minutes what is
known so far, into the result file as well) and exits 1 when anything is beyond its limit.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.request import urlopen

from tests.soak.readings import intervals_ms, latencies_ms
from tests.soak.samples import Recorder
from tests.soak.table import Findings, growth, lines
from tests.support.system import System

LOOK_S: Final = 10.0
TELL_S: Final = 300.0
WARM_UP_MINUTES: Final = 15.0
"""Until then SQLite's caches (2 MiB a connection), heaps and the first segments of journals fill: the publisher
grows by 8 MiB over its first 20 000 readings, and by nothing over the next."""
SCRAPE_S: Final = 10.0
START_PER_METER_S: Final = 1.5
SETTLE_S: Final = 120.0
KEYS: Final = (
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"),
    *("frequency", "active_power", "reactive_power", "active_energy"),
)


@dataclass(slots=True)
class Soak:
    """One run; ``since`` is the end of its warm-up, ``before`` what was counted by then."""

    system: System
    recorder: Recorder
    meters: int
    since: float = 0.0
    before: tuple[int, int] = (0, 0)
    unanswered: int = 0

    def run(self, minutes: float, warm_up: float, result: Path | None) -> Findings:
        """Wait until all meters are read, warm up, look, and settle."""
        self.system.wait_for_readings(1, 60.0 + self.meters * START_PER_METER_S)
        started = time.monotonic()
        self._look_until(started + warm_up * 60.0, None)
        self.since, self.before = time.monotonic(), (self.starts(), self.associations())
        self._look_until(self.since + minutes * 60.0, result)
        ended, after = time.monotonic(), (self.starts(), self.associations())
        verdict = self.system.settle(SETTLE_S)
        print(verdict, flush=True)
        counts = self.counts(after) | {"lost": verdict.missing_cycles, "faults of the audit": len(verdict.faults)}
        arrived = [item for item in self.system.arrived() if item.at < ended]
        latencies = latencies_ms(arrived, self.system.simulator.log, self.since)
        return self._findings(counts, intervals_ms(arrived, self.since), latencies)

    def _look_until(self, end: float, result: Path | None) -> None:
        told = time.monotonic()
        while time.monotonic() < end:
            began = time.monotonic()
            self.recorder.look()
            self._scrape()
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                if self.since:
                    tell(self._findings(self.counts((self.starts(), self.associations()))), result)
            time.sleep(max(0.0, min(end, began + LOOK_S) - time.monotonic()))

    def _findings(
        self, counts: dict[str, int], intervals: list[float] | None = None, latencies: list[float] | None = None
    ) -> Findings:
        growths = [growth(record, self.since) for record in self.recorder.records.values()]
        return Findings(
            self.meters,
            (time.monotonic() - self.since) / 60.0,
            [item for item in growths if item is not None],
            counts,
            len(self.system.arrived()),
            intervals or [],
            latencies or [],
            self.recorder.files,
        )

    def _scrape(self) -> None:
        """Ask the API as Prometheus and a watchdog do."""
        for page in ("metrics", "health"):
            try:
                with urlopen(f"http://127.0.0.1:{self.system.api_port}/{page}", timeout=SCRAPE_S) as answer:
                    answer.read()
            except OSError:
                self.unanswered += 1

    def counts(self, now: tuple[int, int]) -> dict[str, int]:
        """Return what has to be 0."""
        return {
            "starts not asked for": now[0] - self.before[0],
            "reconnects": now[1] - self.before[1],
            "unanswered scrapes": self.unanswered,
            "zombies": self.recorder.zombies,
            "alarms": len(self.system.alarms()),
        }

    def starts(self) -> int:
        """Return how many processes there have been: one more than before is a start that nobody asked for."""
        return len({record.pid for record in self.recorder.records.values() if not record.kind.endswith("child")})

    def associations(self) -> int:
        """Return what the simulated meters counted: the other side's word."""
        answer = self.system.simulator.do("status")
        meters = cast("dict[str, dict[str, int]]", answer["meters"])
        return sum(each["associations"] for each in meters.values())


def tell(findings: Findings, result: Path | None) -> None:
    """Print what is known, and write it to the result file."""
    text = "\n".join([*lines(findings), *(f"BEYOND ITS LIMIT: {fault}" for fault in findings.faults()), ""])
    print(text, flush=True)
    if result is not None:
        result.write_text(text, encoding="utf-8")


def main() -> int:
    """Run one soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--meters", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=30.0, help="after the warm-up")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two readings of a meter")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_MINUTES, help="minutes that are not judged")
    parser.add_argument("--result", type=Path)
    parser.add_argument("--samples", type=Path, help="a file for every sample, JSON lines")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # all that was started is ended on the way out
    words = [word for key in KEYS for word in ("--measure", key)]
    with (
        tempfile.TemporaryDirectory(prefix="dlms-soak-") as scratch,
        System(Path(scratch), meters=options.meters, interval_s=options.interval, words=words) as system,
    ):
        soak = Soak(system, Recorder(system), options.meters)
        try:
            findings = soak.run(options.minutes, options.warm_up, options.result)
        finally:
            if options.samples:
                write_samples(soak.recorder, options.samples)
    tell(findings, options.result)
    return 1 if findings.faults() else 0


def write_samples(recorder: Recorder, path: Path) -> None:
    """Write each process's samples on a line: seconds, RSS, USS, descriptors, threads, CPU seconds."""
    with path.open("w", encoding="utf-8") as stream:
        for record in recorder.records.values():
            rows = [[look.at, look.rss, look.uss, look.fds, look.threads, look.cpu_s] for look in record.looks]
            stream.write(json.dumps({"name": record.name, "pid": record.pid, "looks": rows}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
