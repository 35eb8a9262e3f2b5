"""Rows that wait on disk for the broker, and the cursors that say what was taken of every meter.

In: readings in the order of their numbers, routes, acknowledgements of the broker. Out: rows per meter and lane. It
knows neither bus nor broker. One thread, one connection; another process may read the file.

Invariants, in the words of docs/ARCHITECTURE.md, "Hand-over":
 O1  A row and the step of its cursor are one transaction, and ``take`` returns INSERTED only after COMMIT returned with
     synchronous=FULL: so a name is inserted at most once, and what is acknowledged to a worker survives a power cut.
 O2  Within (uid, epoch) rows are inserted in the order of seq; ids rise in that order and are never used twice.
 O3  A cursor never goes back, and stays when its rows are gone; it is only forgotten when KEPT_EPOCHS newer ones exist.
 O4  A row leaves when the broker has it, or because of a bound, oldest first; every way is counted in the transaction
     that does it: taken = delivered + waiting + set_aside + dropped by reason, per meter, after any crash.
 O5  Memory follows the disk: nothing is believed of a transaction that was not committed.
 O6  Ages come from CLOCK_BOOTTIME; no step of the wall clock deletes or reorders anything.
 O7  What a damaged file still holds is taken back before it is counted as lost, and lost only by being counted.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from common.clock import Clock
from common.envelope import BOOT_SIZE, Envelope
from common.routes import Route
from publisher.accounts import DELIVERED, OCTETS, SET_ASIDE, UNROUTED, WAITING, Accounts, Tally
from publisher.outbox_file import OutboxFailed, damaged_files, is_suspect, set_aside
from publisher.outbox_rows import Arrival, Lane, OutboxStats, Row, Verdict, row_check
from publisher.outbox_writer import ROW_OVERHEAD, Work, Writer
from publisher.salvage import Salvage

__all__ = ["Arrival", "Lane", "Outbox", "OutboxFailed", "OutboxStats", "Row", "Tally", "Verdict"]

LIVE_MS: Final = 60_000  # SPEC section 3: what was taken less than a minute ago is the present
KEPT_EPOCHS: Final = 8  # cursors of one meter that stay although its worker no longer speaks of them
GROUP_S: Final = 0.05  # acknowledged rows are deleted in groups; a crash sends at most this much again
GROUP_ROWS: Final = 400
OWED_AHEAD: Final = 4  # rows asked for beyond what is wanted: so many of one lane may be acknowledged and not deleted
TRIM_ROWS: Final = 2000  # rows dropped per call, so that a bound that was lowered does not stop the loop
REFUSED_PAUSE_S: Final = 1.0  # until a disk that refused is asked to delete again
OPERATOR: Final = "operator"  # dropped because a person said so
TICK_S: Final = 60.0  # the outbox's time is written down at least this often

_Found = tuple[int, bytes, bytes, int, int, bytes, int, int, int, int]
_WAITING: Final = (
    "SELECT id, uid, epoch, seq, ts_ms, envelope, route, born_ms, crc, past FROM rows INDEXED BY rows_of_meter"
    " WHERE uid = ?1 AND id > ?2 AND aside IS NULL AND route IS NOT NULL AND past = "
)
_ASIDE: Final = (
    "SELECT id, octets, route IS NOT NULL FROM rows WHERE uid = ?1 AND aside IS NOT NULL"
    " AND (?3 OR id IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?4"
)
_OF_A_ROW: Final = "SELECT id, uid, octets, aside IS NOT NULL, route IS NOT NULL FROM rows WHERE "
_LANES: Final = {
    Lane.LIVE: f"{_WAITING}0 ORDER BY id LIMIT ?3",
    Lane.BACKLOG: f"{_WAITING}0 AND +born_ms <= ?4 UNION ALL {_WAITING}1 ORDER BY id LIMIT ?3",
    Lane.STRICT: f"{_WAITING}0 UNION ALL {_WAITING}1 ORDER BY id LIMIT ?3",
}


class Outbox:
    """See the module's text."""

    def __init__(self, directory: Path, clock: Clock, boot: bytes, max_age_s: float, max_octets: int) -> None:
        self._directory, self._clock, self._boot = directory, clock, boot[:BOOT_SIZE]
        self._max_age_ms, self._max_octets = round(max_age_s * 1000), max_octets
        self._file = Writer(directory, clock, self._boot)
        accounts = self._file.query("SELECT uid, name, value FROM accounts")
        self._accounts = Accounts(cast("list[tuple[bytes, str, int]]", accounts))
        self._cursors: dict[bytes, dict[bytes, int]] = {}
        cursors = self._file.query("SELECT uid, epoch, seq FROM cursors ORDER BY rowid")
        for uid, epoch, seq in cast("list[tuple[bytes, bytes, int]]", cursors):
            self._cursors.setdefault(uid, {})[epoch] = seq
        self.damaged_before = damaged_files(directory)
        self._owed: dict[int, None] = {}
        self._owed_at = self._ticked_at = clock.monotonic()
        self._delivered_ms: dict[bytes, int] = {}
        self._salvage = Salvage(directory, self._file, self._accounts, clock, self._write, self.cursor)
        if not (self.stats().rows or self._salvage.pending):
            self._commit(Work(no_rows=True))

    @classmethod
    def open(cls, directory: Path, clock: Clock, boot: bytes, *, max_age_s: float, max_octets: int) -> "Outbox":
        """Open or create; a damaged file is set aside, and what it still gives taken back.

        Raise OutboxFailed when the disk refuses.
        """
        before = damaged_files(directory)
        try:
            outbox = cls(directory, clock, boot, max_age_s, max_octets)
        except OutboxFailed:
            if not is_suspect(directory):
                raise
            set_aside(directory)
            outbox = cls(directory, clock, boot, max_age_s, max_octets)
        outbox.damaged_before = before
        outbox._salvage.start()
        return outbox

    # ---- hand-over

    def cursor(self, uid: bytes, epoch: bytes) -> int | None:
        """Return the last sequence number taken or gone; None for an epoch that was not begun."""
        return self._cursors.get(uid, {}).get(epoch)

    def begin(self, uid: bytes, epoch: bytes, first: int) -> bool:
        """Start an epoch at its first sequence number; return False when the disk did not take it."""
        if self.cursor(uid, epoch) is not None:
            return True
        return self._commit(Work(cursors={(uid, epoch): first - 1}))

    def take(self, batch: Sequence[Arrival]) -> list[Verdict]:
        """Insert what follows its cursor, in one transaction that is on disk when this returns (O1)."""
        work, verdicts = Work(), []
        for arrival in batch:
            envelope = arrival.envelope
            verdict = self._judge(envelope, work)
            verdicts.append(verdict)
            if verdict is Verdict.INSERTED:
                work.cursors[envelope.uid, envelope.epoch] = envelope.seq
                size = len(arrival.octets) + ROW_OVERHEAD
                work.row_came(envelope.uid, size, routed=arrival.route is not None)
                work.inserted.append((arrival, self._born_ms(envelope)))
        if work.inserted and not self._commit(work):
            return [Verdict.REFUSED if verdict is Verdict.INSERTED else verdict for verdict in verdicts]
        if self._accounts.total[OCTETS] > self._max_octets:
            self.trim()
        return verdicts

    def gone(self, uid: bytes, epoch: bytes, first: int, last: int, reason: str) -> Verdict:
        """Count first..last as dropped and move the cursor over them, in one transaction."""
        cursor = self.cursor(uid, epoch)
        if cursor is None:
            return Verdict.HELD
        if last <= cursor:
            return Verdict.REPEAT
        if first > cursor + 1:
            return Verdict.GAP
        work = Work(cursors={(uid, epoch): last})
        work.never_came(uid, last - cursor, self._accounts.reason(uid, reason))
        return Verdict.INSERTED if self._commit(work) else Verdict.REFUSED

    def forget_epochs(self, uid: bytes, announced: frozenset[bytes]) -> None:
        """Forget the cursors of old epochs that the worker speaks of no more (O3)."""
        epochs = self._cursors.get(uid, {})
        old = [epoch for epoch in list(epochs)[:-KEPT_EPOCHS] if epoch not in announced]
        if old and self._commit(Work(forgotten=[(uid, epoch) for epoch in old])):
            for epoch in old:
                del epochs[epoch]

    # ---- delivery

    def next_rows(self, uid: bytes, lane: Lane, *, after_id: int, limit: int, octets: int) -> list[Row]:
        """Return waiting rows with a route, ascending, at most ``limit`` and (but for the first) ``octets``."""
        now_ms = self._file.ages.now_ms()
        rows: list[Row] = []
        for found in self._lane(uid, lane, after_id, limit, now_ms - LIVE_MS):
            row = self._row(found, now_ms)
            octets -= len(row.envelope) if row else 0
            if rows and (len(rows) >= limit or octets < 0):
                break
            rows += [row] if row else []
        return rows

    def uids(self) -> list[bytes]:
        """Return all meters that have an account."""
        return self._accounts.uids()

    def waiting_uids(self) -> list[bytes]:
        """Return the meters that have rows to deliver."""
        count = self._accounts.count
        return [uid for uid in self._accounts.uids() if count(uid, WAITING) > count(uid, UNROUTED)]

    def acknowledge(self, ids: Sequence[int]) -> None:
        """The broker has these: no reader sees them again; they leave the disk with the next group."""
        if not self._owed:
            self._owed_at = self._clock.monotonic() + GROUP_S
        self._owed.update(dict.fromkeys(ids))

    def set_aside(self, row_id: int, reason: str) -> bool:
        """Keep a row on disk, deliver it no more, count it; return False when the disk refuses, and the row waits on.

        Nothing for a row that is there no more.
        """
        statement = "SELECT uid, route IS NOT NULL FROM rows WHERE id = ? AND aside IS NULL"
        for uid, routed in cast("list[tuple[bytes, int]]", self._file.query(statement, (row_id,))):
            work = Work(aside=[(reason, row_id)])
            work.row_set_aside(uid, routed=bool(routed))
            return self._commit(work)
        return True

    def retry_aside(self, uid: bytes, ids: Sequence[int] = ()) -> int:
        """Let rows of a meter that were set aside wait again, all without ``ids``; return how many.

        At most TRIM_ROWS per call; 0 also when the disk does not take it.
        """
        work = Work()
        rows = self._aside(uid, ids)
        for row_id, _, routed in rows:
            work.aside.append((None, row_id))
            work.row_retried(uid, routed=bool(routed))
        return len(rows) if self._commit(work) else 0

    def drop_aside(self, uid: bytes, ids: Sequence[int] = ()) -> int:
        """Drop rows of a meter that were set aside, as ``retry_aside``; they are counted."""
        work = Work()
        rows = self._aside(uid, ids)
        for row_id, octets, routed in rows:
            work.dropped.append((row_id,))
            work.row_dropped(uid, octets, self._accounts.reason(uid, OPERATOR), aside=True, routed=bool(routed))
        return len(rows) if self._commit(work) else 0

    def unrouted(self) -> Mapping[bytes, int]:
        """Return the age in milliseconds of the oldest row without a route, by meter."""
        now_ms = self._file.ages.now_ms()
        oldest = "SELECT MIN(born_ms) FROM rows WHERE uid = ? AND route IS NULL AND aside IS NULL"
        lost = [uid for uid in self._accounts.uids() if self._accounts.count(uid, UNROUTED)]
        return {uid: now_ms - (self._file.number(oldest, (uid,)) or now_ms) for uid in lost}

    def route_known(self, uid: bytes, route: Route) -> None:
        """Give a meter's rows without a route theirs."""
        count = self._accounts.count(uid, UNROUTED)
        if count:
            work = Work(routed=[(uid, route)])
            work.row_routed(uid, count)
            self._commit(work)

    # ---- bounds and books

    def trim(self) -> None:
        """Drop what is beyond the bounds, oldest first, at most TRIM_ROWS of each kind; call it each second."""
        now = self._clock.monotonic()
        if self._commit(Work(tick=now - self._ticked_at >= TICK_S)):  # what the broker has is not dropped
            self._ticked_at = now if now - self._ticked_at >= TICK_S else self._ticked_at
        self._drop("outbox_age", "born_ms < ?", self._file.ages.now_ms() - self._max_age_ms)
        excess = self._accounts.total[OCTETS] - self._max_octets
        if excess > 0:
            self._drop("outbox_full", "born_ms < ?", 1 << 62, excess)
        self._file.shrink()
        self._file.keep_reserve()

    def purge(self, uid: bytes) -> None:
        """Drop what is kept of a meter that was removed with all it left, at most TRIM_ROWS; call it each second."""
        if self._accounts.count(uid, OCTETS) and self._commit(Work()):  # what the broker has is not dropped
            self._drop("purged", "uid = ?", uid)

    def flush(self) -> None:
        """Delete what was acknowledged once it is a group, or old enough; take back what is left of a damaged file.

        Call it each turn.
        """
        self._salvage.turn()
        now = self._clock.monotonic()
        if self._owed and (now >= self._owed_at or len(self._owed) >= GROUP_ROWS) and not self._commit(Work()):
            self._owed_at = now + REFUSED_PAUSE_S

    def tally(self, uid: bytes) -> Tally:
        """Return one meter's account."""
        return self._accounts.tally(uid)

    def delivered_boot_ms(self, uid: bytes) -> int:
        """Return the boot time at which the broker last acknowledged something of a meter; 0 for not yet."""
        return self._delivered_ms.get(uid, 0)

    def stats(self) -> OutboxStats:
        """Return the whole account."""
        total = self._accounts.totals()
        oldest = self._file.number("SELECT MIN(born_ms) FROM rows WHERE aside IS NULL")
        return OutboxStats(
            total=total,
            rows=total.waiting + total.set_aside,
            octets=total.octets,
            oldest_age_ms=0 if oldest is None else max(0, self._file.ages.now_ms() - oldest),
            unrouted=total.unrouted,
            damaged=damaged_files(self._directory),
            refused=self._file.refused,
            salvaged=self._salvage.saved,
            salvaging=self._salvage.pending,
        )

    def close(self) -> None:
        """Delete what was acknowledged, close."""
        self._commit(Work(tick=True))
        self._file.close()

    # ---- inside

    def _judge(self, envelope: Envelope, work: Work) -> Verdict:
        cursor = work.cursors.get((envelope.uid, envelope.epoch), self.cursor(envelope.uid, envelope.epoch))
        if cursor is None:
            return Verdict.HELD
        if envelope.seq <= cursor:
            return Verdict.REPEAT
        return Verdict.INSERTED if envelope.seq == cursor + 1 else Verdict.GAP

    def _born_ms(self, envelope: Envelope) -> int:
        """Return when a reading was measured, in the outbox's time; of another boot only: not a minute ago."""
        age_ms = LIVE_MS
        if envelope.boot == self._boot != bytes(BOOT_SIZE):
            age_ms = max(0, self._clock.boottime_ms() - envelope.boot_ms)
        return self._file.ages.now_ms() - age_ms

    def _commit(self, work: Work) -> bool:
        """Write the change, unless there is a damaged file whose books have to come first; return whether it was."""
        return self._salvage.begun and self._write(work)

    def _write(self, work: Work) -> bool:
        """Write the change and all deletions that are due; then, and only then, believe it (O5)."""
        work.delivered = tuple(self._owed)
        if not self._file.commit(work):
            return False
        self._owed.clear()
        self._accounts.apply(work)
        for (uid, epoch), seq in work.cursors.items():
            self._cursors.setdefault(uid, {})[epoch] = seq
        if work.delivered:
            now_ms = self._clock.boottime_ms()
            self._delivered_ms.update((uid, now_ms) for uid, name in work.counts if name == DELIVERED)
        return True

    def _lane(self, uid: bytes, lane: Lane, after_id: int, limit: int, present_ms: int) -> list[_Found]:
        """Return rows of a lane without those that the broker has and the disk still shows."""
        if lane is Lane.LIVE:
            after_id = max(after_id, self._first_live(uid, present_ms) - 1)
        rows: list[_Found] = []
        size = limit + min(len(self._owed), OWED_AHEAD)
        while len(rows) < limit:
            values = (uid, after_id, size, *((present_ms,) if lane is Lane.BACKLOG else ()))
            found = cast("list[_Found]", self._file.query(_LANES[lane], values))
            rows += [row for row in found if row[0] not in self._owed]
            if len(found) < size:
                break
            after_id = found[-1][0]
        return rows

    def _first_live(self, uid: bytes, present_ms: int) -> int:
        """Return the id of the first row of the present; what a meter is asked for comes in the order of its age."""
        statement = "SELECT MAX(id) FROM rows INDEXED BY rows_of_meter WHERE uid = ? AND past = 0 AND +born_ms <= ?"
        return (self._file.number(statement, (uid, present_ms)) or 0) + 1

    def _aside(self, uid: bytes, ids: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return id, octets and whether there is a route of a meter's rows that are set aside."""
        if not self._accounts.count(uid, SET_ASIDE):
            return []
        found = self._file.query(_ASIDE, (uid, json.dumps(list(ids)), not ids, TRIM_ROWS))
        return cast("list[tuple[int, int, int]]", found)

    def _row(self, found: _Found, now_ms: int) -> Row | None:
        """Return a row whose octets are what was inserted; set aside one whose are not."""
        row_id, uid, epoch, seq, ts_ms, envelope, route_id, born_ms, crc, past = found
        route = self._file.route(route_id)
        if route is None or row_check(uid, epoch, seq, ts_ms, envelope) != crc:
            self.set_aside(row_id, "damaged")
            return None
        return Row(row_id, uid, epoch, seq, ts_ms, envelope, route, max(0, now_ms - born_ms), bool(past))

    def _drop(self, reason: str, condition: str, value: int | bytes, excess: int = 1 << 62) -> None:
        """Drop the oldest rows of which a condition holds until ``excess`` octets are free."""
        work = Work()
        rows = self._file.query(f"{_OF_A_ROW}{condition} ORDER BY born_ms, id LIMIT ?", (value, TRIM_ROWS))
        for row_id, uid, octets, aside, routed in cast("list[tuple[int, bytes, int, int, int]]", rows):
            if excess <= 0:
                break
            excess -= octets
            work.dropped.append((row_id,))
            work.row_dropped(uid, octets, self._accounts.reason(uid, reason), aside=bool(aside), routed=bool(routed))
        self._commit(work)
