"""A clock that is set, a worker that turns in a circle: nobody is restarted for the one, only it for the other."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

HOOKS: Final = Path(__file__).parents[1] / "support" / "hooks"
HOUR_S: Final = 3600
TEN_YEARS_S: Final = 315_576_000
REPLACED_WITHIN_S: Final = 20.0


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """The directory whose files bring faults into the product's processes."""
    directory = tmp_path / "hooks"
    directory.mkdir()
    return directory


def faulty(hooks: Path) -> Mapping[str, str]:
    """Return the environment in which the product's processes look at ``hooks``."""
    return {"PYTHONPATH": str(HOOKS), "TEST_HOOKS": str(hooks)}


def say(hooks: Path, name: str, text: str) -> None:
    """Set or change a fault in one step."""
    new = hooks / f".{name}"
    new.write_text(text, encoding="ascii")
    new.replace(hooks / name)


@pytest.mark.timeout(300)
def test_a_clock_that_is_set_restarts_nobody_and_loses_nothing(tmp_path: Path, hooks: Path) -> None:
    with System(tmp_path, meters=3, interval_s=1.0, environment=faulty(hooks)) as system:
        system.wait_for_readings(3)
        before = system.settled_pids()
        for offset_s in (HOUR_S, -HOUR_S, TEN_YEARS_S, 0):
            say(hooks, "clock", str(offset_s))
            system.wait_for_readings(4)
            wrong_s = int(str(system.readings("sim-1")[-1]["ts"])) / 1000 - time.time()
            assert abs(wrong_s - offset_s) < 3.0, "the fault has no effect"
            assert system.pids() == before
            assert not system.alarms()
        assert not system.cli_json("alarms", "list", "--all")
        # The clock is set while everything is being stopped: supervisord then kills at once what it told to stop.
        setter = threading.Timer(0.3, say, (hooks, "clock", str(HOUR_S)))
        setter.start()
        assert system.stop() == 0
        setter.join()
        system.start()
        system.wait_for_readings(2)
        verdict = system.settle()
        assert not verdict.faults, verdict


def test_a_worker_whose_loop_turns_in_a_circle_is_dumped_and_replaced_and_no_other(tmp_path: Path, hooks: Path) -> None:
    with System(tmp_path, meters=3, interval_s=1.0, environment=faulty(hooks)) as system:
        system.wait_for_readings(3)
        program, before = system.worker("sim-2"), system.settled_pids()
        started = time.monotonic()
        say(hooks, "hang", program.removeprefix("meter-"))
        old = before[program]
        wait_until(lambda: not Path(f"/proc/{old}").exists(), REPLACED_WITHIN_S, "the end of the hanging worker")
        (hooks / "hang").unlink()  # the next one is sound
        system.wait_replaced(program, old, REPLACED_WITHIN_S - (time.monotonic() - started))
        print(f"replaced after {time.monotonic() - started:.1f} s")
        system.wait_for_readings(2, meters=["sim-2"])
        log = (system.paths.log / f"{program}.log").read_text(encoding="utf-8")
        assert "_hanging_monotonic" in log, "its stacks are in its log"
        assert "poller/loop.py" in log
        after = system.pids()
        assert {name for name in before if after[name] != before[name]} == {program}
        verdict = system.settle()
        assert not verdict.faults, verdict
