"""Nothing outlives its supervisord, and supervisord itself is replaced: SIGKILL and SIGSTOP of what starts others."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from common import tether
from common.process import MARK, StopFlag
from common.supervisord import SOCKET_NAME, Supervisord
from tests.support.system import System
from tests.support.waiting import wait_until

GONE_S: Final = 2.0
READS_AGAIN_S: Final = 15.0
HUNG_S: Final = 15.0
PYTHON: Final = Path(sys.executable)
MIDDLE: Final = """
import os, subprocess, sys, time
child = subprocess.Popen([str(os.getpid()) if word == "PARENT" else word for word in sys.argv[1:]])
print(child.pid, flush=True)
time.sleep(60)
"""
SLEEPER: Final = [sys.executable, "-c", "import time; time.sleep(60)"]


def descendants(root: int) -> set[int]:
    """Return the processes below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    found, new = set[int](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def pollers(system: System) -> Counter[str]:
    """Return how many processes there are for each worker file."""
    found: Counter[str] = Counter()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"dlms-poller") for word in words[:2]):
            found[os.fsdecode(words[3])] += 1
    return Counter({path: count for path, count in found.items() if path.startswith(str(system.paths.root))})


def supervisord_of(system: System) -> int:
    return Supervisord(system.paths.sockets / SOCKET_NAME).pid()


@pytest.fixture(params=["setpriv", "ourselves"])
def tied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that ends with its parent, in both ways."""
    if request.param == "ourselves":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    return tether.tethered(SLEEPER, PYTHON.parent)


def start_below(command: list[str]) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a command below a process of its own; return that and the command's process id."""
    middle = subprocess.Popen([sys.executable, "-c", MIDDLE, *command], stdout=subprocess.PIPE)
    assert middle.stdout is not None
    return middle, int(middle.stdout.readline())


def is_in_place(pid: int) -> bool:
    """Return whether the command has replaced what tied it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(f"{sys.executable}\0-c\0import time".encode())


def test_a_tied_program_ends_with_its_parent(tied: list[str]) -> None:
    middle, child = start_below(tied)
    wait_until(lambda: is_in_place(child), 10.0, "the command in its place")
    middle.kill()
    middle.communicate()
    wait_until(lambda: not is_alive(child), GONE_S, "the end of the tied program")


def test_a_root_is_killed_with_its_parent_and_leaves_its_mark() -> None:
    command = tether.tethered_root(SLEEPER, PYTHON.parent, 0)
    middle, child = start_below([*command[:5], "PARENT", *command[6:]])
    wait_until(lambda: is_in_place(child), 10.0, "the command in its place")
    middle.kill()
    middle.communicate()
    wait_until(lambda: not is_alive(child), GONE_S, "the end of the root")
    shows = [sys.executable, "-c", f"import os; print(os.environ[{MARK!r}], os.getpid())"]
    done = subprocess.run(
        tether.tethered_root(shows, PYTHON.parent, os.getpid()), capture_output=True, text=True, check=True
    )
    mark, pid = done.stdout.split()
    assert mark == pid


def test_a_root_whose_parent_is_gone_already_does_not_start() -> None:
    gone = subprocess.run(tether.tethered_root(SLEEPER, PYTHON.parent, 1), timeout=10, check=False)
    assert gone.returncode == 0


def test_a_process_whose_parent_ended_before_it_could_look_knows_by_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not StopFlag().orphaned()
    monkeypatch.setenv(MARK, str(os.getppid()))
    assert not StopFlag().orphaned()
    monkeypatch.setenv(MARK, "4194305")
    assert StopFlag().orphaned()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_supervisord_killed_or_hung_leaves_no_orphan_and_comes_back(tmp_path: Path) -> None:
    with System(tmp_path, meters=3, interval_s=1.0) as system:
        system.wait_for_readings(3)
        run = system.run_pid
        # Killed, while nobody can sweep up: what it started ends by itself.
        old = supervisord_of(system)
        below = descendants(old)
        assert len(below) >= 7, "three workers, publisher, supervisor_qos, gunicorn and its worker"
        os.kill(run, signal.SIGSTOP)
        started = time.monotonic()
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, below)), GONE_S, f"the end of all of {below}")
        print(f"nothing is left after {time.monotonic() - started:.2f} s")
        os.kill(run, signal.SIGCONT)
        started = time.monotonic()
        system.wait_for_readings(1, READS_AGAIN_S)
        print(f"killed: read again after {time.monotonic() - started:.1f} s")
        assert set(pollers(system).values()) == {1}
        # Suspended: it answers nobody, is killed and replaced; meanwhile the meters are read.
        old = supervisord_of(system)
        below = descendants(old)
        started = time.monotonic()
        os.kill(old, signal.SIGSTOP)
        system.wait_for_readings(5)
        wait_until(lambda: not is_alive(old), HUNG_S + 10.0, "the end of the suspended supervisord")
        print(f"hung: found out after {time.monotonic() - started:.1f} s")
        wait_until(lambda: not any(map(is_alive, below)), 5.0, f"the end of all of {below}")
        system.wait_for_readings(1, READS_AGAIN_S)
        print(f"hung: read again after {time.monotonic() - started:.1f} s")
        assert set(pollers(system).values()) == {1}
        verdict = system.settle()
        assert not verdict.faults, verdict
        wait_until(lambda: not system.alarms(), 30.0, "no alarm")
        assert system.stop() == 0
