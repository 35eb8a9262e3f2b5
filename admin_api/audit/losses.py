"""What is missing: cycles that were answered and never arrived, numbers that no reading has, energies that nobody told.

In: what was gathered, the scope. Out: counts and texts by meter. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from admin_api.audit.gathered import Epoch, Gathered
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import MAX_SHOWN


@dataclass(frozen=True, slots=True)
class Hole:
    """The numbers of one epoch that neither arrived nor are kept."""

    epoch: Epoch
    count: int
    top: int
    first: tuple[int, ...]

    def __str__(self) -> str:
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        numbers = f"{self.count} of {self.top} missing: {list(self.first)}{more}"
        return f"hole: {self.epoch.meter} epoch {self.epoch.name}: {numbers}"


def missing(gathered: Gathered, scope: Scope) -> dict[str, tuple[int, ...]]:
    """Return per meter the energies that were answered within the scope and did not arrive.

    Of what was answered before the first reading that arrived as the present a recording says nothing, unless it is
    complete: it may have arrived before.
    """
    known = set(gathered.meters.values()) | gathered.energies.keys()
    found = {}
    for meter, told in gathered.answers.items():
        if gathered.meters and meter not in known:
            continue  # a simulated meter that nobody asked the system to read
        arrived = gathered.energies[meter]
        since_ms = max(scope.since_ms, 0 if scope.complete else _begin_ms(gathered, meter))
        found[meter] = tuple(
            energy for energy, at_ms in told.items() if since_ms <= at_ms <= scope.until_ms and energy not in arrived
        )
    return found


def _begin_ms(gathered: Gathered, meter: str) -> int:
    """Return when the first reading was answered that arrived as the present; 0 for none."""
    told, begin_ms = gathered.answers[meter], 0
    for energy, packed in gathered.energies[meter].items():
        epoch, seq = gathered.unpacked(packed - 1)
        if epoch.first_present and seq >= epoch.first_present and energy in told:
            begin_ms = min(begin_ms or told[energy], told[energy])
    return begin_ms


def unexplained(gathered: Gathered, lacking: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return per meter how many missing cycles neither wait on disk nor were dropped and counted."""
    found = {}
    for meter, energies in lacking.items():
        uids = list(gathered.uids(meter)) if energies else []
        waiting = {energy for uid in uids for energy in gathered.kept_energies.get(uid, ())}
        lost = sum(energy not in waiting for energy in energies)
        lost -= sum(gathered.dropped(uid) + gathered.unnumbered[uid] for uid in uids)
        if lost > 0:
            found[meter] = lost
    return found


def phantoms(gathered: Gathered) -> Iterator[str]:
    """Yield what arrived with an energy that its meter never answered."""
    for meter, told in gathered.answers.items():
        for energy in gathered.energies.get(meter, ()):
            if energy not in told:
                yield f"phantom: {meter} energy {energy} was never answered"


def holes(gathered: Gathered, scope: Scope) -> Iterator[Hole]:
    """Yield the epochs with numbers that are missing.

    A complete recording begins at 1 and ends at the outbox's cursor. Any other tells nothing of numbers below the first
    that arrived as the present: they may have arrived before.
    """
    cursors = {(item.uid, item.epoch): item.taken_before for item in gathered.cursors}
    for epoch in gathered.epochs:
        first = 1 if scope.complete else epoch.first_present
        top = max(epoch.arrived.highest, epoch.kept.highest if scope.complete else 0)
        if scope.complete:
            top = max(top, cursors.get((epoch.uid, epoch.name), 0))
        if first and top >= first and (hole := _hole(epoch, first, top)):
            yield hole


def _hole(epoch: Epoch, first: int, top: int) -> Hole | None:
    there = sum(1 for seq in epoch.arrived if seq >= first)
    there += sum(1 for seq in epoch.kept if first <= seq <= top and seq not in epoch.arrived)
    count = top - first + 1 - there
    if count <= 0:
        return None
    lacking = (seq for seq in range(first, top + 1) if seq not in epoch.arrived and seq not in epoch.kept)
    return Hole(epoch, count, top, tuple(islice(lacking, MAX_SHOWN)))
