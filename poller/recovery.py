"""What to do next after an error: SPEC section 5 as a table, and the ladder's counts as pure functions.

In: an error, the history of a meter's link, its limits, the time, a draw for jitter. Out: a step, a new history,
seconds to wait, or the cause for which a link is to be given up. No socket, no clock, no log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from common.backoff import Backoff
from common.breaker import Breaker, Outcome, step
from common.errors import Again, Barred, BridgeError, Hopeless, Reassociate, Relink, Skip
from common.worker_file import Limits
from poller import errors as worker
from poller.dlms import errors as dlms

RETRY_DELAY_S: Final = 0.1
AUTH_TRIES: Final = 2  # a meter may lock itself after three refused passwords
HOUR_S: Final = 3600.0
WATCHED_INTERVALS: Final = 3  # a meter read seldom has this many of its intervals before the watchdog acts
MAX_RECONNECTS: Final = 1000  # kept of one hour; more than one in 3.6 s cannot happen


class Step(StrEnum):
    """What the caller does next."""

    RETRY = "retry"
    """The same request once more after RETRY_DELAY_S; a second error fails the quantity in this cycle."""
    DROP = "drop"
    """The meter does not have it: out of the cycle until the next association."""
    REASSOCIATE = "reassociate"
    """Release, associate anew over the same connection."""
    RELINK = "relink"
    """DISC, close, connect anew after a delay."""
    BAR = "bar"
    """Two tries, then nothing for half an hour."""
    REST = "rest"
    """The longest back-off."""
    STOP = "stop"
    """Only a person can help: exit with the code that forbids a restart."""


STEPS: Final[Mapping[type[BridgeError], Step]] = {
    dlms.ReplyTimeout: Step.RETRY,
    dlms.LinkRefused: Step.RELINK,
    dlms.LinkReset: Step.RELINK,
    dlms.OutOfSequence: Step.RELINK,
    dlms.LinkDamaged: Step.RELINK,
    dlms.BadFrame: Step.RELINK,
    dlms.SignOnFailed: Step.RELINK,
    dlms.PeerClosed: Step.RELINK,
    dlms.ExceptionResponse: Step.REASSOCIATE,
    dlms.AssociationLost: Step.REASSOCIATE,
    dlms.UnexpectedReply: Step.REASSOCIATE,
    dlms.DecipheringFailed: Step.REASSOCIATE,
    dlms.CounterRefused: Step.REASSOCIATE,
    dlms.TemporaryFailure: Step.RETRY,
    dlms.MeterBusy: Step.RETRY,
    dlms.HardwareFault: Step.RETRY,
    dlms.AccessDenied: Step.DROP,
    dlms.ObjectUndefined: Step.DROP,
    dlms.ClassInconsistent: Step.DROP,
    dlms.ObjectUnavailable: Step.RETRY,
    dlms.TypeUnmatched: Step.DROP,
    dlms.ScopeViolated: Step.DROP,
    dlms.BlockUnavailable: Step.RETRY,
    dlms.OtherReason: Step.RETRY,
    dlms.NotNegotiated: Step.DROP,
    dlms.BadData: Step.RETRY,
    dlms.AuthenticationFailed: Step.BAR,
    dlms.CounterExhausted: Step.REST,
    dlms.AssociationRefused: Step.REST,
    dlms.BadAddress: Step.STOP,
    dlms.BadParameter: Step.STOP,
    worker.NameUnresolved: Step.RELINK,
    worker.ConnectTimeout: Step.RELINK,
    worker.ConnectRefused: Step.RELINK,
    worker.HostUnreachable: Step.RELINK,
    worker.ConnectFailed: Step.RELINK,
    worker.PeerReset: Step.RELINK,
    worker.LinkLost: Step.RELINK,
    worker.ExchangeOverrun: Step.RELINK,
    worker.SerialMissing: Step.STOP,
    worker.BadCounterFile: Step.STOP,
    worker.CounterFileHeld: Step.RETRY,
    worker.CounterUnsaved: Step.RETRY,
    worker.LineHeld: Step.RETRY,
    worker.WindowOverrun: Step.RETRY,
    worker.Withdrawn: Step.RETRY,
    worker.ProfileUnusable: Step.DROP,
}

_FAMILIES: Final = (
    (Again, Step.RETRY),
    (Skip, Step.DROP),
    (Relink, Step.RELINK),
    (Reassociate, Step.REASSOCIATE),
    (Barred, Step.REST),
    (Hopeless, Step.STOP),
)

HDLC_ERRORS: Final = (dlms.LinkReset, dlms.OutOfSequence, dlms.LinkDamaged, dlms.BadFrame)


def step_after(error: BridgeError) -> Step:
    """Return the step that follows an error: its leaf's row, else its family's, else a new link."""
    if known := STEPS.get(type(error)):
        return known
    return next((rule for family, rule in _FAMILIES if isinstance(error, family)), Step.RELINK)


class Cause(StrEnum):
    """Why a link that stands is given up."""

    FAILED_CYCLES = "failed_cycles"
    HDLC_ERRORS = "hdlc_errors"
    NO_SUCCESS = "no_success"
    AGE = "connection_max_age"
    READS = "reconnect_after_reads"


@dataclass(frozen=True, slots=True)
class History:
    """What has gone wrong lately. Counts are of events in a row; ``reconnects`` are monotonic times, oldest first."""

    failed_connects: int = 0
    failed_cycles: int = 0
    hdlc_errors: int = 0
    refusals: int = 0
    breaker: Breaker = Breaker.CLOSED
    reconnects: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Facts of a link that stands: when it was associated, its last successful read (monotonic), its reads so far.

    ``interval``: the seconds between two cycles; the watchdog must not bark at a meter that is read every hour.
    """

    since: float
    last_success: float
    reads: int
    interval: float


def probing(history: History) -> History:
    """An open breaker has rested: the next connect is the single probe."""
    if history.breaker is not Breaker.OPEN:
        return history
    return replace(history, breaker=step(history.breaker, Outcome.RESTED))


def connected(history: History, now: float, *, regained: bool) -> History:
    """The meter let us in. ``regained``: a link that had been associated was lost before, not let go."""
    times = (*history.reconnects, now) if regained else history.reconnects
    recent = tuple(at for at in times if at > now - HOUR_S)[-MAX_RECONNECTS:]
    return History(breaker=step(history.breaker, Outcome.SUCCEEDED), reconnects=recent)


def connect_failed(history: History, limits: Limits) -> History:
    """One more connect failed, for whatever reason but a refused password."""
    failures = history.failed_connects + 1
    outcome = Outcome.TRIPPED if failures >= limits.breaker_failures else Outcome.FAILED
    return replace(history, failed_connects=failures, breaker=step(history.breaker, outcome))


def refused(history: History) -> History:
    """The password was refused once more; a meter that refuses is there."""
    breaker = step(history.breaker, Outcome.SUCCEEDED)
    return replace(history, refusals=history.refusals + 1, failed_connects=0, breaker=breaker)


def cycle_ended(history: History, *, succeeded: bool) -> History:
    """A cycle ended: with at least one value, or without any."""
    return replace(history, failed_cycles=0 if succeeded else history.failed_cycles + 1)


def damage_seen(history: History, errors: int) -> History:
    """A cycle saw that many HDLC errors; none breaks the row."""
    return replace(history, hdlc_errors=history.hdlc_errors + errors if errors else 0)


def reconnects_lately(history: History, now: float) -> int:
    """Return how many reconnects the last hour saw."""
    return sum(at > now - HOUR_S for at in history.reconnects)


def delay_after_loss(history: History, now: float, limits: Limits) -> float:
    """Seconds before a lost link is made anew: the long pause when it would be one too many within an hour."""
    many = reconnects_lately(history, now) >= limits.reconnects_per_hour
    return limits.reconnect_pause_s if many else limits.reconnect_delay_s


def delay_after_failure(history: History, limits: Limits, draw: float) -> float:
    """Seconds before the next connect after failed ones; at least the breaker's rest when it is open."""
    delay = Backoff(limits.backoff_first_s, limits.backoff_max_s).delay(history.failed_connects, draw)
    return max(delay, limits.breaker_open_s) if history.breaker is Breaker.OPEN else delay


def delay_after_refusal(history: History, limits: Limits, draw: float) -> float:
    """Seconds before the next try after a refused password."""
    if history.refusals >= AUTH_TRIES:
        return limits.auth_retry_s
    return Backoff(limits.backoff_first_s, limits.backoff_max_s).delay(history.refusals, draw)


def reason_to_relink(history: History, link: Link, now: float, limits: Limits) -> Cause | None:
    """Return why a link that stands is to be closed and made anew, or None. A limit of 0 is off."""
    patience = WATCHED_INTERVALS * link.interval
    reasons = (
        (Cause.FAILED_CYCLES, history.failed_cycles, limits.failed_cycles_to_reconnect),
        (Cause.HDLC_ERRORS, history.hdlc_errors, limits.hdlc_errors_to_relink),
        (
            Cause.NO_SUCCESS,
            now - max(link.since, link.last_success),
            limits.watchdog_s and max(limits.watchdog_s, patience),
        ),
        (Cause.AGE, now - link.since, limits.connection_max_age_s),
        (Cause.READS, link.reads, limits.reconnect_after_reads),
    )
    return next((cause for cause, value, limit in reasons if limit and value >= limit), None)
