"""The seven invariants of the promise about data, each decided from what was gathered.

In: what was gathered, the scope, what is missing. Out: one ``Finding`` each; where the facts do not suffice it says
which ones are lacking instead of guessing. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

from admin_api.audit.gathered import MAX_TEXTS, Gathered, Spread
from admin_api.audit.losses import Hole
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import Decision, Finding, Invariant

TOLERANCE: Final = 0.2  # of the p99 of the intervals of other meters
JITTER_MS: Final = 150.0  # … and never less than what two cycles on a busy machine differ by
MIN_INTERVALS: Final = 20  # before and during a fault; with fewer a p99 says nothing
PRESENT_MS: Final = 60_000  # what the live lane claims: taken less than a minute ago
TRAVEL_MS: Final = 5_000  # … when it was sent; and then it travels
LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class Case:
    """What the invariants are decided from. ``unexplained``: missing cycles that nothing accounts for, by meter."""

    gathered: Gathered
    scope: Scope
    missing: Mapping[str, tuple[int, ...]]
    unexplained: Mapping[str, int]
    phantoms: Sequence[str]
    holes: Sequence[Hole]


def decide(case: Case) -> dict[Invariant, Finding]:
    """Return all seven findings."""
    return {
        Invariant.I1: _conserved(case),
        Invariant.I2: _without_gaps(case),
        Invariant.I3: _repeats(case),
        Invariant.I4: _order(case),
        Invariant.I5: _punctual(case),
        Invariant.I6: _undisturbed(case),
        Invariant.I7: _recovered(case),
    }


def _finding(texts: Iterable[str], good: str, numbers: Mapping[str, float]) -> Finding:
    found = tuple(texts)
    if found:
        return Finding(Decision.BROKEN, found[0], numbers, found[:MAX_TEXTS])
    return Finding(Decision.HOLDS, good, numbers)


def _unknown(reason: str, numbers: Mapping[str, float] | None = None) -> Finding:
    return Finding(Decision.UNDECIDED, reason, numbers or {})


def _conserved(case: Case) -> Finding:
    gathered, kills = case.gathered, case.scope.kills or 0
    lost = sum(case.unexplained.values())
    accounts = gathered.accounts.values()
    numbers: dict[str, float] = {
        "answered": sum(told.count for told in gathered.answers.values()),
        "arrived": gathered.readings - gathered.profile_readings,
        "kept": gathered.kept_rows,
        "missing": sum(map(len, case.missing.values())),
        "unexplained": lost,
        "allowed": kills,
        "taken": sum(item.taken for item in accounts),
        "delivered": sum(item.delivered for item in accounts),
        "waiting": sum(item.waiting for item in accounts),
        "set_aside": sum(item.set_aside for item in accounts),
        "dropped": sum(gathered.dropped(uid) for uid in gathered.accounts) + gathered.unnumbered.total(),
    }
    if not gathered.answers and not gathered.accounts:
        return _unknown("neither a simulator's log nor an outbox was given", numbers)
    losses = (f"lost: {count} cycles of {meter} that it answered" for meter, count in case.unexplained.items())
    texts = chain(losses if lost > kills else (), case.phantoms, gathered.twice.first, _books(case))
    return _finding(texts, _good_conservation(numbers), numbers)


def _good_conservation(numbers: Mapping[str, float]) -> str:
    if numbers["taken"]:
        parts = ("taken", "delivered", "waiting", "set_aside", "dropped")
        return ", ".join(f"{numbers[name]:.0f} {name.replace('_', ' ')}" for name in parts)
    return f"{numbers['answered']:.0f} answered, {numbers['missing']:.0f} missing"


def _books(case: Case) -> Iterable[str]:
    gathered = case.gathered
    unique = dict.fromkeys(gathered.accounts, 0)
    for epoch in gathered.epochs:
        if epoch.uid in unique:
            unique[epoch.uid] += epoch.arrived.count
    for uid, account in gathered.accounts.items():
        name = gathered.name_of(uid)
        if account.imbalance:
            yield f"books: {name}: {account.imbalance} of {account.taken} taken readings are nowhere"
        if account.rows is not None and account.rows != account.waiting + account.set_aside:
            there = account.waiting + account.set_aside
            yield f"books: {name}: {there} readings should be in the outbox, {account.rows} are"
        if case.scope.complete and account.delivered > unique[uid]:
            yield f"lost: {name}: the broker acknowledged {account.delivered}, the subscriber got {unique[uid]}"


def _without_gaps(case: Case) -> Finding:
    gathered = case.gathered
    by_uid: dict[str, int] = {}
    for hole in case.holes:
        by_uid[hole.epoch.uid] = by_uid.get(hole.epoch.uid, 0) + hole.count
    numbers: dict[str, float] = {
        "missing": sum(by_uid.values()),
        "dropped": sum(gathered.dropped(uid) for uid in gathered.accounts),
        "epochs": len(gathered.epochs),
    }
    if not gathered.epochs and not gathered.cursors:
        return _unknown("neither a recording nor an outbox was given", numbers)
    uncounted = {uid for uid, count in by_uid.items() if count > gathered.dropped(uid)}
    journals = list(_journals(gathered))
    if uncounted and not gathered.accounts and not journals:
        return _unknown(f"{numbers['missing']:.0f} numbers are missing, and no outbox says whether dropped", numbers)
    texts = chain((str(hole) for hole in case.holes if hole.epoch.uid in uncounted), journals)
    good = "no number is missing" if not by_uid else f"{numbers['missing']:.0f} missing, all counted as dropped"
    return _finding(texts, good, numbers)


def _journals(gathered: Gathered) -> Iterable[str]:
    """Yield where journal and outbox contradict each other."""
    for item in gathered.cursors:
        name = f"{gathered.name_of(item.uid)} epoch {item.epoch}"
        if item.acknowledged is not None and item.acknowledged > item.taken_after:
            yield f"cursor: {name}: acknowledged to {item.acknowledged}, taken only to {item.taken_after}"
        if item.last is not None and item.last < item.taken_before:
            yield f"cursor: {name}: the journal ends at {item.last}, {item.taken_before} was taken"


def _repeats(case: Case) -> Finding:
    gathered, kills = case.gathered, case.scope.kills
    numbers: dict[str, float] = {
        "repeats": gathered.repeats,
        "unequal": gathered.unequal.count,
        "profile_readings": gathered.profile_readings,
        "profile_twice": gathered.stamps_twice.count,
    }
    if not gathered.readings:
        return _unknown("no recording was given", numbers)
    texts = [*gathered.unequal.first, *gathered.stamps_twice.first]
    if kills is not None:
        numbers["bound"] = kills * case.scope.window
        if gathered.repeats > numbers["bound"]:
            texts.append(f"repeats: {gathered.repeats}, {kills} kills explain {numbers['bound']:.0f}")
    elif gathered.repeats and not texts:
        return _unknown(f"{gathered.repeats} repeats, all equal; nobody said how often something was killed", numbers)
    return _finding(texts, f"{gathered.repeats} repeats, all equal", numbers)


def _order(case: Case) -> Finding:
    gathered = case.gathered
    count = gathered.disorder.count + gathered.profile_disorder.count
    numbers: dict[str, float] = {"disorder": count}
    if not gathered.readings:
        return _unknown("no recording was given", numbers)
    if gathered.disorder.count and not gathered.has_lanes:
        return _unknown(f"{count} out of order, and the recording does not tell the lanes apart", numbers)
    texts = (*gathered.disorder.first, *gathered.profile_disorder.first)
    return _finding(texts, f"{gathered.readings} readings in order", numbers)


def _punctual(case: Case) -> Finding:
    gathered, limit_ms = case.gathered, case.scope.late_s * 1000
    live = gathered.latency[LIVE] if LIVE in gathered.latency else Spread()
    told, worst, texts = 0, 0.0, list[str]()
    for meter, answers in gathered.answers.items():
        for energy, packed in gathered.energies[meter].items() if meter in gathered.energies else ():
            if not answers[energy]:
                continue
            epoch, seq = gathered.unpacked(packed - 1)
            off_ms = abs(epoch.stamps[seq] - answers[energy])
            told, worst = told + 1, max(worst, off_ms)
            if off_ms > limit_ms and len(texts) < MAX_TEXTS:
                texts.append(f"late: {meter} seq {seq} is stamped {off_ms / 1000:.1f} s off its answer")
    if live.highest > PRESENT_MS + TRAVEL_MS:
        texts.append(f"late: a reading of the live lane was {live.highest / 1000:.1f} s old when it arrived")
    numbers = {"compared": told, "worst_s": worst / 1000, "limit_s": case.scope.late_s}
    if not told and not live.count:
        return _unknown("neither a simulator's log nor times of arrival were given", numbers)
    return _finding(texts, f"{told} time stamps within {worst / 1000:.1f} s of the answer", numbers)


def _undisturbed(case: Case) -> Finding:
    scope = case.scope
    if not scope.abused or scope.fault_from_ms is None:
        return _unknown("nobody said which meter was abused, and when (--abused, --fault-from)")
    lost = sum(count for meter, count in case.unexplained.items() if meter not in scope.abused)
    holes = [hole for hole in case.holes if hole.epoch.meter not in scope.abused]
    before, during = _intervals(case)
    p99 = before.percentile(0.99), during.percentile(0.99)
    numbers: dict[str, float] = {
        "others_lost": lost,
        "p99_before_ms": p99[0],
        "p99_during_ms": p99[1],
        "intervals_before": before.count,
        "intervals_during": during.count,
    }
    texts = [f"lost: {lost} cycles of meters that were not abused"] if lost > (scope.kills or 0) else []
    texts += [str(hole) for hole in holes if hole.count > case.gathered.dropped(hole.epoch.uid)]
    if not texts and min(before.count, during.count) < MIN_INTERVALS:
        return _unknown(f"{before.count} intervals before and {during.count} during the fault are too few", numbers)
    allowed = max(TOLERANCE * p99[0], JITTER_MS)
    if during.count >= MIN_INTERVALS <= before.count and p99[1] - p99[0] > allowed:
        texts.append(f"disturbed: p99 of the intervals of others went from {p99[0]:.0f} to {p99[1]:.0f} ms")
    return _finding(texts, f"none lost, p99 of the intervals {p99[0]:.0f} ms before, {p99[1]:.0f} during", numbers)


def _intervals(case: Case) -> tuple[Spread, Spread]:
    """Return the time between two readings of the meters that were not abused, before and during the fault."""
    scope, before, during = case.scope, Spread(), Spread()
    begin, end = scope.fault_from_ms or 0, scope.fault_to_ms or scope.until_ms
    stamps: dict[str, list[int]] = {}
    for epoch in case.gathered.epochs:
        if epoch.meter not in scope.abused:
            stamps.setdefault(epoch.uid, []).extend(at_ms for _, at_ms in epoch.stamps.items())
    for times in stamps.values():
        for first, second in pairwise(times):
            if scope.since_ms <= second < begin:
                before.add(second - first)
            elif begin <= second <= end:
                during.add(second - first)
    return before, during


def _recovered(case: Case) -> Finding:
    alarms, scope = case.gathered.alarms, case.scope
    if alarms is None:
        return _unknown("no alarms were given")
    lasting = sum(alarm.cleared_ms is None for alarm in alarms)
    numbers: dict[str, float] = {"alarms": len(alarms), "lasting": lasting}
    if scope.fault_to_ms is None:
        return _unknown(f"nobody said when a fault was over (--fault-to); {lasting} alarms last", numbers)
    limit_ms, begin = scope.fault_to_ms + scope.clear_s * 1000, scope.fault_from_ms or scope.since_ms
    raised = [alarm for alarm in alarms if begin <= alarm.raised_ms <= limit_ms]
    ended = [alarm.cleared_ms for alarm in raised if alarm.cleared_ms is not None]
    numbers |= {"raised": len(raised), "slowest_s": max([0, *(at - scope.fault_to_ms for at in ended)]) / 1000}
    if scope.until_ms < limit_ms and any(alarm.cleared_ms is None for alarm in raised):
        return _unknown(f"the audit ends before {scope.clear_s:.0f} s have passed", numbers)
    texts = (
        f"sticky: {alarm.category} of {alarm.meter or 'the system'} "
        + ("lasts" if alarm.cleared_ms is None else f"took {(alarm.cleared_ms - scope.fault_to_ms) / 1000:.0f} s")
        for alarm in raised
        if alarm.cleared_ms is None or alarm.cleared_ms > limit_ms
    )
    return _finding(texts, f"{len(raised)} alarms were raised and cleared by themselves", numbers)
