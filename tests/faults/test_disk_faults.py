"""Disks that are full, refuse, or fail to fsync, under the real outbox and the real journal.

Nothing is believed that is not on disk, nothing ends but what has to, and everything goes on when the disk does.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from common.clock import SystemClock
from common.envelope import Envelope, Kind, encode
from common.journal import Journal, Record
from common.routes import Mode, Route, Target
from publisher.outbox import Arrival, Lane, Outbox, Verdict
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.power import PowerDisk, missing
from tests.support.publishing import Meters, Publisher, generic_routes, uid_of
from tests.support.still_clock import StepClock
from tests.support.waiting import wait_until

UID, EPOCH, BOOT = bytes(range(16)), b"epoch-01", b"boot-one"
ROUTE: Final = Route(UID, "meter", Mode.GENERIC, "broker", "topic")
SMALL: Final = "1m"  # ENGINEERING, row D1
FIU: Final = "fiu-run"
FAULTS: Final = {  # of libfiu, and how likely each call fails
    "fsync": ("posix/io/sync/fdatasync", 5, 0.05),
    "write": ("posix/io/rw/pwrite", 28, 0.02),
    "open": ("posix/io/oc/open", 5, 0.02),
}
GROUP: Final = 20
LIVES: Final = 4  # of a publisher under such faults
LIFE_S: Final = 3.0

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 1 MiB."""
    with disk(tmp_path / "small", SMALL) as path:
        yield path


@contextmanager
def disk(path: Path, size: str) -> Iterator[Path]:
    """Mount a disk for as long as this lasts."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def opened(path: Path, clock: StepClock) -> Outbox:
    return Outbox.open(path, clock, BOOT, max_age_s=1e6, max_octets=1 << 30)


def arrival(seq: int, clock: StepClock) -> Arrival:
    envelope = Envelope(Kind.READING, UID, EPOCH, seq, 1, clock.boottime_ms(), BOOT, ["x" * 200])
    return Arrival(envelope, encode(envelope), ROUTE)


def fill(outbox: Outbox, clock: StepClock) -> int:
    """Take in readings until the disk refuses; return the last that was taken."""
    seq = outbox.cursor(UID, EPOCH) or 0
    while outbox.take([arrival(seq + number, clock) for number in range(1, GROUP + 1)])[0] is Verdict.INSERTED:
        seq += GROUP
    return seq


def numbers(outbox: Outbox) -> list[int]:
    rows = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=99_999, octets=1 << 30)
    return [row.seq for row in rows]


def drain(outbox: Outbox, clock: StepClock) -> None:
    """Deliver all, ten groups a second, and let some seconds pass."""
    turn = 0
    while outbox.stats().rows:
        rows = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=100, octets=1 << 30)
        outbox.acknowledge([row.id for row in rows])
        clock.now += 0.1
        outbox.flush()
        turn += 1
        if turn % 10 == 0:
            outbox.trim()
    for _ in range(20):
        outbox.trim()


def deliver_all(outbox: Outbox, clock: StepClock) -> list[int]:
    rows = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=99_999, octets=1 << 30)
    outbox.acknowledge([row.id for row in rows])
    for _ in range(3):
        clock.now += 2.0
        outbox.flush()
        outbox.trim()
    return [row.seq for row in rows]


@root_only
def test_an_outbox_that_has_filled_its_disk_is_emptied_and_filled_again(small: Path) -> None:
    clock = StepClock()
    outbox = opened(small, clock)
    outbox.begin(UID, EPOCH, 1)
    for _ in range(3):
        first, last = (outbox.cursor(UID, EPOCH) or 0) + 1, fill(outbox, clock)
        assert last > first + GROUP
        assert outbox.cursor(UID, EPOCH) == last
        outbox._file.close()  # as SIGKILL does
        outbox = opened(small, clock)
        assert numbers(outbox) == list(range(first, last + 1))
        assert deliver_all(outbox, clock) == list(range(first, last + 1))
        assert (outbox.stats().rows, outbox.stats().total.balanced) == (0, True)


@root_only
@pytest.mark.parametrize("size", ["1m", "3m", "12m"])
def test_an_outbox_that_is_emptied_has_its_reserve_again(tmp_path: Path, size: str) -> None:
    """Pages and log that it does not need are given up: on a small disk there would never be room again."""
    clock = StepClock()
    with disk(tmp_path / "disk", size) as path:
        outbox = opened(path, clock)
        outbox.begin(UID, EPOCH, 1)
        for _ in range(3):
            first, last = (outbox.cursor(UID, EPOCH) or 0) + 1, fill(outbox, clock)
            assert last > first + GROUP
            drain(outbox, clock)
        outbox.close()


@root_only
def test_an_outbox_whose_disk_others_have_filled_waits_for_room(small: Path) -> None:
    clock = StepClock()
    (small / "outbox").mkdir()
    foreign = small / "foreign"
    free = os.statvfs(small)
    foreign.write_bytes(bytes(free.f_bavail * free.f_frsize - (192 << 10)))  # room for an empty outbox, not for more
    outbox = opened(small / "outbox", clock)
    assert not outbox.begin(UID, EPOCH, 1) or outbox.take([arrival(1, clock)]) == [Verdict.REFUSED]
    foreign.unlink()
    outbox.trim()
    assert outbox.begin(UID, EPOCH, 1)
    assert outbox.take([arrival(1, clock)]) == [Verdict.INSERTED]
    outbox.close()


@root_only
def test_an_outbox_starts_on_a_disk_without_an_octet_left_and_delivers(small: Path) -> None:
    clock = StepClock()
    outbox = opened(small / "outbox", clock)
    outbox.begin(UID, EPOCH, 1)
    outbox.take([arrival(seq, clock) for seq in range(1, 11)])
    outbox.close()
    free = os.statvfs(small)
    (small / "foreign").write_bytes(bytes(free.f_bavail * free.f_frsize))
    assert os.statvfs(small).f_bavail == 0
    outbox = opened(small / "outbox", clock)
    assert outbox.take([arrival(11, clock)]) == [Verdict.REFUSED]
    assert deliver_all(outbox, clock) == list(range(1, 11))
    assert outbox.stats().total.delivered == 10
    (small / "foreign").unlink()
    outbox.trim()
    assert outbox.take([arrival(11, clock)]) == [Verdict.INSERTED]
    outbox.close()


@root_only
def test_a_journal_on_a_full_disk_refuses_counts_and_goes_on(small: Path) -> None:
    clock = SystemClock()
    journal = Journal.open(small, UID, clock, BOOT)
    body = lambda epoch, seq: encode(Envelope(Kind.READING, UID, epoch, seq, 1, 1, BOOT, ["x" * 500]))  # noqa: E731
    while journal.append(body) is not None:
        pass
    last = journal.spans()[-1].last
    assert journal.append(body) is None
    assert journal.counters()["disk_full"] == 2
    journal.acknowledge(journal.epoch, last)
    again = journal.append(body)
    assert again is not None
    assert again.seq == last + 1
    journal.close()
    after = Journal.open(small, UID, clock, BOOT)
    (found,) = after.read(again.epoch, again.seq)
    assert isinstance(found, Record)
    after.close()


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_a_disk_that_becomes_read_only_refuses_until_it_is_writable(tmp_path: Path) -> None:
    clock = StepClock()
    with PowerDisk(tmp_path) as disk:
        outbox = opened(disk.root / "outbox", clock)
        outbox.begin(UID, EPOCH, 1)
        outbox.take([arrival(1, clock)])
        journal = Journal.open(disk.root / "journal", UID, clock, BOOT)
        outbox.close()
        journal.close()
        disk.remount("ro")
        with pytest.raises(OSError, match="Read-only"):
            Journal.open(disk.root / "journal", UID, clock, BOOT)
        disk.remount("rw")
        outbox = opened(disk.root / "outbox", clock)
        assert numbers(outbox) == [1]
        assert outbox.take([arrival(2, clock)]) == [Verdict.INSERTED]
        outbox.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(FIU) is None, reason="libfiu is not installed (apt-get install fiu-utils)")
@pytest.mark.parametrize("fault", FAULTS)
def test_system_calls_that_fail_cost_no_reading(tmp_path: Path, fault: str) -> None:
    """The publisher may die of it, as of a failed fsync it has to; started again it has all that it acknowledged."""
    name, number, chance = FAULTS[fault]
    broker = Mosquitto(tmp_path / "broker")
    publisher = Publisher(tmp_path / "state")
    publisher.route(generic_routes(Target("default", "127.0.0.1", broker.port, client_id="faults"), 2))
    log = tmp_path / "publisher.log"
    words = [FIU, "-x", "-c", f"enable_random name={name},probability={chance},failinfo={number}"]
    program = [*words, sys.executable, "-P", "-m", "publisher.main", "--state", str(tmp_path / "state")]
    with (
        broker,
        Subscriber(broker.port, ["meters/+/telemetry"]) as subscriber,
        Meters(publisher.paths, (1, 2), 0.05) as meters,
    ):
        exits = {_lived(program, log) for _ in range(LIVES)}
        assert exits <= {0, 1, 70}, log.read_text()[-3000:]  # 1: Python could not open a module
        with publisher:
            meters.quiet()
            wait_until(lambda: meters.drained, 20, "all readings to be acknowledged")
            taken = meters.taken.items()
            expected = {(uid_of(meter).hex(), count) for meter, most in taken for count in range(1, most + 1)}
            wait_until(lambda: expected <= _arrived(subscriber), 20, f"{len(expected)} readings at the broker")


def _lived(program: list[str], log: Path) -> int:
    """Let a publisher live for a while; return the exit code when it ended by itself, else 0."""
    with log.open("ab") as stream:
        process = subprocess.Popen(program, stdout=stream, stderr=stream, cwd=Path(__file__).parents[2])
    try:
        return process.wait(LIFE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 0


def _arrived(subscriber: Subscriber) -> set[tuple[str, int]]:
    found = set()
    for reading in subscriber.readings():
        values = reading["values"]
        assert isinstance(values, dict)
        found.add((str(reading["uid"]), round(values["active_energy"])))
    return found
