"""``meterctl discover``: a meter is asked what it has, through its worker; what it has can be taken as its wish.

In: an ID. Out: a job in the store, how far it is, the measurements that were found; with ``--apply`` an edited meter:
what it is read for stays, what was found beside it is added.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import click

from admin_api.cli.access import actor, opened, shared_options
from admin_api.cli.awaited import awaited, outcome_of
from admin_api.cli.flags import timeout_option
from admin_api.cli.named import meter_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table
from admin_api.cli.running import refuse_without
from admin_api.ordered import job_document, order_discovery
from common.command import DISCOVER, LONG_S
from common.obis import Obis
from common.store.model import CommandRow, CommandState, MeasurementWish, MeterWish

if TYPE_CHECKING:
    from common.store.engine import Store

TITLES = ("name", "obis", "class", "attribute", "scaler", "unit")
Found = list[dict[str, object]]


@click.command()
@meter_argument
@click.option("--apply", "applies", is_flag=True, help="Add what was found to what the meter is read for.")
@click.option("--wait/--no-wait", default=True, help="Wait for the end, showing how far it is; or return at once.")
@timeout_option(LONG_S[DISCOVER], LONG_S[DISCOVER])
@shared_options
def discover(*, meter_id: str, applies: bool, wait: bool, timeout_s: float, as_json: bool) -> int:
    """Ask a meter what it has, between two polls; live readings go first."""
    if applies and not wait:
        raise click.UsageError("--apply needs the result: leave --no-wait out")
    with opened() as store:
        meter = store.meters.find(meter_id)
        if wait:
            refuse_without(store, "supervisor")
        number = order_discovery(store, meter, actor())
        row = awaited(store, number, timeout_s, quiet=as_json) if wait else store.commands.job(number)
        done = row.state is CommandState.DONE
        added = _apply(store, meter.id, _measurements(row)) if applies and done else 0
    if as_json:
        show_json(job_document(row))
        return Outcome.DONE if done or (row.finished_ms is None and not wait) else Outcome.FAILED
    if not done:
        return outcome_of(row, waited=wait, name=meter.wish.name)
    _show(row)
    if applies:
        show_line(f"{meter.wish.name}: {added} added")
    return Outcome.DONE


def _measurements(row: CommandRow) -> Found:
    return cast("Found", row.result.get("measurements") or [])


def _show(row: CommandRow) -> None:
    keys = ("measurement_name", "obis_code", "class", "attribute", "scaler", "unit")
    table = [["" if each.get(key) is None else str(each[key]) for key in keys] for each in _measurements(row)]
    show_table(TITLES, table)
    result = row.result
    show_line(f"{result.get('objects_count')} objects, serial {result.get('serial_number') or 'not told'}")


def _apply(store: "Store", meter: int, found: Found) -> int:
    """Add what was found; return how many."""
    before = len(store.meters.find(str(meter)).wish.measurements)
    edited = store.meters.edit(meter, lambda wish: with_found(wish, found), actor())
    return len(edited.wish.measurements) - before


def with_found(wish: MeterWish, found: Found) -> MeterWish:
    """Return a wish with what was found and is not in it; neither a name nor an object comes twice."""
    places = {_place(item.obis_code, item.class_id, item.attribute) for item in wish.measurements}
    names = {item.measurement_name for item in wish.measurements}
    proposed = [
        MeasurementWish(
            str(each["measurement_name"]), str(each["obis_code"]), number(each["class"]), number(each["attribute"])
        )
        for each in found
    ]
    added = [
        item
        for item in proposed
        if item.measurement_name not in names and _place(item.obis_code, item.class_id, item.attribute) not in places
    ]
    return replace(wish, measurements=(*wish.measurements, *added))


def number(value: object) -> int:
    """Return a whole number of a result."""
    return int(str(value))


def _place(obis: str, class_id: int, attribute: int) -> tuple[str, int, int]:
    return str(Obis.parse(obis)), class_id, attribute
