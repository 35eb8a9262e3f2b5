"""What rows are played on: one running system, the record of what arrives, and the links of the chaos proxy."""

import os
import random
import re
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, cast
from urllib.request import urlopen

from common.settings import load as load_settings
from common.store.engine import open_from_settings
from common.store.model import AlarmFilter, AlarmRow
from common.supervisord import SOCKET_NAME, NotListening, Supervisord
from tests.chaos.links import Link, ProxyProcess
from tests.chaos.record import Record
from tests.chaos.row import Moment, Stage
from tests.support.system import START_S
from tests.support.waiting import wait_until

BROKER: Final = "broker"
BROKER_LINES: Final = ("max_inflight_messages 65535",)
"""The subscriber gets at once what the broker acknowledged: what a killed broker took with it is next to nothing."""
FREE: Final = "topic readwrite #\n"
SUPERVISORD: Final = "supervisord"
MAX_ALARMS: Final = 1000
STEADY_INTERVALS: Final = 6
WORKERS_PER_S: Final = 3.0
"""How fast a fleet comes up on a small machine."""


def now() -> Moment:
    """Return this instant."""
    return Moment(time.monotonic(), time.time_ns() // 1_000_000)


class Plant:
    """A running system of one stage, with what is needed to break it and to look at it; a context manager."""

    def __init__(
        self, stage: Stage, directory: Path, *, meters: int, interval_s: float, short: bool, seed: int = 1
    ) -> None:
        self.stage = stage
        self.interval_s = interval_s
        self.short = short
        self.chance = random.Random(seed)
        self.told: set[str] = set()
        """Categories of alarms that belong to the faults so far."""
        self._directory = directory
        self._wanted = meters
        self._stack = ExitStack()
        self._proxy: ProxyProcess | None = None
        self._settings: dict[str, dict[str, object]] = {name: dict(values) for name, values in stage.settings.items()}
        directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Plant":
        try:
            self._stack.enter_context(self.stage.around(self._directory))
            self._settings.setdefault("mqtt", {})
            self.system = self.stage.system(self._directory, self._wanted, self.interval_s, self._settings)
            self.system.broker.configure(acl=FREE if self.stage.rules else "", extra=BROKER_LINES)
            if self.stage.proxied:
                self._stand_between()
            self._stack.enter_context(self.system)
            self.meters = tuple(self.system.simulator.meters)
            self.record = Record(self.system.subscriber)
            self.wait_steady(START_S + len(self.meters) / WORKERS_PER_S)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _stand_between(self) -> None:
        proxy = self._proxy = self._stack.enter_context(ProxyProcess())
        port = proxy.link(BROKER, self.system.broker.port).port
        self._settings["mqtt"]["port"] = port
        self.system.reach = lambda name: self.meter_link(name).port

    # the proxy

    def meter_link(self, name: str) -> Link:
        """Return the link before a meter; of a proxied stage."""
        assert self._proxy is not None, f"no proxy on the stage {self.stage.name}"
        if name in self._proxy.links:
            return self._proxy.links[name]
        return self._proxy.link(name, self.system.simulator.port(name))

    @property
    def broker_link(self) -> Link:
        """Return the link before the broker; of a proxied stage."""
        assert self._proxy is not None, f"no proxy on the stage {self.stage.name}"
        return self._proxy.links[BROKER]

    def broker_rules(self, rules: Sequence[str]) -> None:
        """Give the broker rules on topics (ACL); none: everything is allowed. Connections stay."""
        text = "\n".join([*rules, ""]) if rules else FREE
        acl = self._directory / "broker" / "acl"
        if acl.read_text(encoding="utf-8") == text:
            return
        acl.write_text(text, encoding="utf-8")
        os.kill(self.system.broker.pid, signal.SIGHUP)

    # processes

    def supervisord(self) -> int:
        """Return supervisord's process id; 0 while it does not answer."""
        try:
            return Supervisord(self.system.paths.sockets / SOCKET_NAME, 1.0).pid()
        except NotListening:
            return 0

    def pids(self) -> dict[str, int]:
        """Return all processes by program, supervisord among them; without those that do not run."""
        found = {name: process.pid for name, process in self.system.processes().items() if process.pid}
        return found | {SUPERVISORD: self.supervisord()}

    def workers(self, *meters: str) -> list[str]:
        """Return the programs that serve meters (all, if none is named)."""
        return [self.system.worker(meter) for meter in meters or self.meters]

    # the flow of readings

    def wait_steady(self, timeout: float = 0.0) -> None:
        """Wait until each meter has a fresh reading at the broker."""
        since = now()
        limit = timeout or START_S + STEADY_INTERVALS * self.interval_s
        wait_until(
            lambda: self.record.all_fresh(self.meters, since), limit, f"readings of all {len(self.meters)} meters"
        )

    # what it says of itself

    def metrics(self) -> str:
        """Return the page /metrics; nothing while nobody serves it."""
        try:
            with urlopen(f"http://127.0.0.1:{self.system.api_port}/metrics", timeout=1.0) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metric(self, name: str) -> float:
        """Return the sum of all samples of a metric."""
        lines = [line for line in self.metrics().splitlines() if re.match(rf"{name}[ {{]", line)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def simulated(self) -> dict[str, dict[str, int]]:
        """Return the simulated meters' own counters."""
        return cast("dict[str, dict[str, int]]", self.system.simulator.do("status")["meters"])

    def alarms(self, since_ms: int = 0) -> list[AlarmRow]:
        """Return the alarms raised since then, those that are over among them."""
        store = open_from_settings(load_settings(str(self.system.state), {}))
        try:
            rows, _ = store.alarms.list(AlarmFilter(since_ms=since_ms or None), limit=MAX_ALARMS)
        finally:
            store.close()
        return list(rows)
