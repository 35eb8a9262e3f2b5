"""What was there before an upgrade, kept: a backup of the store as an earlier version left it.

In: the parts of an installation, before its schema is brought to this program's. Out: a file of
``common.store.archive``, where there is something to keep; the last KEPT of them stay.
"""

from pathlib import Path
from typing import Final

from common.store.backup import Source, write
from common.store.errors import StoreDamaged, StoreUnavailable
from common.store.migrations.upgrade import NOTHING, plan

KEPT: Final = 3  # an upgrade is tried again, or done in steps; who wants more makes backups


def save_before(source: Source, directory: Path, now_ms: int) -> Path | None:
    """Write a backup of a store that an upgrade will change; return it, None where nothing will be changed.

    A store that cannot be read is the upgrade's to judge. Raise NotWritten, BadKey or StoreTooNew.
    """
    revision = _older(source)
    if revision is None:
        return None
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"before-upgrade-{revision}-{now_ms}.tar"
    write(source, path, now_ms)
    for old in sorted(directory.glob("before-upgrade-*.tar"), key=_made_ms)[:-KEPT]:
        old.unlink()
    return path


def _older(source: Source) -> str | None:
    """Return the revision of a store that is older than this program's; None where there is none to be read."""
    file = source.database.file
    if file is not None and not file.exists():
        return None
    try:
        wanted = plan(source.database)
    except (StoreDamaged, StoreUnavailable):
        return None
    return wanted.current if wanted.steps and wanted.current != NOTHING else None


def _made_ms(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
