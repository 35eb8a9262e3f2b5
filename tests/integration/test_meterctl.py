"""meterctl on a running product: what it wishes comes true, what it asks is answered."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.support.mosquitto import free_port
from tests.support.system import BIN, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
Document = dict[str, object]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("meterctl"), meters=3) as started:
        started.wait_for_readings(1)
        yield started


def test_the_list_shows_all_meters_active(system: System) -> None:
    for name in ("sim-1", "sim-2", "sim-3"):
        system.wait_for_state(name, "active", 15)
    lines = system.cli("list").stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["name", "sim-1", "sim-2", "sim-3"]


def test_a_healthy_system_says_so(system: System) -> None:
    wait_until(lambda: system.cli("health", code=None).returncode == 0, 20, "the system to be healthy")
    document = cast("Document", system.cli_json("health"))
    assert document["healthy"] is True
    assert document["meters"] == {"active": 3}


def test_follow_prints_a_line_per_reading(system: System) -> None:
    done = system.cli("follow", "sim-2", "--count", "3", "--json")
    readings = [line for line in map(json.loads, done.stdout.splitlines()) if "seq" in line]
    assert [reading["meter"] for reading in readings] == ["sim-2"] * 3
    assert [reading["seq"] for reading in readings] == sorted({reading["seq"] for reading in readings})
    assert all(reading["values"]["voltage_l1"] > 100 for reading in readings)


def test_read_now_is_answered_by_the_worker(system: System) -> None:
    answer = cast("Document", system.cli_json("read", "sim-1", "--timeout", "15"))
    assert (answer["verb"], answer["state"], answer["error"]) == ("read", "done", None)
    assert "voltage_l1" in json.dumps(answer["result"])


def test_a_test_tells_what_was_found(system: System) -> None:
    answer = cast("Document", system.cli_json("test", "sim-1", "--timeout", "15"))
    assert answer["state"] == "done", answer
    assert answer["result"]


def test_restart_replaces_one_worker_and_nothing_else(system: System) -> None:
    before = system.pids()
    program = system.worker("sim-3")
    assert cast("Document", system.cli_json("restart", "sim-3", "--timeout", "20"))["state"] == "done"
    system.wait_replaced(program, before[program], 10)
    system.wait_for_readings(1, meters=["sim-3"])
    assert {**system.pids(), program: 0} == {**before, program: 0}


def test_a_meter_added_is_at_the_broker_within_five_seconds_and_gone_when_removed(system: System) -> None:
    system.cli("stop", "sim-2")
    wait_until(lambda: system.worker("sim-2") not in system.pids(), 5, "the worker of sim-2 to end")
    others = system.pids()
    system.cli("remove", "sim-2")
    system.add_meter("added", port=system.simulator.port("sim-2"))
    wait_until(lambda: system.readings("added"), 5, "the first reading of a meter just added")
    assert {name: system.pids().get(name) for name in others} == others
    system.cli("remove", "added")
    wait_until(lambda: system.worker("added") not in system.pids(), 5, "the worker of a removed meter to end")
    assert {name: system.pids().get(name) for name in others} == others


def test_pause_takes_effect_within_two_seconds_and_resume_ends_it(system: System) -> None:
    pid = system.pid_of(system.worker("sim-1"))
    system.cli("pause", "sim-1")
    system.wait_for_state("sim-1", "paused", 5)
    count = len(system.readings("sim-1"))
    system.wait_for_readings(3, meters=["sim-3"])
    assert len(system.readings("sim-1")) <= count + 1, "what was taken before is delivered, nothing else"
    assert system.pid_of(system.worker("sim-1")) == pid, "the process stays"
    system.cli("resume", "sim-1")
    system.wait_for_readings(1, 5, meters=["sim-1"])


def test_a_wrong_password_is_told_as_such(system: System) -> None:
    secret = system.state.parent / "wrong.pw"
    secret.write_text("87654321", encoding="utf-8")
    system.cli("edit", "sim-3", "--password-file", str(secret))
    system.wait_for_state("sim-3", "auth_failed", 20)
    wait_until(lambda: any(alarm["category"] == "auth" for alarm in system.alarms()), 10, "the alarm")
    assert system.cli("status", "sim-3", code=1).stdout
    assert system.cli("health", code=1).stdout.startswith("not healthy")


def test_read_by_host_needs_no_installation(system: System, tmp_path: Path) -> None:
    words = ("read", "--host", "127.0.0.1", "--port", str(free_port()), "--transport", "hdlc", "--client-id", "16")
    done = subprocess.run(
        [str(BIN / "meterctl"), *words, "--server-id", "1", "--auth", "none", "--json", "1-1:32.7.0"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2, "nobody listens there"
    assert done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_set_aside_is_listed_and_ordered_about_through_the_publisher(system: System) -> None:
    assert system.cli("outbox", "list").stdout.split() == ["row", "meter", "reason", "age", "octets", "holds"]
    assert system.cli_json("outbox", "list", "sim-1") == []
    answer = cast("Document", system.cli_json("outbox", "retry", "1", "--timeout", "15", code=1))
    assert answer["meter"] == "sim-1"
    assert answer["error"] == {"kind": "no_such_row", "detail": "nothing of this meter is set aside"}
    answer = cast("Document", system.cli_json("outbox", "drop", "ab" * 16, "7", "--timeout", "15", code=1))
    assert answer["error"] == {"kind": "no_such_row", "detail": "none of these rows is set aside"}
    system.cli("outbox", "drop", "sim-1", code=2)
