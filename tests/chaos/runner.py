"""Plays one row: fault after fault against a running plant, and measures what came of it.

In: a plant and a row. Out: an ``Outcome``. What is right is decided here, the same way for every row: everything
touched is back within the row's bound; nothing that was taken is lost; nobody outside the fault was disturbed; alarms
that were raised belong to the fault and cleared by themselves.
"""

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from subprocess import SubprocessError
from typing import Final

from common.errors import BridgeError
from common.store.model import AlarmRow
from tests.chaos.disturbance import Span, disturbed, gaps, limit_s
from tests.chaos.outcome import Outcome
from tests.chaos.plant import Plant, now
from tests.chaos.row import Moment, Row, Touched

QUIET_INTERVALS: Final = 4
"""Length of the quiet time before a row, from which is known what gaps are normal."""
LOOK_S: Final = 0.05
PATIENCE: Final = 4.0
"""A row that misses its bound is waited for so many times as long, to know by how much."""
PATIENCE_S: Final = 30.0
ARRIVED_S: Final = 30.0
"""Within this time after the last round everything that was answered before has arrived."""
CLEARED_S: Final = 120.0
MAX_FAILED: Final = 2
"""A row ends after so many rounds that went wrong: the next would tell nothing new."""

BROKEN: Final = (AssertionError, BridgeError, LookupError, OSError, SubprocessError, TypeError, ValueError)
"""What a row may fail with; the next one is played all the same."""


@dataclass(slots=True)
class Play:
    """One row while it is played."""

    plant: Plant
    row: Row
    outcome: Outcome
    begun: Moment
    spans: list[Span] = field(default_factory=list)
    wall_spans: list[Span] = field(default_factory=list)
    kills: int = 0
    known_alarms: frozenset[int] = frozenset()
    faults: frozenset[str] = frozenset()
    missing: int = 0
    repeats: int = 0
    failed: int = 0

    def wrong(self, text: str) -> None:
        """Note what may not be."""
        self.outcome.wrong.append(text)


def play(plant: Plant, row: Row) -> Outcome:
    """Play all rounds of a row."""
    play = Play(plant, row, Outcome(row.id, row.fault), now())
    play.outcome.bound_s = round(row.bound_s(plant), 1)
    try:
        _before(play)
        for _ in range(max(1, row.rounds.short) if plant.short else row.rounds.long):
            _round(play)
            if play.failed >= MAX_FAILED:
                break
            time.sleep(plant.interval_s * plant.chance.random())
        _after(play)
    except BROKEN as error:
        play.wrong(told(error))
    play.outcome.took_s = round(time.monotonic() - play.begun.mono, 1)
    return play.outcome


def _before(play: Play) -> None:
    """A quiet time: everything runs, and what it is like is known."""
    plant = play.plant
    plant.wait_steady()
    _wait_for_no(play, play.row.must_raise)
    time.sleep(QUIET_INTERVALS * plant.interval_s)
    play.known_alarms = frozenset(alarm.id for alarm in plant.alarms())
    play.missing, play.repeats = plant.record.missing, plant.record.repeats
    play.faults = _other_faults(plant.system.audit())


def _round(play: Play) -> None:
    plant, row = play.plant, play.row
    before = plant.pids()
    hit = row.touch(plant)
    injected = now()
    since = injected
    try:
        row.inject(plant, hit)
        since = now()
        holds_s = row.holds_s(plant)
        if holds_s is not None:
            time.sleep(holds_s)
            row.during(plant, hit)
            row.clear(plant, hit)
            since = now()
        _recover(play, hit, since)
    except BROKEN as error:
        play.wrong(told(error))
        play.failed += 1
    finally:
        row.clear(plant, hit)
    back = now()
    play.kills += hit.kills
    play.spans.append(Span(injected.mono, back.mono + plant.interval_s, hit))
    play.wall_spans.append(Span(injected.wall_ms / 1000, back.wall_ms / 1000 + plant.interval_s, hit))
    for text in row.check(plant, hit, since):
        play.wrong(text)
    _look_at_processes(play, before, hit)
    _look_at_alarms(play, injected)


def told(error: Exception) -> str:
    """Return an error as one line."""
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"


def _recover(play: Play, hit: Touched, since: Moment) -> None:
    plant, row, bound = play.plant, play.row, play.outcome.bound_s
    limit = bound * PATIENCE + PATIENCE_S
    while not row.is_back(plant, hit, since):
        assert time.monotonic() - since.mono < limit, (
            f"not back after {limit:.0f} s: {', '.join(plant.record.stale(hit.late, since)[:5])} {hit.note}"
        )
        time.sleep(LOOK_S)
    took = round(time.monotonic() - since.mono, 2)
    play.outcome.recoveries.append(took)
    if took > bound:
        play.wrong(f"back after {took:.1f} s, bound {bound:.1f} s {hit.note}".rstrip())


def _look_at_processes(play: Play, before: dict[str, int], hit: Touched) -> None:
    after = play.plant.pids()
    others = {name for name, pid in before.items() if name not in hit.programs and after.get(name) != pid}
    if others:
        play.outcome.disturbed += len(others)
        play.wrong(f"processes outside the fault were touched: {', '.join(sorted(others)[:5])}")


def _look_at_alarms(play: Play, since: Moment) -> None:
    if not play.row.must_raise:
        return
    found = {alarm.category for alarm in play.plant.alarms(since.wall_ms - 1)}
    if lacking := play.row.must_raise - found:
        play.wrong(f"no alarm {', '.join(sorted(lacking))} was raised")


def _after(play: Play) -> None:
    ended = now()
    _audit(play, ended)
    _disturbances(play)
    _alarms(play)
    play.outcome.figures.update(play.row.figures(play.plant))


def _audit(play: Play, ended: Moment) -> None:
    """Everything that was taken has to arrive; a cycle that a kill cut in two was not taken."""
    plant, outcome = play.plant, play.outcome
    until_ms = ended.wall_ms - round(plant.interval_s * 1000)
    deadline = time.monotonic() + ARRIVED_S
    while True:
        verdict = plant.system.audit(since_ms=play.begun.wall_ms, until_ms=until_ms)
        holes = plant.record.missing - play.missing
        if (holes <= 0 and verdict.missing_cycles <= play.kills) or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    outcome.untaken = min(verdict.missing_cycles, play.kills)
    outcome.lost = max(0, holes, verdict.missing_cycles - play.kills)
    outcome.repeated = plant.record.repeats - play.repeats
    for text in sorted(_other_faults(verdict) - play.faults):
        play.wrong(text)
    if outcome.lost:
        play.wrong(f"{max(0, holes)} numbers and {verdict.missing_cycles} answered cycles never arrived")


def _other_faults(verdict: object) -> frozenset[str]:
    """What the auditor found beside holes, which grow and are counted from the record."""
    return frozenset(text for name in ("unequal", "disorder", "phantoms") for text in getattr(verdict, name))


def _disturbances(play: Play) -> None:
    plant = play.plant
    plant.record.look()
    first = play.spans[0].begin if play.spans else play.begun.mono
    begin = play.begun.mono
    arrivals = {meter: plant.record.arrivals(meter, begin) for meter in plant.meters}
    came = {meter: gaps(arrival.at for arrival in found) for meter, found in arrivals.items()}
    read = {meter: gaps(arrival.ts_ms / 1000 for arrival in found) for meter, found in arrivals.items()}
    quiet = [end - start for found in came.values() for start, end in found if end < first]
    limit = limit_s(quiet)
    late = disturbed(came, play.spans, limit, delivered=True)
    unread = disturbed(read, play.wall_spans, limit, delivered=False)
    found = {**late, **unread}
    play.outcome.disturbed += len(found)
    if found:
        worst = max(found, key=lambda meter: found[meter])
        text = f"{len(found)} other meters were disturbed: {worst} had nothing for {found[worst]:.1f} s"
        play.wrong(f"{text} (limit {limit:.1f} s)")


def _alarms(play: Play) -> None:
    """Look which alarms were raised; that they clear is waited for when all rows of the stage are over (``follow``)."""
    mine = _raised_by(play)
    count(play.outcome, mine)
    play.plant.told |= play.row.may_raise | play.row.must_raise
    foreign = {alarm.category: alarm.message for alarm in mine if alarm.category not in play.plant.told}
    for category, message in foreign.items():
        play.wrong(f"an alarm {category} does not belong to the fault: {message}")


def _wait_for_no(play: Play, categories: Set[str]) -> None:
    """Wait until no alarm of categories lasts: a row that has to raise one could not be told from the row before."""
    deadline = time.monotonic() + CLEARED_S
    while any(alarm.cleared_at is None and alarm.category in categories for alarm in play.plant.alarms()):
        assert time.monotonic() < deadline, f"an alarm {' or '.join(categories)} lasts from before"
        time.sleep(1.0)


def _raised_by(play: Play) -> list[AlarmRow]:
    return [alarm for alarm in play.plant.alarms() if alarm.id not in play.known_alarms]


def count(outcome: Outcome, alarms: Sequence[AlarmRow]) -> None:
    """Write into an outcome how many alarms were raised and cleared, by category."""
    outcome.raised, outcome.cleared = {}, {}
    for alarm in alarms:
        outcome.raised[alarm.category] = outcome.raised.get(alarm.category, 0) + 1
        if alarm.cleared_at is not None:
            outcome.cleared[alarm.category] = outcome.cleared.get(alarm.category, 0) + 1
    outcome.figures["alarms"] = " ".join(str(alarm.id) for alarm in alarms)


def follow(plant: Plant, played: Sequence[Outcome], limit_s: float) -> list[Outcome]:
    """Wait until no alarm lasts any more; return the outcomes whose figures that changed."""
    deadline = time.monotonic() + limit_s
    while any(alarm.cleared_at is None for alarm in plant.alarms()) and time.monotonic() < deadline:
        time.sleep(1.0)
    alarms = {str(alarm.id): alarm for alarm in plant.alarms()}
    changed = []
    for outcome in played:
        noted = str(outcome.figures.get("alarms", "")).split()
        mine = [alarms[name] for name in noted if name in alarms]
        before = dict(outcome.cleared)
        if gone := len(noted) - len(mine):
            outcome.wrong.append(f"{gone} alarms are gone: nobody saw that they cleared")
        count(outcome, mine)
        lasting = [alarm for alarm in mine if alarm.cleared_at is None]
        outcome.wrong += [f"the alarm {alarm.category} did not clear: {alarm.message}" for alarm in lasting]
        if gone or lasting or before != outcome.cleared:
            changed.append(outcome)
    return changed
