"""A counter under SIGKILL: what a killed process may have used is never given out again."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from poller.errors import CounterFileHeld
from poller.invocation import CounterFile
from tests.support import counting

ROOT = Path(__file__).parents[2]


def killed_after(path: Path, reserve: int, lines: int) -> list[int]:
    """Run a counting process, kill it when it has said that many counters; return all that it said."""
    command = [sys.executable, str(counting.__file__), str(path), str(reserve)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    return [int(line) for line in said if line.endswith(b"\n")]


def test_no_counter_is_used_twice_over_kills(tmp_path: Path) -> None:
    path, chance = tmp_path / "key.counter", random.Random(5)
    used: list[int] = []
    for _ in range(8):
        used += killed_after(path, chance.choice([1, 3, 50]), chance.randint(1, 700))
    assert len(used) > 1000
    assert used == sorted(set(used))
    with CounterFile(path) as source:
        assert source.take() > used[-1]


@pytest.mark.slow
def test_no_counter_is_used_twice_over_many_kills(tmp_path: Path) -> None:
    path, chance = tmp_path / "key.counter", random.Random(6)
    last = 0
    for _ in range(20):
        used = killed_after(path, chance.choice([1, 2, 10, 1024]), chance.randint(1, 1500))
        assert used == sorted(set(used))
        assert used[0] > last
        last = used[-1]


def test_a_process_that_counts_keeps_others_out_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "key.counter"
    command = [sys.executable, str(counting.__file__), str(path), "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        first = int(process.stdout.readline())
        process.stdout.readline()
        with pytest.raises(CounterFileHeld):
            CounterFile(path)
        process.kill()
        process.stdout.read()
    with CounterFile(path) as source:
        assert source.take() > first
