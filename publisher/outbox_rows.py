"""The forms in which readings enter the outbox and leave it. Values only; nothing here touches the disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from common.checksum import crc32c
from common.envelope import Envelope
from common.routes import Mode, Route
from publisher.accounts import Tally


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
    HELD = "held"  # of an epoch that was not begun: older ones come first
    REFUSED = "refused"  # the disk did not take it


@dataclass(frozen=True, slots=True)
class Arrival:
    """A reading's envelope, decoded and as it came, and the way out that is known for it."""

    envelope: Envelope
    octets: bytes
    route: Route | None


@dataclass(frozen=True, slots=True)
class Row:
    """One reading that waits. ``route`` is the one stored at intake; ``age_ms`` counts from when it was read.

    ``past``: it comes from the meter's own memory.
    """

    id: int
    uid: bytes
    epoch: bytes
    seq: int
    ts_ms: int
    envelope: bytes
    route: Route
    age_ms: int
    past: bool = False

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
class OutboxStats:
    """The whole account, and the size of what waits. ``refused``: transactions that the disk did not take.

    ``salvaged``: rows taken back from a damaged file since the start; ``salvaging``: there may be more.
    """

    total: Tally
    rows: int
    octets: int
    oldest_age_ms: int
    unrouted: int
    damaged: int
    refused: int
    salvaged: int = 0
    salvaging: bool = False


def row_check(uid: bytes, epoch: bytes, seq: int, ts_ms: int, envelope: bytes) -> int:
    """Return the checksum of a row: it is delivered only as what was inserted."""
    numbers = b"%d %d" % (seq, ts_ms)
    return crc32c(envelope, crc32c(uid + epoch + numbers))
