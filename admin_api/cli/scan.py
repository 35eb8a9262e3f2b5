"""``meterctl scan``: look for meters in ranges of addresses that ``[scan] allow`` names.

In: ranges and ports. Out: a job in the store, how far it is while it is waited for, and what was found.
"""

from typing import cast

import click

from admin_api.cli.access import actor, opened, settings, shared_options
from admin_api.cli.awaited import awaited, outcome_of
from admin_api.cli.flags import timeout_option
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table
from admin_api.cli.running import refuse_without
from admin_api.ordered import job_document, order_scan
from common.command import LONG_S, SCAN
from common.store.model import CommandRow, CommandState

TITLES = ("address", "port", "answers", "transport", "server", "name", "serial", "maker", "model")
COUNTED = ("meters", "owned", "refused", "silent", "unreachable", "failed")


@click.command()
@click.argument("ranges", metavar="RANGE...", nargs=-1, required=True)
@click.option(
    "--port", "ports", type=click.IntRange(1, 65_535), multiple=True, help="Instead of [scan] ports; repeatable."
)
@click.option("--wait/--no-wait", default=True, help="Wait for the end, showing how far it is; or return at once.")
@timeout_option(LONG_S[SCAN], LONG_S[SCAN])
@shared_options
def scan(ranges: tuple[str, ...], ports: tuple[int, ...], wait: bool, timeout_s: float, as_json: bool) -> int:
    """Look for meters: 192.0.2.0/24, 192.0.2.10-192.0.2.20, one address; without a password, never at ours.

    Exit code 1: it was not completed.
    """
    rules = settings().scan
    with opened() as store:
        if wait:
            refuse_without(store, "supervisor")
        number = order_scan(store, rules, ranges, ports, actor())
        row = awaited(store, number, timeout_s, quiet=as_json) if wait else store.commands.job(number)
    if as_json:
        show_json(job_document(row))
    elif row.result:
        _show(row)
    done = row.state is CommandState.DONE
    if not as_json and not done:
        return outcome_of(row, waited=wait, name="scan")
    return Outcome.DONE if done or (row.finished_ms is None and not wait) else Outcome.FAILED


def _show(row: CommandRow) -> None:
    found = cast("list[dict[str, object]]", row.result.get("found") or [])
    show_table(TITLES, [_columns(each) for each in found])
    counts = ", ".join(f"{row.result.get(name, 0)} {name}" for name in COUNTED)
    show_line(f"{row.result.get('asked', 0)} of {row.result.get('targets', 0)} asked: {counts}")


def _columns(each: dict[str, object]) -> tuple[str, ...]:
    physical = each.get("server_physical")
    server = f"{each.get('server_logical', '')}{'' if physical is None else f'/{physical}'}"
    names = ("logical_device_name", "serial_number", "manufacturer", "model")
    head = (str(each["ip"]), str(each["port"]), str(each["answers"]), str(each.get("transport", "")), server)
    return (*head, *(str(each.get(name, "")) for name in names))
