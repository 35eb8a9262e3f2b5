"""A worker process that reads what it missed from a simulated meter: both transports, real SIGKILL, its memory."""

import compileall
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import common
import poller
from common.command import BACKFILL
from common.reading import Source
from common.worker_file import WorkerFile
from poller.simulator import Fleet, MeterSpec, Personality, personality
from poller.simulator.personality import ProfileHabit, ProfileSetting
from poller.simulator.profiles import load_row
from tests.bench.figures import KIB, uss_octets
from tests.support.workers import MEASUREMENTS, Worker, worker_file

STEP = 900_000
DAYS = 10
INTERVAL_S = 0.5  # a busy machine has room between two polls, too
MAX_USS_KIB = 15 * 1024  # what a worker may have, and the classes a backfill has loaded; 14 116 measured


def kind(name: str, *habits: ProfileHabit) -> Personality:
    """Return a kind of meter with a month of rows."""
    return replace(personality(name), profile=ProfileSetting(habits=frozenset(habits)))


def file_of(root: Path, fleet: Fleet, **changes: object) -> WorkerFile:
    """Return the worker file of the fleet's one meter, whose gaps are filled."""
    meter = fleet.meters["sim-1"]
    hdlc = meter.device.kind.transport == "hdlc"
    file = replace(worker_file(root, meter.port), backfill=True, transport="hdlc" if hdlc else "wrapper")
    channel = "1-1:" if hdlc else "1-0:"
    measured = tuple(replace(item, obis=item.obis.replace("1-1:", channel)) for item in MEASUREMENTS)
    return replace(file, measurements=measured, **changes)  # type: ignore[arg-type]


def stamps(worker: Worker) -> list[int]:
    """Return the moments of the rows that came, each as often as a different reading has it."""
    named = {
        (envelope.epoch, envelope.seq): envelope.ts_ms
        for envelope, reading in worker.ends.readings
        if reading.source is Source.PROFILE
    }
    return sorted(named.values())


def due(begin_ms: int, end_ms: int) -> list[int]:
    return list(range(begin_ms // STEP * STEP + STEP, end_ms + 1, STEP))


@pytest.mark.parametrize("transport", ["microstar", "wrapper"])
@pytest.mark.parametrize("habits", [(), (ProfileHabit.NO_RANGE,)], ids=["by range", "by place"])
def test_a_range_is_what_the_meter_has(tmp_path: Path, transport: str, habits: tuple[ProfileHabit, ...]) -> None:
    with (
        Fleet([MeterSpec("sim-1", kind(transport, *habits))]) as fleet,
        Worker(tmp_path, file_of(tmp_path, fleet)) as it,
    ):
        it.reads(3)
        now = time.time_ns() // 1_000_000
        begin, end = now - 50 * STEP, now - 3 * STEP
        result = it.command(BACKFILL, timeout=30.0, from_ms=begin, to_ms=end)
        assert result.ok, result
        it.until(lambda: stamps(it) == due(begin - 1, end), 10, "the rows")
        assert result.result["rows"] == 47
        for envelope, reading in it.ends.readings:
            if reading.source is Source.PROFILE:
                energy = next(item.raw for item in reading.quantities if item.key == "active_energy")
                assert energy == load_row(0, envelope.ts_ms).imported


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_what_it_missed_brings_each_row_once(tmp_path: Path) -> None:
    with (
        Fleet([MeterSpec("sim-1", kind("microstar"), delay=(0.01, 0.02))]) as fleet,
        Worker(tmp_path, file_of(tmp_path, fleet)) as it,
    ):
        it.reads(5)
        seen = [envelope.ts_ms for envelope, _ in it.ends.readings][-1]
        it.stop(signal.SIGKILL)
        fleet.meters["sim-1"].device.time.jump(DAYS * 24 * 3600)
        expected = due(seen, seen + DAYS * 24 * 3_600_000)
        for share in (0.0, 0.2, 0.5, 0.8):
            it.start()
            goal = share * len(expected)
            it.until(partial(_has_more, it, goal), 120, f"{goal:.0f} rows")
            it.stop(signal.SIGKILL)
        it.start()
        it.until(lambda: set(expected) <= set(stamps(it)), 180, "the rest")
        it.reads(5)
        got = stamps(it)
        assert len(got) == len(set(got))
        assert len(set(got) - set(expected)) <= 1  # the minute that this takes


def _has_more(worker: Worker, goal: float) -> bool:
    return len(stamps(worker)) > goal


def test_a_backfill_costs_memory_only_when_there_is_one(tmp_path: Path) -> None:
    for package in (common, poller):
        assert compileall.compile_dir(package.__path__[0], quiet=1)
    second = tmp_path / "second"
    second.mkdir()
    with (
        Fleet([MeterSpec("sim-1", kind("microstar"))]) as fleet,
        Worker(tmp_path, file_of(tmp_path, fleet, line_mode="concurrent", interval_s=INTERVAL_S)) as it,
        Fleet([MeterSpec("sim-1", kind("microstar"))]) as others,
        Worker(second, file_of(second, others, line_mode="concurrent", interval_s=INTERVAL_S)) as other,
    ):
        other.reads(10)
        it.reads(10)
        before = uss_octets(it.pid) // KIB
        now = time.time_ns() // 1_000_000
        result = it.command(BACKFILL, timeout=120.0, from_ms=now - 30 * 96 * STEP, to_ms=now)
        assert result.ok, result
        it.reads(10)
        after = uss_octets(it.pid) // KIB
    print(f"USS of a worker: {before} KiB before a backfill of {result.result['rows']} rows, {after} KiB after it")
    assert before <= 12 * KIB
    assert after <= MAX_USS_KIB
