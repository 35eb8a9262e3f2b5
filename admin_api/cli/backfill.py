"""``meterctl backfill``: a range is read from a meter's load profile, through its worker, and delivered.

In: an ID and two moments, written as ``meterctl profile`` takes them. Out: a row in the store, how far it is while it
is waited for, and what became of it. Whoever stops waiting stops nothing: the worker goes on, over restarts too.
"""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from common.clock import SystemClock
from common.command import BACKFILL
from common.errors import Hopeless

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import CommandRow, Meter

LOOK_S: Final = 0.2  # between two looks at the command's row
KEPT_S: Final = 86_400.0  # the row expires by then; a slow line reads weeks in hours
DEFAULT_WAIT_S: Final = 3600.0


class BadMoment(Hopeless):
    """A moment that is none, or an end before its beginning."""


@click.command()
@click.argument("meter_id", metavar="ID")
@click.option("--from", "start", metavar="T", required=True, help="First moment, ISO 8601; without an offset UTC.")
@click.option("--to", "end", metavar="T", help="Last moment; now, if it is not said.")
@click.option("--wait/--no-wait", default=True, help="Wait for the end, showing how far it is; or return at once.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1.0, KEPT_S),
    default=DEFAULT_WAIT_S,
    show_default=True,
    help="Seconds to wait.",
)
@shared_options
def backfill(meter_id: str, start: str, end: str | None, wait: bool, timeout_s: float, as_json: bool) -> int:
    """Read a range from a meter's load profile and deliver it, also what was delivered before.

    What was missed while a meter was away is read by itself; this is for what a person misses besides. Live readings
    go first.
    """
    begin_ms = moment_ms(start)
    end_ms = SystemClock().wall_ms() if end is None else moment_ms(end)
    if end_ms < begin_ms:
        raise BadMoment(f"--to {end or 'now'} is before --from {start}")
    with opened() as store:
        meter = store.meters.find(meter_id)
        arguments = {"from_ms": begin_ms, "to_ms": end_ms}
        number = store.commands.insert(meter.uid, BACKFILL, arguments=arguments, actor=actor(), timeout_s=KEPT_S)
        row = _followed(store, number, timeout_s, quiet=as_json) if wait else store.commands.get(number)
        return _show(meter, row, as_json=as_json, wait=wait)


def moment_ms(text: str) -> int:
    """Return a moment in milliseconds of UTC; raise BadMoment."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadMoment(f"{text[:64]!r} is no moment in ISO 8601") from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if found.year < 1971:
        raise BadMoment(f"{text[:64]!r} is before every meter")
    return round(found.timestamp() * 1000)


def _followed(store: "Store", number: str, timeout_s: float, *, quiet: bool) -> "CommandRow":
    """Wait for the end, and tell each new progress; return the row as it is at last."""
    clock, told = SystemClock(), ""
    limit = clock.monotonic() + timeout_s
    while True:
        row = store.commands.get(number)
        if row.progress != told and not quiet:
            told = row.progress
            print(told, file=sys.stderr, flush=True)
        if row.finished_ms is not None or clock.monotonic() > limit:
            return row
        clock.sleep(LOOK_S)


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
    elif row.finished_ms is None:
        show_line(f"{name}: under way, command {row.id}{f': {row.progress}' if row.progress else ''}")
    else:
        print(f"{name}: {BACKFILL} {row.state}: {row.error_kind}: {row.error_detail}", file=sys.stderr)
    if row.finished_ms is None:
        return Outcome.FAILED if wait else Outcome.DONE
    complete = row.state == "done" and not result.get("left_out_s")
    return Outcome.DONE if complete else Outcome.FAILED
