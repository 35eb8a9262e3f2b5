"""``meterctl profile OBIS``: rows of a load profile or log, by time, by place, or the newest.

Arguments in; a table, CSV or JSON on stdout, typed errors on stderr, and an exit code out: 0 all rows, 1 some were left
out or the meter refused, 2 no link or wrong arguments.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from common.clock import SystemClock
from common.errors import BridgeError
from common.moment import SYNTAX, moment_ms
from common.obis import Obis
from poller.cli.complaints import ALL_DONE, SOME_DONE, BadArgument, ended
from poller.cli.connection import command, connection, parser, run
from poller.dlms.conversation import Exchange
from poller.dlms.data import BitString, Date, DateTime, Time
from poller.dlms.explain.names import object_name
from poller.dlms.objects.profile_layout import ProfileColumn, ProfileLayout, read_layout
from poller.dlms.objects.profile_reading import read_last, read_rows
from poller.dlms.objects.profile_requests import ProfileRequests
from poller.dlms.objects.rows import Row
from poller.sampler import moment_text, octets_text
from poller.session import Session

DEFAULT_ROWS: Final = 10
MAX_ROWS: Final = 10_000
REQUESTS: Final = 400
"""That one reading may make, each with its own wait."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows: between two moments, between two places, or the newest."""

    start: datetime | None = None
    end: datetime | None = None
    entries: tuple[int, int] | None = None
    last: int = DEFAULT_ROWS


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read, and what of it is missing."""

    columns: Sequence[ProfileColumn]
    rows: Sequence[Row]
    missing: Sequence[str] = ()


def _parser() -> argparse.ArgumentParser:
    made = parser("profile", "Show rows of a profile. Exit code: 0 all rows, 1 in part, 2 no link or bad usage.")
    add = made.add_argument
    add("obis", metavar="OBIS", help="e.g. 1-0:99.1.0")
    add("--from", dest="start", metavar="T", help=f"first moment: {SYNTAX}")
    add("--to", dest="end", metavar="T", help="last moment (default: the future)")
    add("--entries", metavar="A-B", help="rows by their places, 1 is the meter's first")
    add("--last", type=int, default=DEFAULT_ROWS, metavar="N", help=f"the newest rows (default {DEFAULT_ROWS})")
    add("--columns", metavar="N,N", help="columns by their places from 0; the time is always among them")
    add("--csv", action="store_true", help="print CSV")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Show rows as the arguments say; return the exit code."""
    return command(_parser(), argv, _profile)


def _profile(arguments: argparse.Namespace) -> int:
    where = connection(arguments)
    channel = None if where.model is None else where.model.channel
    obis = Obis.parse(arguments.obis, a=None if where.model is None else 1, b=channel)
    window, columns = window_of(arguments), _columns(arguments.columns)
    return run(where, lambda session: _show(session, arguments, _read(session, obis, window, columns)))


def _show(session: Session, arguments: argparse.Namespace, reading: Exchange[Rows]) -> int:
    try:
        found = session.run(reading, REQUESTS)
    except BridgeError as error:
        return ended(error, as_json=arguments.json)
    if arguments.json:
        print(json.dumps(_json(found)))
    else:
        _table(found, as_csv=arguments.csv)
    for reason in found.missing:
        sys.stderr.write(f"{reason}\n")
    return SOME_DONE if found.missing else ALL_DONE


def window_of(arguments: argparse.Namespace) -> Window:
    """Return which rows arguments ask for; raise BadArgument."""
    if not 1 <= arguments.last <= MAX_ROWS:
        raise BadArgument(f"--last must be 1 to {MAX_ROWS}, not {arguments.last}")
    if arguments.entries:
        if arguments.start or arguments.end:
            raise BadArgument("either --entries or --from and --to")
        return Window(entries=_entries(arguments.entries))
    if not arguments.start and not arguments.end:
        return Window(last=arguments.last)
    start = _moment(arguments.start) if arguments.start else datetime(2000, 1, 1, tzinfo=UTC)
    end = _moment(arguments.end) if arguments.end else datetime(2099, 12, 31, tzinfo=UTC)
    if end < start:
        raise BadArgument(f"--to {end.isoformat()} is before --from {start.isoformat()}")
    return Window(start, end)


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(moment_ms(text, SystemClock().wall_ms()) / 1000, UTC)


def _entries(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first + last).isdecimal() or not first or len(text) > 21:
        raise BadArgument(f"--entries {text!r} is not A-B")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high < low + MAX_ROWS:
        raise BadArgument(f"--entries: 1 to {MAX_ROWS} rows, the first is 1, not {text}")
    return low, high


def _columns(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 4 for part in parts):
        raise BadArgument(f"--columns {text!r} is not N,N,…")
    return tuple(int(part) for part in parts)


def _read(session: Session, obis: Obis, window: Window, columns: tuple[int, ...] | None) -> Exchange[Rows]:
    conversation = session.conversation
    layout = yield from read_layout(conversation, obis)
    if window.entries is not None:
        return (yield from _by_place(session, layout, window.entries, columns))
    if window.start is not None and window.end is not None:
        read = yield from read_rows(conversation, layout, window.start, window.end, columns=columns)
    else:
        read = yield from read_last(conversation, layout, window.last)
    more = [] if read.more is None else [f"there are more rows from {read.more.isoformat()} on: ask again from there"]
    return _picked(Rows(read.columns, read.rows, [*read.skipped, *more]), layout, columns)


def _by_place(
    session: Session, layout: ProfileLayout, entries: tuple[int, int], columns: tuple[int, ...] | None
) -> Exchange[Rows]:
    requests = ProfileRequests(session.conversation, layout, tuple(range(len(layout.columns))))
    rows = yield from requests.by_entry(*entries)
    return _picked(Rows(layout.columns, rows, requests.skips.reasons), layout, columns)


def _picked(found: Rows, layout: ProfileLayout, columns: tuple[int, ...] | None) -> Rows:
    """Return only the columns that were asked for, where the meter gave them all."""
    if columns is None or len(found.columns) != len(layout.columns):
        return found
    places = [at for at in range(len(layout.columns)) if at in columns or at == layout.time_index]
    rows = [
        Row(
            row.time,
            row.moment,
            row.status,
            tuple(row.raw[at] for at in places),
            tuple(row.values[at] for at in places),
        )
        for row in found.rows
    ]
    return Rows([layout.columns[at] for at in places], rows, found.missing)


def _heading(column: ProfileColumn) -> str:
    ref = column.captured.ref
    name = object_name(ref.obis)
    unit = f" [{column.unit}]" if column.unit else ""
    return f"{ref.obis}/{ref.attribute}{f' {name}' if name else ''}{unit}"


def _table(found: Rows, *, as_csv: bool) -> None:
    lines = [[_heading(column) for column in found.columns]]
    lines += [[_text(value) for value in row.values] for row in found.rows]
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
        return
    widths = [max(len(line[at]) for line in lines) for at in range(len(found.columns))]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _json(found: Rows) -> dict[str, object]:
    return {
        "columns": [
            {
                "class": column.captured.ref.class_id,
                "obis": str(column.captured.ref.obis),
                "attribute": column.captured.ref.attribute,
                "index": column.captured.index,
                "name": object_name(column.captured.ref.obis) or None,
                "unit": column.unit,
                "scaler": None if column.scaling is None else column.scaling.scaler,
            }
            for column in found.columns
        ],
        "rows": [list(_cells(row)) for row in found.rows],
        "missing": list(found.missing),
    }


def _cells(row: Row) -> Iterator[object]:
    for value in row.values:
        yield value if value is None or isinstance(value, bool | int) else _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return octets_text(value)
    if isinstance(value, Date | Time | DateTime):
        return moment_text(value)
    return str(value) if isinstance(value, BitString | str | int | float) else repr(value)
