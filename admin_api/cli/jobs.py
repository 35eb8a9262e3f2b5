"""``meterctl jobs``: long work (backfill, discovery, scan), whoever ordered it: list it, look at it, end it.

In: ids of jobs. Out: rows of the store as the API shows them.
"""

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.awaited import LOOK_S, told_of
from admin_api.cli.flags import limit_option, timeout_option
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_error, show_json, show_line, show_pairs, show_table, time_text, value_text
from admin_api.ordered import job_document
from common.clock import SystemClock
from common.command import LONG_S, SYSTEM_UID
from common.errors import Again
from common.store.engine import Store
from common.store.model import CommandRow, CommandState

CANCEL_S = 10.0  # a job ends within five seconds of the wish


class NotEndedYet(Again):
    """A job was told to end, and has not said that it did."""


@click.group(invoke_without_command=True)
@shared_options
@click.pass_context
def jobs(context: click.Context, as_json: bool) -> int:
    """List long work, show how far it is, cancel it; without a sub-command list it."""
    if context.invoked_subcommand:
        if as_json:
            raise click.UsageError(f"--json comes after {context.invoked_subcommand}")
        return Outcome.DONE
    outcome: int = context.invoke(list_jobs, as_json=as_json)
    return outcome


@jobs.command("list")
@click.option("--unfinished/--finished", default=None, help="Only those that go on or wait; or only the others.")
@click.option("--verb", type=click.Choice(sorted(LONG_S)), help="Only jobs of one kind.")
@limit_option(20)
@shared_options
def list_jobs(limit: int, unfinished: bool | None, verb: str | None, as_json: bool) -> int:
    """List jobs, newest first."""
    with opened() as store:
        rows, _ = store.commands.jobs(limit=limit, unfinished=unfinished, verb=verb)
        names = {meter.uid: meter.wish.name for meter in store.meters.list()}
    if as_json:
        show_json([job_document(row) for row in rows])
        return Outcome.DONE
    titles = ("id", "verb", "meter", "state", "progress", "by", "since")
    show_table(titles, [_columns(row, names) for row in rows])
    return Outcome.DONE


@jobs.command()
@click.argument("number", metavar="JOB")
@shared_options
def show(number: str, as_json: bool) -> int:
    """Show a job: what was asked, how far it is, what became of it."""
    with opened() as store:
        row = store.commands.job(number)
    _show(row, as_json=as_json)
    return Outcome.DONE


@jobs.command()
@click.argument("number", metavar="JOB")
@timeout_option(CANCEL_S)
@shared_options
def cancel(number: str, timeout_s: float, as_json: bool) -> int:
    """End a job; what it has done so far stays done."""
    with opened() as store:
        row = _ended(store, store.commands.cancel(number, actor()), timeout_s)
    if row.finished_ms is None:
        show_error(NotEndedYet(f"{number} was told to end, and goes on so far"), as_json=as_json)
        return Outcome.FAILED
    if as_json:
        show_json(job_document(row))
    else:
        show_line(f"{row.id}: {row.state}")
    return Outcome.DONE if row.state is CommandState.CANCELLED else Outcome.FAILED


def _ended(store: Store, row: CommandRow, timeout_s: float) -> CommandRow:
    clock = SystemClock()
    limit = clock.monotonic() + timeout_s
    while row.finished_ms is None and clock.monotonic() < limit:
        clock.sleep(LOOK_S)
        row = store.commands.job(row.id)
    return row


def _columns(row: CommandRow, names: dict[bytes, str]) -> tuple[str, ...]:
    meter = "" if row.meter_uid == SYSTEM_UID else names.get(row.meter_uid, row.meter_uid.hex())
    return row.id, row.verb, meter, str(row.state), told_of(row), row.actor, time_text(row.created_ms)


def _show(row: CommandRow, *, as_json: bool) -> None:
    document = job_document(row)
    if as_json:
        show_json(document)
        return
    told = {name: value for name, value in document.items() if name not in {"result", "progress", "error"}}
    pairs = {name: value_text(value) for name, value in told.items() if value not in (None, {})}
    pairs |= {"progress": told_of(row)} if row.progress else {}
    pairs |= {"error": f"{row.error_kind}: {row.error_detail}"} if row.error_kind else {}
    show_pairs(pairs | {name: value_text(value) for name, value in row.result.items()})
