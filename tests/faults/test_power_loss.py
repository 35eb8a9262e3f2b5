"""Power is cut at any moment: what the publisher acknowledged to a worker is in the outbox, which is whole.

Real processes on a file system of their own, which the kernel shuts down without flushing anything. POWER_ROUNDS
(default 3) says how often. A publisher that asks for no fsync is caught by the same test.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from common.outbox_reading import FILE
from tests.support.handover_programs import uid_of
from tests.support.power import PowerDisk, missing
from tests.support.waiting import wait_until

ROUNDS: Final = int(os.environ.get("POWER_ROUNDS", "3"))
WORKERS: Final = 2
SHORTEST_S, LONGEST_S = 0.3, 1.5
CARELESS_ROUNDS: Final = 5  # of which one at least must lose something
MIN_ACKNOWLEDGED: Final = 5  # of each worker, before the power goes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120 + 8 * ROUNDS),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with PowerDisk(tmp_path) as made:
        yield made


def live(disk: PowerDisk, logs: Path, kind: str, seconds: float) -> None:
    """Let a publisher and workers live for a while, then cut the power."""
    boot = os.urandom(8).hex()
    kinds = [(kind, "0"), *(("worker", str(number)) for number in range(1, WORKERS + 1))]
    program = [sys.executable, "-m", "tests.support.handover_programs"]
    with (logs / "errors.log").open("ab") as errors:
        processes = [
            subprocess.Popen([*program, word, str(disk.root), number, str(logs), boot], stderr=errors)
            for word, number in kinds
        ]
    try:
        before = {number: len(acknowledged(logs, number)) for number in range(1, WORKERS + 1)}
        wait_until(
            lambda: all(len(acknowledged(logs, number)) >= before[number] + MIN_ACKNOWLEDGED for number in before),
            20,
            f"acknowledgements; the programs said: {(logs / 'errors.log').read_text()[-2000:]}",
        )
        time.sleep(seconds)
        disk.cut()
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait()
    disk.unmount()
    disk.mount()


def acknowledged(logs: Path, number: int) -> list[tuple[str, int]]:
    """Return what a worker was told of the epoch it was writing: epoch, and the number up to which it is in the outbox.

    Of an older epoch, whose tail the power took from the journal, the acknowledgement means: in the outbox, or counted.
    """
    path = logs / f"worker-{number}.log"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    words = [line.split() for line in lines if line.startswith("acknowledged")]
    return [(epoch, int(seq)) for _, seq, epoch, whose in words if whose == "own"]


def lost(disk: PowerDisk, logs: Path) -> tuple[int, int]:
    """Return how many acknowledged readings the outbox does not have, and how many it has to have."""
    connection = sqlite3.connect(disk.root / "outbox" / FILE)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    missed = expected = 0
    dropped: dict[bytes, int] = {}
    for number in range(1, WORKERS + 1):
        reached: dict[str, int] = {}
        for epoch, seq in acknowledged(logs, number):
            reached[epoch] = max(seq, reached.get(epoch, 0))
        for epoch, seq in reached.items():
            name = (uid_of(number), bytes.fromhex(epoch))
            rows = connection.execute("SELECT seq FROM rows WHERE uid = ? AND epoch = ? ORDER BY id", name).fetchall()
            found = [row[0] for row in rows]
            assert found == sorted(set(found)), "a reading is there twice, or out of order"
            cursors = connection.execute("SELECT seq FROM cursors WHERE uid = ? AND epoch = ?", name).fetchall()
            for (cursor,) in cursors:  # the oldest epochs are forgotten
                dropped[name[0]] = dropped.get(name[0], 0) + cursor - len(found)
            expected += seq
            missed += len(set(range(1, seq + 1)) - set(found))
    for uid, count in dropped.items():
        books = "SELECT COALESCE(SUM(value), 0) FROM accounts WHERE uid = ? AND name LIKE 'dropped:%'"
        assert connection.execute(books, (uid,)).fetchone()[0] >= count, "a reading is neither there nor counted"
    connection.close()
    return missed, expected


def test_what_was_acknowledged_survives_a_power_cut(disk: PowerDisk, tmp_path: Path) -> None:
    chance = random.Random(4)
    for _ in range(ROUNDS):
        live(disk, tmp_path, "keeper", chance.uniform(SHORTEST_S, LONGEST_S))
        missed, expected = lost(disk, tmp_path)
        assert expected > 0
        assert missed == 0, f"{missed} of {expected} acknowledged readings are lost"


def test_without_fsync_the_same_test_finds_losses(disk: PowerDisk, tmp_path: Path) -> None:
    for _ in range(CARELESS_ROUNDS):
        live(disk, tmp_path, "careless", SHORTEST_S)
        try:
            missed, _ = lost(disk, tmp_path)
        except (sqlite3.DatabaseError, AssertionError):
            return  # not even whole
        if missed:
            return
    raise AssertionError("a publisher that asks for no fsync lost nothing: the power was not cut")
