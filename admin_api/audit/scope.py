"""What an audit is asked: from when to when, how often something was killed, who was abused, what is late. Pure."""

from dataclasses import dataclass
from typing import Final

FOR_EVER_MS: Final = 1 << 62
IN_FLIGHT: Final = 80  # packets unacknowledged at a time, `[outbox] in_flight`
LATE_S: Final = 30.0  # a cycle with all its repeats is over by then
CLEAR_S: Final = 60.0  # after a fault an alarm may last so long: hysteresis and the next reconnection


@dataclass(frozen=True, slots=True)
class Scope:
    """Times are UTC. ``complete``: the recording began before the first reading and ended when nothing moved any more.

    ``kills``: how many processes were killed; each may cost the one cycle that was not yet taken, and send one window
    of packets again. None: nobody says, so that repeats are not judged by their number.
    ``abused``: meters that the fault hit; ``fault_from_ms``, ``fault_to_ms``: when it lasted.
    """

    since_ms: int = 0
    until_ms: int = FOR_EVER_MS
    complete: bool = False
    kills: int | None = None
    window: int = IN_FLIGHT
    abused: frozenset[str] = frozenset()
    fault_from_ms: int | None = None
    fault_to_ms: int | None = None
    clear_s: float = CLEAR_S
    late_s: float = LATE_S
