"""The live product's API keeps to its own OpenAPI document, whatever it is sent: the short form of `make api-cases`."""

from pathlib import Path

import pytest

from tests.api_cases.campaign import SHORT, run, table
from tests.api_cases.stage import SETTINGS, Stage
from tests.support.system import System

CASES = 600
PER_OPERATION = 5


@pytest.mark.slow
def test_no_case_makes_the_api_break_its_own_word(tmp_path: Path) -> None:
    with System(tmp_path, meters=2, settings=SETTINGS) as system:
        tally = run(Stage(system), CASES, 1, SHORT, PER_OPERATION)
    assert not tally.failures, table(tally)
    assert not tally.errors, table(tally)
    assert tally.total >= CASES
    assert {status for status in tally.statuses if status >= 500} <= {503}
