"""meterctl report: the QoS targets against what was measured; exit code 1 when one is missed."""

from typing import TYPE_CHECKING

import click

from admin_api.cli.access import opened, shared_options
from admin_api.cli.figures import cells, span_text
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table
from common.clock import SystemClock

if TYPE_CHECKING:
    from admin_api.report import OfWindow

MOST_MINUTES = 8 * 24 * 60  # what was measured is kept for so long


@click.command()
@click.option(
    "--minutes", type=click.IntRange(1, MOST_MINUTES), help="Over so many minutes, instead of an hour and a day."
)
@shared_options
def report(minutes: int | None, as_json: bool) -> int:
    """Hold what was measured against the QoS targets, overall and per meter.

    Exit code 1 when a target is missed, overall or by a meter; "not measured" is not missed.
    """
    from admin_api.gathered import reported

    with opened() as store:
        found = reported(store, SystemClock().wall_ms(), minutes)
    if as_json:
        from admin_api.quality_documents import report_document

        show_json(report_document(found))
    else:
        for item in found.windows:
            _show(item)
    return Outcome.FAILED if found.missed else Outcome.DONE


def _show(item: "OfWindow") -> None:
    from admin_api.report import WORST, Verdict

    show_line(span_text(item))
    titles = ("target", "wanted", "measured", "", "samples", "measured time", "met", "missed", "not measured")
    rows = []
    for answer in item.overall:
        each = [one.verdict for meter in item.meters for one in meter.answers if one.target is answer.target]
        rows.append((*cells(answer), *(str(each.count(verdict)) if each else "" for verdict in Verdict)))
    show_table(titles, rows)
    worst = [meter for meter in item.meters if meter.missed]
    if worst:
        show_line(f"meters that miss a target: {len(worst)}" + (f", the worst {WORST}" * (len(worst) > WORST)))
        missed = [(meter.meter.wish.name, answer) for meter in worst[:WORST] for answer in meter.missed]
        show_table(("meter", *titles[:6]), [(name, *cells(answer)) for name, answer in missed])
    show_line("")
