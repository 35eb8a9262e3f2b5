"""Wishes from the command line become true within seconds, survive restarts, and touch nobody else."""

import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mosquitto import free_port
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ADDED_WITHIN_S = 5.0
PAUSED_WITHIN_S = 2.0
WATCH_S = 15.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, meters=4, interval_s=1.0) as running:
        running.wait_for_readings(2)
        yield running


def test_a_meter_added_by_cli_is_at_the_broker_within_five_seconds(tmp_path: Path) -> None:
    with System(tmp_path, meters=2, interval_s=1.0) as system:
        first, second = system.simulator.meters
        system.wait_for_readings(1)
        system.cli("remove", second)
        wait_until(lambda: system.worker(second) not in system.pids(), 10.0, "the removed meter's worker to end")
        before = system.settled_pids()
        started = time.monotonic()
        system.add_meter("newcomer", port=system.simulator.port(second))
        added = time.monotonic()
        wait_until(lambda: system.readings("newcomer"), ADDED_WITHIN_S, "the new meter's first reading")
        print(f"at the broker {time.monotonic() - added:.2f} s after the command, which took {added - started:.2f} s")
        after = system.settled_pids()
        del after[system.worker("newcomer")]
        assert after == before
        assert system.state_of(first) == "active"


def test_a_paused_meter_is_let_go_within_two_seconds_and_stays_paused(system: System) -> None:
    first, *others = system.simulator.meters
    before = system.settled_pids()
    system.cli("pause", first)
    paused = time.monotonic()
    wait_until(lambda: not _connected(system, first), PAUSED_WITHIN_S, "the meter to be let go")
    print(f"let go {time.monotonic() - paused:.2f} s after the command")
    system.wait_for_state(first, "paused", 5.0)
    assert system.pids() == before
    assert system.stop() == 0
    system.start()
    system.wait_for_readings(3, meters=others)
    count = len(system.readings(first))
    system.wait_for_state(first, "paused", 5.0)
    system.wait_for_readings(3, meters=others)
    assert len(system.readings(first)) == count
    assert not _connected(system, first)
    system.cli("resume", first)
    system.wait_for_readings(2, timeout=5.0, meters=[first])


def test_a_wrong_password_is_tried_twice_and_no_more(system: System) -> None:
    first, *others = system.simulator.meters
    port = system.simulator.port(first)
    system.cli("remove", first)
    wait_until(lambda: system.worker(first) not in system.pids(), 10.0, "the removed meter's worker to end")
    refused = _refusals(system, first)
    system.add_meter("stranger", port=port, password="00000001")
    system.wait_for_state("stranger", "auth_failed", 15.0)
    wait_until(lambda: _has_alarm(system, "auth"), 5.0, "the alarm")
    pid = system.pid_of(system.worker("stranger"))
    time.sleep(WATCH_S)
    assert _refusals(system, first) - refused == 2
    # Not even a new process tries again: the refusal outlives it.
    system.kill(system.worker("stranger"))
    system.wait_replaced(system.worker("stranger"), pid, 10.0)
    system.wait_for_readings(5, meters=others)
    assert _refusals(system, first) - refused == 2
    system.wait_for_state("stranger", "auth_failed", 10.0)


def test_an_unreachable_meter_is_named_so_and_harms_nobody(system: System) -> None:
    others = list(system.simulator.meters)
    before = system.settled_pids()
    system.add_meter("nobody", port=free_port())
    system.wait_for_state("nobody", "unreachable", 15.0)
    pid = system.pid_of(system.worker("nobody"))
    wait_until(lambda: _has_alarm(system, "connection"), 10.0, "the alarm")
    since = time.monotonic()
    time.sleep(25.0)
    assert system.pid_of(system.worker("nobody")) == pid
    after = system.pids()
    del after[system.worker("nobody")]
    assert after == before
    for meter in others:
        arrived = [item.at for item in system.subscriber.received(f"meters/{meter}/telemetry") if item.at >= since]
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
        assert max(gaps) < 2 * system.interval_s, (meter, gaps)
    assert system.state_of("nobody") == "unreachable"


def test_a_silent_port_is_unreachable_too(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        system.add_meter("mute", port=silent.getsockname()[1])
        system.wait_for_state("mute", "unreachable", 40.0)
        system.wait_for_readings(3, meters=list(system.simulator.meters))


def _status(system: System, meter: str) -> dict[str, object]:
    answer = system.simulator.do("status", meter)
    meters = answer["meters"]
    assert isinstance(meters, dict)
    found = meters[meter]
    assert isinstance(found, dict)
    return found


def _connected(system: System, meter: str) -> bool:
    return bool(_status(system, meter)["connected"])


def _refusals(system: System, meter: str) -> int:
    return int(str(_status(system, meter)["refused"]))


def _has_alarm(system: System, category: str) -> bool:
    return any(alarm["category"] == category and not alarm["cleared_at"] for alarm in system.alarms())
