"""What time it is by the meter's clock, which may be any other than ours.

In: a session. Out: moments in milliseconds of UTC, counted from CLOCK_BOOTTIME since the clock was last read, so that a
step of our own clock moves nothing.
"""

from datetime import UTC
from typing import TYPE_CHECKING, Final

from common.clock import Clock
from common.obis import Obis
from poller.dlms.cosem import AttributeRef
from poller.dlms.data import DateTime
from poller.dlms.errors import BadData

if TYPE_CHECKING:
    from poller.session import Session

CLOCK: Final = AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)
AGE_S: Final = 3600.0  # a clock that drifts is looked at again, though the association lasts


class MeterTime:
    """One meter's clock. ``is_known`` from the first look on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = 0
        self._read_at = float("-inf")

    @property
    def is_known(self) -> bool:
        """Whether the clock was ever read."""
        return self._read_at > float("-inf")

    @property
    def is_old(self) -> bool:
        """Whether it is time to look again."""
        return self._clock.monotonic() - self._read_at > AGE_S

    def at(self, boot_ms: int) -> int:
        """Return the meter's time at a moment of CLOCK_BOOTTIME."""
        return boot_ms + self._offset

    def now(self) -> int:
        """Return the meter's time."""
        return self.at(self._clock.boottime_ms())

    def look(self, session: "Session") -> None:
        """Read the clock; raise what the meter or the link says, BadData when it tells no time."""
        before = self._clock.boottime_ms()
        moment = _moment(session)
        self._offset = moment - (before + self._clock.boottime_ms()) // 2
        self._read_at = self._clock.monotonic()


def _moment(session: "Session") -> int:
    value = session.get(CLOCK).value
    told = DateTime.from_bytes(value) if isinstance(value, bytes) else value
    found = told.to_datetime() if isinstance(told, DateTime) else None
    if found is None or not isinstance(told, DateTime):
        raise BadData("the clock tells no time")
    if found.tzinfo is None:
        from poller.backfill_rows import zone_of  # meters that tell no deviation with their time are few

        found = zone_of(session).to_datetime(told) or found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)
