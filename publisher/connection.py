"""One target: its sessions one after the other, and what is unacknowledged on the present one.

In: time, readiness of the socket, messages. Out: ``Outcome`` for every message that was sent, exactly one each:
delivered, rejected, or returned because the session ended first. Reconnects by the ladders of ``delivery``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from common.clock import Clock
from common.routes import Target
from publisher.delivery import (
    DEATH_S,
    INNOCENT,
    MATURE_S,
    QUOTA_CODE,
    TAKEOVER_MEMORY_S,
    Death,
    Fault,
    Life,
    Record,
    Seen,
    State,
    delay_s,
    ended,
    rejection_delay_s,
    step,
)
from publisher.dialler import Dialler
from publisher.lines import Line
from publisher.mqtt import Ended, Session
from publisher.telemetry import Message

CONNACK_TIMEOUT_S: Final = 10.0
DIALLER_BUSY_S: Final = 0.2  # until a helper is asked for again when all were busy
OFFLINE_GRACE_S: Final = 5.0  # a connection that is back by then was no event for a person
_log = logging.getLogger(__name__)


class Work(Enum):
    """What a message is to us."""

    ROWS = "readings of the outbox"
    CONNECT = "a device made known to the server"
    NOTE = "attributes or a status: said again in the next session"


@dataclass(frozen=True, slots=True)
class Flight:
    """A message on its way. ``line`` waits for its end; ``topic``: of a note; ``alone``: nothing else flew."""

    work: Work
    line: Line | None = None
    ids: tuple[int, ...] = ()
    device: str = ""
    sent_at: float = 0.0
    others: int = 0
    alone: bool = False
    topic: str = ""


class Result(Enum):
    """How a flight ended."""

    DELIVERED = "acknowledged"
    REJECTED = "acknowledged with a failure code"
    RETURNED = "the session ended first"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one flight; ``death`` tells of the session where it was returned by a lost one."""

    result: Result
    flight: Flight
    code: int = 0
    text: str = ""
    puback_s: float = 0.0
    death: Death | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """``window``: messages unacknowledged at a time; ``puback_s``: how long one may take on a live session."""

    window: int
    puback_s: float


class Connection:
    """See the module's text."""

    def __init__(
        self, target: Target, limits: Limits, clock: Clock, dialler: Dialler, chance: Callable[[], float]
    ) -> None:
        self.target = target
        self.state = State.OFFLINE
        self.cause = ""
        self.will: Message | None = None
        self.devices: set[str] = set()
        self.announced: dict[bytes, object] = {}
        self.acknowledged = 0
        self.sessions = 0
        self.losses = 0
        self.flights: dict[int, Flight] = {}
        self._limits = limits
        self._clock = clock
        self._dialler = dialler
        self._chance = chance
        self._session: Session | None = None
        self._dialling = False
        self._record = Record()
        self._since = clock.monotonic()  # when the present state of affairs (open or not) began
        self._next_attempt = self._since
        self._connack_by = 0.0
        self._paused_until = 0.0
        self._quotas = 0

    # ---- what the loop asks

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        return self.state in {State.DRAINING, State.ONLINE}

    def fileno(self) -> int:
        """Return the session's descriptor, -1 while a helper has it or there is none."""
        return -1 if self._session is None or self._dialling else self._session.fileno()

    def wants_write(self) -> bool:
        """Return whether the session waits for a writable socket."""
        return self.fileno() >= 0 and self._session is not None and self._session.wants_write()

    def room(self, now: float) -> int:
        """Return how many messages may be sent now."""
        if not self.is_open or self._session is None or now < self._paused_until or self._on_trial(now):
            return 0
        return max(0, self._session.window - len(self.flights))

    def _on_trial(self, now: float) -> bool:
        """Return whether a suspect is on its way, alone; nothing may join it while it could still be convicted."""
        return any(flight.alone and now - flight.sent_at <= DEATH_S for flight in self.flights.values())

    def wake_at(self, now: float) -> float:
        """Return when something is to be done without anything having happened."""
        if self.state is State.OFFLINE:
            return self._next_attempt
        if self.state is State.CONNECTING:
            return self._connack_by or now + CONNACK_TIMEOUT_S
        return self._paused_until if self._paused_until > now else now + CONNACK_TIMEOUT_S

    def max_packet(self) -> int:
        """Return the broker's limit in octets for one packet; 0: none."""
        return 0 if self._session is None else self._session.max_packet

    def may_testify(self, now: float) -> bool:
        """Return whether the end of this session could speak against a row (SPEC section 7)."""
        return self.is_open and now - self._since > MATURE_S and self.acknowledged > 0

    def condition(self, now: float) -> tuple[str, str] | None:
        """Return the alarm category that holds, and its text."""
        fault = self._record.fault
        if self.is_open:
            if fault is Fault.TAKEN_OVER and now - self._since < TAKEOVER_MEMORY_S:
                return "session_takeover", f"{self.target.name}: back after: {self.cause}"
            if fault is Fault.NO_PUBACK and self.acknowledged == 0:
                return "no_puback", f"{self.target.name}: {self.cause}"
            return None
        if fault is Fault.STOPPED or (fault in _COMMON and now - self._since < OFFLINE_GRACE_S):
            return None
        return _CATEGORIES[fault], f"{self.target.name} ({self.target.host}:{self.target.port}): {self.cause}"

    # ---- what the loop does

    def advance(self, now: float) -> None:
        """Connect when it is time, and give up on a broker that does not answer."""
        if self.state is State.OFFLINE and now >= self._next_attempt:
            self._dial(now)
        elif self.state is State.CONNECTING and self._session and 0 < self._connack_by <= now:
            self._session.abort(Fault.UNREACHABLE, f"no CONNACK within {CONNACK_TIMEOUT_S:g} s")

    def back_from_dialling(self, session: Session, now: float) -> bool:
        """Take the session over from its helper; False: it is none of ours."""
        if session is not self._session:
            return False
        self._dialling = False
        if session.ended is None and session.fileno() < 0:
            session.abort(Fault.UNREACHABLE, "the connect failed")
        self._connack_by = now + CONNACK_TIMEOUT_S
        session.write()
        return True

    def service(self, *, readable: bool, writable: bool) -> None:
        """Read and write what the socket is ready for."""
        if self._session and readable:
            self._session.read()
        if self._session and writable:
            self._session.write()

    def send(self, message: Message, flight: Flight) -> None:
        """Queue a message for ``flush``; raises Unpublishable. Only with room."""
        assert self._session is not None  # room() said so
        self.flights[self._session.publish(message)] = flight

    def flush(self) -> None:
        """Write what was sent."""
        if self._session and not self._dialling:
            self._session.write()

    def tick(self, now: float) -> None:
        """Once a second: keep-alive, and the acknowledgement that does not come."""
        if self._session is None or self._dialling:
            return
        self._session.tick()
        oldest = next(iter(self.flights.values()), None)
        if self.is_open and oldest and now - oldest.sent_at > self._limits.puback_s:
            gateway = f": {_GATEWAY_HINT}" if self.devices or oldest.work is Work.CONNECT else ""
            self._session.abort(
                Fault.NO_PUBACK, f"no PUBACK for {self._limits.puback_s:g} s on a live session{gateway}"
            )

    def collect(self, now: float) -> list[Outcome]:
        """Return what became of flights since the last call; steps the state."""
        if self._session is None or self._dialling:
            return []
        if self.state is State.CONNECTING and self._session.opened:
            self._open(now)
        outcomes = [
            outcome for fact in self._session.take() if (outcome := self._landed(fact.mid, fact.code, fact.text, now))
        ]
        if end := self._session.ended:
            self._session.abort(end.fault, end.text)
            outcomes += self._lose(end, now)
        return outcomes

    def caught_up(self, behind: bool) -> None:
        """Tell whether rows wait that could not be sent yet."""
        if self.is_open:
            self.state = step(self.state, Seen.BEHIND if behind else Seen.CAUGHT_UP)

    def close(self) -> list[Outcome]:
        """Say goodbye if there is somebody to say it to; return what was still on its way."""
        if self._session and not self._dialling:
            self._session.close()
        self._session, self.state = None, State.OFFLINE
        returned = [Outcome(Result.RETURNED, flight) for flight in self.flights.values()]
        self.flights.clear()
        return returned

    # ---- inside

    def _dial(self, now: float) -> None:
        session = Session(self.target, self.will, self._limits.window)
        if not self._dialler.dial(session):
            self._next_attempt = now + DIALLER_BUSY_S
            return
        self._session, self._dialling, self._connack_by = session, True, 0.0
        self.state = step(self.state, Seen.DIALLED)

    def _open(self, now: float) -> None:
        self.state = step(self.state, Seen.OPENED)
        self._since, self._paused_until, self._quotas = now, 0.0, 0
        self.sessions += 1
        _log.info("connected target=%s host=%s port=%d", self.target.name, self.target.host, self.target.port)

    def _landed(self, mid: int, code: int, text: str, now: float) -> Outcome | None:
        flight = self.flights.pop(mid, None)
        if flight is None:
            return None
        took_s = now - flight.sent_at
        if code:
            if code == QUOTA_CODE:
                self._quotas += 1
                self._paused_until = now + rejection_delay_s(self._quotas, quota=True)
            return Outcome(Result.REJECTED, flight, code, text, took_s)
        self.acknowledged += 1
        self._quotas = 0
        return Outcome(Result.DELIVERED, flight, puback_s=took_s)

    def _lose(self, end: Ended, now: float) -> list[Outcome]:
        """Settle the end of an attempt or a session."""
        lived_s = now - self._since if self.is_open else 0.0
        self.losses += self.is_open
        before, self._record = self._record, ended(self._record, Life(end.fault, lived_s, self.acknowledged, end.code))
        self.cause = end.text if self._record.fault is end.fault else f"{end.text}; {_HINT}"
        self._tell(first=self.is_open or self._record.fault is not before.fault, lived_s=lived_s)
        self._next_attempt = now + delay_s(self._record, self._chance())
        if self.is_open or before.fault is Fault.STOPPED:
            self._since = now
        returned = [self._returned(flight, end, lived_s, now) for flight in self.flights.values()]
        self.state, self._session, self.acknowledged = step(self.state, Seen.LOST), None, 0
        for memory in (self.flights, self.announced, self.devices):
            memory.clear()
        return returned

    def _returned(self, flight: Flight, end: Ended, lived_s: float, now: float) -> Outcome:
        """Only a session that was lost testifies: not one that we ended, or the broker for reasons of its own."""
        if end.fault is not Fault.LOST or end.code in INNOCENT:
            return Outcome(Result.RETURNED, flight)
        since_sent_s = now - flight.sent_at
        return Outcome(Result.RETURNED, flight, death=Death(flight.alone, lived_s, flight.others, since_sent_s))

    def _tell(self, *, first: bool, lived_s: float) -> None:
        """Log the first of an episode as a warning, the others below."""
        level = logging.WARNING if first else logging.DEBUG
        name, fault = self.target.name, self._record.fault
        _log.log(level, "not connected target=%s fault=%s cause=%s lived_s=%.1f", name, fault, self.cause, lived_s)


_GATEWAY_HINT: Final = "is the device that owns the token flagged as a gateway?"
_HINT: Final = "several sessions ended so: does another client use the same client id or credential?"
_COMMON: Final = frozenset({Fault.UNREACHABLE, Fault.LOST, Fault.BUSY})
_CATEGORIES: Final = {
    Fault.UNREACHABLE: "connection",
    Fault.LOST: "connection",
    Fault.BUSY: "connection",
    Fault.REFUSED: "auth",
    Fault.TAKEN_OVER: "session_takeover",
    Fault.NO_PUBACK: "no_puback",
}
