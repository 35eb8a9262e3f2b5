"""The door to the store: open it once per program, hand it to whoever needs it.

In: a SQLAlchemy URL and the vault for its secrets. Out: a ``Store`` whose parts do the work. Opening connects to
nothing; the first use does. Only ``upgrade`` loads Alembic.
"""

from typing import Final

from sqlalchemy import func, select

from common.clock import Clock, SystemClock
from common.settings import Settings, StoreSettings
from common.store.alarms import Alarms
from common.store.audit import Audit
from common.store.commands import Commands
from common.store.database import Database, Way
from common.store.diagnostics import Diagnostics
from common.store.history import History
from common.store.lines import Resolve, resolve
from common.store.meters import Meters
from common.store.notices import Notices
from common.store.overview import Overview
from common.store.periods import Periods
from common.store.retention import Retention
from common.store.safekeeping import Keeper, needs_restoring
from common.store.sessions import Sessions
from common.store.sight import Sights
from common.store.starts import Starts
from common.store.states import States
from common.store.tables import tokens
from common.store.tokens import Tokens
from common.store.users import Users
from common.vault import Vault

_USUAL: Final = StoreSettings()


class Store:
    """All parts of the store over one database; safe in several threads, processes and after a fork."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, resolve_hosts: Resolve, bounds: StoreSettings
    ) -> None:
        self._database = database
        self._clock = clock
        self._keeper = None if database.file is None else Keeper(database.file)
        self.meters = Meters(database, vault, clock, resolve_hosts)
        self.states = States(database)
        self.commands = Commands(database, clock)
        self.alarms = Alarms(database, clock)
        self.diagnostics = Diagnostics(database)
        self.notices = Notices(database)
        self.starts = Starts(database)
        self.periods = Periods(database, bounds)
        self.history = History(database, clock, bounds)
        self._retention = Retention(database, bounds)
        self.tokens = Tokens(database, clock)
        self.users = Users(database, clock)
        self.sessions = Sessions(database, clock)
        self.audit = Audit(database, clock)
        self.overview = Overview(database)
        self.sights = Sights(database)

    def wishes_version(self) -> int:
        """Return a number that changes with every wish; cheap enough to be asked several times a second."""
        return self.meters.version()

    def upgrade(self) -> None:
        """Bring the schema to this program's, whoever else does the same; raise StoreUnavailable or StoreDamaged.

        A damaged file, or one that is gone, is first made anew from the copy of its wishes, where there is one.
        """
        from common.store.migrations.upgrade import restore, upgrade  # Alembic costs 0.6 s: not for everybody

        restore(self._database, self._clock.wall_ms())
        upgrade(self._database)

    def restore(self) -> str:
        """Make a store that cannot be used anew from the copy of its wishes; return what was done, if anything was.

        Only for the one process that keeps the store. Raise StoreUnavailable, StoreDamaged or OSError.
        """
        if self._database.file is None or not needs_restoring(self._database.file):
            return ""
        from common.store.migrations.upgrade import restore

        done = restore(self._database, self._clock.wall_ms())
        if done is None:
            return ""
        return f"made anew from its copy with {done.meters} meters; the damaged file is {done.aside.name}"

    def keep(self) -> None:
        """Keep the copy of the wishes up to date; raise StoreDamaged when the store's file is not what it was.

        Only for the one process that keeps the store; to be called about once a second.
        """
        if self._keeper is not None:
            self._keeper.look()

    def check(self) -> None:
        """Raise StoreUnavailable or StoreDamaged when the store cannot be read."""
        with self._database.begin(Way.READ) as connection:
            connection.execute(select(func.count()).select_from(tokens)).scalar_one()

    def trim(self) -> bool:
        """Forget a batch of what is beyond its bounds; return whether there may be more.

        To be called about once an hour, and again while there is more; the history of readings about once a minute.
        """
        now = self._clock.wall_ms()
        self.sessions.trim(now)
        return True in [self._retention.trim(now), self.periods.trim(now), self.history.trim(now)]

    def close(self) -> None:
        """Close the connections of this process; the store may be used again."""
        self._database.close()


def open_store(
    url: str,
    vault: Vault,
    *,
    clock: Clock | None = None,
    resolve_hosts: Resolve = resolve,
    bounds: StoreSettings = _USUAL,
) -> Store:
    """Return the store behind a URL, unconnected; ``bounds`` say how long what grows is kept."""
    return Store(Database(url), vault, clock or SystemClock(), resolve_hosts, bounds)


def open_from_settings(settings: Settings) -> Store:
    """Return the store of an installation, its master key loaded; raise BadKey."""
    return open_store(settings.store_url, Vault.load(settings.paths.master_key), bounds=settings.store)
