"""meterctl restore: an installation from a backup, in a state directory where nothing runs.

In: a file of `meterctl backup`. Out: the store, the key where the backup has one, the settings where there are none.
The store that was there is kept aside. Nothing is changed before the whole file was found sound.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from admin_api.cli.access import actor, shared_options
from admin_api.cli.access import settings as load_settings
from admin_api.cli.alone import alone, rotating
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line
from admin_api.cli.parts import settings_file, source_of
from admin_api.documents import iso
from common.clock import SystemClock
from common.files import write_atomically
from common.master_key import installing
from common.settings import Settings
from common.store.archive import SETTINGS, Reader
from common.vault import Vault


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a store that has meters; it is kept aside.")
@click.option("--without-secrets", is_flag=True, help="Empty the meters' passwords, keys and tokens: no key is needed.")
@shared_options
def restore(file: Path, force: bool, without_secrets: bool, as_json: bool) -> int:
    """Make the store what it was when FILE was made; nothing may run here meanwhile."""
    from common.store.restoring import key_of
    from common.store.restoring import restore as restore_store

    reader = Reader(file)
    reader.check()
    now_ms = SystemClock().wall_ms()
    found = load_settings()
    with alone(found.paths), rotating(found.paths), _with_settings(found, reader) as changed:
        found = load_settings()
        found.paths.make()
        key = None if without_secrets else key_of(reader, found.paths.master_key)
        key_aside = found.paths.master_key.with_name(f"master.key.before-restore-{now_ms}")
        bringing = nullcontext(False) if key is None else installing(found.paths.master_key, key, key_aside)
        with source_of(found) as source, bringing as key_changed:
            vault = Vault.create(found.paths.master_key)
            done = restore_store(reader, source, now_ms, force=force, without_secrets=without_secrets)
    _note(found, vault, str(file), reader)
    told: dict[str, object] = {
        "file": str(file),
        "made_at": iso(reader.manifest.made_ms),
        "rows": done.counts,
        "aside": None if done.aside is None else str(done.aside),
        "key_aside": str(key_aside) if key_aside.exists() else None,
        "key_changed": bool(key_changed),
        "settings_restored": changed,
        "secrets": not without_secrets,
    }
    show_json(told) if as_json else _show(told, done.counts)
    return Outcome.DONE


@contextmanager
def _with_settings(found: Settings, reader: Reader) -> Iterator[bool]:
    """Bring the settings back where there are none; they say where the store is. They go where the work raises."""
    path = settings_file(found)
    if path.exists() or not reader.has(SETTINGS):
        yield False
        return
    write_atomically(path, reader.small(SETTINGS))
    try:
        yield True
    except BaseException:
        path.unlink()
        raise


def _note(found: Settings, vault: Vault, file: str, reader: Reader) -> None:
    from common.store.engine import open_store

    store = open_store(found.store_url, vault)
    store.audit.record(actor(), "store.restore", file, {"made_at": iso(reader.manifest.made_ms)})
    store.close()


def _show(told: dict[str, object], counts: dict[str, int]) -> None:
    show_line(f"restored {sum(counts.values())} rows of {len(counts)} tables; {counts.get('meters', 0)} meters")
    for name, words in (
        ("aside", "the store that was there is kept: "),
        ("key_aside", "the master key that was there is kept: "),
    ):
        if told[name]:
            show_line(f"{words}{told[name]}")
    if told["settings_restored"]:
        show_line("the settings came from the backup")
    if not told["secrets"]:
        show_line("passwords, keys and tokens of all meters are empty: set them by `meterctl edit`")
