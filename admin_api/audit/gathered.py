"""Everything that an audit was told, folded as it comes: one pass over any number of readings.

In: facts, one by one. Out: per meter and epoch what arrived, what is kept, in which order. Memory: some 32 octets for a
reading, beside a hundred texts for each kind of trouble; more than MAX_READINGS are refused. Pure.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from admin_api.audit.facts import Account, AlarmSpan, Answer, Copy, Cursor, Kept
from admin_api.audit.sparse import SparseNumbers
from common.errors import Hopeless

MAX_READINGS: Final = 50_000_000  # 1.6 GiB; a fleet of 200 meters at 2 s needs five days for them
MAX_TEXTS: Final = 100
_DIGEST: Final = (1 << 64) - 1
_EPOCH_SHIFT: Final = 47  # a seq is smaller
_FINE: Final = 100.0  # a bucket of a spread is one hundredth wide


class TooMuch(Hopeless):
    """More readings than one audit takes; shorten it by time."""


class Texts:
    """The first MAX_TEXTS texts, and how many there were."""

    __slots__ = ("count", "first")

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def note(self, text: str) -> None:
        """Keep one more, or count it."""
        self.count += 1
        if len(self.first) < MAX_TEXTS:
            self.first.append(text)


class Spread:
    """How durations are spread: some thousand buckets, each one hundredth wide."""

    __slots__ = ("_buckets", "count", "highest")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.highest = 0.0

    def add(self, value: float) -> None:
        """Count one duration; below 0 it counts as 0."""
        value = max(0.0, value)
        self._buckets[round(math.log1p(value) * _FINE)] += 1
        self.count += 1
        self.highest = max(self.highest, value)

    def percentile(self, share: float) -> float:
        """Return the duration that this share (0 to 1) does not exceed; 0 without any."""
        rank, passed = math.ceil(share * self.count), 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed >= rank:
                return min(math.expm1(bucket / _FINE), self.highest)
        return 0.0


@dataclass(slots=True)
class Epoch:
    """One life of a journal. ``arrived``: seq to digest of the content; ``stamps``: seq to time stamp, not of profiles.

    ``first_present``: the first number that arrived outside the backlog lane: what is above it cannot have arrived
    before the recording began; 0 for none.
    """

    uid: str
    name: str
    number: int
    meter: str
    arrived: SparseNumbers = field(default_factory=SparseNumbers)
    stamps: SparseNumbers = field(default_factory=SparseNumbers)
    kept: SparseNumbers = field(default_factory=SparseNumbers)
    first_present: int = 0


@dataclass(slots=True)
class Lane:
    """Where a lane of a meter stands: its last first arrival, and the epochs that it has seen, oldest first."""

    epoch: Epoch
    seq: int
    epochs: list[str]


@dataclass(slots=True)
class Profile:
    """What arrived of one meter's load profile."""

    stamps: set[int] = field(default_factory=set)
    epoch: str = ""
    seq: int = 0
    ts_ms: int = 0


class Gathered:
    """See the module's text."""

    def __init__(self) -> None:
        self.meters: dict[str, str] = {}  # of the store: uid to name
        self.epochs: list[Epoch] = []
        self.answers: dict[str, SparseNumbers] = defaultdict(SparseNumbers)  # meter to energy to time
        self.energies: dict[str, SparseNumbers] = defaultdict(SparseNumbers)  # meter to energy to packed name
        self.kept_energies: dict[str, set[int]] = defaultdict(set)
        self.accounts: dict[str, Account] = {}
        self.unnumbered: Counter[str] = Counter()  # readings that a worker could not write, which have no number
        self.cursors: list[Cursor] = []
        self.alarms: list[AlarmSpan] | None = None
        self.latency: dict[str, Spread] = defaultdict(Spread)
        self.unequal, self.disorder, self.twice = Texts(), Texts(), Texts()
        self.stamps_twice, self.profile_disorder = Texts(), Texts()
        self.readings = self.repeats = self.profile_readings = self.kept_rows = 0
        self.has_lanes = True
        self._by_name: dict[tuple[str, str], Epoch] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._profiles: dict[str, Profile] = defaultdict(Profile)

    # ---- in

    def answered(self, answer: Answer) -> None:
        """A meter answered."""
        self.answers[answer.meter][answer.energy] = answer.at_ms

    def arrived(self, copy: Copy) -> None:
        """The subscriber got a reading."""
        epoch, seq = self._epoch(copy.name.uid, copy.name.epoch, copy.meter), copy.name.seq
        digest = hash(copy.content) & _DIGEST or 1
        known = epoch.arrived[seq]
        if known:
            self.repeats += 1
            if known != digest:
                self.unequal.note(f"unequal repeat: {copy.meter} epoch {copy.name.epoch} seq {seq}")
            return
        if self.readings >= MAX_READINGS:
            raise TooMuch(f"more than {MAX_READINGS} readings")
        epoch.arrived[seq] = digest
        self.readings += 1
        self._order(copy, epoch)
        if copy.is_profile:
            self._profile_row(copy)
        else:
            self._live(copy, epoch)

    def kept(self, kept: Kept) -> None:
        """A reading lies on disk."""
        name = kept.name
        epoch = self._epoch(name.uid, name.epoch, self.name_of(name.uid))
        self.kept_rows += name.seq not in epoch.kept
        epoch.kept[name.seq] = 1
        if kept.energy is not None:
            self.kept_energies[name.uid].add(kept.energy)

    def cursor(self, cursor: Cursor) -> None:
        """Outbox and journal say how far an epoch is taken."""
        self.cursors.append(cursor)
        if cursor.taken_before:
            self._epoch(cursor.uid, cursor.epoch, self.name_of(cursor.uid))

    # ---- out

    def name_of(self, uid: str) -> str:
        """Return the name of a meter, or its uid."""
        return self.meters.get(uid, uid)

    def packed(self, epoch: Epoch, seq: int) -> int:
        """Return a reading's name as one number."""
        return epoch.number << _EPOCH_SHIFT | seq

    def unpacked(self, packed: int) -> tuple[Epoch, int]:
        """Return epoch and seq."""
        return self.epochs[packed >> _EPOCH_SHIFT], packed & ((1 << _EPOCH_SHIFT) - 1)

    def epoch(self, uid: str, name: str) -> Epoch | None:
        """Return what is known of an epoch."""
        return self._by_name.get((uid, name))

    def uids(self, meter: str) -> Iterator[str]:
        """Yield the uids that a name had, in the store or in what arrived."""
        known = {epoch.uid for epoch in self.epochs if epoch.meter == meter}
        yield from known | {uid for uid, name in self.meters.items() if name == meter}

    def dropped(self, uid: str) -> int:
        """Return how many readings of a meter were dropped and counted."""
        account = self.accounts.get(uid)
        return sum(account.dropped.values()) if account else 0

    # ---- inside

    def _epoch(self, uid: str, name: str, meter: str) -> Epoch:
        epoch = self._by_name.get((uid, name))
        if epoch is None:
            epoch = self._by_name[uid, name] = Epoch(uid, name, len(self.epochs), meter)
            self.epochs.append(epoch)
        return epoch

    def _order(self, copy: Copy, epoch: Epoch) -> None:
        """Note a first arrival that came after a younger one of the same meter in the same lane."""
        self.has_lanes = self.has_lanes and bool(copy.lane)
        if copy.lane != "backlog" and not epoch.first_present:
            epoch.first_present = copy.name.seq
        place = (copy.name.uid, copy.lane)
        lane = self._lanes.get(place)
        if lane is None:
            self._lanes[place] = Lane(epoch, copy.name.seq, [copy.name.epoch])
            return
        if lane.epoch is not epoch:
            if copy.name.epoch in lane.epochs:
                text = f"epoch {copy.name.epoch} again after a newer one"
                self.disorder.note(f"disorder: {copy.meter} {copy.lane}: {text}")
            lane.epochs.append(copy.name.epoch)
        elif copy.name.seq < lane.seq:
            self.disorder.note(f"disorder: {copy.meter} {copy.lane}: seq {copy.name.seq} after {lane.seq}")
        lane.epoch, lane.seq = epoch, copy.name.seq

    def _live(self, copy: Copy, epoch: Epoch) -> None:
        epoch.stamps[copy.name.seq] = copy.ts_ms
        if copy.at_ms:
            self.latency[copy.lane].add(copy.at_ms - copy.ts_ms)
        if copy.energy is None:
            return
        known, packed = self.energies[copy.meter][copy.energy], self.packed(epoch, copy.name.seq) + 1
        if known and known != packed:
            first = self.unpacked(known - 1)[1]
            self.twice.note(f"twice: {copy.meter} energy {copy.energy} in seq {first} and {copy.name.seq}")
        else:
            self.energies[copy.meter][copy.energy] = packed

    def _profile_row(self, copy: Copy) -> None:
        self.profile_readings += 1
        profile, name = self._profiles[copy.name.uid], copy.name
        if copy.ts_ms in profile.stamps:
            self.stamps_twice.note(f"twice: {copy.meter} row of {copy.ts_ms} again in seq {name.seq}")
        profile.stamps.add(copy.ts_ms)
        if (profile.epoch, profile.seq + 1) == (name.epoch, name.seq) and copy.ts_ms < profile.ts_ms:
            self.profile_disorder.note(f"disorder: {copy.meter} row of {copy.ts_ms} after {profile.ts_ms}")
        profile.epoch, profile.seq, profile.ts_ms = name.epoch, name.seq, copy.ts_ms
