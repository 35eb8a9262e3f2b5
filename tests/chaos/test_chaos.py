"""The short form of the matrix: the quick rows, one round each, on one system of six meters; all of it asserted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.outcome import NOT_RUN, PASSED, Outcome
from tests.chaos.plant import Plant
from tests.chaos.registry import rows
from tests.chaos.row import FORGETFUL, PLAIN, PROXIED, Row
from tests.chaos.runner import follow, play
from tests.chaos.table import as_text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

METERS = 6
INTERVAL_S = 0.5
ALARMS_S = 120.0
SHORT = [row for row in rows().values() if isinstance(row, Row) and row.rounds.short]
FIRST = [row for row in SHORT if row.stage is FORGETFUL]  # what it takes with it are no other row's alarms
QUICK = [*FIRST, *(row for row in SHORT if row.stage in (PLAIN, PROXIED))]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    directory: Path = tmp_path_factory.mktemp("chaos")
    with Plant(PROXIED, directory, meters=METERS, interval_s=INTERVAL_S, short=True) as running:
        yield running


@pytest.fixture(scope="module")
def played() -> list[Outcome]:
    return []


@pytest.mark.parametrize("row", QUICK, ids=lambda row: row.id)
def test_a_fault_is_over_within_its_bound_and_costs_nothing(row: Row, plant: Plant, played: list[Outcome]) -> None:
    outcome = play(plant, row)
    played.append(outcome)
    print(as_text([outcome]))
    assert outcome.verdict in {PASSED, NOT_RUN}, outcome.wrong


def test_every_alarm_clears_by_itself(plant: Plant, played: list[Outcome]) -> None:
    follow(plant, played, ALARMS_S)
    assert [text for outcome in played for text in outcome.wrong if "clear" in text] == []
    assert any(outcome.cleared for outcome in played)
