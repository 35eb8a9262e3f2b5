"""The store's file is overwritten, or deleted, under the running product: reading goes on, the wishes come back."""

import json
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.system import System
from tests.support.waiting import wait_until

BACK_S = 30.0
ENDURING = 3  # two workers and the publisher
GARBAGE = b"\x5a" * 8192


def _healthy(system: System) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{system.api_port}/health", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _workers(system: System) -> dict[str, int]:
    return {name: pid for name, pid in system.pids().items() if name.startswith("meter-") or name == "publisher"}


def _damage(system: System, how: str) -> None:
    path = system.paths.store_file
    if how == "deleted":
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            (path.parent / name).unlink(missing_ok=True)
    else:
        with path.open("r+b") as stream:
            stream.write(GARBAGE)


@pytest.mark.slow
def test_a_store_that_is_damaged_while_everything_runs_comes_back_with_its_wishes(tmp_path: Path) -> None:
    with System(tmp_path, meters=2) as system:
        system.wait_for_readings()
        wait_until(
            lambda: len(_workers(system)) == ENDURING, BACK_S, "all workers and the publisher to count as running"
        )
        workers, wishes = _workers(system), _wishes(system)
        for how in ("overwritten", "deleted"):
            supervisor = system.pid_of("supervisor_qos")
            _damage(system, how)
            system.wait_replaced("supervisor_qos", supervisor, BACK_S)
            wait_until(lambda: _healthy(system), BACK_S, "the API to be well")
            system.wait_for_readings()
            assert _wishes(system) == wishes
            assert _workers(system) == workers
            wait_until(lambda: any(alarm["category"] == "disk" for alarm in system.alarms()), BACK_S, "an alarm")
        system.cli("pause", "sim-1")
        system.wait_for_state("sim-1", "paused", BACK_S)
        assert list(system.state.glob("store.db.corrupt-*"))
        assert system.settle().is_clean


def _wishes(system: System) -> object:
    meters = json.loads(system.cli("list", "--json").stdout)
    return sorted((meter["name"], meter["uid"], meter["port"]) for meter in meters)
