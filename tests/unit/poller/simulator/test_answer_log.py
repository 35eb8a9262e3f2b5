import json
from pathlib import Path

import pytest

from poller.simulator.answer_log import AnswerLog
from poller.simulator.notes import Note
from poller.simulator.personality import BadSpecification
from poller.simulator.steps import Record
from tests.support.simulated import StillClock

RECORD = Record(Note("get", "1-1:1.8.0", 2, 56_281_000, 0xC1), 4, "stall")


def test_a_line_says_everything_and_is_there_at_once(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "log", StillClock())
    log.write("sim-1", 2, RECORD)
    assert json.loads((tmp_path / "log").read_text()) == {
        "t": 1_700_000_000_000,
        "mono": 1000.0,
        "meter": "sim-1",
        "conn": 2,
        "assoc": 4,
        "event": "get",
        "obis": "1-1:1.8.0",
        "attr": 2,
        "raw": 56_281_000,
        "invoke": 0xC1,
        "fault": "stall",
        "answered": True,
    }
    log.close()


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "log", StillClock(), limit=1000)
    for _ in range(50):
        log.write("sim-1", 1, RECORD)
    log.close()
    assert log.rotations > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    for _ in range(2):
        log = AnswerLog(tmp_path / "log", StillClock())
        log.write("sim-1", 1, RECORD)
        log.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2


def test_a_log_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadSpecification, match="No such file"):
        AnswerLog(tmp_path / "nowhere" / "log", StillClock())
