"""Which alarms hold just now, by dedup key. Pure.

In: judgements on all meters with what was measured of them, the publisher's last words, what is the matter with the
system. Out: alarms. How long they must hold or be gone is in ``episodes``, writing them is the recorder's.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

from common.heartbeat import PublisherBeat
from common.meter_state import MeterState
from common.store.model import Severity
from supervisor_qos.health import NOT_HEARD, Health
from supervisor_qos.judged import Judged
from supervisor_qos.shares import Figures

SEVERITIES: Final[Mapping[str, Severity]] = {
    "connection": Severity.ERROR,
    "hdlc": Severity.WARNING,
    "watchdog": Severity.WARNING,
    "circuit_breaker": Severity.ERROR,
    "auth": Severity.CRITICAL,
    "performance": Severity.WARNING,
    "publish": Severity.WARNING,
    "process": Severity.ERROR,
    "heartbeat": Severity.ERROR,
    "clock": Severity.WARNING,
    "disk": Severity.CRITICAL,
    "session_takeover": Severity.ERROR,
    "no_puback": Severity.ERROR,
    "outbox": Severity.CRITICAL,
    "plausibility": Severity.WARNING,
}
LATE_SHARE: Final = 0.8  # of readings delivered within their limit; below it an alarm, SPEC section 8
LOST_SHARE: Final = 0.5  # below it a critical one
LATELY_S: Final = 60.0  # a worker that lives for so long after a start is past it; its budget remembers longer
FOLDED: Final = frozenset({"connection", "publish"})
"""Categories of which no new ones are raised per meter while the meters went stale together."""
NO_FIGURES: Final = Figures()
NOTHING_MEASURED: Final[Mapping[bytes, Figures]] = {}
PUBLISHER: Final = "publisher"
FLEET: Final = "fleet"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm that holds. ``uid`` None: of the system, then ``component`` says of what."""

    category: str
    message: str
    severity: Severity
    uid: bytes | None = None
    component: str = ""

    @property
    def key(self) -> str:
        """Return the dedup key."""
        return f"{self.category}:{self.uid.hex() if self.uid is not None else self.component}"


def _alarm(category: str, message: str, uid: bytes | None, component: str = "", worse: Severity | None = None) -> Alarm:
    severity = worse or SEVERITIES.get(category, Severity.WARNING)
    return Alarm(category if category in SEVERITIES else "process", message, severity, uid, component)


def of_meter(judged: Judged, figures: Figures = NO_FIGURES) -> Iterator[Alarm]:
    """Give the alarms of one meter; at most one of a category, the supervisor's own word first."""
    found: dict[str, Alarm] = {}
    for alarm in (*_from_supervision(judged, figures), *_from_figures(judged, figures), *_from_worker(judged)):
        found.setdefault(alarm.category, alarm)
    yield from found.values()


def _from_supervision(judged: Judged, figures: Figures) -> Iterator[Alarm]:
    uid, name, limit = judged.meter.uid, judged.meter.wish.name, f"{judged.stale_s:.0f} s"
    starts = judged.history.starts
    if judged.history.blocked is not None:
        text = f"{name}: worker blocked after {len(starts)} starts; next trial within minutes{_because(judged)}"
        yield _alarm("process", text, uid, worse=Severity.CRITICAL)
    elif judged.health is Health.DOWN and judged.process.error:
        yield _alarm("process", f"{name}: worker {judged.process.state}: {judged.process.error}{_because(judged)}", uid)
    elif starts and figures.now_s - starts[-1] < LATELY_S:
        yield _alarm("process", f"{name}: worker started anew, not by a person", uid, worse=Severity.WARNING)
    match judged.health:
        case Health.SILENT | Health.STUCK:
            yield _alarm("heartbeat", f"{name}: worker {judged.health}, is being replaced", uid)
        case Health.STALE:
            yield _alarm("connection", f"{name}: no reading for more than {limit}", uid)
        case _:
            pass


def _from_figures(judged: Judged, figures: Figures) -> Iterator[Alarm]:
    """What was measured: readings that are not delivered, reads that fail."""
    if judged.health is Health.OFF:
        return
    uid, name, limit = judged.meter.uid, judged.meter.wish.name, f"{judged.stale_s:.0f} s"
    worse = _late(figures.delivered)
    if judged.health is Health.UNTAKEN:
        yield _alarm("publish", f"{name}: readings not taken by the publisher for more than {limit}", uid, worse=worse)
    elif judged.health is Health.UNDELIVERED:
        text = f"{name}: readings not acknowledged by the broker for more than {limit}"
        yield _alarm("publish", text, uid, worse=worse)
    elif figures.delivered < LATE_SHARE:
        text = f"{name}: {100 * figures.delivered:.0f} % of the readings were delivered within {limit}"
        yield _alarm("publish", text, uid, worse=worse)
    if figures.reads and judged.health not in NOT_HEARD:
        yield _alarm("performance", f"{name}: {figures.reads}", uid)


def _late(delivered: float) -> Severity | None:
    return Severity.CRITICAL if delivered < LOST_SHARE else None


def _because(judged: Judged) -> str:
    return f"; its last words: {judged.last_words}" if judged.last_words else ""


def _from_worker(judged: Judged) -> Iterator[Alarm]:
    """What the worker says of itself; a worker that is silent or down says nothing any more."""
    if judged.health in {Health.OFF, Health.DOWN, Health.SILENT}:
        return
    uid, name, beat = judged.meter.uid, judged.meter.wish.name, judged.worker.beat
    for category, text in beat.conditions.items():
        yield _alarm(category, f"{name}: {text}", uid)
    said = f"{name}: {beat.detail or beat.cause or beat.state}"
    if beat.state is MeterState.UNREACHABLE:
        yield _alarm("connection", said, uid)
    if beat.state is MeterState.AUTH_FAILED:
        yield _alarm("auth", said, uid)


def of_publisher(beat: PublisherBeat, *, silent: bool, limit_s: float, delivered: float = 1.0) -> Iterator[Alarm]:
    """Give the publisher's alarms. ``delivered``: the share of all meters' readings delivered within their limit."""
    if silent:
        text = f"publisher silent for more than {limit_s:.0f} s, is being replaced"
        yield _alarm("heartbeat", text, None, PUBLISHER, Severity.CRITICAL)
        return
    for category, text in beat.conditions.items():
        yield _alarm(category, text, None, PUBLISHER, _late(delivered) if category == "publish" else None)


def of_system(troubles: Mapping[str, tuple[str, str]]) -> Iterator[Alarm]:
    """Give the alarms of everything else; ``troubles``: component to category and text."""
    for component, (category, text) in troubles.items():
        yield _alarm(category, text, None, component, Severity.CRITICAL if category == "process" else None)


def all_that_hold(
    meters: Iterable[Judged],
    others: Iterable[Alarm],
    active: Set[str],
    *,
    together: bool,
    figures: Mapping[bytes, Figures] = NOTHING_MEASURED,
) -> dict[str, Alarm]:
    """Return every alarm by its key.

    ``together``: the meters went stale together, so there is one alarm for the fleet, and of the categories in FOLDED
    only those stay that are ``active`` (keys) already.
    """
    found = {
        alarm.key: alarm for judged in meters for alarm in of_meter(judged, figures.get(judged.meter.uid, NO_FIGURES))
    }
    if together:
        found = {key: alarm for key, alarm in found.items() if key in active or alarm.category not in FOLDED}
        text = "many meters went stale together: the network or the broker; no worker is restarted for it"
        fleet = _alarm("connection", text, None, FLEET, Severity.CRITICAL)
        found[fleet.key] = fleet
    return found | {alarm.key: alarm for alarm in others}
