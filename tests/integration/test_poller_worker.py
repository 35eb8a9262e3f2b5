"""A real worker process reads a simulated meter; the bus's far ends are the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from poller.simulator import Fleet, MeterSpec
from tests.support.workers import running


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet([MeterSpec("sim-1")]) as fleet:
        yield fleet


def test_readings_arrive_complete_and_numbered(tmp_path: Path, fleet: Fleet) -> None:
    with running(tmp_path, fleet.meters["sim-1"].port) as worker:
        worker.until(lambda: len(worker.ends.readings) >= 5, 10, "five readings")
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
