"""Causes: every name that a meter's state may carry leads to one, and one says what to do."""

import pytest

from admin_api.causes.cause import Cause
from admin_api.causes.names import CAUSES, KINDS, METER_ALARMS, MUTE, OPENING, OTHER, SYSTEM_ALARMS, of_kind


@pytest.mark.parametrize("cause", CAUSES.values(), ids=str)
def test_a_cause_says_what_it_is_and_what_is_to_be_done(cause: Cause) -> None:
    assert cause.problem
    assert cause.diagnosis
    assert cause.actions
    assert all(cause.actions)
    assert 0 < cause.minutes <= 60


@pytest.mark.parametrize("table", [KINDS, MUTE, OPENING, METER_ALARMS, SYSTEM_ALARMS])
def test_every_name_leads_to_a_cause_that_is_there(table: dict[str, str]) -> None:
    assert set(table.values()) <= set(CAUSES)


def test_every_cause_is_reached() -> None:
    reached = {*KINDS.values(), *MUTE.values(), *OPENING.values(), *METER_ALARMS.values(), *SYSTEM_ALARMS.values()}
    assert set(CAUSES) - reached <= {OTHER, "worker_blocked"}, "a block is a state, not a kind"


def test_what_nobody_knows_is_called_so() -> None:
    assert of_kind("born_yesterday") == OTHER
