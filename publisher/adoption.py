"""Journals without an owner: what a worker left behind that nobody starts again is taken in by the publisher itself.

In: the directory of all journals. Out: their records, through the same intake as any worker's. A journal is an orphan
when its lock was free at each look for ORPHAN_S. It is held for at most HOLD_S at a time, less than a worker's patience
for the lock, and one batch is taken per turn of the loop: neither a worker nor the other meters wait for this.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.envelope import BOOT_SIZE, UID_SIZE, Envelope, Kind, encode
from common.heartbeat import EpochSpan
from common.journal import Gone, Journal, JournalLimits, LockHeld, Record
from common.journal_files import is_free
from publisher.intake import Intake
from publisher.outbox import Outbox

LOOK_S: Final = 2.0  # between two looks at all locks
ORPHAN_S: Final = 10.0  # SPEC section 3
HOLD_S: Final = 1.0  # LOCK_PATIENCE_S of a worker is three times this
REST_S: Final = 0.2  # between two holds: a worker tries the lock every 20 ms
STUCK_S: Final = 5.0  # the same after a batch that the outbox did not take
AGAIN_S: Final = 600.0  # until a journal that was empty is opened again: its worker may have lived for a moment
MAX_JOURNALS: Final = 20_000


class Adoption:
    """See the module's text. ``turn`` is called from the publisher's loop."""

    def __init__(self, root: Path, outbox: Outbox, intake: Intake, clock: Clock, boot: bytes) -> None:
        self._root, self._outbox, self._intake = root, outbox, intake
        self._clock, self._boot = clock, boot[:BOOT_SIZE]
        self._free_since: dict[bytes, float] = {}
        self._drained: dict[bytes, float] = {}
        self._look_at = 0.0
        self._journal: Journal | None = None
        self._uid = b""
        self._until = self._rest_until = 0.0
        self.adopted = 0

    def turn(self) -> None:
        """Look for orphans when it is time; take in one batch of the one that is open."""
        now = self._clock.monotonic()
        if self._journal is not None:
            self._take_in(self._journal, now)
        elif now >= self._rest_until:
            if now >= self._look_at:
                self._look_at = now + LOOK_S
                self._look(now)
            self._open_next(now)

    def close(self) -> None:
        """Let go of the journal that is open."""
        if self._journal is not None:
            self._journal.close()
        self._journal = None

    def _look(self, now: float) -> None:
        seen = {uid for uid in self._candidates() if is_free(self._path(uid))}
        self._free_since = {uid: self._free_since.get(uid, now) for uid in seen}
        self._drained = {uid: at for uid, at in self._drained.items() if uid in seen and now - at < AGAIN_S}

    def _candidates(self) -> Iterable[bytes]:
        """Return the meters that have a journal; nothing else in the directory is touched."""
        names = [path.name for path in self._root.glob("?" * UID_SIZE * 2)][:MAX_JOURNALS]
        return [bytes.fromhex(name) for name in names if set(name) <= set("0123456789abcdef")]

    def _path(self, uid: bytes) -> Path:
        return self._root / uid.hex()

    def _open_next(self, now: float) -> None:
        orphans = [uid for uid, since in self._free_since.items() if now - since >= ORPHAN_S]
        for uid in orphans:
            if uid not in self._drained:
                self._open(uid, now)
                return

    def _open(self, uid: bytes, now: float) -> None:
        """Open an orphan, without bounds: what its worker could not deliver is not dropped on the way in."""
        unbounded = JournalLimits(max_age_s=1e9, max_octets=1 << 40)
        try:
            self._journal = Journal.open(self._path(uid), uid, self._clock, self._boot, unbounded, patience_s=0.0)
        except (LockHeld, OSError):
            self._free_since.pop(uid, None)
            return
        self._uid, self._until = uid, now + HOLD_S

    def _take_in(self, journal: Journal, now: float) -> None:
        """Take in one batch; let go of the journal when it is empty, held for long enough, or not taken."""
        missing = self._intake.accept(self._uid, journal.spans())
        stuck = missing is not None and not self._take_batch(journal, missing)
        for span in journal.spans():
            journal.acknowledge(span.epoch, self._outbox.cursor(self._uid, span.epoch) or 0)
        if journal.drained():
            self._drained[self._uid] = now
        if journal.drained() or stuck or missing is None or now >= self._until:
            self._rest_until = now + (STUCK_S if stuck else REST_S)
            self.close()

    def _take_batch(self, journal: Journal, missing: EpochSpan) -> bool:
        batch = journal.read(missing.epoch, missing.first_unacknowledged)
        self._intake.handle([self._envelope(missing.epoch, item) for item in batch])
        self.adopted += sum(isinstance(item, Record) for item in batch)
        return (self._outbox.cursor(self._uid, missing.epoch) or 0) >= missing.first_unacknowledged

    def _envelope(self, epoch: bytes, item: Record | Gone) -> bytes:
        if isinstance(item, Record):
            return item.octets
        return encode(Envelope(Kind.GONE, self._uid, epoch, item.first, body=[item.first, item.last, item.reason]))
