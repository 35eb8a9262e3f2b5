"""From what lies in a journal's directory to what the journal is: epochs, segments, and where writing goes on.

In: any files at all. Out: a ``State``; opening never fails because of what the files hold. Whether the current epoch is
continued or a new one begins is decided here and nowhere else (invariant J2 of ``common/journal.py``).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from common.envelope import EPOCH_SIZE, BadEnvelope, UnknownKind, UnknownVersion, decode
from common.journal_files import JournalFiles
from common.journal_ledger import Entry, Ledger, Segment
from common.journal_segment import UNKNOWN_BOOT, Contents, read_segment


@dataclass(slots=True)
class State:
    """``entries``: all epochs, oldest first, the current one last.

    ``bad``: files without a single record of ours; ``finished``: segments whose removal a dead process had begun.
    """

    entries: list[Entry]
    since_ms: int
    next_number: int
    is_new: bool
    bad: list[int] = field(default_factory=list)
    finished: list[Segment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """The files as they are, before anything is decided."""

    entries: dict[bytes, Entry]
    numbers: list[int]
    bad: list[int] = field(default_factory=list)
    lost_tails: dict[bytes, int] = field(default_factory=dict)


def recover(files: JournalFiles, uid: bytes, boot: bytes, now_ms: int) -> State:
    """Return the state of a journal; nothing on the disk is changed."""
    ledgers = files.load_ledgers(uid)
    ledger = ledgers[0] if ledgers else None
    since_ms = min(ledger.since_ms, now_ms) if ledger and ledger.boot == boot else now_ms
    found = _look(files, uid, ledger, _Ages(boot, since_ms, now_ms))
    entries = sorted(found.entries.values(), key=lambda entry: entry.order)
    highest = max([0, *found.numbers, *(entry.order for entry in entries), ledger.newest if ledger else 0])
    continued = len(ledgers) > 1 and bool(entries) and _continues(entries[-1], ledgers[0], found, boot)
    _count_lost_tails(entries, found, ledger)
    kept = [entry for entry in entries if entry.last > entry.acknowledged or (continued and entry is entries[-1])]
    finished = _finished(entries, spare=kept[-1] if continued else None)
    if not continued:
        kept.append(new_entry(highest + 1))
    return State(kept, since_ms, highest + 1, not continued, found.bad, finished)


def new_entry(order: int) -> Entry:
    """Return an epoch that nobody used before."""
    return Entry(order, os.urandom(EPOCH_SIZE))


def _look(files: JournalFiles, uid: bytes, ledger: Ledger | None, ages: "_Ages") -> _Found:
    entries = {entry.epoch: entry for entry in ledger.entries} if ledger else {}
    found = _Found(entries, files.numbers())
    for number in found.numbers:
        octets = b""
        with suppress(OSError):
            octets = files.read(number)
        contents = read_segment(octets, uid)
        if contents.header is None:
            found.bad.append(number)
            continue
        epoch, segment = contents.header.epoch, _segment(number, octets, contents, ages)
        # Without a ledger's word, what was before the first segment is taken for acknowledged.
        entry = entries.setdefault(epoch, Entry(number, epoch, acknowledged=segment.first - 1))
        entry.segments.append(segment)
        entry.last = max(entry.last, segment.last)
        found.lost_tails[epoch] = contents.lost_tail
    return found


def _segment(number: int, octets: bytes, contents: Contents, ages: "_Ages") -> Segment:
    boot, first = (contents.header.boot, contents.header.first) if contents.header else (UNKNOWN_BOOT, 1)
    newest = contents.records[-1] if contents.records else None
    return Segment(
        number,
        boot,
        first,
        newest.seq if newest else first - 1,
        len(octets),
        ages.of(octets[newest.begin : newest.end] if newest else b""),
        contents.damaged,
    )


@dataclass(frozen=True, slots=True)
class _Ages:
    """When records were written, in boot time: what another boot wrote counts from when this one first saw it."""

    boot: bytes
    since_ms: int
    now_ms: int

    def of(self, body: bytes) -> int:
        with suppress(BadEnvelope, UnknownKind, UnknownVersion):
            envelope = decode(body)
            if envelope.boot == self.boot:
                return min(envelope.boot_ms, self.now_ms)
        return self.since_ms


def _continues(newest: Entry, ledger: Ledger, found: _Found, boot: bytes) -> bool:
    """Return whether the newest epoch is whole, of this boot, and the one that the ledger names."""
    if found.bad or ledger.current != newest.epoch:
        return False
    if ledger.boot != boot or boot == UNKNOWN_BOOT or _lacks_newest(newest, ledger):
        return False
    segments = newest.segments
    whole = all(segment.boot == boot and not segment.damaged for segment in segments)
    joined = all(after.first == before.last + 1 for before, after in pairwise(segments))
    reaches = not segments or (segments[0].first <= newest.settled + 1 and segments[-1].last == newest.last)
    return whole and joined and reaches


def _lacks_newest(entry: Entry, ledger: Ledger) -> bool:
    """Return whether the file that was written last is missing."""
    return entry.epoch == ledger.current and ledger.newest > max((item.number for item in entry.segments), default=0)


def _count_lost_tails(entries: list[Entry], found: _Found, ledger: Ledger | None) -> None:
    """Count what damage at the end of an epoch has taken: as much as it shows, at least one record."""
    for entry in entries:
        lost = found.lost_tails.get(entry.epoch, 0)
        if lost:
            entry.last = max(entry.last, entry.segments[-1].last + lost)
        elif ledger is not None and _lacks_newest(entry, ledger):
            entry.last = max(entry.last, _after(entry))
    for number in found.bad:
        before = [entry for entry in entries if entry.order <= number]
        if before and all(segment.number < number for segment in before[-1].segments):
            before[-1].last = max(before[-1].last, _after(before[-1]))


def _after(entry: Entry) -> int:
    """Return the number that follows the last sound record."""
    return (entry.segments[-1].last if entry.segments else entry.last) + 1


def _finished(entries: Iterable[Entry], spare: Entry | None) -> list[Segment]:
    """Return the segments that hold nothing any more, but not the one that is written to."""
    finished: list[Segment] = []
    for entry in entries:
        keep = entry.segments[-1:] if entry is spare else []
        done = [item for item in entry.segments if item.last <= entry.settled and item not in keep]
        if entry.last <= entry.acknowledged and entry is not spare:
            done = entry.segments[:]
        entry.segments[:] = [item for item in entry.segments if item not in done]
        finished += done
    return finished
