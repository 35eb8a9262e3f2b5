"""Brings a database to the newest schema, in one transaction. The only module of the product that starts Alembic.

A store whose file is damaged or gone is made anew from the copy of its wishes, where there is one, and put in its place
whole: nobody ever sees it half filled.
"""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from common.store import safekeeping
from common.store.database import Database, Way
from common.store.errors import StoreDamaged


@dataclass(frozen=True, slots=True)
class Restored:
    """A store was made anew: how many meters it has, and where the old file is."""

    meters: int
    aside: Path


def restore(database: Database, now_ms: int) -> Restored | None:
    """Make a store that cannot be used anew from its copy; None when that is not needed, or there is no sound copy.

    Only for who alone keeps the store. Raise StoreUnavailable, StoreDamaged or OSError.
    """
    path = database.file
    if path is None or not safekeeping.needs_restoring(path):
        return None
    draft = path.with_name(f".{path.name}.new")
    safekeeping.discard(draft)
    made = Database(f"sqlite:///{draft.absolute()}")
    try:
        upgrade(made)
        meters = safekeeping.fill(draft, safekeeping.copy_path(path))
        made.close()
        return Restored(meters, safekeeping.replace_store(path, draft, now_ms))
    finally:
        made.close()
        safekeeping.discard(draft)


def upgrade(database: Database) -> None:
    """Apply what is missing; several processes may do this at once, one after the other finds nothing to do."""
    database.prepare()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.begin(Way.WISH) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreDamaged(f"the store's schema is not one of this version's: {error}") from error
