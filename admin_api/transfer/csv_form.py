"""A CSV file to rows, and meters to a CSV file. Pure.

UTF-8 (a byte order mark is passed over), one header row of field names, separated by commas or, where the header has
no comma, by semicolons. An empty cell says nothing (the default, or as it is); ``null`` says that nothing is to be
there. A cell that begins with one of ``= + - @ ' tab return`` gets an apostrophe in front when it is written, so that
no spreadsheet takes it for a formula, and loses it when it is read.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from admin_api.schemas.refusals import shown
from admin_api.schemas.shape import BadPayload
from admin_api.transfer.columns import COLUMNS, NULL, PASSED_OVER, TOLD, nothing_of, portable, text_of, value_of
from admin_api.transfer.rows import MAX_OCTETS, BadImport, Row, refuse_too_many
from common.store.model import SECRETS, Meter

HEADER: Final = ("uid", *(name for name in COLUMNS if name not in SECRETS), *TOLD)
APOSTROPHE: Final = "'"
_FORMULA: Final = tuple("=+-@\t\r\n" + APOSTROPHE)


def parse_csv(octets: bytes) -> list[Row]:
    """Return the rows of a file; raise BadImport where it is none at all."""
    text = decoded(octets)
    lines = text.split("\n", 1)
    separator = ";" if ";" in lines[0] and "," not in lines[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: Sequence[str] | None = None
    rows: list[Row] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells)
                continue
            rows.append(_row(len(rows) + 1, header, cells))
            refuse_too_many(len(rows))
    except csv.Error as error:
        raise BadImport(f"line {reader.line_num}", f"not CSV: {error}") from None
    if header is None:
        raise BadImport("header", "the file is empty: a first row with the names of fields was expected")
    return rows


def dump_csv(meters: Iterable[Meter]) -> str:
    """Return meters as a file, without their secrets."""
    return csv_text(HEADER, ([_cell(values[name]) for name in HEADER] for values in map(portable, meters)))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a header and rows as CSV (RFC 4180); texts of others go through ``quoted`` first."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def quoted(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return APOSTROPHE + cell if cell.startswith(_FORMULA) else cell


def decoded(octets: bytes) -> str:
    """Return a file's text; raise BadImport."""
    if len(octets) > MAX_OCTETS:
        raise BadImport("file", f"at most {MAX_OCTETS >> 20} MiB were expected")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadImport("file", f"not UTF-8, at octet {error.start}") from None


def _header(cells: Sequence[str]) -> Sequence[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if name not in COLUMNS and name not in PASSED_OVER and name != "uid":
            raise BadImport("header", f"{shown(name)!r} is not a column; there are uid, {', '.join(COLUMNS)}")
        if names.count(name) > 1:
            raise BadImport("header", f"{name} is there twice")
    return names


def _row(number: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) > len(header) and any(cells[len(header) :]):
        return Row(number, error=BadPayload("row", f"{len(cells)} cells under {len(header)} columns"))
    given = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
    uid = given.pop("uid", "").strip()
    fields: dict[str, object] = {}
    error: BadPayload | None = None
    for name, cell in given.items():
        if name in PASSED_OVER:
            continue
        try:
            fields[name] = nothing_of(name) if cell.strip() == NULL else value_of(name, _unquoted(cell))
        except BadPayload as found:
            error = error or found
    return Row(number, fields, uid, error)


def _unquoted(cell: str) -> str:
    """Return what a cell says: without spaces around it, or exactly what follows an apostrophe."""
    return cell[1:] if cell.startswith(APOSTROPHE) else cell.strip()


def _cell(value: object) -> str:
    """Return a value as a cell that is read as the same value."""
    text = NULL if value == "" else text_of(value)
    if text == NULL:
        return APOSTROPHE + text if value == NULL else text
    return APOSTROPHE + text if text != text.strip() else quoted(text)
