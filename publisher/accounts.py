"""The outbox's books: what was taken, where it went, per meter; changed only together with the rows.

In: changes, as they were committed. Out: tallies that balance. ``Change`` collects what one transaction is going to do:
memory follows the disk and never runs ahead of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

TAKEN: Final = "taken"
DELIVERED: Final = "delivered"
WAITING: Final = "waiting"
SET_ASIDE: Final = "set_aside"
UNROUTED: Final = "unrouted"
OCTETS: Final = "octets"
DROPPED: Final = "dropped:"
MAX_REASONS: Final = 16  # of one meter; reasons come from outside, so their number is bounded
MAX_REASON: Final = 32  # characters
OTHER: Final = "other"
DAMAGED: Final = "outbox_damaged"  # what a damaged outbox file did not give back

Cursor = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Tally:
    """One meter's account. ``waiting`` includes ``unrouted``; taken = delivered + waiting + set_aside + all dropped."""

    taken: int = 0
    delivered: int = 0
    waiting: int = 0
    set_aside: int = 0
    unrouted: int = 0
    octets: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost without being counted."""
        return self.taken == self.delivered + self.waiting + self.set_aside + sum(self.dropped.values())


@dataclass(slots=True)
class Change:
    """What one transaction does to cursors and counts; ``counts`` holds differences by (uid, name)."""

    cursors: dict[Cursor, int] = field(default_factory=dict)
    counts: Counter[tuple[bytes, str]] = field(default_factory=Counter)

    def row_came(self, uid: bytes, octets: int, *, routed: bool) -> None:
        """A row is inserted."""
        self._add(uid, {TAKEN: 1, WAITING: 1, OCTETS: octets, UNROUTED: not routed})

    def row_delivered(self, uid: bytes, octets: int) -> None:
        """A row is deleted because the broker has it."""
        self._add(uid, {DELIVERED: 1, WAITING: -1, OCTETS: -octets})

    def row_set_aside(self, uid: bytes, *, routed: bool = True) -> None:
        """A row is kept, but waits no longer."""
        self._add(uid, {SET_ASIDE: 1, WAITING: -1, UNROUTED: -(not routed)})

    def row_retried(self, uid: bytes, *, routed: bool) -> None:
        """A row that was set aside waits again."""
        self._add(uid, {SET_ASIDE: -1, WAITING: 1, UNROUTED: not routed})

    def row_routed(self, uid: bytes, count: int) -> None:
        """Rows got the route they lacked."""
        self._add(uid, {UNROUTED: -count})

    def row_dropped(self, uid: bytes, octets: int, reason: str, *, aside: bool, routed: bool) -> None:
        """A row is deleted because of a bound."""
        self._add(uid, {f"{DROPPED}{reason}": 1, OCTETS: -octets, SET_ASIDE if aside else WAITING: -1})
        self._add(uid, {UNROUTED: -(not routed and not aside)})

    def row_saved(self, uid: bytes, octets: int, *, expected: bool, aside: bool) -> None:
        """A row of a damaged file is on disk again; ``expected``: it was counted as waiting all the time."""
        self._add(uid, {TAKEN: not expected, WAITING: not expected, OCTETS: octets})
        self._add(uid, {SET_ASIDE: aside, WAITING: -aside})

    def never_saved(self, uid: bytes, count: int) -> None:
        """Rows that were counted as waiting are not to be had from a damaged file."""
        self._add(uid, {WAITING: -count, f"{DROPPED}{DAMAGED}": count})

    def never_came(self, uid: bytes, count: int, reason: str) -> None:
        """Readings that were taken by a worker no longer exist."""
        self._add(uid, {TAKEN: count, f"{DROPPED}{reason}": count})

    def _add(self, uid: bytes, differences: Mapping[str, int]) -> None:
        for name, difference in differences.items():
            if difference:
                self.counts[uid, name] += difference


class Accounts:
    """All meters' counts in memory, as they are on disk."""

    def __init__(self, rows: Iterable[tuple[bytes, str, int]]) -> None:
        self._counts: dict[bytes, Counter[str]] = {}
        self.total: Counter[str] = Counter()
        for uid, name, value in rows:
            self._add(uid, name, value)

    def apply(self, change: Change) -> None:
        """Follow a transaction that was committed."""
        for (uid, name), difference in change.counts.items():
            self._add(uid, name, difference)

    def uids(self) -> list[bytes]:
        """Return all meters that have an account."""
        return list(self._counts)

    def count(self, uid: bytes, name: str) -> int:
        """Return one count of one meter."""
        return self._counts[uid][name] if uid in self._counts else 0

    def tally(self, uid: bytes) -> Tally:
        """Return one meter's account."""
        return _tally(self._counts.get(uid, Counter()))

    def totals(self) -> Tally:
        """Return the sum of all accounts."""
        return _tally(self.total)

    def reason(self, uid: bytes, wish: str) -> str:
        """Return a reason that may be counted: the one wished for unless it is strange or one too many."""
        name = wish if wish.isidentifier() and len(wish) <= MAX_REASON else OTHER
        known = [key for key in self._counts.get(uid, ()) if key.startswith(DROPPED)]
        return name if f"{DROPPED}{name}" in known or len(known) < MAX_REASONS else OTHER

    def _add(self, uid: bytes, name: str, difference: int) -> None:
        self._counts.setdefault(uid, Counter())[name] += difference
        self.total[name] += difference


def _tally(counts: Counter[str]) -> Tally:
    return Tally(
        counts[TAKEN],
        counts[DELIVERED],
        counts[WAITING],
        counts[SET_ASIDE],
        counts[UNROUTED],
        counts[OCTETS],
        {name.removeprefix(DROPPED): value for name, value in counts.items() if name.startswith(DROPPED)},
    )
