"""Report, action plan and diagnosis as JSON documents, for API and command line alike. Pure."""

from admin_api.action_plan import Plan
from admin_api.diagnosis import Finding, findings
from admin_api.documents import Document, age_s, alarm_document, iso, state_document
from admin_api.gathered import OneMeter
from admin_api.report import WORST, Answer, OfWindow, Report, Verdict
from common.store.model import DiagnosticRow, MeterStateRow


def report_document(report: Report) -> Document:
    """Return a report: its windows, overall and the worst meters of each."""
    return {
        "at": iso(report.at_ms),
        "missed": report.missed,
        "windows": [_window(item) | {"worst": _worst(item)} for item in report.windows],
    }


def plan_document(plan: Plan, now_ms: int) -> Document:
    """Return an action plan; ``basis`` says over what it was made."""
    return {
        "at": iso(now_ms),
        "entries": [entry.document() for entry in plan.entries],
        "basis": plan.basis,
        "meters": {"watched": plan.watched, "measured": plan.measured_meters},
        "measured_s": plan.hour.measured_ms / 1000,
    }


def diagnosis_document(one: OneMeter) -> Document:
    """Return what is the matter with a meter, and what shows it."""
    facts, now = one.facts, one.now_ms
    state = facts.state
    return {
        "meter_id": facts.meter.id,
        "uid": facts.meter.uid.hex(),
        "name": facts.meter.wish.name,
        "at": iso(now),
        "desired_state": str(facts.meter.wish.desired_state),
        "health": state.facts.get("health"),
        "state": state_document(state),
        "ages": ages(state, now),
        "findings": [_finding(item) for item in findings(facts)],
        "figures": [_window(item) | {"answers": _answers(item)} for item in one.report.windows],
        "alarms": [alarm_document(alarm) for alarm in one.alarms],
        "diagnostics": [diagnostic_document(row) for row in one.diagnostics],
    }


def diagnostic_document(row: DiagnosticRow) -> Document:
    """Return one diagnostic of a meter's line; a frame without octets was withheld as secret."""
    frames = [{"way": frame.way, "before_ms": frame.before_ms, "octets": frame.octets} for frame in row.frames]
    return {
        "id": row.id,
        "at": iso(row.at_ms),
        "severity": str(row.severity),
        "category": row.category,
        "kind": row.kind,
        "message": row.message,
        "suppressed": row.suppressed,
        "frames": frames,
    }


def ages(state: MeterStateRow, now_ms: int) -> Document:
    """Return the three ages of a meter, in seconds."""
    return {
        "read_s": age_s(state.last_read_ms, now_ms),
        "taken_s": age_s(state.last_taken_ms, now_ms),
        "acknowledged_s": age_s(state.last_acknowledged_ms, now_ms),
    }


def _finding(item: Finding) -> Document:
    cause = item.cause
    return {
        "cause": cause.name,
        "priority": cause.priority.name.lower(),
        "problem": cause.problem,
        "symptom": item.symptom,
        "diagnosis": cause.diagnosis,
        "actions": list(cause.actions),
        "estimate_minutes": cause.minutes,
    }


def _window(item: OfWindow) -> Document:
    window = item.window
    return {
        "window": window.name,
        "asked_s": window.minutes * 60,
        "measured_since": iso(window.since_ms),
        "measured_s": window.system.measured_ms / 1000,
        "complete": window.is_complete,
        "missed": item.missed,
        "meters": len(item.meters),
        "overall": [answer.document() | {"meters": _verdicts(item, answer)} for answer in item.overall],
    }


def _verdicts(item: OfWindow, overall: Answer) -> dict[str, int]:
    """Return how many meters met this target, missed it, or were not measured."""
    found = [answer.verdict for meter in item.meters for answer in meter.answers if answer.target is overall.target]
    return {verdict.name.lower(): found.count(verdict) for verdict in Verdict}


def _worst(item: OfWindow) -> list[Document]:
    missing = [meter for meter in item.meters if meter.missed][:WORST]
    return [
        {
            "meter_id": meter.meter.id,
            "name": meter.meter.wish.name,
            "missed": [answer.target.name for answer in meter.missed],
            "answers": [answer.document() for answer in meter.answers],
        }
        for meter in missing
    ]


def _answers(item: OfWindow) -> list[Document]:
    return [answer.document() for meter in item.meters for answer in meter.answers]
