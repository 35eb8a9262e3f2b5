"""From a real worker's line to the store: the frames of what went wrong arrive, and no secret does."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from common.clock import SystemClock
from common.meter_state import MeterState
from common.secret import Secret
from common.store.model import DiagnosticRow
from poller.simulator import Fleet, MeterSpec
from poller.simulator.personality import PERSONALITIES
from supervisor_qos.observer import Observer
from supervisor_qos.recorder import Recorder
from tests.support.installation import StillClock, opened
from tests.support.workers import UID, Worker, running

PASSWORD: Final = "tr0ub4dour"
KEYS = PERSONALITIES["secure"].keys
FAULTS: Final = ("bad_fcs", "garbage", "half", "duplicate", "exception", "fin", "wrong_invoke")
GMAC: Final[dict[str, object]] = {
    "client_id": 35,
    "server_physical": 17,
    "address_size": 4,
    "authentication": "hls-gmac",
    "security": "both",
    "encryption_key": Secret("0f" * 16),
    "authentication_key": Secret("d0" * 16),
    "client_title": b"CLIENT01".hex(),
}
WAYS_IN: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "refused LLS": ("", {"client_id": 1, "authentication": "lls", "password": Secret(PASSWORD)}),
    "LLS": ("", {"client_id": 1, "authentication": "lls", "password": Secret("22222222")}),
    "refused digest": (
        "secure",
        {**GMAC, "client_id": 36, "authentication": "hls-sha256", "security": "none", "password": Secret(PASSWORD)}
        | {"encryption_key": Secret(""), "authentication_key": Secret("")},
    ),
    "refused GMAC": ("secure", GMAC),
}


def stored(tmp_path: Path, worker: Worker) -> Sequence[DiagnosticRow]:
    """Take what the worker sent through the supervisor's parts; return the meter's rows, newest first."""
    observer = Observer()
    for octets in worker.ends.diagnostics:
        observer.take(octets, 1)
    assert not observer.refused
    directory = tmp_path / f"store-{os.urandom(4).hex()}"
    directory.mkdir()
    with opened(directory, StillClock()) as store:
        Recorder(store, SystemClock()).diagnostics(observer.diagnostics)
        return store.diagnostics.list(UID)


def test_the_frames_of_a_damaged_answer_arrive_in_the_store(tmp_path: Path) -> None:
    with Fleet([MeterSpec("sim-1")]) as fleet, running(tmp_path, fleet.meters["sim-1"].port) as worker:
        worker.reads(2)
        fleet.do(do="bad_fcs", count=1, on="get")
        worker.until(lambda: worker.ends.diagnostics, 10, "a diagnostic")
        assert worker.stop() == 0
    (row,) = stored(tmp_path, worker)
    assert (row.category, row.kind) == ("hdlc", "bad_frames")
    assert any("e6e600c001" in frame.octets for frame in row.frames if frame.way == "sent")
    assert any("e6e700c401" in frame.octets for frame in row.frames if frame.way == "received")


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_no_secret_arrives_whatever_goes_wrong(tmp_path: Path, way_in: str) -> None:
    kind, settings = WAYS_IN[way_in]
    spec = MeterSpec("m", kind) if kind else MeterSpec("m")
    with Fleet([spec]) as fleet, running(tmp_path, fleet.meters["m"].port, **settings) as worker:
        if way_in.startswith("refused"):
            worker.in_state(MeterState.AUTH_FAILED)
        else:
            for fault in FAULTS:
                worker.reads(1)
                fleet.do(do=fault, count=1)
            worker.reads(3)
        assert worker.stop() == 0
    rows = stored(tmp_path, worker)
    assert rows
    if way_in.startswith("refused"):
        assert "authentication_failed" in {row.kind for row in rows}
    said = "".join(row.message + "".join(frame.octets + " " for frame in row.frames) for row in rows)
    for name in ("password", "encryption_key", "authentication_key"):
        secret = settings.get(name)
        if isinstance(secret, Secret) and secret:
            assert secret.reveal() not in said
            assert secret.reveal().encode().hex() not in said
    assert "e6e600c301" not in said  # the proof of high-level security
