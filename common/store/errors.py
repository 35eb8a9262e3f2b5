"""What the store refuses, and why it may fail. ``field`` names the part of a wish at fault."""

from common.errors import Again, Hopeless


class StoreUnavailable(Again):
    """The database cannot be reached, is locked for longer than its patience, or its disk is full."""


class BadStoreUrl(Hopeless):
    """The store's URL is none, or names a database whose driver is not installed."""


class StoreDamaged(Hopeless):
    """The database answers, but not as this program's schema demands: damaged, or never upgraded."""


class StoreTooNew(Hopeless):
    """The database was made by a newer version of this program."""


class NoSuchRevision(Hopeless):
    """No schema of this program has this revision."""


class BadWish(Hopeless):
    """A wish holds what it may not."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


class NoSuchMeter(Hopeless):
    """No living meter has this name, id or uid."""


class WishesChanged(StoreUnavailable):
    """Somebody else changed a wish since the caller looked; look again."""


class NameTaken(Hopeless):
    """Another living meter has this name."""


class LineTaken(Hopeless):
    """Another living meter is on this line, and not both declare it shared or concurrent."""


class RevisionConflict(Hopeless):
    """The meter was changed since the caller read it; ``current`` is its revision."""

    def __init__(self, detail: str, current: int) -> None:
        super().__init__(detail)
        self.current = current


class TooManyMeters(Hopeless):
    """The store holds as many meters as one installation may have."""


class NoSuchCommand(Hopeless):
    """No command has this id."""


class TooManyCommands(Again):
    """The meter has as many unfinished commands as it may have."""


class TooManyJobs(Again):
    """As many jobs are unfinished as one installation may have, or of their kind."""


class NoSuchAlarm(Hopeless):
    """No alarm has this id."""


class NoSuchToken(Hopeless):
    """No token has this id."""


class NoSuchUser(Hopeless):
    """No user has this id or name."""


class UserTaken(Hopeless):
    """Another user has this name."""


class TooManyUsers(Hopeless):
    """The store holds as many users as one installation may have."""


class TooManyTokens(Hopeless):
    """The store holds as many living tokens as one installation may have."""


class LastAdmin(Hopeless):
    """Nobody could change anything over the API after this."""
