"""A real worker process when its meter misbehaves: each row of the recovery table that can be seen from outside."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.meter_state import MeterState
from common.reading import Quality
from common.secret import Secret
from common.worker_file import Measurement
from poller.simulator import Fleet, MeterSpec
from tests.support.mosquitto import free_port
from tests.support.workers import MEASUREMENTS, QUICK, running


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet([MeterSpec("sim-1")], log=tmp_path / "answers.jsonl") as fleet:
        yield fleet


def port(fleet: Fleet) -> int:
    return fleet.meters["sim-1"].port


def test_a_quantity_the_meter_lacks_is_named_once_and_left_out(tmp_path: Path, fleet: Fleet) -> None:
    wanted = (*MEASUREMENTS, Measurement("nonsense", "1-1:99.99.9"))
    with running(tmp_path, port(fleet), measurements=wanted) as worker:
        worker.reads(4)
        first, *others = [reading for _, reading in worker.ends.readings]
        assert [(item.key, item.kind) for item in first.failures] == [("nonsense", "object_undefined")]
        assert Quality.PARTIAL in first.quality
        assert len(first.quantities) == len(MEASUREMENTS)
        assert all(reading.failures == () and reading.quality == () for reading in others)
        worker.command("reconnect")
        worker.until(lambda: any(it.failures for _, it in worker.ends.readings[1:]), 10, "another try at the next one")


def test_a_meter_that_comes_back_is_read_again(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        fleet.do(do="reboot", seconds=4.0, close=True)
        worker.in_state(MeterState.UNREACHABLE)
        assert worker.ends.last.conditions.keys() == {"connection"}
        worker.in_state(MeterState.ACTIVE)
        worker.reads(2)
        assert worker.ends.last.conditions == {}
        worker.stop()
    assert worker.ends.last.counters["reconnects"] == 1
    assert [envelope.seq for envelope, _ in worker.ends.readings] == list(range(1, len(worker.ends.readings) + 1))


@pytest.mark.parametrize("fault", ["bad_fcs", "drop", "garbage", "duplicate", "half", "slow", "rnr", "bad_hcs"])
def test_damage_costs_no_reconnect(tmp_path: Path, fleet: Fleet, fault: str) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        fleet.do(do=fault, count=1, on="get")
        worker.reads(3)
        assert all(reading.failures == () for _, reading in worker.ends.readings)
        worker.stop()
    assert fleet.status("sim-1")["associations"] == 1


@pytest.mark.parametrize("fault", ["rst", "fin", "frmr", "exception"])
def test_a_broken_link_is_made_anew_and_what_was_read_is_published(tmp_path: Path, fleet: Fleet, fault: str) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        fleet.do(do=fault, count=1, on="get")
        worker.until(lambda: fleet.status("sim-1")["associations"] == 2, 10, "a reconnect")
        worker.reads(2)
        worker.stop()
    assert fleet.status("sim-1")["associations"] == 2


def test_two_silences_end_the_cycle_as_link_lost(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, port(fleet)) as worker:
        worker.reads(2)
        fleet.do(do="deaf", lasting=5.0)
        worker.in_state(MeterState.UNREACHABLE)
        worker.in_state(MeterState.ACTIVE)
        worker.reads(2)
        assert "link_lost" in worker.log.read_text()


def test_an_unreachable_meter_keeps_its_worker_alive_and_honest(tmp_path: Path) -> None:
    free = free_port()
    with running(tmp_path, free) as worker:
        worker.in_state(MeterState.UNREACHABLE)
        assert worker.ends.last.cause == "connect_refused"
        assert worker.process is not None
        assert worker.process.poll() is None
        with Fleet([MeterSpec("sim-1", port=free)]):
            worker.in_state(MeterState.ACTIVE)
            worker.reads(1)
        assert worker.stop() == 0


def test_a_name_that_does_not_resolve_is_unreachable(tmp_path: Path) -> None:
    with running(tmp_path, 4059, host="no-such-meter.invalid") as worker:
        worker.in_state(MeterState.UNREACHABLE)
        assert worker.ends.last.cause == "name_unresolved"
        assert worker.stop() == 0


def test_the_breaker_opens_after_its_failures_and_closes_on_success(tmp_path: Path) -> None:
    free = free_port()
    with running(tmp_path, free, limits=replace(QUICK, breaker_failures=3, backoff_first_s=0.05)) as worker:
        worker.until(lambda: worker.ends.last.facts.get("breaker") == "open", 10, "an open breaker")
        with Fleet([MeterSpec("sim-1", port=free)]):
            worker.until(lambda: worker.ends.last.facts.get("breaker") == "closed", 10, "a closed breaker")


def test_too_many_reconnects_in_an_hour_are_a_pause_and_a_condition(tmp_path: Path, fleet: Fleet) -> None:
    limits = replace(QUICK, reconnects_per_hour=2, reconnect_pause_s=60.0)
    with running(tmp_path, port(fleet), limits=limits) as worker:
        for _ in range(3):
            worker.reads(1)
            fleet.do(do="rst", count=1, on="get")
        worker.in_state(MeterState.UNREACHABLE)
        assert worker.ends.last.cause == "circuit_breaker"
        assert "circuit_breaker" in worker.ends.last.conditions
        assert 50 < worker.ends.last.next_attempt_s <= 60
        assert worker.command("reconnect").ok  # a person may shorten the pause


def test_a_refused_password_is_tried_twice_and_the_refusal_outlives_a_restart(tmp_path: Path, fleet: Fleet) -> None:
    wrong = {"authentication": "lls", "client_id": 1, "password": Secret("33333333")}
    with running(tmp_path, port(fleet), **wrong) as worker:
        worker.in_state(MeterState.AUTH_FAILED)
        assert "auth" in worker.ends.last.conditions
        assert worker.ends.last.counters["auth_refusals"] == 2
        assert worker.stop() == 0
        worker.ends.beats.clear()
        worker.start()
        worker.in_state(MeterState.AUTH_FAILED)
        assert 1700 < worker.ends.last.next_attempt_s <= 1800
        result = worker.command("read")
        assert (result.ok, result.error_kind) == (False, "not_readable")
        assert fleet.status("sim-1")["refused"] == 2
        worker.change(password=Secret("22222222"))
        worker.in_state(MeterState.ACTIVE)
        worker.reads(2)
        assert fleet.status("sim-1")["refused"] == 2
        assert not (Path(worker.file.journal_dir) / "refusal.json").exists()
    assert "33333333" not in worker.log.read_text()
