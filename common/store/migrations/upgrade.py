"""Brings a database to another schema, in one transaction. The only module of the product that starts Alembic.

In: a database and the revision that is wanted. Out: what there was, what there is. A store whose file is damaged or
gone is made anew from the copy of its wishes, where there is one, and put in its place whole: nobody ever sees it half
filled.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from common.clock import SystemClock
from common.store import safekeeping
from common.store.audit import note
from common.store.database import Database, Way
from common.store.errors import NoSuchRevision, StoreDamaged, StoreTooNew

HEAD: Final = "head"
NOTHING: Final = "nothing"  # the revision of a database without our tables


@dataclass(frozen=True, slots=True)
class Restored:
    """A store was made anew: how many meters it has, and where the old file is."""

    meters: int
    aside: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one revision to another: ``steps`` in their order, each with what it is about."""

    current: str
    target: str
    steps: tuple[tuple[str, str], ...]

    @property
    def is_downward(self) -> bool:
        """Whether the way leads to an older schema, which knows less."""
        return self.current != NOTHING and self.target < self.current


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
    """Apply what is missing; several processes may do this at once, one after the other finds nothing to do.

    Raise StoreTooNew where a newer version made the store.
    """
    migrate(database, HEAD)


def migrate(database: Database, to: str = HEAD, actor: str = "") -> Plan:
    """Bring the schema to a revision, upwards or downwards; return what was done. ``actor``: for the audit.

    Raise NoSuchRevision, StoreTooNew, StoreUnavailable or StoreDamaged; then nothing was changed.
    """
    database.prepare()
    with database.begin(Way.WISH) as connection:
        done = move(connection, to)
        if actor and done.steps:
            details = {"from": done.current, "to": done.target}
            note(connection, SystemClock().wall_ms(), actor, "store.migrate", "store", details)
        return done


def plan(database: Database, to: str = HEAD) -> Plan:
    """Return what ``migrate`` would do; raise as it does."""
    with database.begin(Way.READ) as connection:
        return _plan(connection, to)


def move(connection: Connection, to: str) -> Plan:
    """Bring the schema to a revision inside the caller's transaction; raise as ``migrate`` does."""
    wanted = _plan(connection, to)
    config = _config()
    config.attributes["connection"] = connection
    try:
        (command.downgrade if wanted.is_downward else command.upgrade)(config, wanted.target)
    except CommandError as error:
        raise StoreDamaged(f"the store's schema cannot be brought to {wanted.target}: {error}") from error
    return wanted


def revisions() -> tuple[str, ...]:
    """Return all revisions, the oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(sorted(script.revision for script in scripts.walk_revisions()))


def revision_of(connection: Connection) -> str:
    """Return a database's revision; NOTHING where it has none."""
    return MigrationContext.configure(connection).get_current_revision() or NOTHING


def _plan(connection: Connection, to: str) -> Plan:
    known = {script.revision: script.doc for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    order = sorted(known)
    current, target = revision_of(connection), order[-1] if to == HEAD else to
    if target not in known:
        raise NoSuchRevision(f"{to[:32]!r} is no revision of the store's schema; there are {', '.join(order)}")
    if current != NOTHING and current not in known:
        newest = order[-1]
        raise StoreTooNew(f"the store is of a newer version: its schema is {current}, this one knows up to {newest}")
    if current != NOTHING and target < current:
        gone = [name for name in reversed(order) if target < name <= current]
        return Plan(current, target, tuple((name, known[name]) for name in gone))
    missing = [name for name in order if (current == NOTHING or name > current) and name <= target]
    return Plan(current, target, tuple((name, known[name]) for name in missing))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
