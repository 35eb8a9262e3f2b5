"""`make bench`: the numbers of this machine, measured now, on the whole product over loopback.

Ten simulated meters (HDLC, no delay), ten registers each, every 2 s, real Mosquitto, real supervisord. Prints the time
from the meter's last answer of a cycle to the broker's PUBACK for that cycle, CPU per cycle, and USS per process; then
how many GETs one conversation makes per second against the simulator. Says which targets are missed, and exits 1 when
the latency is beyond its limit.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.figures import cpu_s, percentile, uss_octets
from tests.bench.gets import gets_per_second
from tests.bench.tap import Acknowledged, Tap
from tests.support.mosquitto import Mosquitto
from tests.support.system import System

METERS: Final = 10
INTERVAL_S: Final = 2.0
WARM_UP_S: Final = 10.0
MEASURED_S: Final = 60.0
LIMIT_P99_MS: Final = 50.0
TARGET_USS_MIB: Final = 10.0
MIB: Final = 1 << 20
KEYS: Final = (
    "voltage_l1",
    "voltage_l2",
    "voltage_l3",
    "current_l1",
    "current_l2",
    "current_l3",
    "frequency",
    "active_power",
    "reactive_power",
    "active_energy",
)


def latencies_ms(log: Path, acknowledged: Sequence[Acknowledged], since: float) -> list[float]:
    """Return, for each cycle acknowledged after ``since``, milliseconds from its last answered GET to its PUBACK.

    A cycle is found by its raw active energy, which no other cycle of that meter has.
    """
    answered: dict[tuple[str, int], float] = {}
    for text in log.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["event"] == "get" and line["obis"].endswith(":1.8.0") and line["attr"] == 2:
            answered[line["meter"], line["raw"]] = line["mono"]
    found = []
    for item in acknowledged:
        body = json.loads(item.payload) if item.topic.endswith("/telemetry") else {}
        key = (body.get("meter", ""), round(body.get("values", {}).get("active_energy", -1)))
        if item.at >= since and key in answered:
            found.append((item.at - answered[key]) * 1000.0)
    return found


def pipeline(directory: Path) -> bool:
    """Measure the whole product; return whether its latency keeps its limit."""
    words = [word for key in KEYS for word in ("--measure", key)]
    with Mosquitto(directory / "bench-broker") as broker, Tap(broker.port) as tap:
        settings = {"mqtt": {"port": tap.port}}
        with System(directory, meters=METERS, interval_s=INTERVAL_S, words=words, settings=settings) as system:
            return _measure(system, tap)


def _measure(system: System, tap: Tap) -> bool:
    time.sleep(WARM_UP_S)
    pids = {system.worker(name): system.pid_of(system.worker(name)) for name in system.simulator.meters}
    pids["publisher"] = system.pid_of("publisher")
    before, since = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(MEASURED_S)
    used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    cycles = sum(item.at >= since and item.topic.endswith("/telemetry") for item in tap.acknowledged)
    took = latencies_ms(system.simulator.log, tap.acknowledged, since)
    workers = [name for name in pids if name != "publisher"]
    uss = [uss_octets(pids[name]) / MIB for name in workers]
    p99 = percentile(took, 0.99)
    print(f"{METERS} meters, {len(KEYS)} registers, every {INTERVAL_S:g} s, {MEASURED_S:g} s: {cycles} cycles")
    print(f"  meter's answer to PUBACK: median {median(took):.1f} ms, p99 {p99:.1f} ms, max {max(took):.1f} ms")
    print(f"  CPU per cycle: worker {1000 * sum(used[n] for n in workers) / cycles:.2f} ms, ", end="")
    print(f"publisher {1000 * used['publisher'] / cycles:.2f} ms")
    print(f"  USS: worker median {median(uss):.1f} MiB, max {max(uss):.1f} MiB; ", end="")
    print(f"publisher {uss_octets(pids['publisher']) / MIB:.1f} MiB")
    missed = [f"p99 {p99:.1f} ms (limit {LIMIT_P99_MS:g})"] if p99 >= LIMIT_P99_MS else []
    missed += [f"USS {max(uss):.1f} MiB (target {TARGET_USS_MIB:g})"] if max(uss) > TARGET_USS_MIB else []
    print("  targets met" if not missed else f"  targets missed: {'; '.join(missed)}")
    return p99 < LIMIT_P99_MS


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dlms-bench-") as scratch:
        good = pipeline(Path(scratch))
    print(f"GETs per second, one conversation, HDLC, simulator without delay: {gets_per_second():.0f}")
    sys.exit(0 if good else 1)
