"""What meterctl prints: tables for people, JSON for programs, one line per error.

In: plain rows and documents. Out: text on standard output and standard error. On a terminal a table is drawn by rich,
which is imported only then; into a pipe go columns of plain text, without colours or frames.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from common.errors import BridgeError
from common.hints import HINTS, hint
from common.store.errors import BadWish

GAP: Final = "  "  # between the columns of a plain table
NEVER: Final = "never"

_SPANS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
_SHORT: Final = 100.0  # seconds; above it minutes are easier to read

OPTIONS: Final = {  # of add and edit, where they are called otherwise than the part of a wish that they give
    "ip_address": "--host",
    "server_logical": "--server-id",
    "authentication": "--auth",
    "password": "--password-file, --keys-file or DLMS_PASSWORD",
    "encryption_key": "--keys-file",
    "authentication_key": "--keys-file",
    "client_title": "--system-title",
    "dedicated_key": "--dedicated",
    "general_ciphering": "--general",
}


def show_json(document: object) -> None:
    """Print one JSON document; a set of lines where there are many is the caller's loop."""
    print(json.dumps(document, ensure_ascii=False), flush=True)


def show_line(text: str) -> None:
    """Print one line at once: whoever follows through a pipe sees it now."""
    print(text, flush=True)


def show_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; without rows only its titles."""
    if sys.stdout.isatty():
        _draw(titles, rows)
        return
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        show_line(GAP.join(cells).rstrip())


def show_pairs(pairs: Mapping[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        show_line(f"{name.ljust(width)}{GAP}{value}".rstrip())


def show_error(error: BridgeError, *, as_json: bool) -> None:
    """Print a typed error on standard error: one line, and below it what to look at next, where there is something."""
    next_look = hint(error)
    if as_json:
        told = {"kind": error.kind, "detail": error.detail} | ({"hint": next_look} if next_look else {})
        print(json.dumps({"error": told}, ensure_ascii=False), file=sys.stderr)
        return
    option = OPTIONS.get(error.field, "") if isinstance(error, BadWish) else ""
    given = f" (given by {option})" if option else ""
    print(f"meterctl: {error.kind}: {' '.join(error.detail.split())}{given}", file=sys.stderr)
    if next_look:
        print(f"  {next_look}", file=sys.stderr)


def show_silence(last_word_ms: int | None, now_ms: int) -> None:
    """Say on standard error that what was shown is of a time gone by; nothing for None."""
    if last_word_ms is not None:
        age = age_text(last_word_ms, now_ms)
        print(f"meterctl: the supervisor last spoke {age} ago: states are as they were then", file=sys.stderr)


def show_failure(meter: str, verb: str, state: str, kind: str, detail: str) -> None:
    """Print on standard error what a worker answered instead of a result, and what to look at next."""
    print(f"{meter}: {verb} {state}: {kind}: {detail}", file=sys.stderr)
    if kind in HINTS:
        print(f"  {HINTS[kind]}", file=sys.stderr)


def value_text(value: object) -> str:
    """Return a value as a person writes it: floats without noise, lists on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value) if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)


def time_text(at_ms: int | None) -> str:
    """Return a point in time in UTC, to the second; nothing for None."""
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def age_text(then_ms: int | None, now_ms: int) -> str:
    """Return how long ago something was, in the unit a person would use."""
    if then_ms is None:
        return NEVER
    seconds = max(0.0, (now_ms - then_ms) / 1000)
    for length, unit in _SPANS:
        if seconds >= max(length, _SHORT):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def _draw(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
