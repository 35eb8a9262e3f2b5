"""What a journal must remember beside its records: which epoch is being written, and what no longer exists and why.

    magic[8] CRC-32C[4] msgpack [uid, boot, since_ms, current, newest, [[order, epoch, acknowledged, last, gone], ...]]

It is replaced as a whole, seldom: at a new epoch, a new segment, a removed segment. In: octets. Out: a ``Ledger``, or
None where the octets are not a whole ledger of this meter: then the journal begins a new epoch.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, cast

import msgpack

from common.checksum import crc32c

MAGIC: Final = b"DLMSLED\x01"
MAX_LEDGER: Final = 1 << 20  # octets; 64 epochs with their ranges have some 100 kB
MAX_RANGES: Final = 64  # of one epoch; further ranges are joined to the last
ACKNOWLEDGED: Final = "acknowledged"  # asked for again although it was acknowledged: the outbox lost its memory
DAMAGED: Final = "damaged"
_HEAD: Final = struct.Struct(">8sI")


@dataclass(frozen=True, slots=True)
class Range:
    """Records ``first`` to ``last`` of an epoch no longer exist."""

    first: int
    last: int
    reason: str


@dataclass(slots=True)
class Segment:
    """One file of the journal. ``newest_ms``: boot time of its last record; ``boot``: under which it was written."""

    number: int
    boot: bytes
    first: int
    last: int
    octets: int
    newest_ms: int
    damaged: bool = False


@dataclass(slots=True)
class Entry:
    """One epoch. ``order`` sorts epochs by age; ``last`` counts records that are gone too.

    ``segments`` are not written down: they are found by looking.
    """

    order: int
    epoch: bytes
    acknowledged: int = 0
    last: int = 0
    gone: list[Range] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """The last number that is acknowledged or known to be gone."""
        return max(self.acknowledged, self.gone[-1].last if self.gone else 0)

    def reasons(self, first: int, last: int) -> list[Range]:
        """Say for each of the numbers first..last, none of which is held, why it no longer exists."""
        answer: list[Range] = []
        for lost in self.gone:
            begin, end = max(first, lost.first), min(last, lost.last)
            if begin <= end:
                answer += self._unexplained(first, begin - 1)
                answer.append(Range(begin, end, lost.reason))
                first = end + 1
        return answer + self._unexplained(first, last)

    def _unexplained(self, first: int, last: int) -> "list[Range]":
        middle = min(last, self.acknowledged)
        parts = ((first, middle, ACKNOWLEDGED), (max(first, self.acknowledged + 1), last, DAMAGED))
        return [Range(begin, end, reason) for begin, end, reason in parts if begin <= end]

    def add_gone(self, first: int, last: int, reason: str) -> None:
        """Note a range that follows all earlier ones; join it to the one before where it can be."""
        before = self.gone[-1] if self.gone else None
        joins = before is not None and before.last + 1 == first and before.reason == reason
        if before is not None and (joins or len(self.gone) >= MAX_RANGES):
            self.gone[-1] = Range(before.first, last, before.reason)
        else:
            self.gone.append(Range(first, last, reason))


@dataclass(frozen=True, slots=True)
class Ledger:
    """``since_ms``: boot time at which this boot first opened the journal.

    ``newest``: the file number of the current epoch's last segment, 0 for none.
    """

    uid: bytes
    boot: bytes
    since_ms: int
    current: bytes
    newest: int
    entries: tuple[Entry, ...] = ()

    def encode(self) -> bytes:
        """Return the octets of the file."""
        rows = [
            [
                entry.order,
                entry.epoch,
                entry.acknowledged,
                entry.last,
                [[lost.first, lost.last, lost.reason] for lost in entry.gone],
            ]
            for entry in self.entries
        ]
        fields = [self.uid, self.boot, self.since_ms, self.current, self.newest, rows]
        body = cast("bytes", msgpack.packb(fields))
        return _HEAD.pack(MAGIC, crc32c(body)) + body


def decode_ledger(octets: bytes, uid: bytes) -> Ledger | None:
    """Return the ledger that octets hold; None unless they are whole, sound and of this meter."""
    if not _HEAD.size < len(octets) <= MAX_LEDGER:
        return None
    magic, check = _HEAD.unpack_from(octets)
    body = octets[_HEAD.size :]
    if magic != MAGIC or crc32c(body) != check:
        return None
    try:
        owner, boot, since_ms, current, newest, rows = msgpack.unpackb(body)
        entries = tuple(
            Entry(order, epoch, acknowledged, last, [Range(*lost) for lost in gone])
            for order, epoch, acknowledged, last, gone in rows
        )
    except (ValueError, TypeError, msgpack.exceptions.UnpackException):
        return None
    return Ledger(uid, boot, since_ms, current, newest, entries) if owner == uid else None
