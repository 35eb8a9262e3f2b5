"""X: a second one of what there may be one of; changes under load; an upgrade."""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Final, cast
from urllib.request import Request, urlopen

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.plant import Plant, now
from tests.chaos.row import POLL_S, Listed, Moment, Rounds, Row, Touched, touched
from tests.chaos.rows_kill import ALL_STALE, FLEET_S, RESTART_S
from tests.support.system import BIN, CLIENT_ID, PASSWORD, Simulator
from tests.support.waiting import wait_until

LOCK_HELD: Final = 75
ENDS_S: Final = 20.0
WISH_S: Final = 2.0
"""A wish is true within it; so is a route, which the publisher reads for itself."""
STARTS_S: Final = 0.25
"""What a worker's start costs on a small machine; many start one after the other."""
TAKEOVER_S: Final = 5.0
TAKEOVERS: Final = 3


class Twice(Row):
    """X1: a second worker of a meter, a second product on a state directory."""

    id = "X1"
    fault = "a worker and the product are started twice"
    rounds = Rounds(1, 2)

    def bound_s(self, plant: Plant) -> float:
        return ENDS_S

    def touch(self, plant: Plant) -> Touched:
        return touched(note=plant.chance.choice(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        name = plant.system.worker(hit.note).removeprefix("meter-")
        (file,) = plant.system.paths.workers.glob(f"{name}*")
        second = _ended(BIN / "dlms-poller", "--config", file)
        assert second.returncode == LOCK_HELD, f"a second worker ended with {second.returncode}: {second.stderr[-200:]}"
        third = _ended(BIN / "meterctl", "run", "--state", plant.system.state)
        assert third.returncode == LOCK_HELD, f"a second product ended with {third.returncode}: {third.stderr[-200:]}"

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        return plant.record.all_fresh(plant.meters, since)


class Takeover(Row):
    """X1M: somebody else has our MQTT client id; two of a name throw each other out."""

    id = "X1M"
    fault = "another client takes over our MQTT session"
    rounds = Rounds(0, 2)
    may_raise = frozenset({"session_takeover", "publish", "connection"})

    def bound_s(self, plant: Plant) -> float:
        return 60.0 + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters)

    def inject(self, plant: Plant, hit: Touched) -> None:
        routes = json.loads(plant.system.paths.routes.read_text(encoding="utf-8"))
        (name,) = {str(target["client_id"]) for target in routes["targets"]}
        for _ in range(TAKEOVERS):
            client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
            client.connect("127.0.0.1", plant.system.broker.port)
            client.loop_start()
            time.sleep(1.0)
            client.disconnect()
            client.loop_stop()
            client._reset_sockets()


class Changes(Row):
    """X2: meters are added, edited and removed while the others are read."""

    id = "X2"
    fault = "meters are added, edited and removed under load"
    rounds = Rounds(1, 2)

    def __init__(self) -> None:
        self._fleet: Simulator | None = None
        self._added: dict[str, int] = {}
        self._known: set[str] = set()
        self._token = ""
        self._mark = ""
        self._times: dict[str, float] = {}

    def _count(self, plant: Plant) -> int:
        return 3 if plant.short else 50

    def bound_s(self, plant: Plant) -> float:
        return 2 * WISH_S + 2 * POLL_S + self._count(plant) * STARTS_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        self._known = {name for name, process in plant.system.processes().items() if process.pid}
        return touched()

    def inject(self, plant: Plant, hit: Touched) -> None:
        """Add them; recovery is counted from here to the first reading of each."""
        made = plant.system.cli_json("token", "create", "--role", "admin", "--label", "chaos")
        self._token = str(cast("dict[str, object]", made)["token"])
        self._mark = f"more-{now().wall_ms}"  # names of their own: each fleet begins with the same energies
        directory = plant.system.state.parent / self._mark
        self._fleet = Simulator(directory, self._count(plant), plant.stage.options)
        self._fleet.start()
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda name: self._add(plant, name), self._fleet.meters)
        self._added = dict(found)
        self._times["added s"] = time.monotonic() - began

    def _add(self, plant: Plant, name: str) -> tuple[str, int]:
        assert self._fleet is not None
        body = {
            "name": f"{self._mark}-{name}",
            "ip_address": "127.0.0.1",
            "port": self._fleet.port(name),
            "client_id": int(CLIENT_ID),
            "authentication": "lls",
            "password": PASSWORD,
            "interval_s": plant.interval_s,
        }
        return str(body["name"]), int(str(self._ask(plant, "POST", "/api/meters", body)["id"]))

    def _ask(self, plant: Plant, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        asked = Request(
            f"http://127.0.0.1:{plant.system.api_port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with urlopen(asked, timeout=30.0) as answer:
            text = answer.read()
        return cast("dict[str, object]", json.loads(text)) if text else {}

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        return plant.record.all_fresh(self._added, since)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        """Edit and remove them; a removed meter's program goes, all others stay as they are."""
        pids = plant.pids()
        for number in self._added.values():
            self._ask(plant, "PATCH", f"/api/meters/{number}", {"interval_s": plant.interval_s * 1.5})
        edited = now()
        wait_until(
            lambda: plant.record.all_fresh(self._added, edited), 2 * self.bound_s(plant), "readings after an edit"
        )
        wrong = [] if pids == plant.pids() else ["an edited meter's worker, or another process, is another one"]
        began = time.monotonic()
        for number in self._added.values():
            self._ask(plant, "DELETE", f"/api/meters/{number}")
        wait_until(lambda: self._known == set(plant.system.processes()), 30.0, "the removed programs to go")
        self._times["removed s"] = time.monotonic() - began
        self._stop()
        return wrong

    def _stop(self) -> None:
        if self._fleet is not None:
            self._fleet.stop()
        self._fleet = None

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        self._stop()
        return {"meters added": self._count(plant), **{name: round(value, 1) for name, value in self._times.items()}}


class Upgrade(Row):
    """X3: one host is one shard: the product is stopped in order and started again, as an upgrade does."""

    id = "X3"
    fault = "an upgrade: everything is stopped in order and started"
    rounds = Rounds(0, 2)
    may_raise = ALL_STALE

    def __init__(self) -> None:
        self._stops: list[float] = []

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + FLEET_S + POLL_S + plant.interval_s + len(plant.meters) / 10

    def touch(self, plant: Plant) -> Touched:
        return touched(plant.meters, programs=plant.pids(), kills=len(plant.meters))

    def inject(self, plant: Plant, hit: Touched) -> None:
        began = time.monotonic()
        code = plant.system.stop()
        self._stops.append(time.monotonic() - began)
        assert code == 0, f"`meterctl run` ended with {code}"
        plant.system.start()

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        return {"stopped within s": round(median(self._stops), 1)} if self._stops else {}


def _ended(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program that ought to end by itself."""
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=ENDS_S, check=False, env=dict(os.environ)
    )


ROWS: Final[tuple[Listed, ...]] = (Twice(), Takeover(), Changes(), Upgrade())
