"""A real worker process reads simulated meters that want proof and protection; its counters outlive SIGKILL."""

import signal
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from common.meter_state import MeterState
from common.secret import Secret
from common.worker_file import Measurement
from poller.simulator import Fleet, MeterSpec
from poller.simulator.personality import PERSONALITIES
from tests.support.workers import Worker, running

KEYS = PERSONALITIES["secure"].keys
SECRET: Final = "SimulatorSecret1"
TITLE: Final = b"CLIENT01".hex()
VOLTAGE: Final = (Measurement("voltage_l1", "1-0:32.7.0"), Measurement("active_energy", "1-0:1.8.0"))
GMAC, SHA256 = 35, 36


def secured(root: Path, fleet: Fleet, **changes: object) -> AbstractContextManager[Worker]:
    """Return a worker of the meter with GMAC and authenticated encryption, not started."""
    assert KEYS is not None
    hdlc = changes.get("transport") != "wrapper"
    settings: dict[str, object] = {
        "client_id": GMAC,
        "server_physical": 17 if hdlc else None,
        "address_size": 4 if hdlc else None,
        "authentication": "hls-gmac",
        "security": "both",
        "encryption_key": Secret(KEYS.encryption.hex()),
        "authentication_key": Secret(KEYS.authentication.hex()),
        "client_title": TITLE,
        "measurements": VOLTAGE,
        **changes,
    }
    return running(root, fleet.meters["m"].port, **settings)


@pytest.mark.parametrize("transport", ["hdlc", "wrapper"])
@pytest.mark.parametrize("dedicated", [False, True], ids=["global", "dedicated"])
def test_a_worker_reads_a_ciphered_meter(tmp_path: Path, transport: str, dedicated: bool) -> None:
    kind = "secure" if transport == "hdlc" else "secure-wrapper"
    with (
        Fleet([MeterSpec("m", kind)]) as fleet,
        secured(tmp_path, fleet, transport=transport, dedicated_key=dedicated) as worker,
    ):
        worker.reads(5)
        assert worker.stop() == 0
    _, reading = worker.ends.readings[-1]
    assert [(item.key, item.unit) for item in reading.quantities] == [("voltage_l1", 35), ("active_energy", 30)]
    assert not reading.failures
    assert KEYS is not None
    assert KEYS.authentication.hex() not in worker.log.read_text()


def test_counters_go_on_rising_over_a_kill(tmp_path: Path) -> None:
    """A meter refuses a counter that it has seen: after SIGKILL the first association must be accepted as it is."""
    with Fleet([MeterSpec("m", "secure")]) as fleet, secured(tmp_path, fleet) as worker:
        for _ in range(3):
            worker.reads(3)
            worker.stop(signal.SIGKILL)
            worker.start()
        worker.reads(3)
        status = fleet.status("m")
        assert worker.stop() == 0
    assert status["refused"] == 0
    assert status["associations"] == 4
    assert len(list((tmp_path / "counters").rglob("*.counter"))) == 1


def test_a_lost_counter_is_learnt_from_the_refusal(tmp_path: Path) -> None:
    with Fleet([MeterSpec("m", "secure")]) as fleet, secured(tmp_path, fleet) as worker:
        worker.reads(3)
        assert worker.stop() == 0
        for file in (tmp_path / "counters").rglob("*.counter"):
            file.unlink()
        worker.start()
        worker.reads(3)
        assert worker.stop() == 0


def test_a_wrong_key_is_an_authentication_that_failed(tmp_path: Path) -> None:
    with (
        Fleet([MeterSpec("m", "secure")]) as fleet,
        secured(tmp_path, fleet, encryption_key=Secret("00" * 16)) as worker,
    ):
        worker.in_state(MeterState.AUTH_FAILED)
        assert worker.ends.last.cause == "authentication_failed"
        assert worker.stop() == 0


def test_keys_that_change_are_in_force_at_once(tmp_path: Path) -> None:
    assert KEYS is not None
    right = Secret(KEYS.encryption.hex())
    with Fleet([MeterSpec("m", "secure")]) as fleet, secured(tmp_path, fleet) as worker:
        worker.reads(2)
        worker.change(encryption_key=Secret("00" * 16))
        worker.in_state(MeterState.AUTH_FAILED)
        worker.change(encryption_key=right)
        worker.in_state(MeterState.ACTIVE)
        worker.reads(2)
        assert worker.stop() == 0


def test_a_digest_proves_us_without_keys(tmp_path: Path) -> None:
    with (
        Fleet([MeterSpec("m", "secure")]) as fleet,
        secured(
            tmp_path,
            fleet,
            client_id=SHA256,
            authentication="hls-sha256",
            password=Secret(SECRET),
            security="none",
            encryption_key=Secret(""),
            authentication_key=Secret(""),
        ) as worker,
    ):
        worker.reads(3)
        assert worker.stop() == 0
    assert not list((tmp_path / "counters").rglob("*.counter"))


def test_short_names_are_read_like_logical_ones(tmp_path: Path) -> None:
    with (
        Fleet([MeterSpec("m", "short-names")]) as fleet,
        secured(
            tmp_path,
            fleet,
            client_id=16,
            authentication="none",
            security="none",
            encryption_key=Secret(""),
            authentication_key=Secret(""),
            referencing="sn",
        ) as worker,
    ):
        worker.reads(3)
        assert worker.stop() == 0
    _, reading = worker.ends.readings[-1]
    assert [item.key for item in reading.quantities] == ["voltage_l1", "active_energy"]
