"""What an audit found: seven invariants (docs/OPERATIONS.md), each with a decision, a sentence and numbers.

In: findings and lists of what is wrong. Out: a ``Verdict``, as text and as a document of a stable shape. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_SHOWN: Final = 10  # items of a list in a text


class Decision(StrEnum):
    """What can be said of an invariant."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNDECIDED = "cannot be decided"


class Invariant(StrEnum):
    """The seven; the value is the sentence."""

    I1 = "what was read is delivered, waits, or was dropped and counted"
    I2 = "every gap in the numbers is a counted drop or still on its way"
    I3 = "repeats have equal content and are no more than crashes explain"
    I4 = "readings of a meter arrive in order within each lane"
    I5 = "no reading is older than it claims"
    I6 = "other meters are not disturbed by a fault of one"
    I7 = "alarms clear by themselves when the fault is over"


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant's result. ``texts`` name meters, epochs and numbers; at most a hundred."""

    decision: Decision
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    def to_document(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "decision": str(self.decision),
            "reason": self.reason,
            "numbers": dict(self.numbers),
            "texts": list(self.texts),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found. ``missing``: raw energies that were answered and never arrived, by meter.

    ``latency_ms``: from time stamp to arrival, by lane: count, p50, p99, max.
    """

    readings: int = 0
    profile_readings: int = 0
    repeats: int = 0
    holes: tuple[str, ...] = ()
    unequal: tuple[str, ...] = ()
    disorder: tuple[str, ...] = ()
    phantoms: tuple[str, ...] = ()
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    findings: Mapping[Invariant, Finding] = field(default_factory=dict)
    latency_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

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

    @property
    def broken(self) -> tuple[Invariant, ...]:
        """The invariants that are broken."""
        return tuple(name for name, found in self.findings.items() if found.decision is Decision.BROKEN)

    def to_document(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "readings": self.readings,
            "profile_readings": self.profile_readings,
            "repeats": self.repeats,
            "missing_cycles": self.missing_cycles,
            "broken": [invariant.name for invariant in self.broken],
            "invariants": {
                invariant.name: {"says": str(invariant), **found.to_document()}
                for invariant, found in self.findings.items()
            },
            "latency_ms": {lane: dict(numbers) for lane, numbers in self.latency_ms.items()},
        }

    def __str__(self) -> str:
        head = f"{self.readings} readings, {self.repeats} repeats, {self.missing_cycles} cycles missing"
        lost = (f"missing of {meter}: {shown(energies)}" for meter, energies in self.missing.items() if energies)
        broken = (f"{name.name} broken: {self.findings[name].reason}" for name in self.broken)
        return "\n  ".join((head, *self.faults, *lost, *broken))


def shown(items: "tuple[int, ...]") -> str:
    """Return the first items of a list as a text."""
    more = f" and {len(items) - MAX_SHOWN} more" if len(items) > MAX_SHOWN else ""
    return f"{list(items[:MAX_SHOWN])}{more}"
