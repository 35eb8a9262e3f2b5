"""``meterctl backfill``: a range is read from a meter's load profile, through its worker, and delivered.

In: an ID and two moments, written as ``meterctl profile`` takes them. Out: a row in the store, how far it is while it
is waited for, and what became of it. Whoever stops waiting stops nothing: the worker goes on, over restarts too, until
`meterctl jobs cancel` ends it.
"""

from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.awaited import awaited, outcome_of
from admin_api.cli.flags import moment, timeout_option
from admin_api.cli.named import meter_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, time_text
from admin_api.cli.running import refuse_without
from admin_api.ordered import order_backfill
from common.command import BACKFILL, LONG_S
from common.moment import SYNTAX, BadMoment

if TYPE_CHECKING:
    from common.store.model import CommandRow, Meter

DEFAULT_WAIT_S: Final = 3600.0


@click.command()
@meter_argument
@click.option("--from", "start_ms", callback=moment, metavar="T", required=True, help=f"First moment: {SYNTAX}.")
@click.option("--to", "end_ms", callback=moment, default="now", show_default=True, metavar="T", help="Last moment.")
@click.option("--wait/--no-wait", default=True, help="Wait for the end, showing how far it is; or return at once.")
@timeout_option(DEFAULT_WAIT_S, LONG_S[BACKFILL])
@shared_options
def backfill(*, meter_id: str, start_ms: int, end_ms: int, wait: bool, timeout_s: float, as_json: bool) -> int:
    """Read a range from a meter's load profile and deliver it, also what was delivered before.

    What was missed while a meter was away is read by itself; this is for what a person misses besides. Live readings
    go first.
    """
    if end_ms < start_ms:
        raise BadMoment(f"--to {time_text(end_ms)} is before --from {time_text(start_ms)}")
    with opened() as store:
        meter = store.meters.find(meter_id)
        if wait:  # a range that nobody waits for may lie until the product runs
            refuse_without(store, "supervisor")
        number = order_backfill(store, meter, (start_ms, end_ms), actor())
        row = awaited(store, number, timeout_s, quiet=as_json) if wait else store.commands.job(number)
        return _show(meter, row, as_json=as_json, wait=wait)


def _show(meter: "Meter", row: "CommandRow", *, as_json: bool, wait: bool) -> int:
    """Show what became of it; still under way is no failure when nobody wanted to wait."""
    name, result = meter.wish.name, row.result
    if as_json:
        error = {"kind": row.error_kind, "detail": row.error_detail} if row.error_kind else None
        told: dict[str, object] = {"meter": name, "verb": BACKFILL, "id": row.id, "state": row.state}
        show_json(told | {"progress": row.progress, "result": result, "error": error})
    elif row.state == "done":
        more = f", {result['skipped']} rows not readable" if result.get("skipped") else ""
        more += f", {result['left_out_s']} s left out" if result.get("left_out_s") else ""
        show_line(f"{name}: {result.get('rows')} rows in {result.get('windows')} windows{more}")
    else:
        return outcome_of(row, waited=wait, name=name)
    if row.finished_ms is None:
        return Outcome.FAILED if wait else Outcome.DONE
    complete = row.state == "done" and not result.get("left_out_s")
    return Outcome.DONE if complete else Outcome.FAILED
