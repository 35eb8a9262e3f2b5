"""The product ends in order, as Ctrl-C asks it to; what is killed is in tests/chaos."""

import signal
from pathlib import Path

import pytest

from tests.support.system import System

pytestmark = pytest.mark.slow


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
