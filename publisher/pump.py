"""The publisher's loop: bus to outbox to broker, in one thread that waits for all sockets at once.

In: envelopes from the bus, readiness of MQTT sockets, the routes file, time. Out: rows in the outbox, messages at the
brokers, acknowledgements to workers, a heartbeat each second. What arrives is committed and sent in the same turn.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from common.bus import Turn
from common.clock import Clock
from common.envelope import Envelope, Kind, encode
from common.routes import Mode, Routes, Target
from publisher import telemetry
from publisher.adoption import Adoption
from publisher.connection import Connection, Flight, Limits, Work
from publisher.delivery import Fault
from publisher.dialler import Dialler
from publisher.intake import Intake
from publisher.lines import Lines
from publisher.notes import Notes
from publisher.orders import Orders
from publisher.outbox import Lane, Outbox
from publisher.route_file import RouteFile
from publisher.sender import Sender
from publisher.teller import Teller

ROUTES_S: Final = 0.5  # how often the routes file is looked at; also the longest wait of the loop
TIDY_S: Final = 60.0
SECOND_S: Final = 1.0  # heartbeat, bounds of the outbox, keep-alive, the look for rows that nobody announced
GROUP_S: Final = 0.06  # the outbox deletes what was acknowledged in groups of 0.05 s; a crash sends those again
LOCAL_BROKER_PORT: Final = (
    1884  # without a token: the local-broker mode of this product's predecessors (SPEC section 7)
)
_log = logging.getLogger(__name__)


class PumpBus(Protocol):
    """What the loop needs of a bus."""

    def wait(self, timeout_s: float, readable: Iterable[int] = (), writable: Iterable[int] = ()) -> Turn:
        """Wait at most ``timeout_s`` for envelopes or for one of the foreign sockets."""

    def publish_heartbeat(self, octets: bytes) -> None:
        """Send the publisher's heartbeat, or an answer, to the supervisor."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with. ``tidy`` gives back memory."""

    bus: PumpBus
    outbox: Outbox
    intake: Intake
    adoption: Adoption
    routes: RouteFile
    dialler: Dialler
    limits: Limits
    clock: Clock
    instance: bytes
    chance: Callable[[], float]
    tidy: Callable[[], None] = lambda: None


class Pump:
    """See the module's text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._outbox = parts.outbox
        self._dialler = parts.dialler
        self._lines = Lines()
        self._sender = Sender(parts.outbox, self._lines)
        self._teller = Teller(parts.outbox, parts.intake, self._sender, self._lines, parts.clock)
        self._orders = Orders(parts.outbox, parts.clock)
        self._notes = Notes(self._sender.counters)
        self._connections: dict[str, Connection] = {}
        self._sender.targets = self._connections
        self._taken: dict[bytes, int] = {}
        self._next_routes = self._next_second = self._next_tidy = 0.0
        self._flush_at = math.inf
        self._adopting = False

    def turn(self) -> None:
        """Wait for something to do, at most ROUTES_S, and do it.

        What waits is sent before what came is committed: the broker works while the disk does.
        """
        self._look_at_routes()
        turn = self._wait(self._timeout())
        self._serve_sockets(turn)
        self._settle()
        self._send()
        self._obey(self._parts.intake.handle(turn.messages))
        if self._adopt() or turn.messages:
            self._wake_arrived()
            self._send()
        self._each_second()
        self._flush()

    def close(self, patience_s: float) -> None:
        """Take in nothing more, wait at most ``patience_s`` for acknowledgements, say goodbye."""
        self._parts.adoption.close()
        self._say_goodbye()
        limit = self._clock.monotonic() + patience_s
        while self._clock.monotonic() < limit and any(item.flights for item in self._connections.values()):
            self._serve_sockets(self._wait(max(0.0, limit - self._clock.monotonic())))
            self._settle()
        for connection in self._connections.values():
            connection.close()
        self._outbox.flush()
        self._dialler.close()

    # ---- the turn's parts

    def _obey(self, envelopes: Sequence[Envelope]) -> None:
        """Do what the supervisor says."""
        for octets in self._orders.handle(envelopes):
            self._parts.bus.publish_heartbeat(octets)
        self._notes.take(envelopes)

    def _adopt(self) -> bool:
        """Take in a batch of a journal without an owner; return whether there was one: the next follows at once."""
        before = self._parts.adoption.adopted
        self._parts.adoption.turn()
        self._adopting = self._parts.adoption.adopted != before
        return self._adopting

    def _timeout(self) -> float:
        if self._adopting:
            return 0.0
        now = self._clock.monotonic()
        due = [self._next_routes, self._next_second, self._lines.rested(now), self._flush_at]
        due += [item.wake_at(now) for item in self._connections.values()]
        return min(max(0.0, min(due) - now), ROUTES_S)

    def _wait(self, timeout_s: float) -> Turn:
        items = [item for item in self._connections.values() if item.fileno() >= 0]
        readable = [self._dialler.fileno(), *(item.fileno() for item in items)]
        return self._parts.bus.wait(timeout_s, readable, [item.fileno() for item in items if item.wants_write()])

    def _flush(self) -> None:
        """Let acknowledged rows leave the disk once they are a group."""
        self._outbox.flush()
        if self._clock.monotonic() >= self._flush_at:
            self._flush_at = math.inf

    def _serve_sockets(self, turn: Turn) -> None:
        if self._dialler.fileno() in turn.readable:
            now = self._clock.monotonic()
            for session in self._dialler.finished():
                if not any(item.back_from_dialling(session, now) for item in self._connections.values()):
                    session.abort(Fault.STOPPED, "its target is gone")
        for item in self._connections.values():
            descriptor = item.fileno()
            if descriptor >= 0:
                item.service(readable=descriptor in turn.readable, writable=descriptor in turn.writable)

    def _send(self) -> None:
        """Send what has its turn, and write."""
        now = self._clock.monotonic()
        self._lines.rested(now)
        for connection in self._connections.values():
            connection.advance(now)
            self._notes.send(connection, now)
            self._sender.fill(connection, now)
            connection.flush()
            connection.caught_up(self._lines.waits(connection.target.name))

    def _settle(self) -> None:
        now = self._clock.monotonic()
        for connection in self._connections.values():
            was_open = connection.is_open
            if outcomes := connection.collect(now):
                self._sender.landed(connection, outcomes, now)
                self._notes.landed(outcomes)
                self._flush_at = min(self._flush_at, now + GROUP_S)
            if connection.is_open and not was_open:
                self._greet(connection, now)

    def _each_second(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_second:
            return
        self._next_second = now + SECOND_S
        for connection in self._connections.values():
            connection.tick(now)
            self._sender.tell_silent(connection, now)
        self._outbox.trim()
        for uid in [uid for uid, route in self._sender.routes.items() if route.purged]:
            self._outbox.purge(uid)
        self._lines.keep(self._connections)
        for uid in self._outbox.waiting_uids():
            self._lines.wake(uid, self._sender.lanes(uid), self._sender.target_of(uid))
        self._tell()
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_S
            self._parts.tidy()

    def _wake_arrived(self) -> None:
        """Queue the meters of which something was taken in this turn."""
        for uid in self._outbox.waiting_uids():
            taken = self._outbox.tally(uid).taken
            if self._taken.get(uid) != taken:
                self._taken[uid] = taken
                lanes = [lane for lane in self._sender.lanes(uid) if lane is not Lane.BACKLOG]
                self._lines.wake(uid, lanes, self._sender.target_of(uid))

    def _tell(self) -> None:
        beat = self._teller.beat(self._parts.instance, self._connections.values(), self._parts.routes)
        envelope = Envelope(
            Kind.PUBLISHER_HEARTBEAT,
            ts_ms=self._clock.wall_ms(),
            boot_ms=self._clock.boottime_ms(),
            body=beat.to_body(),
        )
        self._parts.bus.publish_heartbeat(encode(envelope))

    # ---- connections

    def _look_at_routes(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_routes:
            return
        self._next_routes = now + ROUTES_S
        if routes := self._parts.routes.look():
            self._apply(routes, now)

    def _apply(self, routes: Routes, now: float) -> None:
        """Open, close and replace the connections whose target changed, and no others."""
        for name, connection in list(self._connections.items()):
            if routes.targets.get(name) != connection.target:
                outcomes = connection.close()
                self._sender.landed(connection, outcomes, now)
                self._notes.landed(outcomes)
                del self._connections[name]
        for name, target in routes.targets.items():
            if name not in self._connections:
                self._connections[name] = self._connection(target, routes)
            generic = Mode.GENERIC in _modes(routes, name)
            self._connections[name].will = telemetry.bridge_status(target.client_id, "offline") if generic else None
        self._sender.routes, self._sender.fallback = routes.routes, next(iter(routes.targets), "")
        self._parts.intake.set_routes(routes.routes)

    def _connection(self, target: Target, routes: Routes) -> Connection:
        if target.port == LOCAL_BROKER_PORT and not target.username and Mode.TB_DEVICE in _modes(routes, target.name):
            _log.warning("target=%s has no token: one topic for all its meters, which merges them", target.name)
        return Connection(target, self._parts.limits, self._clock, self._dialler, self._parts.chance)

    def _greet(self, connection: Connection, now: float) -> None:
        if connection.will:
            message = telemetry.bridge_status(connection.target.client_id, "online")
            connection.send(message, Flight(Work.NOTE, sent_at=now))

    def _say_goodbye(self) -> None:
        now = self._clock.monotonic()
        for connection in self._connections.values():
            if connection.will and connection.room(now):
                connection.send(connection.will, Flight(Work.NOTE, sent_at=now))
                connection.flush()


def _modes(routes: Routes, target: str) -> set[Mode]:
    return {route.mode for route in routes.routes.values() if route.target == target}
