"""Cases against a running API: made from its own OpenAPI document by schemathesis, counted, judged by all its checks.

In: a stage, how many cases. Out: a ``Tally``: cases by phase, operation and status, what every check found. A campaign
is rounds; a round has all phases (examples, the edges of every schema, random data good and bad, sequences of calls)
and a seed of its own; at the end come the operations that take away what the others need.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

from tests.api_cases.stage import USER, Stage
from tests.api_cases.table import CHECKS, HELD, IN_SHORT, LAST, LEFT_OUT, OF_OPERATIONS, THROTTLED

PER_OPERATION: Final = 60  # random cases of one operation in one round
TOLD: Final = 40  # failures that are told in full
LONGEST: Final = 1500  # characters of one of them
REQUEST_S: Final = 40.0  # longer than anybody may wait for a command
KNOWN: Final = {"meter": "meters", "meter_id": "meters", "user": "users"}
"""Parameters that mean somebody who is there, in half of the cases."""
WHOLE: Final = ("examples", "coverage", "fuzzing", "stateful")
SHORT: Final = ("examples", "fuzzing", "stateful")
Table = dict[str, object]


@dataclass
class Tally:
    """What came of the cases.

    ``probes``: what checks asked besides; ``failures``: one for each kind of each operation, with how to do it again.
    """

    cases: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many requests were answered and judged."""
        return self.cases.total()


def run(
    stage: Stage, cases: int, seed: int, phases: Sequence[str] = WHOLE, per_operation: int = PER_OPERATION
) -> Tally:
    """Run rounds until there are so many cases, then what comes last."""
    tally = Tally()
    while tally.total < cases and not tally.errors:
        before = tally.total
        _round(tally, stage, _settings(stage, seed, phases, per_operation))
        seed += 1
        if tally.total == before:
            tally.errors.append("a round without a case")
    for name in LAST:
        settings = _settings(stage, seed, phases, per_operation)
        settings["operations"] = [{"exclude-operation-id": [name], "enabled": False}]
        _round(tally, stage, settings)
    return tally


def _round(tally: Tally, stage: Stage, settings: Table) -> None:
    stage.renew()
    settings["headers"] = {"Authorization": f"Bearer {stage.token}"}
    for event in _events(stage.url, settings):
        _count(tally, event)


def _events(url: str, settings: Table) -> Iterator[object]:
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=schemathesis.Config.from_dict(settings))

    @schema.hook
    def map_body(context: object, body: object) -> object:
        return _held(body)

    yield from from_schema(schema).execute()


def _held(body: object) -> object:
    """Return a body whose meter does not run (table.HELD)."""
    if not isinstance(body, dict) or body.get("desired_state", "running") != "running":
        return body
    return body | {"desired_state": "stopped"} if {"name", "ip_address", "desired_state"} & set(body) else body


def _settings(stage: Stage, seed: int, phases: Sequence[str], per_operation: int) -> Table:
    skipped = (*LAST, *LEFT_OUT)
    checks = CHECKS if phases == WHOLE else {**CHECKS, **IN_SHORT}
    operations: list[Table] = [{"include-operation-id": name, "enabled": False} for name in skipped]
    operations += [{"include-operation-id": name, "checks": checks} for name, (checks, _) in OF_OPERATIONS.items()]
    return {
        "seed": seed,
        "base-url": stage.url,
        "continue-on-failure": True,
        "request-timeout": REQUEST_S,
        "suppress-health-check": ["all"],
        "generation": {"mode": "all", "max-examples": per_operation, "no-shrink": True, "database": "none"},
        "checks": {name: setting for name, (setting, _) in checks.items()},
        "phases": {name: {"enabled": name in phases} for name in WHOLE},
        "dictionaries": {"meters": {"values": list(stage.meters)}, "users": {"values": [USER]}},
        "parameters": {name: {"dictionary": known, "probability": 0.5} for name, known in KNOWN.items()},
        "operations": operations,
        "output": {"sanitization": {"enabled": False}},
    }


def _count(tally: Tally, event: object) -> None:
    if isinstance(event, FatalError):
        tally.errors.append(f"fatal: {event.exception!r}")
    if isinstance(event, NonFatalError):
        tally.errors.append(f"{event.label}: {event.value!r}"[:LONGEST])
    if isinstance(event, ScenarioFinished):
        _count_scenario(tally, str(event.phase.value), event.recorder)


def _count_scenario(tally: Tally, phase: str, recorder: ScenarioRecorder) -> None:
    for number, interaction in recorder.interactions.items():
        if interaction.response is None:
            continue
        tally.statuses[interaction.response.status_code] += 1
        if number not in recorder.checks:  # a check's own request: without a token, with a wrong one
            tally.probes += 1
        else:
            tally.cases[phase] += 1
            tally.operations[recorder.cases[number].value.operation.label] += 1
    for number, checks in recorder.checks.items():
        for check in checks:
            tally.checks[check.name] += 1
            info = check.failure_info
            if check.status is not Status.SUCCESS and info is not None and not _is_throttled(check.name, info.failure):
                operation = recorder.cases[number].value.operation.label
                text = f"{info.failure.message}\n{info.code_sample}"[:LONGEST]
                tally.failures.setdefault(f"{check.name}: {operation}: {info.failure.title}", text)


def _is_throttled(check: str, failure: Failure) -> bool:
    """Return whether a failure is none: table.THROTTLED."""
    return check == "ignored_auth" and "got `429" in failure.message


def table(tally: Tally) -> str:
    """Return what came of the cases, as a person reads it."""
    lines = [f"{count:7} {phase}" for phase, count in tally.cases.most_common()]
    lines += [f"{tally.total:7} cases of {len(tally.operations)} operations, {tally.checks.total()} checks"]
    lines += [f"{tally.probes:7} requests of the checks' own"]
    lines += [f"{count:7} x {status}" for status, count in sorted(tally.statuses.items())]
    lines += [f"{count:7} x {name}" for name, count in sorted(tally.checks.items())]
    lines += _reasons("left out", LEFT_OUT)
    lines += _reasons("last, by itself", LAST)
    lines += _reasons("set", {name: why for name, (_, why) in CHECKS.items()})
    lines += _reasons("in the short form", {name: why for name, (_, why) in IN_SHORT.items()})
    lines += _reasons("set", {name: why for name, (_, why) in OF_OPERATIONS.items()})
    lines += [f"held: {HELD}", f"taken as refused: {THROTTLED}"]
    lines += [f"\nFAILED {key}\n{text}" for key, text in list(tally.failures.items())[:TOLD]]
    return "\n".join([*lines, *(f"ERROR {text}" for text in tally.errors)])


def _reasons(title: str, reasons: Mapping[str, str]) -> list[str]:
    return [f"{title}: {name}: {why}" for name, why in reasons.items()]
