"""Every pair of state and outcome of the circuit breaker."""

from itertools import product

import pytest

from common.breaker import STEPS, Breaker, IllegalStep, Outcome, step


@pytest.mark.parametrize(("breaker", "outcome"), list(product(Breaker, Outcome)))
def test_every_pair_leads_somewhere_or_is_illegal(breaker: Breaker, outcome: Outcome) -> None:
    if (breaker, outcome) in STEPS:
        assert step(breaker, outcome) is STEPS[breaker, outcome]
    else:
        with pytest.raises(IllegalStep, match=str(outcome)):
            step(breaker, outcome)


def test_an_open_breaker_needs_rest_before_anything_else() -> None:
    assert {outcome for state, outcome in STEPS if state is Breaker.OPEN} == {Outcome.RESTED}


def test_one_failed_probe_opens_again() -> None:
    assert step(Breaker.HALF_OPEN, Outcome.FAILED) is Breaker.OPEN


def test_every_state_can_come_back_to_closed() -> None:
    reachable = {Breaker.CLOSED}
    while grown := {state for (state, _), after in STEPS.items() if after in reachable} - reachable:
        reachable |= grown
    assert reachable == set(Breaker)
