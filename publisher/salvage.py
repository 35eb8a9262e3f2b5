"""From the outbox's file that was set aside to the new one: what is sound is taken back, what is not is counted.

In: the newest damaged file, and how far an earlier process came with it. Out: transactions of the new file. First the
books and cursors, so that nothing is taken in twice and every reading stays accounted for; then the rows, some at a
time: within START_S before anything else, the rest between the turns of the loop. A crash between any two of them loses
nothing: how far it came is written with the rows.

Rows that were taken back are of the past, whatever their age: newer ones may have come before them.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from common.clock import Clock
from publisher.accounts import SET_ASIDE, TAKEN, WAITING, Accounts
from publisher.outbox_file import FILE, damaged_files
from publisher.outbox_salvage import Books, DamagedFile
from publisher.outbox_writer import Progress, Work, Writer

START_S: Final = 5.0  # a start waits no longer than this; the supervisor gives a silent publisher 12 s
REFUSED_S: Final = 1.0  # until a disk that refused is asked again
_log = logging.getLogger(__name__)


class Salvage:
    """See the module's text. ``saved``: rows taken back by this process.

    ``begun``: nothing else may be written before the books of a damaged file are: who begins an epoch anew, or leaves a
    row, makes the file one that has a past of its own.
    """

    def __init__(
        self,
        directory: Path,
        file: Writer,
        accounts: Accounts,
        clock: Clock,
        commit: Callable[[Work], bool],
        cursor: Callable[[bytes, bytes], int | None],
    ) -> None:
        self._directory, self._file, self._accounts = directory, file, accounts
        self._clock, self._commit, self._cursor = clock, commit, cursor
        self._highest: dict[tuple[bytes, bytes], int] = {}
        self._number, self._again_at, self._offset_ms = 0, 0.0, 0
        self._damaged: DamagedFile | None = None
        self._expected: dict[bytes, int] = {}
        self.saved = 0
        self.begun = True
        progress = file.progress()
        if progress is not None and not progress.done:
            self._resume(progress)
        elif progress is None and file.is_new() and (number := damaged_files(directory)):
            self._begin(number)

    @property
    def pending(self) -> bool:
        """Whether there is a file that still gives something."""
        return self._damaged is not None or not self.begun

    def start(self) -> None:
        """Take back what START_S allows."""
        limit = self._clock.monotonic() + START_S
        while self.pending and self._clock.monotonic() < limit and self.turn():
            pass

    def turn(self) -> bool:
        """Take back some rows; return False when the disk refuses for now."""
        now = self._clock.monotonic()
        if now >= self._again_at and not self.begun:
            self._begin(self._number)
        if self._damaged is None or now < self._again_at:
            return False
        before = self._damaged.next_id
        work = Work()
        for row in self._damaged.step():
            expected = self._expected.get(row.uid, 0)
            work.row_saved(row.uid, work.save(row, self._offset_ms), expected=expected > 0, aside=bool(row.aside))
            work.row_routed(row.uid, -(row.route is None and not row.aside))
            self._expected[row.uid] = expected - 1
            name = row.uid, row.epoch
            self._highest[name] = max(self._highest.get(name, 0), row.seq)
        at_end = self._damaged.next_id is None
        if at_end:
            self._count_lost(work)
            self._mend_cursors(work)
        work.progress = Progress(self._number, self._damaged.next_id or 0, at_end)
        if not self._commit(work):
            self._refused(before or 1, now)
            return False
        self.saved += len(work.saved)
        if at_end:
            self._end()
        return True

    def _begin(self, number: int) -> None:
        """Write down what a damaged file says of the past; all that waited there is expected to be taken back."""
        self._open(number, 1)
        books = self._damaged.books() if self._damaged else Books({}, {}, None)
        work = Work(cursors=dict(books.cursors), progress=Progress(number, 1, False))
        for (uid, name), count in books.counts.items():
            work.counts[uid, WAITING if name == SET_ASIDE else name] += count
            work.counts[uid, TAKEN] += count
        self.begun = self._commit(work)
        if self.begun:
            self._expect(books)
        else:
            self._again_at = self._clock.monotonic() + REFUSED_S
            self._close()

    def _resume(self, progress: Progress) -> None:
        self._open(progress.number, progress.next_id)
        if self._damaged is not None:
            self._expect(self._damaged.books())

    def _expect(self, books: Books) -> None:
        """Know how many rows of each meter are still to come, and how the file's time lies to ours."""
        on_disk = self._file.waiting()
        for uid in self._accounts.uids():
            self._expected[uid] = self._accounts.count(uid, WAITING) - on_disk.get(uid, 0)
        if books.clock is not None:
            self._offset_ms = self._file.ages.since(*books.clock)

    def _open(self, number: int, next_id: int) -> None:
        self._number = number
        self._damaged = DamagedFile(self._directory / f"{FILE}.bad-{number}", self._clock, next_id)

    def _count_lost(self, work: Work) -> None:
        for uid, count in self._expected.items():
            if count > 0:
                work.never_saved(uid, count)

    def _mend_cursors(self, work: Work) -> None:
        """Begin behind their last row the epochs of which nothing else is known."""
        work.cursors.update({name: seq for name, seq in self._highest.items() if self._cursor(*name) is None})

    def _refused(self, next_id: int, now: float) -> None:
        """Do the same again later."""
        self._again_at = now + REFUSED_S
        self._close()
        self._open(self._number, next_id)
        on_disk = self._file.waiting()
        for uid in self._expected:
            self._expected[uid] = self._accounts.count(uid, WAITING) - on_disk.get(uid, 0)

    def _end(self) -> None:
        lost = sum(count for count in self._expected.values() if count > 0)
        _log.warning("salvaged file=%s.bad-%d readings=%d lost=%d", FILE, self._number, self.saved, lost)
        self._close()

    def _close(self) -> None:
        if self._damaged is not None:
            self._damaged.close()
        self._damaged = None
