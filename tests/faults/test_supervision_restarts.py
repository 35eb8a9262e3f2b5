"""Who is started again, when, and when not: expected exits, budgets over restarts of the judge, many at once."""

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from common.process_state import ProcessState
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

BACK_S: Final = 40.0
GIVEN_UP: Final = frozenset({ProcessState.FATAL, ProcessState.STOPPED})  # stopped: already blocked
QUICK: Final = {"supervision": {"blocked_retry_s": 8.0, "silent_s": 6.0}}
MANY: Final = 12
A_MINUTE_S: Final = 60.0
AT_ONCE: Final = 10


def others(system: System, *programs: str) -> dict[str, int]:
    """Return the process ids of everybody else."""
    return {name: pid for name, pid in system.pids().items() if name not in programs}


@pytest.mark.timeout(300)
def test_whatever_ends_a_worker_it_comes_back_and_nobody_else_is_touched(tmp_path: Path) -> None:
    with System(tmp_path, meters=4, interval_s=1.0, settings=QUICK) as system:
        system.wait_for_readings(3)
        crashed, refused, locked, blocked = (system.worker(name) for name in system.simulator.meters)
        rest = others(system, crashed, refused, locked, blocked)
        # A crash in C code leaves its stacks behind.
        system.wait_replaced(crashed, system.kill(crashed, signal.SIGSEGV), BACK_S)
        assert "Segmentation fault" in (system.paths.log / f"{crashed}.log").read_text(encoding="utf-8")
        # A journal that another process holds: 75 until it lets go.
        started = time.monotonic()
        journal = system.paths.journal / locked.removeprefix("meter-")
        (lock,) = journal.glob("*lock*")
        old = system.pid_of(locked)
        os.kill(old, signal.SIGSTOP)
        os.kill(old, signal.SIGKILL)
        with lock.open("r+b") as held:
            wait_until(lambda: _locks(held.fileno()), 5.0, "the journal's lock")
            wait_until(lambda: system.processes()[locked].exit_status == 75, 10.0, "an end with 75")
            time.sleep(5.0)
        system.wait_replaced(locked, old, BACK_S)
        print(f"journal held for some seconds: back after {time.monotonic() - started:.1f} s")
        # One that never lives for a second: supervisord tries four times and gives up (FATAL), the judge does not.
        wait_until(lambda: _given_up(system, refused), BACK_S, "supervisord to give up")
        system.wait_replaced(refused, 0, BACK_S)
        # Killed again and again: blocked, also for a judge that was killed meanwhile; then one start each 8 s.
        for _ in range(3):
            system.wait_replaced(blocked, system.kill(blocked), BACK_S)
        wait_until(lambda: "started anew" in _log(system), 5.0, "the starts to be written down")
        time.sleep(2.0)
        system.wait_replaced("supervisor_qos", system.kill("supervisor_qos"), BACK_S)
        wait_until(lambda: _kill_and_see(system, blocked) == "blocked", BACK_S, "the block, after six starts in all")
        system.wait_replaced(blocked, 0, BACK_S)
        del rest["supervisor_qos"]
        assert rest.items() <= system.pids().items(), "only what was at fault was touched"
        system.wait_for_readings(2)
        verdict = system.settle()
        assert not verdict.faults, verdict


def _given_up(system: System, program: str) -> bool:
    """Kill a process while it starts; return whether there is none any more because supervisord gave up."""
    process = system.processes()[program]
    if process.pid:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return process.state in GIVEN_UP


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _log(system: System) -> str:
    return (system.paths.log / "supervisor_qos.log").read_text(encoding="utf-8")


def _kill_and_see(system: System, program: str) -> str:
    pid = system.pids().get(program)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)
    return system.state_of("sim-4")


@pytest.mark.timeout(300)
def test_many_silent_workers_at_once_are_replaced_ten_a_minute(tmp_path: Path) -> None:
    with System(tmp_path, meters=MANY, interval_s=2.0, settings=QUICK) as system:
        system.wait_for_readings(2)
        old = {name: pid for name, pid in system.settled_pids().items() if name.startswith("meter-")}
        rest = others(system, *old)
        assert len(old) == MANY
        started = time.monotonic()
        for pid in old.values():
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: _replaced(system, old) >= AT_ONCE, A_MINUTE_S, "the first ten to be replaced")
        print(f"{AT_ONCE} replaced after {time.monotonic() - started:.1f} s")
        assert time.monotonic() - started < 20.0 + AT_ONCE
        time.sleep(5.0)
        assert _replaced(system, old) == AT_ONCE
        for name, pid in old.items():  # their turn is a minute later; they go on by themselves
            if system.processes()[name].pid == pid:
                os.kill(pid, signal.SIGCONT)
        assert rest.items() <= system.pids().items()
        system.wait_for_readings(1)
        verdict = system.settle()
        assert not verdict.faults, verdict


def _replaced(system: System, old: dict[str, int]) -> int:
    processes = system.processes()
    return sum(
        processes[name].pid not in {0, pid} and processes[name].state is ProcessState.RUNNING
        for name, pid in old.items()
        if name in processes
    )
