"""What to do about a process: a decision from its health, its history, its budget and what is wished.

In: one ``Case`` for each program and the numbers of SPEC section 8. Out: at most one ``Decision`` for each. Pure: the
caller carries decisions out and keeps the history, so that a night can be replayed at a desk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from common.process_state import ProcessState
from supervisor_qos.health import ALIVE, CONSEQUENCES, Health

DUMP_S: Final = 1.0  # what a silent process gets to write its stacks
KILL_AGAIN_S: Final = 5.0  # a process in uninterruptible sleep outlives a SIGKILL for a while
LEFT_TO_SUPERVISORD_S: Final = 5.0  # it starts at once what exited unexpectedly; only if it does not, we do
MAX_DELAY_S: Final = 60.0
STATIC_DELAY_S: Final = 15.0  # of the programs that all meters depend on
PROOF_S: Final = 60.0  # a blocked worker that lived this long on its trial is trusted again
FINISHED: Final = frozenset({ProcessState.EXITED, ProcessState.FATAL})
DOWN: Final = FINISHED | {ProcessState.STOPPED}
STOPPABLE: Final = ALIVE | {ProcessState.BACKOFF}


class Act(StrEnum):
    """What can be done to a process."""

    DUMP = "dump"  # SIGUSR1: write all stacks
    KILL = "kill"  # SIGKILL; supervisord starts it again
    START = "start"
    STOP = "stop"
    BLOCK = "block"  # stop it, raise the alarm
    TRUST = "trust"  # lift the block


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a worker may be started before it is blocked; seconds."""

    starts: int = 5
    window_s: float = 600.0
    blocked_retry_s: float = 300.0
    replacements_per_minute: int = 10


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a process, in seconds of the clock that ``now`` is read from; None: it did not.

    ``starts``: starts nobody planned, within the window, ascending; ``counted``: all of them so far, ``replaced`` of
    them after we had killed it, ``refused`` of them tries that failed. ``tried``: the last start while blocked.
    """

    starts: tuple[float, ...] = ()
    counted: int = 0
    replaced: int = 0
    refused: int = 0
    started: float = 0.0
    ended: float | None = None
    dumped: float | None = None
    killed: float | None = None
    blocked: float | None = None
    tried: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One program. ``planned``: a person asked for a restart. ``worker``: it has a budget and may be blocked.

    ``expected_exit``: it ended with a code after which supervisord leaves it alone.
    """

    name: str
    health: Health
    process: ProcessState
    history: History = History()
    planned: bool = False
    worker: bool = True
    expected_exit: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """One act on one program, and why."""

    name: str
    act: Act
    reason: str


_Step = tuple[Act, str] | None


def delay_s(starts: int) -> float:
    """Return how long to wait before the next start after so many: 0, 2, 4, 8 … seconds."""
    return min(float(2**starts), MAX_DELAY_S) if starts else 0.0


def decide(case: Case, budget: Budget, now: float) -> Decision | None:
    """Return what to do about one program just now, or None."""
    for row in LADDER:
        step = row(case, budget, now)
        if step is not None:
            return Decision(case.name, *step)
    return None


def _planned(case: Case, _budget: Budget, _now: float) -> _Step:
    if not case.planned:
        return None
    if case.process in DOWN:
        return Act.START, "asked for"
    return (Act.STOP, "asked for") if case.process in STOPPABLE else None


def _blocked(case: Case, budget: Budget, now: float) -> _Step:
    """A blocked worker gets one start each retry time; if that one ends, it is stopped until the next."""
    history = case.history
    if history.blocked is None:
        return None
    trial = history.blocked if history.tried is None else history.tried
    if case.process in DOWN:
        due = now - trial >= budget.blocked_retry_s
        return (Act.START, "trial of a blocked worker") if due else None
    again = sum(start > trial for start in history.starts) > (0 if history.tried is None else 1)
    if case.process in STOPPABLE and (history.tried is None or again):
        return Act.STOP, "blocked"
    if case.process is ProcessState.RUNNING and now - history.started >= PROOF_S and case.health is not Health.SILENT:
        return Act.TRUST, f"lived for {PROOF_S:.0f} s"
    return None


def _exhausted(case: Case, budget: Budget, _now: float) -> _Step:
    """More starts than the budget holds, or one more needed when it is used up."""
    if not case.worker or case.history.blocked is not None:
        return None
    used = len(case.history.starts)
    needed = case.process in DOWN or CONSEQUENCES[case.health].replace
    if used > budget.starts or (used == budget.starts and needed):
        return Act.BLOCK, f"{used} starts in {budget.window_s:.0f} s"
    return None


def _ended(case: Case, _budget: Budget, now: float) -> _Step:
    """What supervisord does not start again, we do; a static program that a person stopped stays stopped."""
    ends = DOWN if case.worker else FINISHED
    if case.process not in ends or case.history.blocked is not None:
        return None
    ended = now if case.history.ended is None else case.history.ended
    wait = delay_s(len(case.history.starts))
    if not case.worker:
        wait = min(wait, STATIC_DELAY_S)
    if case.process is ProcessState.EXITED and not case.expected_exit:
        wait = max(wait, LEFT_TO_SUPERVISORD_S)
    return (Act.START, f"{case.process} for {wait:.0f} s") if now - ended >= wait else None


def _silent(case: Case, _budget: Budget, now: float) -> _Step:
    """Ask for the stacks, a second later kill."""
    history = case.history
    if not CONSEQUENCES[case.health].replace:
        return None
    if history.dumped is None:
        return Act.DUMP, str(case.health)
    if history.killed is None:
        return (Act.KILL, str(case.health)) if now - history.dumped >= DUMP_S else None
    return (Act.KILL, "still there") if now - history.killed >= KILL_AGAIN_S else None


LADDER: Final[tuple[Callable[[Case, Budget, float], _Step], ...]] = (_planned, _blocked, _exhausted, _ended, _silent)


def plan(
    cases: Sequence[Case], budget: Budget, now: float, *, together: bool = False, replaced: int = 0
) -> list[Decision]:
    """Return the decisions for all programs.

    ``together``: the meters went stale together, so nobody is replaced for being stuck; who is silent is. ``replaced``:
    replacements begun in the last minute, of which there are at most ``replacements_per_minute``.
    """
    decisions = []
    for case in cases:
        if together and case.health is Health.STUCK and not case.planned:
            continue
        decision = decide(case, budget, now)
        if decision is None or (decision.act is Act.DUMP and replaced >= budget.replacements_per_minute):
            continue
        replaced += decision.act is Act.DUMP
        decisions.append(decision)
    return decisions
