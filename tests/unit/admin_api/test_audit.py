"""The auditor finds what is wrong, each kind by itself, and nothing where nothing is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from admin_api.audit.auditor import audit as judge
from admin_api.audit.files import Unreadable, answers, copies
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import Verdict


def audit(arrived: Sequence["Arrival"], log: Path | None = None, *, until_ms: int = 1 << 62) -> Verdict:
    scope = Scope(complete=True, until_ms=until_ms)
    return judge(arrived, answers(log) if log else (), scope)


@dataclass(frozen=True)
class Arrival:
    """A message as the broker delivered it."""

    seq: int
    energy: int
    lane: str = "live"
    epoch: str = "e1"
    meter: str = "sim-1"
    note: str = ""

    @property
    def payload(self) -> bytes:
        return json.dumps({
            "ts": 1000 * self.seq,
            "meter": self.meter,
            "uid": f"uid of {self.meter}",
            "epoch": self.epoch,
            "seq": self.seq,
            "values": {"active_energy": float(self.energy)},
            "note": self.note,
        }).encode()


CLEAN = [Arrival(1, 100), Arrival(2, 101), Arrival(3, 102)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    lines = [
        {"t": 10 * energy, "meter": "sim-1", "event": "get", "obis": "1-1:1.8.0", "attr": 2, "raw": energy}
        for energy in (100, 101, 102)
    ]
    lines.append({"t": 1, "meter": "sim-1", "event": "get", "obis": "1-1:1.8.0", "attr": 3, "raw": 0})
    lines.append({"t": 1, "meter": "sim-1", "event": "get", "obis": "1-1:32.7.0", "attr": 2, "raw": 13000})
    texts = [json.dumps({**line, "answered": True}) for line in lines]
    texts.append(json.dumps({**lines[0], "raw": 99, "answered": False}))
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_a_full_record_is_clean(log: Path) -> None:
    verdict = audit(CLEAN, log)
    assert verdict.is_clean
    assert (verdict.readings, verdict.repeats) == (3, 0)


def test_an_equal_repeat_is_counted_and_no_fault(log: Path) -> None:
    verdict = audit([*CLEAN[:2], CLEAN[1], CLEAN[2]], log)
    assert verdict.is_clean
    assert verdict.repeats == 1


def test_a_repeat_with_other_content_is_a_fault(log: Path) -> None:
    assert len(audit([*CLEAN, replace(CLEAN[1], note="other")], log).unequal) == 1


def test_a_hole_in_seq_is_a_fault() -> None:
    verdict = audit([CLEAN[0], CLEAN[2]])
    assert "1 of 3 missing: [2]" in verdict.holes[0]


def test_an_epoch_that_does_not_begin_at_one_has_a_hole() -> None:
    assert audit(CLEAN[1:]).holes


def test_each_epoch_is_counted_by_itself() -> None:
    assert audit([*CLEAN, Arrival(1, 200, epoch="e2")]).is_clean


def test_an_older_reading_after_a_younger_one_in_the_same_lane_is_disorder() -> None:
    assert audit([CLEAN[0], CLEAN[2], CLEAN[1]]).disorder == ("disorder: sim-1 live: seq 2 after 3",)


def test_live_may_overtake_backlog() -> None:
    assert audit([CLEAN[2], replace(CLEAN[0], lane="backlog"), replace(CLEAN[1], lane="backlog")]).is_clean


def test_an_epoch_that_returns_is_disorder() -> None:
    assert audit([CLEAN[0], Arrival(1, 200, epoch="e2"), CLEAN[1]]).disorder


def test_a_cycle_that_never_arrived_is_missing(log: Path) -> None:
    verdict = audit(CLEAN[:2], log)
    assert verdict.missing == {"sim-1": (102,)}
    assert not verdict.faults
    assert not verdict.is_clean


def test_what_was_answered_outside_the_time_is_not_asked_for(log: Path) -> None:
    assert audit(CLEAN[:2], log, until_ms=1015).is_clean


def test_a_value_that_no_meter_answered_is_a_phantom(log: Path) -> None:
    assert audit([*CLEAN, Arrival(4, 999)], log).phantoms == ("phantom: sim-1 energy 999 was never answered",)


def test_an_answer_that_never_went_out_is_no_cycle(log: Path) -> None:
    assert audit([*CLEAN, Arrival(4, 99)], log).phantoms


def test_one_answer_in_two_readings_is_a_fault(log: Path) -> None:
    assert audit([*CLEAN, Arrival(4, 102)], log).phantoms == ("twice: sim-1 energy 102 in seq 3 and 4",)


def test_a_verdict_says_what_is_wrong(log: Path) -> None:
    text = str(audit([CLEAN[0], CLEAN[2]], log))
    assert "hole: sim-1" in text
    assert "missing of sim-1: [101]" in text


def test_a_file_without_a_line_of_a_recording_is_refused(tmp_path: Path) -> None:
    other, empty = tmp_path / "README.md", tmp_path / "empty"
    other.write_text("# something else\n", encoding="utf-8")
    empty.touch()
    assert not list(copies([empty]))
    with pytest.raises(Unreadable, match="no line of it is of a recording"):
        list(copies([other]))
