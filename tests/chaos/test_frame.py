"""The frame's own decisions: who was disturbed, what a verdict is, what is kept, what a table shows."""

from pathlib import Path

import pytest

from tests.chaos.disturbance import Span, disturbed, gaps, limit_s
from tests.chaos.outcome import FAILED, NOT_RUN, PASSED, Outcome, outcome_from
from tests.chaos.registry import ORDER, rows
from tests.chaos.results import Conditions, Results, latest
from tests.chaos.row import OwnRow, Row, touched
from tests.chaos.table import as_markdown, as_text

HERE = Conditions("abc", 100, 5.0, short=False)
QUIET = [1.0] * 99 + [1.1]


@pytest.mark.parametrize("row", rows().values(), ids=lambda row: row.id)
def test_a_row_says_what_it_does(row: Row | OwnRow) -> None:
    assert row.id[0] in ORDER
    assert row.fault
    assert row.rounds.long or row.by_name_only


def test_a_long_gap_of_a_meter_outside_the_fault_is_a_disturbance() -> None:
    span = Span(10.0, 20.0, touched(["hit"]))
    series = {"hit": gaps([9.0, 19.0]), "other": gaps([9.0, 19.0]), "fine": gaps([9.0, 10.0, 11.5])}
    assert disturbed(series, [span], limit_s(QUIET), delivered=False) == {"other": 10.0}


def test_a_gap_that_was_there_before_the_fault_is_none() -> None:
    span = Span(10.0, 20.0, touched(["hit"]))
    assert disturbed({"other": gaps([1.0, 9.0, 10.0, 11.0])}, [span], limit_s(QUIET), delivered=False) == {}


def test_a_late_delivery_is_no_pause_of_reading() -> None:
    span = Span(10.0, 20.0, touched(undelivered=["late"]))
    series = {"late": gaps([9.0, 19.0])}
    assert disturbed(series, [span], limit_s(QUIET), delivered=True) == {}
    assert disturbed(series, [span], limit_s(QUIET), delivered=False) == {"late": 10.0}


def test_the_limit_is_a_fifth_or_a_second_above_what_was() -> None:
    assert limit_s([1.0] * 100) == 2.0
    assert limit_s([10.0] * 100) == 12.0
    assert limit_s([]) == 1.0


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome("K1", "", recoveries=[1.0]), PASSED),
        (Outcome("K1", "", recoveries=[1.0], wrong=["late"]), FAILED),
        (Outcome("K1", "", recoveries=[1.0], lost=1), FAILED),
        (Outcome("K1", "", recoveries=[1.0], disturbed=1), FAILED),
        (Outcome("K1", ""), FAILED),
        (Outcome("K1", "", not_run="needs root"), NOT_RUN),
    ],
)
def test_a_verdict_follows_from_what_was_found(outcome: Outcome, verdict: str) -> None:
    assert outcome.verdict == verdict


def test_an_outcome_survives_the_way_to_disk() -> None:
    outcome = Outcome("K1", "killed", 5.0, [1.0, 2.0], raised={"process": 1}, figures={"x": 1.0})
    assert outcome_from({**outcome.to_json(), "more": 1}) == outcome


def test_a_run_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    results = Results(tmp_path / "result.jsonl", HERE)
    results.append(Outcome("K1", "", recoveries=[1.0]))
    results.append(Outcome("K2", "", recoveries=[1.0], wrong=["late"]))
    assert list(results.done()) == ["K1"]
    results.append(Outcome("K2", "", recoveries=[1.0]))
    assert list(results.done()) == ["K1", "K2"]
    assert Results(tmp_path / "result.jsonl", Conditions("def", 100, 5.0, short=False)).done() == {}


def test_a_table_shows_each_row_once_and_what_was_wrong(tmp_path: Path) -> None:
    path = tmp_path / "result.jsonl"
    results = Results(path, HERE)
    results.append(Outcome("K1", "killed", recoveries=[9.0], wrong=["late"]))
    results.append(Outcome("K1", "killed", 5.0, [1.0, 3.0], raised={"process": 2}, cleared={"process": 2}))
    results.append(Outcome("N7", "parted", not_run="one machine"))
    text = as_markdown(latest(path))
    assert text.count("| K1 |") == 1
    assert "| 2.0 / 3.0 | 5 | 0 | 0 | 0 | 2 / 2 (process) | passed |" in text
    assert "not run: one machine" in text
    assert "commit abc" in text
    assert "late" in as_text([Outcome("K1", "killed", recoveries=[9.0], wrong=["late"])])
