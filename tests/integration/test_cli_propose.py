"""``meterctl objects --propose`` as a command: an entry of the catalogue, and measurements that the API takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.completing import new_meter
from admin_api.schemas.meters import NewMeter
from common.model_file import parse_model
from poller.simulator import Fleet, MeterSpec, personality

METERCTL = Path(sys.executable).parent / "meterctl"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet([MeterSpec("hall", personality("microstar"))]) as running:
        yield running


def objects(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    where = ("--host", "127.0.0.1", "--port", str(fleet.meters["hall"].port), "--model", "microstar")
    return subprocess.run(
        [METERCTL, "objects", *where, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_an_entry_is_printed_that_can_be_read(fleet: Fleet) -> None:
    done = objects(fleet, "--propose", "hall-7")
    assert (done.returncode, done.stderr) == (0, "")
    found = parse_model(done.stdout, "hall-7.toml")
    assert (found.name, found.port, found.channel) == ("hall-7", fleet.meters["hall"].port, 1)
    assert "active_energy" in found.measurements


def test_wishes_are_printed_that_the_api_takes(fleet: Fleet) -> None:
    done = objects(fleet, "--propose", "hall-7", "--json")
    assert done.returncode == 0
    wish = new_meter(NewMeter.read({"name": "hall", "ip_address": "10.0.0.7", "measurements": json.loads(done.stdout)}))
    assert ("voltage_l1", "1-1:32.7.0") in {(item.measurement_name, item.obis_code) for item in wish.measurements}


def test_a_name_that_no_model_can_have_is_refused(fleet: Fleet) -> None:
    done = objects(fleet, "--propose", "Hall 7")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--propose: lower case letters" in done.stderr
