"""One input, judged: what it raised, how long it took, how much memory; and a batch of them.

Goes in: a target, inputs. Comes out: counts, the slowest and the largest, and whatever should not have happened, with
the input that did it. Time is that of the thread's processor, so that a busy machine is no defect; an input counts as
too slow when it is so three times.
"""

import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.fuzz.targets import Case, Target

FLOOR_US: Final = 20_000.0
"""Time that any input may take: a collection of garbage, a page that is not there."""
FLOOR_OCTETS: Final = 1 << 20
"""Memory that any input may take."""
SAMPLED: Final = 1_000
"""Inputs of which one is run once more with its memory traced."""
TRIES: Final = 3
HANGS_S: Final = 60
"""Seconds after which a batch of inputs is taken to hang."""
MOST_VIOLATIONS: Final = 20
"""Kept of one target: more of them are more of the same."""


class Hangs(BaseException):
    """A batch does not end."""


@dataclass
class Tally:
    """What a target did with its inputs."""

    inputs: int = 0
    octets: int = 0
    cpu_s: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest_us_per_octet: float = 0.0
    """Of inputs of at least 64 octets, measured again when it is the slowest so far."""
    slowest: str = ""
    longest_us: float = 0.0
    largest_octets: int = 0
    """Peak of memory of a sampled input."""
    violations: list[dict[str, str | int]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take in what another batch found."""
        self.inputs += other.inputs
        self.octets += other.octets
        self.cpu_s += other.cpu_s
        for outcome, times in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times
        self.longest_us = max(self.longest_us, other.longest_us)
        self.largest_octets = max(self.largest_octets, other.largest_octets)
        if other.slowest_us_per_octet > self.slowest_us_per_octet:
            self.slowest_us_per_octet, self.slowest = other.slowest_us_per_octet, other.slowest
        self.violations = (self.violations + other.violations)[:MOST_VIOLATIONS]


@contextmanager
def watched() -> Iterator[None]:
    """Raise Hangs in whatever runs here when it takes too long; in the main thread alone."""

    def ring(*_: object) -> None:
        raise Hangs(f"no end within {HANGS_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS_S, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome_of(target: Target, case: Case) -> tuple[str, str]:
    """Return what an input led to: "ok" or the kind of an error, and what is wrong with that, if anything is."""
    try:
        target.run(case)
    except target.typed as error:
        return error.kind, ""
    except (Exception, Hangs) as error:  # noqa: BLE001  whatever a defect raises is what is looked for
        return "defect", f"{type(error).__name__}: {error}"[:300]
    return "ok", ""


def judged(target: Target, case: Case) -> str:
    """Return what is wrong with what a target does with one input, "" when nothing is."""
    _, wrong = outcome_of(target, case)
    return wrong or _too_slow(target, case) or _too_large(target, case)


def batch(target: Target, seed: int, number: int, size: int) -> Tally:
    """Return what a target did with the inputs of one batch; the same ones for the same seed and number."""
    chance = Random(f"{seed}/{target.name}/{number}")
    tally = Tally()
    with watched():
        for turn in range(size):
            case = target.make(chance.random, chance.getrandbits)
            wrong = _tried(target, case, tally)
            if not wrong and turn % SAMPLED == number % SAMPLED:
                wrong = _too_large(target, case, tally)
            if wrong and len(tally.violations) < MOST_VIOLATIONS:
                tally.violations.append({
                    "target": target.name, "batch": number, "turn": turn, "what": wrong,
                    "octets": case.octets.hex(), "choice": case.choice,
                })  # fmt: skip
    return tally


def _tried(target: Target, case: Case, tally: Tally) -> str:
    began = time.thread_time()
    outcome, wrong = outcome_of(target, case)
    took_us = (time.thread_time() - began) * 1e6
    size = len(case.octets)
    tally.inputs += 1
    tally.octets += size
    tally.cpu_s += took_us / 1e6
    tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
    if took_us > FLOOR_US + target.us_per_octet * size:
        wrong = wrong or _too_slow(target, case)
    tally.longest_us = max(tally.longest_us, took_us)
    if size >= 64 and took_us / size > tally.slowest_us_per_octet:
        again = min(took_us, _time_us(target, case)) / size
        if again > tally.slowest_us_per_octet:
            tally.slowest_us_per_octet, tally.slowest = again, f"{case.choice}:{case.octets[:2_000].hex()}"
    return wrong


def _time_us(target: Target, case: Case) -> float:
    began = time.thread_time()
    outcome_of(target, case)
    return (time.thread_time() - began) * 1e6


def _too_slow(target: Target, case: Case) -> str:
    best = min(_time_us(target, case) for _ in range(TRIES))
    limit = FLOOR_US + target.us_per_octet * len(case.octets)
    return f"takes {best:.0f} us for {len(case.octets)} octets, the limit is {limit:.0f}" if best > limit else ""


def peak_octets(target: Target, case: Case) -> int:
    """Return the memory that an input takes at most; what is loaded or cached by a first run does not count."""
    outcome_of(target, case)
    tracemalloc.start()
    try:
        outcome_of(target, case)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _too_large(target: Target, case: Case, tally: Tally | None = None) -> str:
    peak = peak_octets(target, case)
    limit = FLOOR_OCTETS + target.octets_per_octet * len(case.octets)
    if tally:
        tally.largest_octets = max(tally.largest_octets, peak)
    return f"takes {peak} octets of memory for {len(case.octets)}, the limit is {limit}" if peak > limit else ""
