"""meterctl action-plan: what is to be done, the most urgent first."""

import click

from admin_api.cli.access import opened, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from common.clock import SystemClock

NAMED = 10  # meters of one entry; all are in --json


@click.command("action-plan")
@shared_options
def action_plan(as_json: bool) -> int:
    """Say what is to be done, over all meters and the system; exit code 1 when there is something."""
    from admin_api.gathered import planned

    now = SystemClock().wall_ms()
    with opened() as store:
        found = planned(store, now)
    if as_json:
        from admin_api.quality_documents import plan_document

        show_json(plan_document(found, now))
        return Outcome.FAILED if found.entries else Outcome.DONE
    for number, entry in enumerate(found.entries, 1):
        cause = entry.cause
        where = f" ({entry.where})" if entry.where else ""
        show_line(f"{number}. {cause.priority.name.lower()}: {cause.problem}{where}")
        if entry.meters:
            more = f" and {len(entry.meters) - NAMED} more" if len(entry.meters) > NAMED else ""
            show_line(f"   meters     {', '.join(entry.meters[:NAMED])}{more}")
        show_line(f"   symptom    {entry.symptom}")
        show_line(f"   diagnosis  {cause.diagnosis}")
        for step, action in enumerate(cause.actions, 1):
            show_line(f"   {number}.{step}  {action}")
        show_line(f"   about {cause.minutes} min")
    show_line(("over " if found.entries else "nothing is to be done, as far as it is known: ") + found.basis)
    return Outcome.FAILED if found.entries else Outcome.DONE
