"""What a running or stopped system has on disk, told to an audit: the outbox's books and rows, and the journals.

In: the paths of a state directory. Out: what was gathered knows accounts, cursors, every reading that waits. Cursors
are looked at before and after the journals, since both go on: what contradicts itself in spite of that is wrong.
"""

from collections import Counter

from admin_api.audit.facts import Account, Cursor, kept_of
from admin_api.audit.gathered import Gathered
from common import journal_reading
from common.clock import Clock
from common.journal_reading import HeldEpoch
from common.outbox_reading import OutboxReading, looked_at
from common.paths import Paths

Name = tuple[bytes, bytes]


def gather(gathered: Gathered, paths: Paths, clock: Clock) -> bool:
    """Learn what lies on disk; return False where there is no outbox. Raise OutboxUnreadable."""
    with looked_at(paths.outbox, clock) as outbox:
        before = outbox.cursors() if outbox else {}
    found = journal_reading.journals(paths.journal)
    spans = {(uid, item.epoch): item for uid, path in found for item in journal_reading.held(path, uid)}
    with looked_at(paths.outbox, clock) as outbox:
        if outbox is None:
            return False
        after = outbox.cursors()
        _outbox(gathered, outbox)
    for name, taken in after.items():
        gathered.cursor(_cursor(name, before.get(name, 0), taken, spans.get(name)))
    _journal_rows(gathered, paths, after)
    return True


def _cursor(name: Name, before: int, after: int, span: HeldEpoch | None) -> Cursor:
    uid, epoch = name
    return Cursor(
        uid.hex(),
        epoch.hex(),
        taken_before=before,
        taken_after=after,
        acknowledged=span.acknowledged if span else None,
        last=span.last if span and span.last else None,
    )


def _outbox(gathered: Gathered, outbox: OutboxReading) -> None:
    rows: Counter[bytes] = Counter()
    for row in outbox.rows():
        rows[row.uid] += 1
        gathered.kept(kept_of(row.uid, row.epoch, row.seq, row.envelope, is_aside=bool(row.aside)))
    for uid, account in outbox.accounts().items():
        gathered.accounts[uid.hex()] = Account(
            account.taken, account.delivered, account.waiting, account.set_aside, account.dropped, rows[uid]
        )


def _journal_rows(gathered: Gathered, paths: Paths, taken: dict[Name, int]) -> None:
    """Learn of the readings that the outbox has not taken yet."""
    for uid, path in journal_reading.journals(paths.journal):
        for epoch, seq, octets in journal_reading.records(path, uid):
            if seq > taken.get((uid, epoch), 0):
                gathered.kept(kept_of(uid, epoch, seq, octets))
