"""meterctl report, diagnose and action-plan as they are installed, over a store that nobody writes."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from common.meter_state import MeterState
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import PERIOD_MS, MeterStateRow
from tests.support.installation import wish
from tests.support.system import meterctl

GOOD = {"measured_ms": 300_000, "up_ms": 300_000, "reads_ok": 200, "cycles": 50, "cycle_ms": 20_000, "delivered": 50}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with two meters: one is well, one is refused and was read badly before."""
    directory = tmp_path_factory.mktemp("quality") / "state"
    meterctl(directory, "init")
    store = open_from_settings(load(str(directory), {}))
    _fill(store)
    store.close()
    return directory


def _fill(store: Store) -> None:
    now = time.time_ns() // 1_000_000
    begin = now - now % PERIOD_MS
    good = store.meters.add(wish("good", "10.0.0.1"), "test")
    away = store.meters.add(wish("away", "10.0.0.2"), "test")
    store.states.write([
        MeterStateRow(good.uid, MeterState.ACTIVE, last_read_ms=now),
        MeterStateRow(away.uid, MeterState.UNREACHABLE, "connect_refused", "nobody listens", last_error="x"),
    ])
    for number in range(5):
        at_ms = begin - number * PERIOD_MS
        meters = {(at_ms, good.uid): GOOD, (at_ms, away.uid): GOOD | {"reads_failed": 50, "up_ms": 0}}
        store.periods.add(meters, {at_ms: {"measured_ms": 300_000}})


@pytest.fixture(autouse=True)
def heard(state: Path) -> None:
    """Supervisor and publisher spoke a moment ago."""
    store = open_from_settings(load(str(state), {}))
    for name in ("supervisor", "publisher"):
        store.states.write_component(name, {"pid": 7}, time.time_ns() // 1_000_000)
    store.close()


def _json(state: Path, *words: str, code: int) -> Mapping[str, object]:
    done = meterctl(state, *words, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return cast("Mapping[str, object]", json.loads(done.stdout))


def test_a_missed_target_is_exit_code_1_and_named(state: Path) -> None:
    done = meterctl(state, "report")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("last 1 h: 25.0 min measured, since ")
    assert lines[0].endswith("; before that nothing was measured")
    (reads,) = [line.split() for line in lines[:9] if line.startswith("read success")]
    assert reads[2:] == ["≥", "98", "%", "88.88", "%", "missed", "2250", "50.0", "min", "1", "1", "0"]
    assert "meters that miss a target: 1" in lines
    found = _json(state, "report", "--minutes", "20", code=1)
    assert found["missed"] is True


def test_a_diagnosis_is_exit_code_1_where_something_is_the_matter(state: Path) -> None:
    done = meterctl(state, "diagnose", "away")
    assert done.returncode == 1, done.stderr
    assert "high: the host refuses the connection" in done.stdout
    assert "  1. compare the port" in done.stdout
    well = meterctl(state, "diagnose", "good")
    assert well.returncode == 0, (well.stdout, well.stderr)
    assert "nothing is the matter" in well.stdout
    assert meterctl(state, "diagnose", "stranger").returncode == 2


def test_the_action_plan_numbers_what_is_to_be_done(state: Path) -> None:
    done = meterctl(state, "action-plan")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("1. high: the host refuses the connection (10.0.0.0/24)\n   meters     away\n")
    assert "   1.1  compare the port" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("over 2 of 2 meters that are to be read, 25 min measured")
    entries = cast("list[Mapping[str, object]]", _json(state, "action-plan", code=1)["entries"])
    assert entries[0]["cause"] == "refused"


def test_health_over_minutes_knows_the_missed_targets(state: Path) -> None:
    found = _json(state, "health", "--minutes", "30", code=1)
    assert set(cast("Mapping[str, str]", found["missed"])) == {"read_success", "uptime"}
    assert "missed: read_success: 88.88 %, wanted ≥ 98 %" in meterctl(state, "health", "--minutes", "30").stdout
