"""meterctl outbox: readings that the broker never takes, set aside on disk; sent again or dropped by a person's word.

In: the outbox's file, read only, and IDs. Out: rows with what they hold; commands to the publisher, which is the only
one that changes the file. What is dropped leaves a line in the audit.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, opened, settings, shared_options
from admin_api.cli.flags import confirmed, limit_option, timeout_option, yes_option
from admin_api.cli.named import names
from admin_api.cli.orders import ended
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_failure, show_json, show_line, show_table
from admin_api.cli.running import refuse_without
from common.clock import SystemClock
from common.command import OUTBOX_DROP, OUTBOX_RETRY
from common.envelope import UID_SIZE, decode
from common.errors import BridgeError, Hopeless
from common.outbox_reading import OutboxRow, looked_at
from common.reading import Reading
from common.store.errors import NoSuchMeter

if TYPE_CHECKING:
    from common.store.engine import Store
    from common.store.model import CommandRow

SHOWN: Final = 3  # values of a reading that a line shows
MAX_ROWS: Final = 1000  # that one command may name; the publisher takes no more
Rows = click.IntRange(min=1)


class NotNamed(Hopeless):
    """What is dropped is named: by rows, or by --all."""


@click.group()
def outbox() -> None:
    """Readings that the broker never takes: list them, send them again, drop them."""


@outbox.command("list")
@click.argument("meter", metavar="[ID]", required=False, shell_complete=names)
@limit_option(200, 100_000, "oldest first")
@shared_options
def list_rows(meter: str | None, limit: int, as_json: bool) -> int:
    """List readings that are set aside, oldest first: of which meter, why, how old, what they hold."""
    with opened() as store:
        wanted = _meant(store, meter)[0] if meter else None
        names = {found.uid: found.wish.name for found in store.meters.list(include_deleted=True)}
    rows = list(_rows(wanted, limit))
    if as_json:
        show_json([_document(row, names) for row in rows])
        return Outcome.DONE
    titles = ("row", "meter", "reason", "age", "octets", "holds")
    cells = [(str(row.id), _name(row.uid, names), row.aside, _age(row), str(row.octets), _summary(row)) for row in rows]
    show_table(titles, cells)
    return Outcome.DONE


@outbox.command()
@click.argument("meter", metavar="ID", shell_complete=names)
@click.argument("rows", metavar="[ROW]...", nargs=-1, type=Rows)
@timeout_option()
@shared_options
def retry(meter: str, rows: tuple[int, ...], timeout_s: float, as_json: bool) -> int:
    """Let readings of a meter that are set aside wait for the broker again; without rows all of them."""
    return _order(OUTBOX_RETRY, meter, rows, timeout_s, as_json=as_json)


@outbox.command()
@click.argument("meter", metavar="ID", shell_complete=names)
@click.argument("rows", metavar="[ROW]...", nargs=-1, type=Rows)
@click.option("--all", "everything", is_flag=True, help="All that is set aside of this meter.")
@timeout_option()
@yes_option
@shared_options
def drop(*, meter: str, rows: tuple[int, ...], everything: bool, timeout_s: float, yes: bool, as_json: bool) -> int:
    """Drop readings of a meter that are set aside, for ever; they are counted as dropped by `operator`."""
    if bool(rows) == everything:
        raise NotNamed("name the rows (`meterctl outbox list` shows them), or say --all")
    if not confirmed(f"Drop {'all' if everything else len(rows)} readings of {meter} for ever?", yes=yes):
        return Outcome.FAILED
    return _order(OUTBOX_DROP, meter, rows, timeout_s, as_json=as_json)


def _order(verb: str, text: str, rows: tuple[int, ...], timeout_s: float, *, as_json: bool) -> int:
    if len(rows) > MAX_ROWS:
        raise NotNamed(f"at most {MAX_ROWS} rows at a time, or all of a meter's")
    arguments: dict[str, object] = {"rows": list(rows)} if rows else {}
    with opened() as store:
        uid, name = _meant(store, text)
        for component in ("supervisor", "publisher"):
            refuse_without(store, component)
        number = store.commands.insert(uid, verb, arguments=arguments, actor=actor(), timeout_s=timeout_s)
        row = ended(store, number, timeout_s)
        if verb == OUTBOX_DROP and row.state == "done":
            store.audit.record(actor(), verb, uid.hex(), {**arguments, **row.result})
    _show(row, name, as_json=as_json)
    return Outcome.DONE if row.state == "done" else Outcome.FAILED


def _show(row: "CommandRow", name: str, *, as_json: bool) -> None:
    if as_json:
        error = {"kind": row.error_kind, "detail": row.error_detail} if row.error_kind else None
        show_json({"meter": name, "verb": row.verb, "state": row.state, "result": row.result, "error": error})
    elif row.state == "done":
        done = "wait for the broker again" if row.verb == OUTBOX_RETRY else "are dropped"
        show_line(f"{name}: {row.result.get('rows')} readings {done}, {row.result.get('left')} are still set aside")
    else:
        show_failure(name, row.verb, row.state, row.error_kind, row.error_detail)


def _meant(store: "Store", text: str) -> tuple[bytes, str]:
    """Return uid and name of a meter by name, number or uid; by uid also of one that is no more, named by it."""
    try:
        meter = store.meters.find(text)
    except NoSuchMeter:
        if len(text) == 2 * UID_SIZE and set(text.lower()) <= set("0123456789abcdef"):
            return bytes.fromhex(text), text.lower()
        raise
    return meter.uid, meter.wish.name


def _rows(uid: bytes | None, limit: int) -> Iterator[OutboxRow]:
    with looked_at(settings().paths.outbox, SystemClock()) as reading:
        for row in reading.rows(only_aside=True) if reading else ():
            if uid is None or row.uid == uid:
                yield row
                limit -= 1
            if limit <= 0:
                return


def _name(uid: bytes, names: Mapping[bytes, str]) -> str:
    return names.get(uid, uid.hex())


def _age(row: OutboxRow) -> str:
    hours, seconds = divmod(row.age_ms // 1000, 3600)
    return f"{hours}:{seconds // 60:02}:{seconds % 60:02}"


def _reading(row: OutboxRow) -> Reading | None:
    """Return what a row holds; None for what is no reading: that may be why it is set aside."""
    try:
        return Reading.from_body(decode(row.envelope).body)
    except BridgeError:
        return None


def _summary(row: OutboxRow) -> str:
    reading = _reading(row)
    if reading is None:
        return "not a reading"
    values = [f"{item.key}={item.payload()}" for item in reading.quantities[:SHOWN]]
    more = len(reading.quantities) - len(values)
    return ", ".join(values + ([f"and {more} more"] if more else []))


def _document(row: OutboxRow, names: Mapping[bytes, str]) -> dict[str, object]:
    reading = _reading(row)
    return {
        "row": row.id,
        "meter": names.get(row.uid),
        "uid": row.uid.hex(),
        "epoch": row.epoch.hex(),
        "seq": row.seq,
        "ts": row.ts_ms,
        "reason": row.aside,
        "age_s": row.age_ms / 1000,
        "octets": row.octets,
        "values": {item.key: item.payload() for item in reading.quantities} if reading else None,
    }
