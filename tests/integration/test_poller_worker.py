"""A real worker process reads a simulated meter; the bus's far ends are the test's."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from common.meter_state import DesiredState, MeterState
from common.reading import Quality
from poller.line import LineLock
from poller.simulator import Fleet, MeterSpec
from tests.support.workers import MEASUREMENTS, QUICK, Worker, running, worker_file


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet([MeterSpec("sim-1")], log=tmp_path / "answers.jsonl") as fleet:
        yield fleet


def port(fleet: Fleet) -> int:
    return fleet.meters["sim-1"].port


def asked(tmp_path: Path) -> Counter[tuple[str, int]]:
    """Count the attributes that the simulator answered, by OBIS code and attribute."""
    lines = map(json.loads, (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    return Counter((line["obis"], line["attr"]) for line in lines if line["event"] in {"get", "list"})


def test_readings_arrive_complete_and_numbered(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(5)
        assert worker.stop() == 0
    readings = worker.ends.readings
    assert [envelope.seq for envelope, _ in readings] == list(range(1, len(readings) + 1))
    _, first = readings[0]
    assert [item.key for item in first.quantities] == [item.key for item in worker.file.measurements]
    assert {(item.key, item.scaler, item.unit) for item in first.quantities} >= {("voltage_l1", -2, 35)}
    assert first.failures == ()
    assert first.quality == ()
    assert fleet.status("sim-1")["discs"] == 1
    assert fleet.status("sim-1")["unclean"] == 0


def test_scalers_are_read_once_also_over_reconnects(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(5)
        assert worker.command("reconnect").ok
        worker.reads(5)
        worker.stop()
    counts = asked(tmp_path)
    cycles = len(worker.ends.readings)
    for item in MEASUREMENTS:
        assert counts[item.obis, 3] == 1
        assert cycles <= counts[item.obis, 2] <= cycles + 1
    assert counts["1-0:0.0.0", 2] == 2
    assert fleet.status("sim-1")["associations"] == 2
    assert worker.ends.last.counters["scaler_misses"] == len(MEASUREMENTS)
    assert worker.ends.last.counters["scaler_hits"] >= len(MEASUREMENTS) * (cycles - 1)


def test_one_list_a_cycle_where_the_meter_takes_lists(tmp_path: Path) -> None:
    measurements = tuple(replace(item, obis=item.obis.replace("1-1:", "1-0:")) for item in MEASUREMENTS)
    with (
        Fleet([MeterSpec("sim-1", "wrapper")]) as fleet,
        running(tmp_path, port(fleet), transport="wrapper", measurements=measurements, address_size=None) as worker,
    ):
        worker.reads(5)
        worker.stop()
        status = fleet.status("sim-1")
    cycles = len(worker.ends.readings)
    assert worker.ends.readings[-1][1].failures == ()
    gets, lists = int(str(status["gets"])), int(str(status["lists"]))
    assert gets - lists == 2  # serial number and firmware
    assert lists <= len(measurements) * (cycles + 2)


def test_a_pause_closes_the_link_and_resuming_opens_it(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        worker.change(desired_state=DesiredState.PAUSED)
        assert worker.in_state(MeterState.PAUSED) < 2.0
        assert fleet.status("sim-1")["discs"] == 1
        before = fleet.status("sim-1")["gets"]
        worker.until(lambda: worker.command("ping").result["state"] == "paused", 10, "an answer")
        assert fleet.status("sim-1")["gets"] == before
        line = LineLock(Path(worker.file.lock_dir))
        line.take("127.0.0.1", port(fleet))  # nobody holds it during a pause
        line.release()
        worker.change(desired_state=DesiredState.RUNNING)
        assert worker.reads(1) < 3.0
        assert worker.stop() == 0


def test_a_pause_breaks_off_a_wait_for_a_silent_meter(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet), limits=replace(QUICK, reply_timeout_s=20.0)) as worker:
        worker.reads(2)
        fleet.do(do="deaf", lasting=30.0)
        worker.change(desired_state=DesiredState.PAUSED)
        assert worker.in_state(MeterState.PAUSED) < 5.0


def test_an_interval_changes_without_a_new_link(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        worker.change(interval_s=1.0)
        worker.until(lambda: "new settings revision=2" in worker.log.read_text(), 10, "the new settings")
        worker.reads(4)  # the first may be older than its settings
        times = [envelope.boot_ms for envelope, _ in worker.ends.readings[-3:]]
        assert [round((b - a) / 1000, 1) for a, b in pairwise(times)] == [1.0, 1.0]
        assert fleet.status("sim-1")["associations"] == 1


def test_another_address_is_taken_without_a_restart(tmp_path: Path) -> None:
    with Fleet([MeterSpec("sim-1"), MeterSpec("sim-2")]) as fleet, running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        worker.change(port=fleet.meters["sim-2"].port)
        worker.until(lambda: fleet.status("sim-2")["gets"], 10, "the other meter")
        worker.reads(1)
        assert fleet.status("sim-1")["discs"] == 1
        assert worker.ends.last.counters["reconnects"] == 0


def test_a_bad_new_file_leaves_the_old_one_in_force(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(1)
        worker.path.write_text("{nonsense")
        worker.until(lambda: "process" in worker.ends.last.conditions, 10, "the condition")
        worker.reads(2)
        worker.change(interval_s=0.1)
        worker.until(lambda: "process" not in worker.ends.last.conditions, 10, "the condition's end")
    assert worker.log.read_text().count("not used") == 1


def test_an_unsynchronised_clock_marks_readings(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet), clock_synchronised=False) as worker:
        worker.reads(1)
        assert worker.ends.readings[-1][1].quality == (Quality.CLOCK_UNSYNCED,)
        worker.change(clock_synchronised=True)
        worker.until(lambda: not worker.ends.readings[-1][1].quality, 10, "readings without the mark")
        assert fleet.status("sim-1")["associations"] == 1


def test_commands_are_answered(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.in_state(MeterState.ACTIVE)
        assert worker.command("ping").result["state"] == "active"
        read = worker.command("read")
        assert read.ok
        values = read.result["values"]
        assert isinstance(values, dict)
        assert values.keys() == {item.key for item in MEASUREMENTS}
        one = worker.command("read", keys=["frequency"]).result
        assert one["units"] == {"frequency": "Hz"}
        test = worker.command("test").result
        assert test["conformance"] == "00301D"
        assert test["serial_number"]
        unknown = worker.command("dance")
        assert (unknown.ok, unknown.error_kind) == (False, "unknown_verb")


def test_a_killed_worker_goes_on_in_its_epoch_within_interval_and_two_seconds(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(3)
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.process is not None
        worker.process.wait()
        worker.start()
        assert worker.reads(1) < 0.2 + 2.0
        worker.reads(2)
    epochs = {envelope.epoch for envelope, _ in worker.ends.readings}
    assert len(epochs) == 1
    numbers = [envelope.seq for envelope, _ in worker.ends.readings]
    assert numbers == sorted(numbers)


def test_heartbeats_come_every_five_seconds_while_a_meter_is_silent(tmp_path: Path, fleet: Fleet) -> None:
    fleet.do(do="deaf")
    with running(tmp_path, port(fleet), limits=replace(QUICK, connect_timeout_s=5.0, reply_timeout_s=30.0)) as worker:
        worker.until(lambda: len(worker.ends.beats) >= 3, 14, "three heartbeats")
        assert worker.stop() == 0
    gaps = [b - a for a, b in pairwise(worker.ends.beat_times)]
    assert max(gaps) < 6.0


def test_a_second_worker_on_the_line_ends_with_75(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(1)
        second = tmp_path / "second"
        second.mkdir()
        file = replace(worker_file(second, port(fleet)), lock_dir=worker.file.lock_dir, uid=bytes(16))
        with Worker(second, file) as other:
            assert other.exit_code() == 75
            assert "line_held" in other.log.read_text()


def test_a_second_worker_of_the_same_meter_ends_with_75(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(1)
        second = tmp_path / "second"
        second.mkdir()
        with Worker(second, replace(worker.file, bus_dir=worker_file(second, 1).bus_dir)) as other:
            assert other.exit_code() == 75, other.log.read_text()


def test_a_shared_line_is_used_in_turns(tmp_path: Path, fleet: Fleet) -> None:
    second = tmp_path / "second"
    second.mkdir()
    locks = {"lock_dir": worker_file(tmp_path, 1).lock_dir, "line_mode": "shared"}
    with (
        running(tmp_path, port(fleet), **locks) as worker,
        running(second, port(fleet), uid=bytes([200]) * 16, **locks) as other,
    ):
        worker.reads(3)
        other.reads(3)
        worker.reads(3)
        assert worker.stop() == 0
        assert other.stop() == 0
    status = fleet.status("sim-1")
    assert status["connected_max"] == 1
    assert status["unclean"] == 0
    assert worker.ends.last.counters["reconnects"] == 0


def test_a_bad_worker_file_ends_with_78(tmp_path: Path) -> None:
    with running(tmp_path, 1, client_id=0) as worker:
        assert worker.exit_code() == 78
        assert "bad_address" in worker.log.read_text()
        worker.path.write_text("{}")
        worker.start()
        assert worker.exit_code() == 78
        assert "bad_file" in worker.log.read_text()


def test_a_worker_whose_parent_is_gone_ends_in_order(tmp_path: Path, fleet: Fleet) -> None:
    file = worker_file(tmp_path, port(fleet))
    with Worker(tmp_path, file) as worker:
        worker.reads(1)
        worker.stop()
        log = tmp_path / "orphan.log"
        line = f"SUPERVISOR_PID=$$ {sys.executable} -P -m poller.main --config {worker.path} 2>{log} & sleep 1"
        subprocess.run(["/bin/sh", "-c", line], check=True, timeout=10)
        worker.until(lambda: "stopped" in log.read_text(), 10, "the orphan's end")
    assert fleet.status("sim-1")["unclean"] == 0


def test_nothing_is_lost_while_nobody_acknowledges(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.ends.acknowledging = False
        worker.reads(3)
        started = time.monotonic()
        assert worker.stop() == 0
        assert 3.5 < time.monotonic() - started < 8.0
