"""The hand-over between real processes, over real sockets, under SIGKILL and SIGSTOP."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.handover_programs import WORKERS, uid_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
STORM_S = 6.0
LIMIT_S = 20.0


class Processes:
    """Workers and the publisher, by name; ``0`` is the publisher."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        kind = "worker" if number else "publisher"
        arguments = [sys.executable, "-m", "tests.support.handover_programs", kind, str(self.path), str(number)]
        self.running[number] = subprocess.Popen(arguments, cwd=ROOT)

    def kill(self, number: int) -> None:
        process = self.running.pop(number)
        process.kill()
        process.wait()

    def stop(self, number: int) -> int:
        process = self.running.pop(number)
        process.send_signal(signal.SIGTERM)
        return process.wait(LIMIT_S)

    def lines(self, name: str) -> list[list[str]]:
        """Return the whole lines that a process has noted."""
        log = self.path / name
        return [line.split() for line in log.read_text().split("\n")[:-1]] if log.exists() else []

    def taken(self, number: int) -> list[int]:
        return [int(line[1]) for line in self.lines(f"worker-{number}.log") if line[0] == "taken"]

    def delivered(self, number: int) -> dict[tuple[str, int], int]:
        """Return what the broker got of a worker by name, in order of its first arrival; repeats must be equal."""
        names: dict[tuple[str, int], int] = {}
        for uid, epoch, seq, value in self.lines("broker.log"):
            if uid == uid_of(number).hex():
                assert names.setdefault((epoch, int(seq)), int(value)) == int(value)
        return names

    def check(self, number: int) -> None:
        """All that was taken is there, in order; in no epoch is there a hole."""
        names = self.delivered(number)
        values = list(names.values())
        assert values == sorted(set(values))
        assert set(self.taken(number)) <= set(values)
        attempted = {int(line[1]) for line in self.lines(f"worker-{number}.log") if line[0] == "attempted"}
        assert set(values) <= attempted
        for epoch in {name[0] for name in names}:
            numbers = [seq for found, seq in names if found == epoch]
            assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    for number in list(found.running):
        found.kill(number)


def test_nothing_taken_is_lost_whoever_is_killed_or_hung(processes: Processes) -> None:
    chance = random.Random(7)
    for number in range(WORKERS + 1):
        processes.start(number)
    wait_until(lambda: processes.delivered(1), LIMIT_S, "the first reading")
    until = time.monotonic() + STORM_S
    while time.monotonic() < until:
        _strike(processes, chance)
    before = {number: len(processes.taken(number)) for number in range(1, WORKERS + 1)}
    for number, count in before.items():
        wait_until(lambda: len(processes.taken(number)) > count + 10, LIMIT_S, "the worker to go on")  # noqa: B023
    for number in before:
        assert processes.stop(number) == 0
        assert processes.lines(f"worker-{number}.log")[-1] == ["drained", "1"]
    wait_until(lambda: all(_all_there(processes, number) for number in before), LIMIT_S, "the broker to have all")
    assert processes.stop(0) == 0
    for number in before:
        processes.check(number)


def test_a_journal_whose_worker_never_comes_back_is_taken_in(processes: Processes) -> None:
    processes.start(1)
    wait_until(lambda: len(processes.taken(1)) > 50, LIMIT_S, "readings without a publisher")
    processes.kill(1)
    processes.start(0)
    wait_until(lambda: _all_there(processes, 1), LIMIT_S, "the orphan to be taken in")
    processes.start(1)
    count = len(processes.taken(1))
    wait_until(lambda: len(processes.taken(1)) > count + 10, LIMIT_S, "the worker to go on")
    assert processes.stop(1) == 0
    wait_until(lambda: _all_there(processes, 1), LIMIT_S, "the rest")
    processes.check(1)


def test_a_second_worker_of_a_meter_does_not_get_in(processes: Processes) -> None:
    processes.start(1)
    wait_until(lambda: processes.taken(1), LIMIT_S, "the first worker")
    arguments = [sys.executable, "-m", "tests.support.handover_programs", "worker", str(processes.path), "1"]
    second = subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=LIMIT_S, check=False)
    assert b"another process has this journal open" in second.stderr


def _strike(processes: Processes, chance: random.Random) -> None:
    """Hang and kill some of the processes, start them again a moment later."""
    victims = [number for number in range(WORKERS + 1) if chance.random() < 0.3]
    for number in victims:
        if chance.random() < 0.3:
            processes.running[number].send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.0, 0.2))
        processes.kill(number)
    time.sleep(chance.uniform(0.0, 0.5))
    for number in victims:
        processes.start(number)
    time.sleep(chance.uniform(0.0, 0.5))


def _all_there(processes: Processes, number: int) -> bool:
    return set(processes.taken(number)) <= set(processes.delivered(number).values())
