"""What backup, restore, migrate and rotate-key work on: the database itself, the key file, the settings file.

In: settings. Out: a ``Source``, its connections closed in the end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.settings import CONFIG_NAME, PREFIX, Settings

if TYPE_CHECKING:
    from common.store.backup import Source


def settings_file(found: Settings) -> Path:
    """Return where the settings file of an installation is, or would be."""
    return Path(os.environ.get(f"{PREFIX}CONFIG") or found.paths.root / CONFIG_NAME)


@contextmanager
def source_of(found: Settings) -> "Iterator[Source]":
    """Give the parts of an installation that a backup is made of."""
    from common.store.backup import Source
    from common.store.database import Database

    database = Database(found.store_url)
    try:
        yield Source(database, found.paths.master_key, settings_file(found))
    finally:
        database.close()
