"""How a meter is, from facts and ages: a table read from the top; the first row that holds is the answer.

In: what supervisord knows of the worker's process, what the worker last said, and ages in seconds. Out: a ``Health``,
and for each what follows from it. Pure: no clock, no socket, no log may enter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from common.meter_state import MeterState
from common.process_state import ProcessState

ALIVE: Final = frozenset({ProcessState.STARTING, ProcessState.RUNNING})
NOT_DOWN: Final = ALIVE | {ProcessState.ABSENT}  # absent: supervisord is about to be told of it
NEVER_S: Final = 1e9  # an age of what never happened
FIRST_WORD: Final = 3  # times as long may pass before a process's first word: a fleet shares the CPU
HONEST: Final = frozenset({MeterState.UNREACHABLE, MeterState.AUTH_FAILED, MeterState.ERROR, MeterState.DISCOVERING})


class Health(StrEnum):
    """What is the matter with one meter; each is the business of another part."""

    OFF = "off"  # no process is wanted
    DOWN = "down"  # the worker does not run
    SILENT = "silent"  # it runs and says nothing
    PAUSED = "paused"
    HONEST = "honest"  # it says itself what keeps it from reading: the meter, the network, the password
    STUCK = "stuck"  # its meter answers, yet it gets nowhere
    STARTING = "starting"
    STALE = "stale"  # no reading for too long
    UNTAKEN = "untaken"  # readings are made, the publisher does not take them
    UNDELIVERED = "undelivered"  # readings are taken, the broker does not acknowledge them
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since: the worker's last word, its last progress, its last reading, and the first of the readings that
    the publisher has not taken or the broker not acknowledged (0: none waits)."""

    heard_s: float = 0.0
    progress_s: float = 0.0
    read_s: float = 0.0
    untaken_s: float = 0.0
    undelivered_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one meter, just now. ``answers``: octets came from the meter since the last reading. ``reply_s``: how long its
    worker waits for an answer. ``spoken``: its present process was heard.
    """

    wanted: bool = True
    process: ProcessState = ProcessState.RUNNING
    said: MeterState = MeterState.STARTING
    breaker_open: bool = False
    answers: bool = False
    interval_s: float = 2.0
    reply_s: float = 5.0
    spoken: bool = True
    ages: Ages = Ages()


@dataclass(frozen=True, slots=True)
class Limits:
    """When silence is silence and old is stale; seconds (SPEC section 8)."""

    silent_s: float = 12.0
    stale_floor_s: float = 20.0
    stale_intervals: float = 3.0

    def stale_s(self, interval_s: float) -> float:
        """Return the age from which a meter's telemetry is stale."""
        return max(self.stale_floor_s, self.stale_intervals * interval_s)


def _is_old(age: Callable[[Ages], float]) -> Callable[[Facts, Limits], bool]:
    return lambda facts, limits: age(facts.ages) > limits.stale_s(facts.interval_s)


_unread = _is_old(lambda ages: ages.read_s)


def _idle(facts: Facts, limits: Limits) -> bool:
    """A worker that sends requests goes on; one that waits for an answer has until that is overdue, twice."""
    return facts.ages.progress_s > max(limits.stale_s(facts.interval_s), 2 * facts.reply_s)


ROWS: Final[tuple[tuple[Health, Callable[[Facts, Limits], bool]], ...]] = (
    (Health.OFF, lambda facts, _: not facts.wanted),
    (Health.DOWN, lambda facts, _: facts.process not in NOT_DOWN),
    (Health.SILENT, lambda facts, limits: facts.ages.heard_s > limits.silent_s * (1 if facts.spoken else FIRST_WORD)),
    (Health.PAUSED, lambda facts, _: facts.said is MeterState.PAUSED),
    (Health.HONEST, lambda facts, _: facts.said in HONEST or facts.breaker_open),
    (Health.STUCK, lambda facts, limits: facts.answers and _unread(facts, limits) and _idle(facts, limits)),
    (Health.STARTING, lambda facts, limits: facts.said is MeterState.STARTING and not _unread(facts, limits)),
    (Health.STALE, _unread),
    (Health.UNTAKEN, _is_old(lambda ages: ages.untaken_s)),
    (Health.UNDELIVERED, _is_old(lambda ages: ages.undelivered_s)),
    (Health.FINE, lambda _facts, _limits: True),
)


def judge(facts: Facts, limits: Limits) -> Health:
    """Return the health of one meter."""
    return next(health for health, holds in ROWS if holds(facts, limits))


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a health means: the meter's state (None: the worker's own word), whether its worker is to be replaced,
    and whether the meter counts among those that went stale."""

    state: MeterState | None
    replace: bool = False
    counts_as_stale: bool = False


CONSEQUENCES: Final[Mapping[Health, Consequence]] = {
    Health.OFF: Consequence(MeterState.INACTIVE),
    Health.DOWN: Consequence(MeterState.ERROR),
    Health.SILENT: Consequence(MeterState.STALE, replace=True),
    Health.PAUSED: Consequence(None),
    Health.HONEST: Consequence(None, counts_as_stale=True),
    Health.STUCK: Consequence(MeterState.STALE, replace=True, counts_as_stale=True),
    Health.STARTING: Consequence(None),
    Health.STALE: Consequence(MeterState.STALE, counts_as_stale=True),
    Health.UNTAKEN: Consequence(MeterState.STALE, counts_as_stale=True),
    Health.UNDELIVERED: Consequence(MeterState.STALE, counts_as_stale=True),
    Health.FINE: Consequence(None),
}

NOT_HEARD: Final = frozenset({Health.OFF, Health.DOWN, Health.SILENT})


def pending_since(before: int, produced: int, consumed: int) -> int:
    """Return since when something waits between two stages, 0 when nothing does.

    ``produced`` and ``consumed`` are the latest times at either end, ``before`` the last answer of this function: the
    time of the oldest thing known to wait, which does not move until something at least as young was consumed.
    """
    if before and consumed < before:
        return before
    return produced if consumed < produced else 0


def went_stale_together(healths: Mapping[bytes, Health], ratio: float, floor: int) -> bool:
    """Return whether so many of the meters whose workers are heard are stale that the fault is not theirs."""
    heard = [health for health in healths.values() if health not in NOT_HEARD]
    stale = sum(CONSEQUENCES[health].counts_as_stale for health in heard)
    return stale >= floor and stale > ratio * len(heard)
