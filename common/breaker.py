"""Circuit breaker as a table: whether something that keeps failing may be tried just now.

In: a state and what happened. Out: the next state, or IllegalStep. Counting failures and telling time is the caller's.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from common.errors import BridgeError


class IllegalStep(BridgeError):
    """A state machine was given what cannot happen in its state: a defect of ours."""


class Breaker(StrEnum):
    """CLOSED: try freely. OPEN: do not try. HALF_OPEN: one single probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """What happened: a failure below the limit, the one that reaches it, the rest is over, a success."""

    FAILED = "failed"
    TRIPPED = "tripped"
    RESTED = "rested"
    SUCCEEDED = "succeeded"


STEPS: Final[Mapping[tuple[Breaker, Outcome], Breaker]] = {
    (Breaker.CLOSED, Outcome.FAILED): Breaker.CLOSED,
    (Breaker.CLOSED, Outcome.TRIPPED): Breaker.OPEN,
    (Breaker.CLOSED, Outcome.SUCCEEDED): Breaker.CLOSED,
    (Breaker.OPEN, Outcome.RESTED): Breaker.HALF_OPEN,
    (Breaker.HALF_OPEN, Outcome.FAILED): Breaker.OPEN,
    (Breaker.HALF_OPEN, Outcome.TRIPPED): Breaker.OPEN,
    (Breaker.HALF_OPEN, Outcome.SUCCEEDED): Breaker.CLOSED,
}


def step(breaker: Breaker, outcome: Outcome) -> Breaker:
    """Return the next state; raise IllegalStep when there is none."""
    try:
        return STEPS[breaker, outcome]
    except KeyError:
        raise IllegalStep(f"a breaker that is {breaker} cannot have {outcome}") from None
