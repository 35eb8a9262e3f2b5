"""The API under load: `make load`, `python -m tests.bench.api_load --minutes 10`.

The whole product with a hundred simulated meters over real sockets, its API as it is delivered (two gunicorn workers).
First nobody asks; then clients in a process of their own make fifty mixed reads a second and follow twenty streams of
live values. Prints the latencies by path and, of both times side by side, what polling was like; exits 1 when the 99th
percentile reaches 100 ms, anything but 200 was answered, or polling was disturbed.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from common.settings import load as load_settings
from common.store.engine import open_from_settings
from tests.bench.api_clients import Answers
from tests.bench.figures import cpu_s, percentile
from tests.soak.readings import intervals_ms, latencies_ms
from tests.support.system import System

TARGET_MS: Final = 100.0
START_S: Final = 240.0
CALM_SHARE: Final = 0.2  # of the load's time, before it, nobody asks
LATE_SHARE: Final = 0.05  # of an interval that the 99th percentile may be longer than in calm
MARGIN_S: Final = 60.0
SETTLED_S: Final = 20.0  # the first cycles read scalers, heaps fill
UNDISTURBED: Final = ("missed_ticks", "reads_failed", "reconnects", "starts")


@dataclass(frozen=True, slots=True)
class Polling:
    """What polling was like within a time. ``cpu``: in processors, by process."""

    intervals_ms: list[float]
    latencies_ms: list[float]
    counts: dict[str, int]
    cpu: dict[str, float]


@dataclass(slots=True)
class Load:
    """One stand."""

    system: System
    meters: int

    def calm(self, seconds: float) -> Polling:
        """Look at polling for so long while nobody asks."""
        begin = self._begin()
        time.sleep(seconds)
        return self._since(begin)

    def loaded(self, seconds: float, rate: float, streams: int) -> tuple[Polling, Answers]:
        """Let the clients ask, and look at polling meanwhile."""
        made = cast("dict[str, object]", self.system.cli_json("token", "create", "--role", "viewer"))
        words = [str(self.system.api_port), str(made["token"]), str(rate), str(seconds), str(streams), str(self.meters)]
        begin = self._begin()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.api_clients", *words],
            stdout=subprocess.PIPE,
            check=True,
            timeout=seconds + MARGIN_S,
        )
        return self._since(begin), Answers(**json.loads(done.stdout))

    def _begin(self) -> tuple[float, dict[str, int], dict[str, float]]:
        return time.monotonic(), self._counts(), self._spent()

    def _since(self, begin: tuple[float, dict[str, int], dict[str, float]]) -> Polling:
        since, before, spent = begin
        seconds = time.monotonic() - since
        arrived = [item for item in self.system.arrived() if item.at >= since]
        counts = {name: now - before[name] for name, now in self._counts().items()}
        cpu = {name: (now - spent.get(name, 0.0)) / seconds for name, now in self._spent().items()}
        log = self.system.simulator.log
        return Polling(intervals_ms(arrived, since), latencies_ms(arrived, log, since), counts, cpu)

    def _counts(self) -> dict[str, int]:
        """Return what is to stay as it is: the workers' own counters, and the meters' word on associations."""
        answer = cast("dict[str, dict[str, dict[str, int]]]", self.system.simulator.do("status"))
        store = open_from_settings(load_settings(str(self.system.state), {}))
        try:
            states = store.states.list()
        finally:
            store.close()
        counts = {name: sum(round(state.metrics.get(name, 0)) for state in states) for name in UNDISTURBED}
        return counts | {"associations": sum(each["associations"] for each in answer["meters"].values())}

    def _spent(self) -> dict[str, float]:
        """Return CPU seconds; of the API those of gunicorn's workers, the children of its first process."""
        pids = self.system.pids()
        api = children(pids["api"])
        parts = {name: cpu_s(pids[name]) for name in ("publisher", "supervisor_qos")}
        return parts | {"api": cpu_s(pids["api"]) + sum(map(cpu_s, api))}


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in found.split()]


def report(calm: Polling, loaded: Polling, answers: Answers, seconds: float) -> list[str]:
    """Print what was found; return what is beyond its target."""
    every = [value for values in answers.latencies_ms.values() for value in values]
    print(
        f"{len(every)} requests in {seconds:.0f} s beside {len(answers.events)} streams ({sum(answers.events)} events)"
    )
    for path, values in sorted(answers.latencies_ms.items()):
        print(f"  {path:42} {len(values):6}  {_spread(values)}")
    print(f"  {'all':42} {len(every):6}  {_spread(every)}")
    print(f"  answers that were no 200: {answers.refused or 'none'}; streams broken: {answers.broken_streams}")
    for name, polling in (("calm", calm), ("loaded", loaded)):
        cpu = ", ".join(f"{part} {share:.2f}" for part, share in polling.cpu.items())
        print(f"  polling, {name}: intervals {_spread(polling.intervals_ms)}")
        print(f"    to the broker {_spread(polling.latencies_ms)}; {polling.counts}; processors: {cpu}")
    return _faults(calm, loaded, answers, every)


def _faults(calm: Polling, loaded: Polling, answers: Answers, every: list[float]) -> list[str]:
    faults = [f"{name}: {count}" for name, count in loaded.counts.items() if count]
    faults += [f"{count} times {what}" for what, count in answers.refused.items()]
    if answers.broken_streams or not all(answers.events):
        faults.append(f"streams: {answers.broken_streams} broken, events {sorted(answers.events)}")
    if percentile(every, 0.99) >= TARGET_MS:
        faults.append(f"p99 is {percentile(every, 0.99):.0f} ms, {TARGET_MS:.0f} were wanted")
    late = percentile(loaded.intervals_ms, 0.99) / percentile(calm.intervals_ms, 0.99) - 1.0
    if late > LATE_SHARE:
        faults.append(f"the 99th percentile of intervals is {100 * late:.1f} % longer under load")
    return faults


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
    return f"median {p50:.1f} ms, p99 {p99:.1f} ms, most {max(values):.0f} ms"


def main() -> int:
    """Play and report; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.api_load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--meters", type=int, default=100)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two readings of a meter")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--streams", type=int, default=20)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # all that was started is ended on the way out
    seconds = options.minutes * 60.0
    with (
        tempfile.TemporaryDirectory(prefix="dlms-load-") as scratch,
        System(
            Path(scratch), meters=options.meters, interval_s=options.interval, settings={"api": {"workers": 2}}
        ) as system,
    ):
        system.wait_for_readings(2, START_S)
        time.sleep(SETTLED_S)
        load = Load(system, options.meters)
        calm = load.calm(max(CALM_SHARE * seconds, 4 * options.interval))
        loaded, answers = load.loaded(seconds, options.rate, options.streams)
        faults = report(calm, loaded, answers, seconds)
    for fault in faults:
        print(f"MISSED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
