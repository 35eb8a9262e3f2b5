"""What report, diagnosis and action plan say of a real system whose meters misbehave, against the simulator's log."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import pytest

from common.settings import load
from common.store.engine import open_from_settings
from tests.support.mosquitto import free_port
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
Document = Mapping[str, object]

CODES: Final = {"1-1:32.7.0", "1-1:31.7.0", "1-1:14.7.0", "1-1:1.7.0", "1-1:1.8.0"}
TRIES: Final = 2  # a read that failed is tried once more
FAILURES: Final = 12
READS: Final = 120  # enough for a share, with as many failures among them as miss its target
READ: Final = ("sim-1", "sim-2")
RARELY_S: Final = 600
QUIET_S: Final = 2.0
UNHEARD: Final = 4  # readings before the supervisor knows the worker are not in the history
FAR_MS: Final = 1 << 50
FOR_EVER: Final = 1_000_000
FAULTS: Final = (
    {"meter": "sim-3", "do": "deaf", "on": "snrm", "count": FOR_EVER},
    {"meter": "sim-4", "do": "deaf", "on": "aarq", "count": FOR_EVER},
    {"meter": "sim-5", "do": "refuse_password", "on": "aarq", "count": FOR_EVER},
    {"meter": "sim-6", "do": "deaf", "on": "get", "count": FOR_EVER},
)
CAUSES: Final = {
    "sim-3": ("no_ua", "unreachable"),
    "sim-4": ("no_association", "unreachable"),
    "sim-5": ("wrong_credentials", "auth_failed"),
    "sim-6": ("timeouts", "unreachable"),
    "away": ("refused", "unreachable"),
}


def test_figures_are_those_of_the_meters_and_causes_those_that_were_injected(tmp_path: Path) -> None:
    options = [word for fault in FAULTS for word in ("--command", json.dumps(fault))]
    words = ("--limit", "reply_timeout_s=1")
    with System(tmp_path, meters=6, interval_s=0.5, options=options, words=words) as system:
        system.add_meter("away", *words, port=free_port())
        system.simulator.do("busy", "sim-2", on="get", count=TRIES * FAILURES, skip=30)
        for meter, (_, state) in CAUSES.items():
            system.wait_for_state(meter, state, 40)
        _check_causes(system)
        wait_until(lambda: min(map(sum, (_reads(system, "sim-1"), _reads(system, "sim-2")))) >= READS, 60, "reads")
        _calm(system)
        verdict = system.settle()
        assert not verdict.faults, verdict
        assert system.stop() == 0
        _check_history(system)
        _check_figures(system)


def _calm(system: System) -> None:
    """Let no cycle be under way when the pause comes: what a meter answered in it would not have been taken."""
    for meter in READ:
        system.cli("edit", meter, "--interval", str(RARELY_S))
    last, since = len(system.arrived()), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.1)
        if len(system.arrived()) != last:
            last, since = len(system.arrived()), time.monotonic()


def _check_causes(system: System) -> None:
    """Each diagnosis names what was injected, and the plan has an entry for it."""
    for meter, (cause, _) in CAUSES.items():
        told = cast("Document", system.cli_json("diagnose", meter, code=1))
        found = cast("list[Document]", told["findings"])
        assert [finding["cause"] for finding in found] == [cause], (meter, found)
        assert cast("Document", told["state"])["last_error_at"]
    assert cast("Document", system.cli_json("diagnose", "sim-1"))["findings"] == []
    plan = cast("Document", system.cli_json("action-plan", code=1))
    entries = {entry["cause"]: entry["meters"] for entry in cast("list[Document]", plan["entries"])}
    assert {cause: entries.get(cause) for cause, _ in CAUSES.values()} == {
        cause: [meter] for meter, (cause, _) in CAUSES.items()
    }
    text = system.cli("diagnose", "sim-5", code=1).stdout
    assert "refuses our password" in text
    assert "meterctl edit ID --password-file FILE" in text


def _check_figures(system: System) -> None:
    """What the store holds of the reads is what the meters answered, and of the deliveries what the broker got."""
    for meter in READ:
        ok, failed = _reads(system, meter)
        figures = _figures(system, meter)
        assert (figures["read_success"]["samples"], _part(figures["read_success"])) == (ok + failed, ok), meter
        delivered = len({(body["epoch"], body["seq"]) for body in system.readings(meter)})
        assert (figures["publish"]["samples"], figures["publish"]["value"]) == (delivered, 100.0), meter
        assert figures["uptime"]["verdict"] == "not measured", "five minutes are needed"
        print(f"{meter}: {ok} reads succeeded, {failed} failed, {delivered} readings delivered")
    assert _reads(system, "sim-1")[1] == 0
    assert _reads(system, "sim-2")[1] == FAILURES
    report = cast("Document", system.cli_json("report", code=1))
    hour = cast("list[Document]", report["windows"])[0]
    missed = {meter["name"]: meter["missed"] for meter in cast("list[Document]", hour["worst"])}
    assert missed == {"sim-2": ["read_success"]}
    assert hour["complete"] is False
    lines = system.cli("report", "--minutes", "15", code=1).stdout
    assert "before that nothing was measured" in lines
    assert "read success" in lines


def _check_history(system: System) -> None:
    """What is kept of the meters' minutes and of their day is what the broker got; a stop writes the running minute."""
    store = open_from_settings(load(str(system.state), {}))
    for meter in READ:
        uid = store.meters.by_name(meter).uid
        bodies = {(body["epoch"], body["seq"]): cast("Document", body["values"]) for body in system.readings(meter)}
        values = [values for values in bodies.values() if values]
        minutes = store.history.between(uid, 0, FAR_MS, 60)
        heard = sum(row.readings for row in minutes)
        assert len(values) - UNHEARD <= heard <= len(values), meter
        (day,) = store.history.between(uid, 0, FAR_MS, 86_400)[-1:]
        voltage = day.values["voltage_l1"]
        told = [float(str(item["voltage_l1"])) for item in values if "voltage_l1" in item]
        assert min(told) <= voltage.lowest <= voltage.mean <= voltage.highest <= max(told)
        assert voltage.last in told[-1:]
        print(f"{meter}: {heard} of {len(values)} readings in {len(minutes)} minutes")
    store.close()


def _reads(system: System, meter: str) -> tuple[int, int]:
    """Count, in the simulator's log, the reads of wished quantities that the meter answered and that it denied."""
    found: Counter[str] = Counter()
    for line in system.simulator.log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["meter"] == meter and event.get("obis") in CODES and event.get("attr") == 2:
            found[event["event"]] += event["event"] == "denied" or event["answered"]
    return found["get"], found["denied"] // TRIES


def _figures(system: System, meter: str) -> dict[str, Document]:
    told = cast("Document", system.cli_json("diagnose", meter, code=None))
    hour = cast("list[Document]", told["figures"])[0]
    return {str(answer["target"]): answer for answer in cast("list[Document]", hour["answers"])}


def _part(answer: Document) -> int:
    return round(float(str(answer["value"])) * int(str(answer["samples"])) / 100)
