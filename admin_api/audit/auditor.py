"""The auditor: facts in, in any number; a verdict out.

In: arrivals, answers, what is kept, accounts, alarms (``admin_api.audit.facts``). Out: ``Verdict``. Arrivals come in
the order in which the subscriber got them, everything else in any. Pure; files are ``admin_api.audit.files``.
"""

from collections.abc import Iterable
from itertools import islice

from admin_api.audit import losses
from admin_api.audit.facts import Answer, Arrived, copy_of
from admin_api.audit.gathered import MAX_TEXTS, Gathered
from admin_api.audit.invariants import Case, decide
from admin_api.audit.scope import Scope
from admin_api.audit.verdict import Verdict

COMPLETE = Scope(complete=True)


def judged(gathered: Gathered, scope: Scope) -> Verdict:
    """Return the verdict on what was gathered."""
    missing = losses.missing(gathered, scope)
    phantoms = tuple(islice(losses.phantoms(gathered), MAX_TEXTS))
    holes = tuple(losses.holes(gathered, scope))
    case = Case(gathered, scope, missing, losses.unexplained(gathered, missing), phantoms, holes)
    return Verdict(
        readings=gathered.readings,
        profile_readings=gathered.profile_readings,
        repeats=gathered.repeats,
        holes=tuple(map(str, holes)),
        unequal=(*gathered.unequal.first, *gathered.stamps_twice.first),
        disorder=(*gathered.disorder.first, *gathered.profile_disorder.first),
        phantoms=(*gathered.twice.first, *phantoms),
        missing=missing,
        findings=decide(case),
        latency_ms={
            lane: {"count": it.count, "p50": it.percentile(0.5), "p99": it.percentile(0.99), "max": it.highest}
            for lane, it in gathered.latency.items()
        },
    )


def audit(
    arrived: Iterable[Arrived],
    answers: Iterable[Answer] = (),
    scope: Scope = COMPLETE,
    gathered: Gathered | None = None,
) -> Verdict:
    """Return the verdict on a whole record of arrivals, beside what was gathered already.

    ``arrived`` tells the times of arrival where it has an ``at_ms`` (UTC).
    """
    gathered = gathered or Gathered()
    for answer in answers:
        gathered.answered(answer)
    for message in arrived:
        copy = copy_of(message.payload, message.lane, getattr(message, "at_ms", 0))
        if copy is not None:
            gathered.arrived(copy)
    return judged(gathered, scope)
