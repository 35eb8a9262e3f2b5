"""meterctl alarms: what is wrong or was, and that somebody has seen it."""

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.flags import limit_option, since_option
from admin_api.cli.named import names
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table, time_text
from admin_api.documents import alarm_document

SEVERITIES = ("info", "warning", "error", "critical")


@click.group(invoke_without_command=True)
@shared_options
@click.pass_context
def alarms(context: click.Context, as_json: bool) -> int:
    """List and acknowledge alarms; without a sub-command list those that last."""
    if context.invoked_subcommand:
        if as_json:
            raise click.UsageError(f"--json comes after {context.invoked_subcommand}")
        return Outcome.DONE
    outcome: int = context.invoke(list_alarms, as_json=as_json)
    return outcome


@alarms.command("list")
@click.option("--all", "with_past", is_flag=True, help="Also those that are over.")
@click.option("--unseen", is_flag=True, help="Only those that nobody has acknowledged.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only of this severity.")
@click.option("--meter", metavar="ID", shell_complete=names, help="Only of this meter.")
@since_option("Only those raised since then:")
@limit_option()
@shared_options
def list_alarms(
    *,
    with_past: bool,
    unseen: bool,
    severity: str | None,
    meter: str | None,
    since_ms: int | None,
    limit: int,
    as_json: bool,
) -> int:
    """List alarms, newest first."""
    from common.store.model import AlarmFilter, Severity

    with opened() as store:
        wanted = AlarmFilter(
            acknowledged=False if unseen else None,
            active=None if with_past else True,
            severity=Severity(severity) if severity else None,
            meter_uid=store.meters.find(meter).uid if meter else None,
            since_ms=since_ms,
        )
        rows, _ = store.alarms.list(wanted, limit=limit)
        names = {found.uid: found.wish.name for found in store.meters.list(include_deleted=True)}
    if as_json:
        show_json([alarm_document(row) | {"meter": names.get(row.meter_uid or b"")} for row in rows])
        return Outcome.DONE
    cells = [
        (
            str(row.id),
            row.severity,
            row.category,
            names.get(row.meter_uid or b"", "-"),
            time_text(row.raised_at),
            str(row.count),
            "over" if row.cleared_at else row.acknowledged_by and f"seen by {row.acknowledged_by}",
            row.message,
        )
        for row in rows
    ]
    show_table(("id", "severity", "category", "meter", "raised", "count", "", "message"), cells)
    return Outcome.DONE


@alarms.command()
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=int)
@shared_options
def ack(numbers: tuple[int, ...], as_json: bool) -> int:
    """Say that you have seen alarms; they stay until their condition is over."""
    with opened() as store:
        rows = [store.alarms.acknowledge(number, actor()) for number in numbers]
    for row in rows:
        if as_json:
            show_json(alarm_document(row))
        else:
            show_line(f"alarm {row.id}: seen by {row.acknowledged_by}")
    return Outcome.DONE
