"""Rows that wait on disk for the broker (skeleton of the interface; the engine follows)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.envelope import Envelope
from common.errors import Hopeless
from common.routes import Mode, Route

LIVE_MS: Final = 60_000  # SPEC section 3: what was taken less than a minute ago is the present


class OutboxFailed(Hopeless):
    """The outbox met damage while running; it is set aside at the next start."""


class Lane(StrEnum):
    """Which rows of a meter: the present, what waits behind it, or all in one order."""

    LIVE = "live"
    BACKLOG = "backlog"
    STRICT = "strict"


class Verdict(Enum):
    """What became of an arrival."""

    INSERTED = "inserted"
    REPEAT = "repeat"
    GAP = "gap"
    HELD = "held"  # an epoch that was not begun: older ones come first
    REFUSED = "refused"  # the disk did not take it


@dataclass(frozen=True, slots=True)
class Arrival:
    """A reading's envelope, decoded and as it came, and the way out that is known for it."""

    envelope: Envelope
    octets: bytes
    route: Route | None


@dataclass(frozen=True, slots=True)
class Row:
    """One reading that waits. ``route`` is the one stored at intake; ``age_ms`` counts from its measurement."""

    id: int
    uid: bytes
    epoch: bytes
    seq: int
    ts_ms: int
    envelope: bytes
    route: Route
    age_ms: int

    @property
    def mode(self) -> Mode:
        return self.route.mode

    @property
    def target(self) -> str:
        return self.route.target

    @property
    def topic(self) -> str:
        return self.route.topic

    @property
    def device(self) -> str:
        return self.route.device

    @property
    def keys(self) -> Mapping[str, str]:
        return self.route.keys


@dataclass(frozen=True, slots=True)
class Tally:
    """One meter's account: taken = delivered + waiting + set_aside + the sum of dropped."""

    taken: int = 0
    delivered: int = 0
    waiting: int = 0
    set_aside: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """The whole account, and the size of what waits."""

    total: Tally
    rows: int
    octets: int
    oldest_age_ms: int
    unrouted: int
    damaged: int
    refused: int


class Outbox:
    """See the module's text."""

    @classmethod
    def open(cls, directory: Path, clock: Clock, boot: bytes, *, max_age_s: float, max_octets: int) -> "Outbox":
        """Open or create; a damaged file is set aside and counted."""
        raise NotImplementedError

    def take(self, batch: Sequence[Arrival]) -> list[Verdict]:
        """Insert what follows its cursor, in one transaction that is on disk when this returns."""
        raise NotImplementedError

    def begin(self, uid: bytes, epoch: bytes, first: int) -> None:
        """Start an epoch at its first sequence number."""
        raise NotImplementedError

    def gone(self, uid: bytes, epoch: bytes, first: int, last: int, reason: str) -> Verdict:
        """Count first..last as dropped and move the cursor over them, in one transaction."""
        raise NotImplementedError

    def cursor(self, uid: bytes, epoch: bytes) -> int | None:
        """Return the last sequence number taken or gone; None for an epoch that was not begun."""
        raise NotImplementedError

    def next_rows(self, uid: bytes, lane: Lane, *, after_id: int, limit: int, octets: int) -> list[Row]:
        """Return waiting rows with a route, ascending, at most ``limit`` and (but for the first) ``octets``."""
        raise NotImplementedError

    def waiting_uids(self) -> list[bytes]:
        """Return the meters that have rows to deliver."""
        raise NotImplementedError

    def acknowledge(self, ids: Sequence[int]) -> None:
        """The broker has these: they are gone for every reader at once, from the disk at the next take or flush."""
        raise NotImplementedError

    def set_aside(self, row_id: int, reason: str) -> None:
        """Keep a row on disk, deliver it no more, count it."""
        raise NotImplementedError

    def unrouted(self) -> Mapping[bytes, int]:
        """Return the age in milliseconds of the oldest row without a route, by meter."""
        raise NotImplementedError

    def route_known(self, uid: bytes, route: Route) -> None:
        """Give a meter's rows without a route theirs."""
        raise NotImplementedError

    def trim(self) -> None:
        """Drop what is beyond the bounds, oldest first; call it each second."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what was acknowledged, in groups; call it each turn."""
        raise NotImplementedError

    def tally(self, uid: bytes) -> Tally:
        """Return one meter's account."""
        raise NotImplementedError

    def stats(self) -> OutboxStats:
        """Return the whole account."""
        raise NotImplementedError

    def close(self) -> None:
        """Flush and close."""
        raise NotImplementedError
