"""What was heard of meters, to the store's history: a minute when it is over, a batch at a time.

In: the folding of what was heard, the time. Out: rows in the store. While the store is away rows wait here, the oldest
of too many are dropped and counted. A supervisor that is killed takes the running minute with it, and what waits; one
that is told to stop writes both. What is lost here is not lost: history is a summary, the outbox has the readings.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from common.store.history import History
from common.store.summary import HistoryRow
from supervisor_qos.folding import Folding, Names

BATCH: Final = 50  # rows at a time, each of which is three in the store: nobody waits long for the write lock
DOUBT_MS: Final = 86_400_000  # a clock that is not synchronised by then will not be
SET_MS: Final = 60_000  # no clock runs so wrong between two looks, a minute apart
MAX_WAITING: Final = 10_000  # rows, 3 kB each: ten minutes of 1000 meters


@dataclass(slots=True)
class Doubt:
    """Whether the clock says what is old: after a boot, or when it was set, it may stand in another year."""

    _offset_ms: int | None = None
    _since_ms: int = 0

    def was_set(self, wall_ms: int, boot_ms: int) -> bool:
        """Return whether the wall clock was set since the last look; of before the first nothing is known: it was."""
        offset_ms = wall_ms - boot_ms
        known_ms, self._offset_ms = self._offset_ms, offset_ms
        if known_ms is not None and abs(offset_ms - known_ms) < SET_MS:
            return False
        self._since_ms = boot_ms
        return True

    def may_forget(self, boot_ms: int, *, synchronised: bool) -> bool:
        """Return whether what looks old is old; a clock that nobody keeps is doubted for a day."""
        return synchronised or boot_ms - self._since_ms >= DOUBT_MS


@dataclass(slots=True)
class Keeping:
    """See the module's text. ``dropped``: rows that waited for the store too long."""

    history: History
    folding: Folding
    dropped: int = 0
    _waiting: deque[HistoryRow] = field(default_factory=deque)

    def turn(self, now_ms: int, names: Callable[[], Mapping[bytes, Names]]) -> bool:
        """Take what is over, write a batch of it, and return whether more waits; what fails waits on."""
        if self.folding.is_over(now_ms):
            self._take(now_ms, names())
        return self._write()

    def finish(self, names: Mapping[bytes, Names]) -> None:
        """Write everything, what is not over too."""
        self._take(None, names)
        while self._write():
            pass

    @property
    def counters(self) -> Mapping[str, int]:
        """What is worth knowing of it."""
        return {
            "history_waiting": len(self._waiting),
            "history_dropped": self.dropped,
            "history_cut": self.history.cut,
            "history_unreadable": self.history.unreadable,
            "readings_left_out": self.folding.left_out,
        }

    def _take(self, now_ms: int | None, names: Mapping[bytes, Names]) -> None:
        self._waiting.extend(self.folding.over(now_ms, names))
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def _write(self) -> bool:
        batch = list(islice(self._waiting, BATCH))
        if batch:
            self.history.add(batch)
        for _ in batch:
            self._waiting.popleft()
        return bool(self._waiting)
