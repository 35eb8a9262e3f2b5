"""meterctl rotate-key: a new master key, while the system runs; every secret is sealed anew under it.

In: an installation. Out: what was done, step by step. Workers are not disturbed: what they need stands in their run
files. Programs that have the store open follow the key file by themselves. A command that was killed is run again.
"""

import click

from admin_api.cli.access import actor, shared_options
from admin_api.cli.access import settings as load_settings
from admin_api.cli.alone import rotating
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.parts import source_of
from admin_api.cli.progress import progress
from common.clock import SystemClock


@click.command("rotate-key")
@click.option(
    "--keep", is_flag=True, help="Keep the old key beside the new one, for backups that were made without it."
)
@shared_options
def rotate_key(keep: bool, as_json: bool) -> int:
    """Make a new master key and seal all secrets of meters under it; the old one is destroyed."""
    from common.store.resealing import Rotation
    from common.vault import Vault, key_id, previous_path, read_key

    found = load_settings()
    key, clock = found.paths.master_key, SystemClock()
    counts: dict[str, int] = {}
    with rotating(found.paths), source_of(found) as source, progress("rotate-key", quiet=as_json) as tell:
        older = previous_path(key)  # of a change that was interrupted
        before = key_id(read_key(older if older.exists() else key)[0])
        aside = key.with_name(f"{key.name}.{before}") if keep else None
        for step, count in Rotation(source.database, key, clock, actor(), aside).steps():
            counts[step] = count
            tell(told=step)
    finished = "made" not in counts
    told = {
        "key": Vault.load(key).key_id,
        "before": before,
        "secrets": counts["verified"],
        "sealed_anew": counts["sealed anew"],
        "finished_an_earlier_one": finished,
        "kept": None if aside is None else str(aside),
    }
    if as_json:
        show_json(told)
        return Outcome.DONE
    show_line(f"key {told['key']} is in force; {told['secrets']} secrets open with it alone")
    if finished:
        show_line("a change that had been interrupted is finished; no further key was made")
    show_line(f"the old key is kept: {aside}" if aside else f"the old key {before} is destroyed")
    return Outcome.DONE
