"""A reading on disk before it leaves: append-only segments of one meter, freed when the publisher has their records.

In: encoded envelopes from the one worker that holds the lock (or from none: the publisher opens a journal that lost its
owner, and never appends). Out: the same octets, by epoch and number, until they are acknowledged. No clock but the one
given, no mmap (a full disk would be SIGBUS), no fsync (a power cut may cost what the outbox has not yet taken in).

Invariants, in the words of docs/ARCHITECTURE.md, "Hand-over":
 J1  A number is used up only by a write that succeeded, and within an epoch no number is ever used twice.
 J2  An epoch is continued only when the ledger names it, this boot wrote it, and nothing of it is damaged or missing; a
     new epoch is in the ledger before any evidence of damage is moved.
 J3  A record leaves the disk only when it is acknowledged, or when age or octets are beyond the bound; then the ledger
     says so first. What is neither there nor acknowledged is answered as ``Gone`` with its reason, never passed over.
 J4  Opening never fails because of what the files hold.
 J5  Memory is bounded: a few numbers per segment, one segment's octets while it is read.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.envelope import BOOT_SIZE, MAX_ENVELOPE
from common.heartbeat import MAX_EPOCHS, EpochSpan
from common.journal_files import DirectoryLock, JournalFiles, LockHeld, write_whole
from common.journal_ledger import Entry, Ledger, Range, Segment
from common.journal_recovery import new_entry, recover
from common.journal_segment import HEADER_SIZE, RECORD_OVERHEAD, Header, encode_record, read_segment

__all__ = ["Appended", "Gone", "Journal", "JournalLimits", "LockHeld", "Record"]

MAX_BATCH: Final = 200  # records of one read: a worker answers a replay between two questions to its meter
MAX_BATCH_OCTETS: Final = 512 << 10
LOCK_PATIENCE_S: Final = 3.0  # the publisher, when it takes in an orphan, lets go of the lock each second
SEGMENTS: Final = 16  # a journal at its bound has about this many, so that dropping one costs a sixteenth
MAX_SEGMENT: Final = 256 << 10  # octets; one segment is read whole
MIN_SEGMENT: Final = 4 << 10

Gone = Range


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Beyond these the oldest records go."""

    max_age_s: float = 86_400.0
    max_octets: int = 16 << 20

    @property
    def segment(self) -> int:
        """Octets after which the next segment begins."""
        return max(MIN_SEGMENT, min(MAX_SEGMENT, self.max_octets // SEGMENTS))


@dataclass(frozen=True, slots=True)
class Appended:
    """A record that is in the journal."""

    epoch: bytes
    seq: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read back."""

    seq: int
    octets: bytes


class Journal:
    """One meter's journal, open and locked. See the module's text."""

    def __init__(
        self, lock: DirectoryLock, files: JournalFiles, uid: bytes, clock: Clock, boot: bytes, limits: JournalLimits
    ) -> None:
        self._lock, self._files, self._uid = lock, files, uid
        self._clock, self._boot, self._limits = clock, boot[:BOOT_SIZE], limits
        self._handle = -1
        self._counts: Counter[str] = Counter()
        files.clean()
        state = recover(files, uid, self._boot, clock.boottime_ms())
        self._entries, self._since_ms, self._next = state.entries, state.since_ms, state.next_number
        self._octets = sum(segment.octets for _, segment in self._segments())
        self._bound_epochs()
        # J2: the new epoch is written down before evidence moves; if the disk does not take it, the evidence stays.
        if self._save() or not state.is_new:
            for number in state.bad:
                self._files.remove(number, keep=True)
            for segment in state.finished:
                self._files.remove(segment.number, keep=segment.damaged)
        found = [*state.finished, *(item for _, item in self._segments())]
        self._counts["damaged_files"] = len(state.bad) + sum(item.damaged for item in found)
        self._resume()

    @classmethod
    def open(
        cls,
        directory: Path,
        uid: bytes,
        clock: Clock,
        boot: bytes,
        limits: JournalLimits | None = None,
        patience_s: float = LOCK_PATIENCE_S,
    ) -> "Journal":
        """Open or create the journal of a meter; raise LockHeld when another process has it for ``patience_s``."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DirectoryLock(directory)
        lock.acquire(clock, patience_s)
        try:
            return cls(lock, JournalFiles(directory), uid, clock, boot, limits or JournalLimits())
        except BaseException:
            lock.release()
            raise

    @property
    def epoch(self) -> bytes:
        """The epoch that is being written."""
        return self._current.epoch

    @property
    def octets(self) -> int:
        """What all segments have on disk."""
        return self._octets

    @property
    def _current(self) -> Entry:
        return self._entries[-1]

    def append(self, encode: Callable[[bytes, int], bytes]) -> Appended | None:
        """Write what ``encode(epoch, seq)`` returns as the next record; None when the disk did not take it (J1)."""
        entry = self._current
        seq = entry.last + 1
        octets = encode(entry.epoch, seq)
        if len(octets) > MAX_ENVELOPE:
            self._counts["too_large"] += 1
            return None
        try:
            self._write(entry, seq, octets)
        except OSError:
            self._counts["disk_full"] += 1
            self._leave_torn_file(entry)
            return None
        return Appended(entry.epoch, seq, octets)

    def spans(self) -> tuple[EpochSpan, ...]:
        """Return what is held, oldest epoch first; the epoch that is being written is always there."""
        return tuple(EpochSpan(entry.epoch, entry.acknowledged + 1, entry.last) for entry in self._entries)

    def drained(self) -> bool:
        """Return whether everything is acknowledged."""
        return all(entry.acknowledged >= entry.last for entry in self._entries)

    def read(
        self, epoch: bytes, first: int, limit: int = MAX_BATCH, octets: int = MAX_BATCH_OCTETS
    ) -> list[Record | Gone]:
        """Return an epoch from ``first`` on, in order and without holes: records, and Gone where they do not exist.

        At most ``limit`` of them, and no more once there are ``octets``. Nothing for an epoch that is not held.
        """
        batch: list[Record | Gone] = []
        with suppress(OSError):  # what cannot be read now is not said to be gone: it is asked for again
            for item in self._all_from(epoch, first):
                batch.append(item)
                octets -= len(item.octets) if isinstance(item, Record) else 0
                if len(batch) >= limit or octets <= 0:
                    break
        return batch

    def acknowledge(self, epoch: bytes, seq: int) -> None:
        """The outbox has all of ``epoch`` up to ``seq``: segments that are wholly acknowledged go."""
        entry = self._find(epoch)
        if entry is None or seq <= entry.acknowledged:
            return
        if entry is self._current and seq > entry.last:
            # The publisher knows numbers that this journal never gave: an older copy was put in its place (J1).
            self._counts["went_back"] += 1
            self._begin_epoch()
        entry.acknowledged = min(seq, entry.last)
        entry.gone[:] = [lost for lost in entry.gone if lost.last > entry.acknowledged]
        self._free(entry)

    def expire(self) -> None:
        """Drop what is older than the bound; call it now and then."""
        limit = self._clock.boottime_ms() - round(self._limits.max_age_s * 1000)
        oldest = next(self._segments(), None)
        while oldest is not None and oldest[1].newest_ms < limit:
            if self._is_active(oldest[1]):
                self._seal()
            self._drop(*oldest, "journal_age")
            oldest = next(self._segments(), None)

    def counters(self) -> Mapping[str, int]:
        """Return what was refused or dropped since the journal was opened, by reason."""
        return dict(self._counts)

    def close(self) -> None:
        """Write the ledger, let go of the lock. Nothing else: what is acknowledged is known to the publisher."""
        self._save()
        self._seal()
        self._lock.release()

    def _segments(self) -> Iterator[tuple[Entry, Segment]]:
        return ((entry, segment) for entry in self._entries for segment in entry.segments)

    def _find(self, epoch: bytes) -> Entry | None:
        return next((entry for entry in self._entries if entry.epoch == epoch), None)

    def _is_active(self, segment: Segment) -> bool:
        return self._handle >= 0 and segment is self._current.segments[-1]

    def _resume(self) -> None:
        """Go on writing in the last segment of a continued epoch."""
        if self._current.segments:
            with suppress(OSError):
                self._handle = self._files.append_to(self._current.segments[-1].number)

    def _leave_torn_file(self, entry: Entry) -> None:
        """Write no more to a file that a failed write left longer than it was: a later cut would take sound records."""
        with suppress(OSError):
            if self._handle < 0 or os.fstat(self._handle).st_size == entry.segments[-1].octets:
                return
        if self._handle >= 0:
            self._seal()

    def _seal(self) -> None:
        """Write no more to the segment that is open."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def _save(self) -> bool:
        segments = self._current.segments
        newest = segments[-1].number if segments else 0
        return self._files.save_ledger(
            Ledger(self._uid, self._boot, self._since_ms, self.epoch, newest, tuple(self._entries))
        )

    def _begin_epoch(self) -> None:
        self._seal()
        self._entries.append(new_entry(self._next))
        self._next += 1
        self._bound_epochs()
        self._save()

    def _bound_epochs(self) -> None:
        """Keep as many epochs as a heartbeat can announce; the oldest goes first, with all it holds."""
        while len(self._entries) > MAX_EPOCHS:
            entry = self._entries[0]
            self._counts["journal_epochs"] += entry.last - entry.settled
            entry.acknowledged = entry.last
            self._free(entry)

    def _write(self, entry: Entry, seq: int, octets: bytes) -> None:
        size = len(octets) + RECORD_OVERHEAD
        self._make_room(size)
        header = Header(self._uid, entry.epoch, self._boot, seq)
        if self._handle < 0:
            self._new_segment(entry, header)
        segment = entry.segments[-1]
        write_whole(self._handle, encode_record(header, seq, octets), segment.octets)
        entry.last = segment.last = seq
        segment.octets += size
        segment.newest_ms = self._clock.boottime_ms()
        self._octets += size

    def _new_segment(self, entry: Entry, header: Header) -> None:
        number = self._next
        self._handle = self._files.create(number, header)
        self._next += 1
        now_ms = self._clock.boottime_ms()
        entry.segments.append(Segment(number, self._boot, header.first, header.first - 1, HEADER_SIZE, now_ms))
        self._octets += HEADER_SIZE
        self._save()

    def _make_room(self, size: int) -> None:
        """Seal a segment that is full; drop the oldest ones while the journal is beyond its octets."""
        segments = self._current.segments
        if self._handle >= 0 and HEADER_SIZE < segments[-1].octets > self._limits.segment - size:
            self._seal()
        oldest = next(self._segments(), None)
        while oldest is not None and self._octets + size + HEADER_SIZE > self._limits.max_octets:
            if self._is_active(oldest[1]):
                break
            self._drop(*oldest, "journal_full")
            oldest = next(self._segments(), None)

    def _drop(self, entry: Entry, segment: Segment, reason: str) -> None:
        first = entry.settled + 1
        if segment.last >= first:
            self._counts[reason] += segment.last - first + 1
            entry.add_gone(first, segment.last, reason)
        self._remove(entry, [segment])

    def _free(self, entry: Entry) -> None:
        done = [item for item in entry.segments if item.last <= entry.acknowledged and not self._is_active(item)]
        if entry is not self._current and entry.acknowledged >= entry.last:
            self._entries.remove(entry)
            self._remove(entry, list(entry.segments))
        elif done:
            self._remove(entry, done)

    def _remove(self, entry: Entry, segments: list[Segment]) -> None:
        """Take segments out of the books, write those, then remove the files (J3); a full disk is no reason to stop."""
        for segment in segments:
            entry.segments.remove(segment)
            self._octets -= segment.octets
        self._save()
        for segment in segments:
            self._files.remove(segment.number, keep=segment.damaged)

    def _all_from(self, epoch: bytes, position: int) -> Iterator[Record | Gone]:
        entry = self._find(epoch)
        if entry is None:
            return
        for segment in list(entry.segments):
            if segment.last < position:
                continue
            for record in self._records(segment):
                if record.seq >= position:
                    yield from entry.reasons(position, record.seq - 1)
                    yield record
                    position = record.seq + 1
        yield from entry.reasons(position, entry.last)

    def _records(self, segment: Segment) -> Iterator[Record]:
        octets = self._files.read(segment.number)
        for found in read_segment(octets, self._uid).records:
            yield Record(found.seq, octets[found.begin : found.end])
