"""The auditor: what the simulated meters answered against what the broker received.

In: the simulator's log and the generic payloads, in the order of their arrival. Out: a ``Verdict``: holes in seq per
epoch, repeats with unequal content, order within each lane, and per meter the cycles that the meter answered and the
broker never got. A cycle is told by the raw active energy, which rises by one with every answer that goes out.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ENERGY = "active_energy"
ENERGY_CODE = ":1.8.0"  # 1-0:1.8.0 or 1-1:1.8.0, by the model's channel
VALUE = 2  # the attribute that is read


class Arrived(Protocol):
    """A message as the subscriber recorded it."""

    @property
    def payload(self) -> bytes: ...
    @property
    def lane(self) -> str: ...


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What names a reading for ever."""

    uid: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Copy:
    """One arrival of a reading."""

    name: Name
    meter: str
    ts_ms: int
    lane: str
    energy: int | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the auditor found; texts name meter, epoch and numbers. ``missing``: raw energies by meter."""

    readings: int = 0
    repeats: int = 0
    holes: tuple[str, ...] = ()
    unequal: tuple[str, ...] = ()
    disorder: tuple[str, ...] = ()
    phantoms: tuple[str, ...] = ()
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def missing_cycles(self) -> int:
        """How many cycles the meters answered whose reading the broker never got."""
        return sum(map(len, self.missing.values()))

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that may never be, whatever was killed; a missing cycle is none of these."""
        return (*self.holes, *self.unequal, *self.disorder, *self.phantoms)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong and nothing is missing."""
        return not self.faults and not self.missing_cycles

    def __str__(self) -> str:
        head = f"{self.readings} readings, {self.repeats} repeats, {self.missing_cycles} cycles missing"
        lost = (f"missing of {meter}: {list(energies)}" for meter, energies in self.missing.items() if energies)
        return "\n  ".join((head, *self.faults, *lost))


def audit(
    arrived: Iterable[Arrived], log: Path | None = None, *, since_ms: int = 0, until_ms: int = 1 << 62
) -> Verdict:
    """Return the verdict; without a log only what the broker's record tells by itself.

    ``since_ms`` and ``until_ms`` bound the answers of the log (UTC) that must have arrived: what was answered before
    anybody listened, or a moment ago, is not asked for.
    """
    copies = list(map(_copy, arrived))
    first: dict[Name, Copy] = {}
    for copy in copies:
        first.setdefault(copy.name, copy)
    answers = {} if log is None else energies(log)
    return Verdict(
        readings=len(first),
        repeats=len(copies) - len(first),
        holes=tuple(_holes(first)),
        unequal=tuple(_unequal(copies, first)),
        disorder=tuple(_disorder(first.values())),
        phantoms=tuple(_phantoms(first.values(), answers)),
        missing=_missing(first.values(), answers, since_ms, until_ms),
    )


def energies(log: Path) -> dict[str, dict[int, int]]:
    """Return, per meter, each raw active energy that was answered, and when (UTC in milliseconds)."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for text in log.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        wanted = line["event"] in {"get", "list"} and line["obis"].endswith(ENERGY_CODE) and line["attr"] == VALUE
        if wanted and line["answered"] and isinstance(line["raw"], int):
            found[line["meter"]][line["raw"]] = line["t"]
    return found


def _copy(message: Arrived) -> Copy:
    body = json.loads(message.payload)
    energy = body["values"].get(ENERGY)
    return Copy(
        Name(body["uid"], body["epoch"], body["seq"]),
        body["meter"],
        body["ts"],
        message.lane,
        None if energy is None else round(energy),
        message.payload,
    )


def _holes(first: Mapping[Name, Copy]) -> Iterable[str]:
    """Yield the runs of seq that are missing; seq begins at 1 in each epoch."""
    epochs: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for name, copy in first.items():
        epochs[copy.meter, name.uid, name.epoch].add(name.seq)
    for (meter, _, epoch), seen in epochs.items():
        missing = sorted(set(range(1, max(seen) + 1)) - seen)
        if missing:
            yield f"hole: {meter} epoch {epoch}: {len(missing)} of {max(seen)} missing: {missing[:10]}"


def _unequal(copies: Sequence[Copy], first: Mapping[Name, Copy]) -> Iterable[str]:
    for copy in copies:
        if copy.content != first[copy.name].content:
            yield f"unequal repeat: {copy.meter} epoch {copy.name.epoch} seq {copy.name.seq}"


def _disorder(arrivals: Iterable[Copy]) -> Iterable[str]:
    """Yield first arrivals that came after a younger one of the same meter in the same lane."""
    last: dict[tuple[str, str], Copy] = {}
    epochs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for copy in arrivals:
        stream = (copy.name.uid, copy.lane)
        before = last.get(stream)
        last[stream] = copy
        if before is None or before.name.epoch != copy.name.epoch:
            if copy.name.epoch in epochs[stream]:
                yield f"disorder: {copy.meter} {copy.lane}: epoch {copy.name.epoch} again after a newer one"
            epochs[stream].append(copy.name.epoch)
        elif copy.name.seq < before.name.seq:
            yield f"disorder: {copy.meter} {copy.lane}: seq {copy.name.seq} after {before.name.seq}"


def _phantoms(arrivals: Iterable[Copy], answers: Mapping[str, Mapping[int, int]]) -> Iterable[str]:
    """Yield readings with an energy that their meter never answered, or that two readings share."""
    seen: dict[tuple[str, int], Name] = {}
    for copy in arrivals:
        if copy.energy is None:
            continue
        other = seen.setdefault((copy.name.uid, copy.energy), copy.name)
        if other != copy.name:
            yield f"twice: {copy.meter} energy {copy.energy} in seq {other.seq} and {copy.name.seq}"
        if copy.meter in answers and copy.energy not in answers[copy.meter]:
            yield f"phantom: {copy.meter} energy {copy.energy} was never answered"


def _missing(
    arrivals: Iterable[Copy], answers: Mapping[str, Mapping[int, int]], since_ms: int, until_ms: int
) -> dict[str, tuple[int, ...]]:
    arrived: dict[str, set[int]] = defaultdict(set)
    for copy in arrivals:
        if copy.energy is not None:
            arrived[copy.meter].add(copy.energy)
    return {
        meter: tuple(
            energy for energy, at in sorted(told.items()) if since_ms <= at <= until_ms and energy not in arrived[meter]
        )
        for meter, told in answers.items()
    }
