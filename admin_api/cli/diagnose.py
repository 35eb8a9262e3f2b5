"""meterctl diagnose: what is the matter with one meter, what shows it, and what to do."""

from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import opened, shared_options
from admin_api.cli.figures import cells, span_text
from admin_api.cli.named import meter_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import age_text, show_json, show_line, show_pairs, show_table, time_text
from common.clock import SystemClock
from common.store.model import LAST_ERROR_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from admin_api.diagnosis import Finding
    from admin_api.gathered import OneMeter
    from common.store.model import DiagnosticRow

SHOWN: Final = 5  # diagnostics whose frames are printed; all are in --json


@click.command()
@meter_argument
@shared_options
def diagnose(meter_id: str, as_json: bool) -> int:
    """Say what is the matter with one meter, what shows it, and what to do.

    Exit code 1 when something is.
    """
    from admin_api.diagnosis import findings
    from admin_api.gathered import one_meter

    with opened() as store:
        one = one_meter(store, store.meters.find(meter_id), SystemClock().wall_ms())
    found = findings(one.facts)
    if as_json:
        from admin_api.quality_documents import diagnosis_document

        show_json(diagnosis_document(one))
    else:
        show_pairs(_described(one))
        _show_findings(found)
        _show_rest(one)
    return Outcome.FAILED if found else Outcome.DONE


def _described(one: "OneMeter") -> dict[str, str]:
    meter, state, now = one.facts.meter, one.facts.state, one.now_ms
    wish, began = meter.wish, int(state.facts.get(LAST_ERROR_MS, "0"))
    since = f", since {time_text(began)}" if began else ""
    return {
        "meter": f"{wish.name} ({wish.transport} {wish.ip_address}:{wish.port})",
        "wish": str(wish.desired_state),
        "state": f"{state.status} {state.detail or state.cause}".rstrip(),
        "health": state.facts.get("health", "unknown"),
        "last read": age_text(state.last_read_ms, now),
        "in the outbox": age_text(state.last_taken_ms, now),
        "acknowledged": age_text(state.last_acknowledged_ms, now),
        "last error": f"{state.last_error}{since}" if state.last_error else "none",
    }


def _show_findings(found: "Sequence[Finding]") -> None:
    if not found:
        show_line("nothing is the matter, as far as it is known")
    for finding in found:
        show_line(f"{finding.cause.priority.name.lower()}: {finding.cause.problem}")
        show_line(f"  symptom    {finding.symptom}")
        show_line(f"  diagnosis  {finding.cause.diagnosis}")
        for number, action in enumerate(finding.cause.actions, 1):
            show_line(f"  {number}. {action}")
        show_line(f"  about {finding.cause.minutes} min")


def _show_rest(one: "OneMeter") -> None:
    for item in one.report.windows:
        show_line(span_text(item))
        answers = [answer for meter in item.meters for answer in meter.answers]
        titles = ("target", "wanted", "measured", "", "samples", "measured time")
        show_table(titles, [cells(answer) for answer in answers])
    for alarm in one.alarms:
        over = f", over since {time_text(alarm.cleared_at)}" if alarm.cleared_at else ""
        show_line(f"alarm {alarm.severity} {alarm.category} since {time_text(alarm.raised_at)}{over}: {alarm.message}")
    for row in one.diagnostics[:SHOWN]:
        _show_diagnostic(row)


def _show_diagnostic(row: "DiagnosticRow") -> None:
    more = f" (and {row.suppressed} like it before)" if row.suppressed else ""
    show_line(f"{time_text(row.at_ms)} {row.severity} {row.category} {row.kind}: {row.message}{more}")
    for frame in row.frames:
        arrow = ">" if frame.way == "sent" else "<"
        show_line(f"  {arrow} {frame.before_ms:6d} ms before  {frame.octets or '(withheld)'}")
