"""Real processes under real supervisord, real SIGKILL and SIGSTOP: nothing taken is lost, nobody else is touched."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.system import CORE, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NEXT_READING_MARGIN_S = 2.0
REPLACED_WITHIN_S = 20.0
ROUNDS = 20
ROUND_S = 2.5


def test_a_killed_worker_delivers_again_within_its_interval_and_two_seconds(tmp_path: Path) -> None:
    with System(tmp_path, meters=3, interval_s=2.0) as system:
        meters = list(system.simulator.meters)
        system.wait_for_readings(2)
        for meter in meters:
            program, before = system.worker(meter), system.pids()
            known, killed_at = _newest_ms(system, meter), time.time_ns() // 1_000_000
            old = system.kill(program)
            started = time.monotonic()
            _wait_for_younger(system, meter, max(known, killed_at), system.interval_s + NEXT_READING_MARGIN_S)
            print(f"{meter}: next reading at the broker after {time.monotonic() - started:.2f} s")
            system.wait_replaced(program, old, system.interval_s)  # supervisord calls it running after a second
            after = system.pids()
            del after[program]
            assert after == {name: pid for name, pid in before.items() if name != program}
        verdict = system.settle()
        assert not verdict.faults, verdict
        assert verdict.missing_cycles <= len(meters), verdict


def test_a_suspended_worker_is_replaced_within_twenty_seconds_and_no_other(tmp_path: Path) -> None:
    with System(tmp_path, meters=3, interval_s=1.0) as system:
        system.wait_for_readings(3)
        meter = next(iter(system.simulator.meters))
        program, before = system.worker(meter), system.pids()
        started, wall = time.monotonic(), time.time_ns() // 1_000_000
        old = system.kill(program, signal.SIGSTOP)
        system.wait_replaced(program, old, REPLACED_WITHIN_S)
        print(f"replaced after {time.monotonic() - started:.1f} s")
        _wait_for_younger(system, meter, wall, REPLACED_WITHIN_S)
        after = system.pids()
        assert {name: pid for name, pid in after.items() if name != program} == {
            name: pid for name, pid in before.items() if name != program
        }
        verdict = system.settle()
        assert not verdict.faults, verdict
        assert verdict.missing_cycles <= 1, verdict


@pytest.mark.timeout(600)
def test_twenty_rounds_of_kills_lose_nothing_that_was_taken(tmp_path: Path) -> None:
    turns = [["publisher"], ["supervisor_qos"], ["api"], [*CORE], ["publisher", "worker"]]
    chance = random.Random(1)
    killed_workers = 0
    with System(tmp_path, meters=3, interval_s=0.5) as system:
        meters = list(system.simulator.meters)
        system.wait_for_readings(3)
        for number in range(ROUNDS):
            for victim in turns[number % len(turns)]:
                killed_workers += victim == "worker"
                old = system.kill(system.worker(chance.choice(meters)) if victim == "worker" else victim)
                assert old > 0
            time.sleep(ROUND_S * (0.5 + chance.random()))
            system.wait_for_readings(2)
        verdict = system.settle(60.0)
        print(f"{ROUNDS} rounds: {verdict}")
        assert verdict.readings > ROUNDS * 3
        assert not verdict.faults, verdict
        assert verdict.missing_cycles <= killed_workers, verdict


def test_ctrl_c_stops_all_of_it_and_nothing_is_left(tmp_path: Path) -> None:
    with System(tmp_path, meters=2, interval_s=0.5) as system:
        system.wait_for_readings(2)
        assert system.stop(signal.SIGINT) == 0
        status = system.simulator.do("status")
        assert status
        system.start()
        system.wait_for_readings(2)
        verdict = system.settle()
        assert not verdict.faults, verdict
        assert verdict.missing_cycles <= len(system.simulator.meters), verdict  # a cycle may have been under way


def _newest_ms(system: System, meter: str) -> int:
    return max(int(str(body["ts"])) for body in system.readings(meter))


def _wait_for_younger(system: System, meter: str, ts_ms: int, timeout: float) -> None:
    wait_until(lambda: _newest_ms(system, meter) > ts_ms, timeout, f"a reading of {meter} taken after the kill")
