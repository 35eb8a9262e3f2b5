"""The auditor and the alarms at the broker, on a running product: one fault, seen by both, over by itself."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import cast

import pytest

from tests.support.mosquitto import Subscriber
from tests.support.system import BIN, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

TOPIC = "bridges/+/alarms/#"
HOLDS, UNDECIDED = "holds", "cannot be decided"


class Recording:
    """`meterctl follow --record` as a process."""

    def __init__(self, system: System, path: Path) -> None:
        self.path = path
        with path.with_suffix(".log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(BIN / "meterctl"), "--state", str(system.state), "follow", "--record", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: path.exists() and path.stat().st_size, 60.0, "the recording to begin")

    def end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60.0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _audit(system: System, *words: str, code: int = 0) -> dict[str, str]:
    document = cast("dict[str, dict[str, dict[str, str]]]", system.cli_json("audit", *words, code=code))
    return {name: found["decision"] for name, found in document["invariants"].items()}


def _states(subscriber: Subscriber) -> list[str]:
    said = [
        json.loads(item.payload) for item in subscriber.received() if item.payload and "/connection/sim-1" in item.topic
    ]
    return [str(item["state"]) for item in said]


def test_a_fault_of_one_meter_is_audited_and_its_alarm_told_at_the_broker(tmp_path: Path) -> None:
    with System(tmp_path, meters=3, interval_s=0.5) as system, Subscriber(system.broker.port, [TOPIC]) as alarms:
        system.wait_for_readings()
        recording = Recording(system, tmp_path / "got.jsonl")
        since_ms = _now_ms()
        system.wait_for_readings(15)
        assert _audit(system, "--listen", "2")["I1"] == HOLDS

        began_ms = _now_ms()
        system.simulator.do("linger", "sim-1", seconds=8, how="dm")
        system.simulator.do("reboot", "sim-1", close=True)
        system.wait_for_readings(15, meters=["sim-2", "sim-3"])
        wait_until(lambda: "raised" in _states(alarms), 40.0, "the alarm at the broker")
        system.wait_for_readings(1, timeout=90.0, meters=["sim-1"])
        ended_ms = _now_ms()
        wait_until(lambda: _states(alarms)[-1] == "cleared", 60.0, "the alarm's end at the broker")

        with Subscriber(system.broker.port, [TOPIC], client_id="late") as late:
            wait_until(lambda: _states(late) == ["cleared"], 10.0, "the retained word")

        system.settle()
        recording.end()
        fault = ("--fault-from", str(began_ms), "--fault-to", str(ended_ms), "--abused", "sim-1")
        files = ("--received", str(recording.path), "--simulator-log", str(system.simulator.log))
        decided = _audit(system, *files, *fault, "--kills", "1", "--since", str(since_ms), "--until", str(ended_ms))
        assert decided.pop("I7") in {HOLDS, UNDECIDED}  # other alarms of the same fault may take their time
        assert decided == dict.fromkeys(decided, HOLDS)

        _spoil(recording.path)
        assert _audit(system, "--received", str(recording.path), code=1)["I3"] == "broken"


def _spoil(path: Path) -> None:
    """Let the last reading arrive once more, with another content."""
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    line["payload"] = line["payload"].replace('"source":"live"', '"source":"live","more":1')
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def test_where_nothing_is_installed_there_is_nothing_to_audit(tmp_path: Path) -> None:
    words = [str(BIN / "meterctl"), "audit", "--state", str(tmp_path / "none")]
    assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 2
