"""Report, action plan and diagnosis: what narrows them, and how they are answered."""

from typing import Final, Literal

from admin_api.schemas.alarms import AlarmAnswer
from admin_api.schemas.meters import Ages, State
from admin_api.schemas.shape import Answer, Field, Query, Time, Whole
from common.meter_state import DesiredState
from common.store.model import Severity
from common.store.periods import KEPT_MS

LONGEST: Final = KEPT_MS // 60_000  # minutes that are kept
Priority = Literal["critical", "high", "medium", "low"]


class ReportQuery(Query):
    """Over what to report."""

    minutes: Whole | None = Field(None, ge=1, le=LONGEST, description="The last so many; else an hour and a day.")


class TargetAnswer(Answer):
    """A target and what was measured of it."""

    target: str
    title: str
    wanted: str
    verdict: Literal["met", "missed", "not measured"]
    value: float | None
    unit: Literal["%", "1/h"]
    samples: float
    measured_s: float
    mean_s: float | None = None


class Verdicts(Answer):
    """How many meters met a target, missed it, or were not measured."""

    met: int
    missed: int
    not_measured: int


class OverallAnswer(TargetAnswer):
    """A target over all meters."""

    meters: Verdicts


class WorstMeter(Answer):
    """A meter that misses a target."""

    meter_id: int
    name: str
    missed: list[str]
    answers: list[TargetAnswer]


class ReportWindow(Answer):
    """What was measured over a time."""

    window: str
    asked_s: int
    measured_since: Time | None
    measured_s: float
    complete: bool
    missed: bool | int
    meters: int
    overall: list[OverallAnswer]


class SystemWindow(ReportWindow):
    """The same of the system, with the meters that miss the most."""

    worst: list[WorstMeter]


class MeterWindow(ReportWindow):
    """The same of one meter, with its own answers."""

    answers: list[TargetAnswer]


class ReportAnswer(Answer):
    """Targets against what was measured."""

    at: Time
    missed: bool | int
    windows: list[SystemWindow]


class PlanEntry(Answer):
    """Something to be done."""

    problem: str
    cause: str
    priority: Priority
    symptom: str
    diagnosis: str
    actions: list[str]
    estimate_minutes: int
    where: str
    meters: list[str]


class Watched(Answer):
    """How many meters a plan is made over."""

    watched: int
    measured: int


class ActionPlan(Answer):
    """What is to be done, the most urgent first."""

    at: Time
    entries: list[PlanEntry]
    basis: str
    meters: Watched
    measured_s: float


class DiagnosisEntry(Answer):
    """A cause that was found."""

    cause: str
    priority: Priority
    problem: str
    symptom: str
    diagnosis: str
    actions: list[str]
    estimate_minutes: int


class DiagnosticFrame(Answer):
    """Octets that passed at once, in hexadecimal; none where they were withheld as secret."""

    way: Literal["sent", "received"]
    before_ms: int
    octets: str


class Diagnostic(Answer):
    """What went wrong on a meter's line once."""

    id: int
    at: Time
    severity: Severity
    category: str
    kind: str
    message: str
    suppressed: int
    frames: list[DiagnosticFrame]


class Diagnosis(Answer):
    """What is the matter with a meter, and what shows it."""

    meter_id: int
    uid: str
    name: str
    at: Time
    desired_state: DesiredState
    health: str | None
    state: State
    ages: Ages
    findings: list[DiagnosisEntry]
    figures: list[MeterWindow]
    alarms: list[AlarmAnswer]
    diagnostics: list[Diagnostic]
