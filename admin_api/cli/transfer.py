"""meterctl import and export: meters out of files and into files.

In: a file (CSV, YAML, JSON, or the database of an earlier system), or standard input. Out: a line for each row of what
became of it; meters as such a file, without their secrets. A file is taken whole or not at all.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import actor, looked_at, opened, shared_options
from admin_api.cli.named import any_meters_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, show_table
from admin_api.cli.progress import progress
from common.errors import Hopeless

if TYPE_CHECKING:
    from admin_api.transfer.bringing import Report
    from admin_api.transfer.rows import Row

FORMATS: Final = ("csv", "yaml", "json", "admin-db")
_BY_SUFFIX: Final = {".csv": "csv", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".db": "admin-db"}
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


class UnreadableFile(Hopeless):
    """A file cannot be read, is too large, or does not tell what it is."""


class FileExists(Hopeless):
    """A file that would be written is there already."""


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), help="What the file is; else its name or content says.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of each row.")
@click.option("--upsert", is_flag=True, help="Change meters that are there; else a row may only add one.")
@shared_options
def import_(file: Path, form: str | None, dry_run: bool, upsert: bool, as_json: bool) -> int:
    """Add or change meters from a file: CSV, YAML, JSON, or an earlier system's admin.db.

    All rows or none: a row that is refused is named, and nothing is written (exit code 1). `-` reads standard input. A
    second import of the same file changes nothing. `meterctl export` shows the fields.
    """
    from admin_api.transfer.bringing import bring
    from admin_api.transfer.planning import Mode

    rows = _rows(file, form)
    mode = Mode.UPSERT if upsert else Mode.CREATE
    with opened() as store, progress(f"importing {len(rows)} meters", quiet=as_json):
        report = bring(store, rows, mode, actor(), dry_run=dry_run)
    _show(report, as_json=as_json)
    return Outcome.FAILED if report.plan.refused else Outcome.DONE


@click.command()
@any_meters_argument
@click.option("--format", "form", type=click.Choice(FORMATS[:3]), default="yaml", show_default=True, help="Its form.")
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write there; the file must not exist.")
@shared_options
def export(ids: tuple[str, ...], form: str, output: Path | None, as_json: bool) -> int:
    """Print meters as a file that `meterctl import` takes: those named, or all. Secrets are never in it."""
    from admin_api.transfer.csv_form import dump_csv
    from admin_api.transfer.yaml_form import dump_json, dump_yaml

    with looked_at() as store:
        meters = [store.meters.find(text) for text in ids] if ids else store.meters.list()
    dump = {"csv": dump_csv, "yaml": dump_yaml, "json": dump_json}["json" if as_json else form]
    text = dump(meters)
    if output is None:
        sys.stdout.write(text)
        return Outcome.DONE
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExists(f"{output} exists") from None
    except OSError as error:
        raise UnreadableFile(f"{output}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
    return Outcome.DONE


def _rows(file: Path, form: str | None) -> "list[Row]":
    """Return a file's rows; raise UnreadableFile or BadImport."""
    from admin_api.transfer import predecessor
    from admin_api.transfer.csv_form import parse_csv
    from admin_api.transfer.rows import MAX_OCTETS
    from admin_api.transfer.yaml_form import parse_json, parse_yaml

    octets = _octets(file, MAX_OCTETS)
    form = "admin-db" if predecessor.is_database(octets) else form or _BY_SUFFIX.get(file.suffix.lower(), "")
    if not form:
        raise UnreadableFile(f"{file}: its name does not tell what it is; say it by --format")
    if form == "admin-db":
        return predecessor.parse_database(file)
    if len(octets) > MAX_OCTETS:
        raise UnreadableFile(f"{file}: larger than {MAX_OCTETS} octets")
    return {"csv": parse_csv, "yaml": parse_yaml, "json": parse_json}[form](octets)


def _octets(file: Path, most: int) -> bytes:
    """Return a file's content up to one octet more than may be."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(most + 1)
        with file.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise UnreadableFile(f"{file}: {error.strerror}") from None


def _show(report: "Report", *, as_json: bool) -> None:
    if as_json:
        show_json(report.document())
        return
    cells = [
        (str(step.row), step.name, str(step.outcome), step.detail or ", ".join(step.changed))
        for step in report.plan.steps
    ]
    show_table(("row", "name", "", ""), cells)
    refused = len(report.plan.refused)
    if refused:
        show_line(f"{refused} of {len(cells)} rows are refused: nothing was written")
    elif report.dry_run:
        show_line("nothing was written: --dry-run")
