"""What is the matter with one meter: facts to causes, by rules that are tried in order. Pure.

In: everything the store knows of a meter. Out: findings, the main one first, each with its cause and its symptom: the
system's own words. A meter that is not wished running has none.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from admin_api.causes.cause import Cause
from admin_api.causes.names import CAUSES, METER_ALARMS, MUTE, OPENING, OTHER, of_kind
from admin_api.report import Answer, Verdict, answers
from common.meter_state import DesiredState, MeterState
from common.store.model import AlarmRow, DiagnosticRow, LatestRow, Meter, MeterCounts, MeterStateRow

SILENT, SPEAKS = "silent", "speaks"  # the worker's fact "line": no frame came at the last attempt; no association
WELL: Final = frozenset({MeterState.ACTIVE, MeterState.STARTING, MeterState.DISCOVERING})
TOLD_BY_STATE: Final = frozenset({
    *("connection", "auth", "circuit_breaker", "watchdog", "heartbeat", "publish"),
})
"""Alarms that say once more what the state says."""
MAX_SYMPTOM: Final = 300


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """One meter. ``alarms`` that last; ``diagnostics`` of the last hour, newest first; ``hour``: its figures."""

    meter: Meter
    state: MeterStateRow
    hour: MeterCounts
    alarms: Sequence[AlarmRow] = ()
    diagnostics: Sequence[DiagnosticRow] = ()
    latest: LatestRow | None = None

    @property
    def answers(self) -> dict[str, Answer]:
        """Return the last hour's answers by target."""
        return {answer.target.name: answer for answer in answers(self.hour)}


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause that holds, and what shows it."""

    cause: Cause
    symptom: str


def findings(facts: MeterFacts) -> list[Finding]:
    """Return what is the matter; nothing: nothing is, as far as it is known."""
    if facts.meter.wish.desired_state is not DesiredState.RUNNING:
        return []
    found: dict[str, Finding] = {}
    for rule in RULES:
        for name, symptom in rule(facts, bool(found)):
            found.setdefault(name, Finding(CAUSES[name], " ".join(symptom.split())[:MAX_SYMPTOM]))
    return list(found.values())


Found = Iterator[tuple[str, str]]
Rule = Callable[[MeterFacts, bool], Found]


def _of_state(facts: MeterFacts, _explained: bool) -> Found:
    state = facts.state
    if state.status in WELL or state.status in {MeterState.PAUSED, MeterState.INACTIVE}:
        return
    symptom = f"{state.status}: {': '.join(text for text in (state.cause, state.detail) if text) or state.last_error}"
    if state.status is MeterState.BLOCKED:
        yield "worker_blocked", symptom
    elif state.status is MeterState.STALE and not state.cause:
        yield "not_read", symptom
    else:
        yield cause_of(facts, state.cause), symptom


def cause_of(facts: MeterFacts, kind: str) -> str:
    """Return the cause that the kind of an error has at this meter: what came before it is a part of it."""
    wish, state = facts.meter.wish, facts.state
    if state.status is MeterState.UNREACHABLE:
        if state.facts.get("line") == SILENT and kind in MUTE:
            return MUTE[kind]
        if state.facts.get("line") == SPEAKS and kind in OPENING:
            return OPENING[kind]
    if kind == "authentication_failed" and (wish.security != "none" or wish.authentication == "hls-gmac"):
        return "keys_or_counter"
    return of_kind(kind)


def _of_alarms(facts: MeterFacts, explained: bool) -> Found:
    for alarm in facts.alarms:
        if not (explained and alarm.category in TOLD_BY_STATE):
            yield METER_ALARMS.get(alarm.category, OTHER), alarm.message


def _of_missing(facts: MeterFacts, explained: bool) -> Found:
    """What the last reading lacks."""
    if explained or facts.latest is None:
        return
    for key, kind in facts.latest.failed.items():
        yield of_kind(kind), f"{key}: {kind}"


def _of_figures(facts: MeterFacts, explained: bool) -> Found:
    """What the last hour's figures say, where the state says nothing."""
    found = facts.answers
    kinds = Counter(row.kind for row in facts.diagnostics)
    usual = of_kind(kinds.most_common(1)[0][0]) if kinds else OTHER
    rows = (
        ("read_success", usual if usual != OTHER else "timeouts", "reads succeed"),
        ("hdlc_errors", "line_damage", "damaged frames"),
        ("reconnects", usual if usual != OTHER else "unstable_link", "reconnections"),
        ("latency", "slow_cycles", "of the cycles take less than 2 s"),
        ("uptime", "not_read", "of the time it was read as wished"),
        ("publish", "not_delivered", "of its readings are delivered"),
    )
    for target, cause, words in rows:
        if found[target].verdict is Verdict.MISSED and not (explained and target in {"read_success", "uptime"}):
            yield cause, f"{found[target].text} {words} in the last hour"


RULES: Final[tuple[Rule, ...]] = (_of_state, _of_alarms, _of_missing, _of_figures)
