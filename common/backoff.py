"""The next delay of something that failed before: doubled each time, bounded, spread by jitter.

In: how often it failed in a row, and a draw from 0 up to 1 that somebody else makes. Out: seconds. No clock, no dice.
"""

from dataclasses import dataclass
from typing import Final

JITTER: Final = 0.2  # a fleet that lost one router must not come back in one beat
_MAX_DOUBLINGS: Final = 64  # beyond it any first delay has passed any bound; keeps the power small


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first`` seconds after the first failure, twice as long after each further one, ``longest`` at most."""

    first: float
    longest: float

    def delay(self, failures: int, draw: float) -> float:
        """Return the seconds to wait after ``failures`` in a row (at least 1), up to JITTER more or less by ``draw``.

        The bound holds after jitter; at the bound the spread goes downwards only.
        """
        doublings = min(max(failures, 1) - 1, _MAX_DOUBLINGS)
        plain = min(self.first * 2.0**doublings, self.longest)
        return min(plain * (1.0 - JITTER + 2.0 * JITTER * draw), self.longest)
