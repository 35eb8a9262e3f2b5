"""The link to one meter with its history: when it may be tried, what a loss leads to, what the worker says of it.

In: the worker file, the session's parts, orders of the loop. Out: a link that is up or down, the time of the next
attempt, the state for heartbeats. The decisions are the recovery table's; here they are carried out.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from common.breaker import Breaker
from common.clock import Clock
from common.errors import BridgeError
from common.meter_state import MeterState
from common.worker_file import WorkerFile
from poller import recovery
from poller.cycle import Cycle, Reader
from poller.diagnosing import Diagnosing
from poller.errors import LineHeld
from poller.line import LineLock
from poller.profile import credentials_of, profile_of, source_of
from poller.recovery import AUTH_TRIES, HDLC_ERRORS, Cause, History, Link, Step, step_after
from poller.refusal import RefusalRecord
from poller.resolver import Resolver
from poller.scalers import ScalerCache
from poller.session import Session
from poller.transport import Wire
from poller.turnstile import Turnstile
from poller.vitals import Vitals

if TYPE_CHECKING:
    from poller.invocation import DeferredCounter

SHORT_TURN_S: Final = 0.25  # a turn that comes so soon is waited for at once
LINE_WAIT_S: Final = 0.1  # a shared line is asked for again this soon; its turns are short
SILENT, SPEAKS, ASSOCIATES = "silent", "speaks", "associates"  # how far the last attempt came: what a diagnosis needs
STABLE_S: Final = 600.0  # a link that stands for so long has recovered, however often it was lost within the hour
IDLE_SHARE: Final = 0.8  # of the meter's inactivity timeout: then a keep-alive goes out
COUNTERS: Final = (
    "frames_sent",
    "frames_received",
    "octets_sent",
    "octets_received",
    "bad_frames",
    "out_of_sequence",
    "resent",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a link is made of, from ``main``. ``draw`` gives numbers from 0 up to 1; ``tidy`` gives back memory."""

    wire: Wire
    resolver: Resolver
    lock: LineLock
    refusals: RefusalRecord
    clock: Clock
    vitals: Vitals
    draw: Callable[[], float]
    turns: Turnstile
    tidy: Callable[[], None] = lambda: None


class MeterLink:
    """One meter's link. ``next_attempt`` is monotonic; infinity while the link is up."""

    def __init__(self, file: WorkerFile, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._vitals = parts.vitals
        self._scalers = ScalerCache()
        self.diagnosing = Diagnosing(parts.clock)
        self._past: Counter[str] = Counter()
        self._had_line = False
        self._turn: float | None = None
        self._source: DeferredCounter | None = None
        self.configure(file)

    def configure(self, file: WorkerFile) -> None:
        """Take new connection settings; the link is down. A refusal of the same credentials is remembered."""
        self._file = file
        profile, parts = profile_of(file), self._parts
        if self._source is not None:
            self._source.close()
        self._source = source_of(file, profile)
        self.session = Session(profile, parts.wire, parts.resolver, parts.clock, file.limits, self._source)
        self.diagnosing.watch(self.session, profile)
        self.reader = Reader(self.session, self._clock, self._scalers)
        self.history = History(refusals=self._parts.refusals.count(credentials_of(file)))
        self._since = self._last_success = self._clock.monotonic()
        self._reads = 0
        self._lost = False
        self.address = ""
        self.next_attempt = self._clock.monotonic()
        self._vitals.enter(MeterState.STARTING)
        for category in ("connection", "auth", "circuit_breaker", "watchdog"):
            self._vitals.condition(category, "")
        if self.history.refusals >= AUTH_TRIES:
            wait = max(0.0, file.limits.auth_retry_s - self._parts.refusals.age_s())
            self._barred(wait, "authentication_failed", "refused before this worker started")

    @property
    def up(self) -> bool:
        """Return whether the meter has let us in."""
        return self.session.is_open

    def counters(self) -> Mapping[str, int]:
        """Return the line's counters and the scaler cache's, over all sessions of this worker."""
        now = self.session.conversation.counters
        line = {name: self._past[name] + int(getattr(now, name)) for name in COUNTERS}
        return {**line, "scaler_hits": self._scalers.hits, "scaler_misses": self._scalers.misses}

    def damage(self) -> int:
        """Return how many frames were damaged or out of order in this session."""
        now = self.session.conversation.counters
        return now.bad_frames + now.out_of_sequence

    # Up

    def attempt(self) -> bool:
        """Connect and associate, now; return whether the link is up. On failure the next attempt has its time.

        When many connect at once, the attempt is put off until its turn, which counts as nothing.
        Raises LineHeld when the line is held by another process at the first attempt, so that the worker ends.
        """
        if not self._comes_its_turn():
            return False
        self.history = recovery.probing(self.history)
        self._vitals.counters["connects"] += 1
        self.next_attempt = math.inf
        came = SILENT
        try:
            self.address = self.session.resolve(self._file.host)
            if self._file.line_mode != "concurrent":
                self._parts.lock.take(self.address, self._file.port)
            self._had_line = True
            self.session.open(self.address, self._file.port)
            came = ASSOCIATES
            facts = self.reader.associated()
        except BridgeError as error:
            self._vitals.facts["line"] = SPEAKS if self.session.spoke and came is SILENT else came
            self.session.close()
            self._attempt_failed(error)
            return False
        self._associated(facts)
        return True

    def _comes_its_turn(self) -> bool:
        """Return whether to connect now; else the next attempt has the time of the turn that was taken."""
        now = self._clock.monotonic()
        if self._turn is None:
            self._turn = now + self._parts.turns.wait_s(self._file.limits.connects_per_s)
        wait = self._turn - now
        if wait > SHORT_TURN_S:
            self.next_attempt = self._turn
            return False
        if wait > 0:
            self._clock.sleep(wait)
        self._turn = None
        return True

    def _associated(self, facts: dict[str, str]) -> None:
        now = self._clock.monotonic()
        self._vitals.counters["associations"] += 1
        self._vitals.counters["reconnects"] += self._lost
        self.history = recovery.connected(self.history, now, regained=self._lost)
        self._lost = False
        self._since, self._reads = now, 0
        self._parts.refusals.clear()
        self._vitals.facts.update(facts, breaker=str(self.history.breaker), line=ASSOCIATES)
        for category in ("connection", "auth"):
            self._vitals.condition(category, "")
        if recovery.reconnects_lately(self.history, now) <= self._file.limits.reconnects_per_hour:
            self._vitals.condition("circuit_breaker", "")
        if self._vitals.state is MeterState.ERROR:
            return  # a meter that has nothing of what is to be read lets us in as well: a reading ends it
        if self._vitals.enter(MeterState.ACTIVE):
            log.info("associated address=%s:%d serial=%s", self.address, self._file.port, facts["serial_number"])

    def _attempt_failed(self, error: BridgeError) -> None:
        if isinstance(error, LineHeld):
            self._line_held(error)
            return
        self._vitals.counters["connect_failures"] += 1
        self.diagnosing.error(error)
        if step_after(error) is Step.STOP:
            raise error
        if step_after(error) is Step.BAR:
            self._refused(error)
            return
        self.history = recovery.connect_failed(self.history, self._file.limits)
        wait = recovery.delay_after_failure(self.history, self._file.limits, self._parts.draw())
        if step_after(error) is Step.REST:
            wait = max(wait, self._file.limits.backoff_max_s)
        self._unreachable(wait, error.kind, error.detail)

    def _line_held(self, error: LineHeld) -> None:
        """A shared line is somebody else's turn; another one belongs to a process that should not be there."""
        if self._file.line_mode == "shared":
            self.next_attempt = self._clock.monotonic() + LINE_WAIT_S
            return
        if not self._had_line:
            raise error
        self._unreachable(self._file.limits.backoff_first_s, error.kind, error.detail)

    def _refused(self, error: BridgeError) -> None:
        self._vitals.counters["auth_refusals"] += 1
        self.history = recovery.refused(self.history)
        self._parts.refusals.note(credentials_of(self._file), self.history.refusals)
        wait = recovery.delay_after_refusal(self.history, self._file.limits, self._parts.draw())
        if self.history.refusals >= AUTH_TRIES:
            self._barred(wait, error.kind, error.detail)
        else:
            self._unreachable(wait, error.kind, error.detail)

    def _barred(self, wait: float, cause: str, detail: str) -> None:
        self.next_attempt = self._clock.monotonic() + wait
        for category in ("connection", "circuit_breaker", "watchdog"):
            self._vitals.condition(category, "")
        self._vitals.condition("auth", f"the meter refuses us: {detail}; next try in {wait:.0f} s")
        if self._vitals.enter(MeterState.AUTH_FAILED, cause, detail):
            log.error("refused, no try before %.0f s or new settings: %s", wait, detail)

    def _unreachable(self, wait: float, cause: str, detail: str) -> None:
        self.next_attempt = self._clock.monotonic() + wait
        self._vitals.facts["breaker"] = str(self.history.breaker)
        self._vitals.condition("connection", f"{cause}: {detail}")
        if self.history.breaker is not Breaker.CLOSED:
            failures = self.history.failed_connects
            self._vitals.condition("circuit_breaker", f"{failures} connections in a row failed, the last: {detail}")
        level = logging.WARNING if self._vitals.enter(MeterState.UNREACHABLE, cause, detail) else logging.DEBUG
        log.log(level, "unreachable, next attempt in %.1f s: %s: %s", wait, cause, detail)

    # Down

    def let_go(self) -> None:
        """Close in order, by our own wish: the next attempt may be made at once and counts as no reconnect."""
        self.session.close()
        self._parts.lock.release()
        self._lost = False
        self.next_attempt = self._clock.monotonic()

    def retire(self) -> None:
        """Close for good before new settings are taken: what was counted stays counted."""
        self.let_go()
        now = self.session.conversation.counters
        self._past.update({name: int(getattr(now, name)) for name in COUNTERS})

    def lost(self, cause: str, detail: str) -> None:
        """The link is of no use any more: close it as far as possible; make it anew after a delay."""
        self.session.close()
        now = self._clock.monotonic()
        self._lost = True
        wait = recovery.delay_after_loss(self.history, now, self._file.limits)
        log.warning("link lost, reconnect in %.1f s: %s: %s", wait, cause, detail)
        self.next_attempt = now + wait
        if wait > self._file.limits.reconnect_delay_s:
            text = f"{recovery.reconnects_lately(self.history, now)} reconnects within an hour, pause of {wait:.0f} s"
            self._vitals.condition("circuit_breaker", f"{text}: {detail}")
            self._unreachable(wait, "circuit_breaker", f"{text}; the last loss was {cause}")

    def reassociate(self, error: BridgeError) -> None:
        """Associate anew over the same connection; the link is lost when that fails, or is needed too often."""
        if recovery.reconnects_lately(self.history, self._clock.monotonic()) >= self._file.limits.reconnects_per_hour:
            self.lost(error.kind, error.detail)
            return
        log.warning("association is made anew: %s: %s", error.kind, error.detail)
        try:
            self.session.associate()
            facts = self.reader.associated()
        except BridgeError as worse:
            self.diagnosing.error(worse)
            self.lost(worse.kind, worse.detail)
            return
        self._lost = True
        self._associated(facts)

    # While it is up

    def cycle_ended(self, cycle: Cycle, damage: int) -> None:
        """Learn from a cycle: what failed in a row, how many frames were damaged; recover as the table says."""
        succeeded = bool(cycle.quantities)
        self._reads += len(cycle.quantities)
        if succeeded:
            self._last_success = self._clock.monotonic()
            self._vitals.condition("watchdog", "")
        self._diagnose(cycle, damage)
        errors = damage + isinstance(cycle.lost, HDLC_ERRORS)
        self.history = recovery.damage_seen(recovery.cycle_ended(self.history, succeeded=succeeded), errors)
        if cycle.lost is not None:
            self.recover(cycle.lost)

    def _diagnose(self, cycle: Cycle, damage: int) -> None:
        """Tell what a cycle met with that does not end the link; what does is told where that is decided."""
        if cycle.lost is not None:
            return
        if damage:
            self.diagnosing.event("hdlc", "bad_frames", f"{damage} frames were damaged or out of order in one cycle")
        for key, error in cycle.errors.items():
            self.diagnosing.event("performance", error.kind, f"{key}: {error.detail}")

    def recover(self, error: BridgeError) -> None:
        """Do with the link what follows an error that ended an exchange."""
        if step_after(error) is not Step.RETRY:
            self.diagnosing.error(error)
        if step_after(error) is Step.REASSOCIATE:
            self.reassociate(error)
        elif step_after(error) is not Step.RETRY:
            self.lost(error.kind, error.detail)

    def check(self, interval_s: float) -> None:
        """Give the link up where its history or age says so."""
        now = self._clock.monotonic()
        if now - self._since >= STABLE_S:
            self._vitals.condition("circuit_breaker", "")
        facts = Link(self._since, self._last_success, self._reads, interval_s)
        cause = recovery.reason_to_relink(self.history, facts, now, self._file.limits)
        if cause in {Cause.AGE, Cause.READS}:
            log.info("reconnect as configured: %s", cause)
            self.let_go()
        elif cause is not None:
            self.diagnosing.event("watchdog", cause, "the link is given up and made anew")
            if cause is not Cause.FAILED_CYCLES and self._vitals.state is not MeterState.ERROR:
                self._vitals.condition("watchdog", f"forced reconnect: {cause}")
            self.history = replace(self.history, failed_cycles=0, hdlc_errors=0)
            self.lost(cause, "the link is given up and made anew")

    def keep_alive(self) -> None:
        """Make a small request when the meter would soon close an idle link."""
        timeout = self._file.limits.inactivity_timeout_s
        if timeout and self._clock.monotonic() - self.session.last_exchange >= timeout * IDLE_SHARE:
            try:
                self.session.keep_alive()
            except BridgeError as error:
                self.recover(error)

    def hurry(self) -> bool:
        """Make the next attempt due now, unless the meter refuses us; return whether it is."""
        if self._vitals.state is MeterState.AUTH_FAILED:
            return False
        self.next_attempt = self._clock.monotonic()
        return True
