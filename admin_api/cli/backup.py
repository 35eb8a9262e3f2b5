"""meterctl backup: everything that the store holds, in one file, while the system runs; done when it was restored once.

In: a file's name, or - for standard output. Out: the file, mode 0600, and what is in it. What is not: readings on their
way (outbox, journals), invocation counters, and the master key unless asked for.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_api.cli.access import settings as load_settings
from admin_api.cli.access import shared_options
from admin_api.cli.alone import rotating
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.parts import source_of
from admin_api.cli.progress import progress
from common.clock import SystemClock
from common.errors import Hopeless

if TYPE_CHECKING:
    from common.store.archive import Manifest

STANDARD_OUTPUT = "-"


class FileExists(Hopeless):
    """There is a file of that name already."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--with-key", is_flag=True, help="With the master key: whoever has the file can open all secrets.")
@click.option("--quick", is_flag=True, help="Check the file by its checksums alone, do not restore it on trial.")
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@shared_options
def backup(file: str, with_key: bool, quick: bool, force: bool, as_json: bool) -> int:
    """Write all that the store holds to FILE (- is standard output), while everything runs.

    Without --with-key the secrets of the meters can be opened only where the master key still is.
    """
    from common.store.backup import bring, pour, write
    from common.store.restoring import rehearse

    to_stdout = file == STANDARD_OUTPUT
    found = load_settings()
    clock = SystemClock()
    path = found.paths.root / f".backup.{clock.wall_ms()}.tar" if to_stdout else Path(file)
    if path.exists() and not force:
        raise FileExists(f"{path}: is there already; --force replaces it")
    made = path.with_name(f".{path.name}.made")  # until it was tried: what has the name meanwhile is kept
    telling = progress("backup", quiet=as_json or not sys.stderr.isatty())  # a job at night is to write no letter
    with rotating(found.paths), source_of(found) as source, telling as tell:
        try:
            reader = write(
                source, made, clock.wall_ms(), with_key=with_key, tell=lambda table: tell(told=f"table {table}")
            )
            if not quick:
                tell(told="restored on trial")
                rehearse(reader, path.with_name(f".{path.name}.trial"))
            if to_stdout:
                pour(made, sys.stdout.buffer)
            else:
                bring(made, path)
        finally:
            with suppress(OSError):
                made.unlink(missing_ok=True)
    if not to_stdout:
        _show(path, reader.manifest, with_key=with_key, quick=quick, as_json=as_json)
    return Outcome.DONE


def _show(path: Path, manifest: "Manifest", *, with_key: bool, quick: bool, as_json: bool) -> None:
    counts = {item.name: item.rows for item in manifest.tables}
    octets = path.stat().st_size
    if as_json:
        show_json({
            "file": str(path),
            "octets": octets,
            "revision": manifest.revision,
            "with_key": with_key,
            "key": manifest.key,
            "verified": "checksums" if quick else "restored",
            "rows": counts,
        })
        return
    show_line(f"{path}: {sum(counts.values())} rows of {len(counts)} tables, {octets} octets")
    show_line(f"meters    {counts.get('meters', 0)} (removed ones that still deliver included)")
    show_line(f"verified  {'by its checksums' if quick else 'by restoring it on trial'}")
    show_line(f"key       {_key_text(with_key=with_key, key=manifest.key)}")
    show_line("not in it: readings on their way (outbox/, journal/) and invocation counters (counters/)")


def _key_text(*, with_key: bool, key: str) -> str:
    if with_key:
        return f"{key}, in the file: keep the file as safe as the key"
    return f"{key}, not in the file: without it the meters' passwords and keys cannot be opened"
