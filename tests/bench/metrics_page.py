"""The metrics page of a thousand meters: `python -m tests.bench.metrics_page [meters]`, part of `make bench`.

A store with states of all meters, which another process writes anew every second as the supervisor does, and the API
under gunicorn as `deploy/gunicorn.conf.py` has it. Prints what making the page costs, how large it is, and how long
scrapes take that come twenty times a second for half a minute, with a token and gzip, and plain from this host; exits 1
when a target is missed.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from admin_api import metric_sources
from admin_api.exposition import StoreCollector, text
from common.clock import SystemClock
from common.meter_state import MeterState
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import MeterStateRow, MeterWish, Role
from common.store.rules import measurements_of
from common.vault import Vault
from supervisor_qos.recorder import NETWORK
from tests.bench.figures import percentile
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

METERS: Final = 1000
FIRST_PORT: Final = 10_000
SCRAPES: Final = 600
EVERY_S: Final = 0.05
RENDERS: Final = 5
TARGET_RENDER_S: Final = 0.3
TARGET_P99_S: Final = 0.02
ROOT: Final = Path(__file__).parents[2]
WRITE: Final = "write"


def _fill(store: Store, meters: int) -> None:
    wish = MeterWish("", "10.0.0.1", measurements=measurements_of("microstar"))
    for number in range(meters):
        store.meters.add(replace(wish, name=f"meter-{number:04d}", port=FIRST_PORT + number), "bench")
    _write(store, 0)
    counters = {"cycle_ms_total": 1, "took_50_ms": 1}
    store.states.write_component("supervisor", {"counters": counters, "clock_synchronised": True}, _now_ms())
    told = {
        "counters": dict.fromkeys(metric_sources.PUBLISHER, 7),
        "gauges": {},
        "targets": {"default": ["online", ""]},
    }
    store.states.write_component("publisher", told, _now_ms())


def _write(store: Store, turn: int) -> None:
    """Write the states of all meters, as after a second in which each has read and delivered."""
    now = _now_ms()
    counts = {name: float(turn * 7 + place) for place, name in enumerate(metric_sources.METER)}
    metrics = {name: value for name, value in counts.items() if name not in NETWORK}
    network = {name: value for name, value in counts.items() if name in NETWORK}
    facts = {"serial_number": "SIM00000001", "health": "fine"}
    row = MeterStateRow(b"", MeterState.ACTIVE, metrics=metrics, network=network, facts=facts)
    row = replace(row, last_seen_ms=now, last_read_ms=now, last_taken_ms=now, last_acknowledged_ms=now)
    store.states.write([replace(row, uid=meter.uid) for meter in store.overview.look(now).meters])


def _now_ms() -> int:
    return SystemClock().wall_ms()


def _go_on_writing(state: str) -> None:
    store = open_from_settings(load(state, {}))
    for turn in range(1, 1_000_000):
        begun = time.monotonic()
        _write(store, turn)
        time.sleep(max(0.0, begun + 1.0 - time.monotonic()))


@contextmanager
def _working(state: Path, port: int) -> Iterator[None]:
    """The API, and somebody who writes what it shows."""
    empty = state / "empty"
    empty.mkdir()
    gunicorn = [str(Path(sys.executable).parent / "gunicorn"), "--config", str(ROOT / "deploy" / "gunicorn.conf.py")]
    environment = {**os.environ, "DLMS_BRIDGE_STATE": str(state)}
    writer = [sys.executable, "-m", "tests.bench.metrics_page", WRITE, str(state)]
    processes = [
        subprocess.Popen([*gunicorn, "--bind", f"127.0.0.1:{port}", "admin_api.wsgi:app"], cwd=empty, env=environment),
        subprocess.Popen(writer, cwd=ROOT),
    ]
    try:
        wait_until(lambda: _scrape(port, {}, "/health")[1] == http.HTTPStatus.OK, 30, "the API")
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def _scrape(port: int, headers: Mapping[str, str], path: str = "/metrics") -> tuple[float, int, int]:
    """Return how long one answer took, its status and size; status 0 without one."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        size = len(answer.read())
    except OSError:
        return time.monotonic() - begun, 0, 0
    finally:
        connection.close()
    return time.monotonic() - begun, answer.status, size


def _served(port: int, headers: Mapping[str, str], name: str) -> float:
    """Scrape for a while; print and return the 99th of a hundred times. The first scrapes make the page."""
    for _ in range(8):
        _scrape(port, headers)
    took, next_at = [], time.monotonic()
    for _ in range(SCRAPES):
        seconds, status, size = _scrape(port, headers)
        assert status == http.HTTPStatus.OK, status
        took.append(seconds)
        next_at += EVERY_S
        time.sleep(max(0.0, next_at - time.monotonic()))
    p99 = percentile(took, 0.99)
    print(
        f"served {name}: p50 {1000 * percentile(took, 0.5):.1f} ms, p99 {1000 * p99:.1f} ms,"
        f" longest {1000 * max(took):.1f} ms of {len(took)}, {size} octets",
        flush=True,
    )
    return p99


def _rendered(store: Store, state: Path) -> float:
    """Print and return the processor time of making the page."""
    collector = StoreCollector(store, SystemClock(), state, load(str(state), {}).supervision)
    best, page = float("inf"), ""
    for _ in range(RENDERS):
        begun = time.process_time()
        page = text(collector.collect())
        best = min(best, time.process_time() - begun)
    print(f"made: {1000 * best:.0f} ms of processor time, {len(page)} octets, {page.count(chr(10))} lines", flush=True)
    return best


def main() -> int:
    """Measure and judge."""
    if WRITE in sys.argv:
        _go_on_writing(sys.argv[-1])
    meters = int(sys.argv[1]) if len(sys.argv) > 1 else METERS
    with tempfile.TemporaryDirectory() as directory:
        state, port = Path(directory), free_port()
        settings = load(directory, {})
        Vault.create(settings.paths.master_key)
        store = open_from_settings(settings)
        store.upgrade()
        _fill(store, meters)
        token = store.tokens.create(Role.VIEWER, "prometheus")[1].reveal()
        render_s = _rendered(store, state)
        with _working(state, port):
            packed = _served(
                port, {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}, "with token, packed"
            )
            plain = _served(port, {}, "plain")
        store.close()
    missed = render_s > TARGET_RENDER_S or max(packed, plain) > TARGET_P99_S
    print(f"targets ({TARGET_RENDER_S:.1f} s, {1000 * TARGET_P99_S:.0f} ms): {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
