"""A conversation with the meter over a transport, every step of it under an absolute deadline.

In: a profile, a wire, limits. Out: values, and what the association is; typed errors. The generators of
``poller.dlms.conversation`` are driven here: octets out, octets in, ReplyTimeout thrown into them when a wait is over.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

from common.clock import Clock
from common.errors import BridgeError
from common.worker_file import Limits
from poller.dlms.conversation import (
    Association,
    AttributeRef,
    Conversation,
    Exchange,
    MethodRef,
    Profile,
    Selection,
)
from poller.dlms.data import Data
from poller.dlms.errors import ReplyTimeout
from poller.dlms.security import SecuritySource
from poller.errors import ExchangeOverrun, LinkLost
from poller.resolver import Resolver
from poller.transport import Wire

if TYPE_CHECKING:
    from poller.dlms.access_service import AccessItem, AccessResult

SILENCES: Final = 2  # waits in a row without one octet, then the link is lost
OPEN_SILENCES: Final = 3  # some meters swallow the first SNRMs after a half frame: the protocol may send it three times
WAITS: Final = 4  # reply times that one request may take in all, with everything the link level repeats
CLOSE_S: Final = 2.0  # a meter that does not answer DISC within this time is left
OBJECT_REQUESTS: Final = 32  # requests that a whole object may take where nobody says how many it will be
OUT, IN = "out", "in"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the last steps to an association took, in milliseconds."""

    resolve_ms: int = 0
    connect_ms: int = 0
    associate_ms: int = 0


class Session:
    """One meter's link: closed, or open and associated. Not for two exchanges at the same time."""

    def __init__(
        self,
        profile: Profile,
        wire: Wire,
        resolver: Resolver,
        clock: Clock,
        limits: Limits,
        source: SecuritySource | None = None,
    ) -> None:
        """Make a session that is closed; ``source`` is needed where the profile has protection or HLS."""
        self.conversation = Conversation(profile, source)
        self.tap: Callable[[str, bytes], None] | None = None
        """Called with OUT or IN and the octets, when they are sent and when they have come."""
        self.timings = Timings()
        self.last_exchange = clock.monotonic()
        self.steps = 0
        """Rises with each request that leaves: every wait of ours between two of them has an end."""
        self.closing = False
        self.spoke = False
        """Whether a frame came when a link was last opened, before it was given up: the answer to a DISC is none."""
        self._wire = wire
        self._resolver = resolver
        self._clock = clock
        self._limits = limits
        self._silences = 0
        self._reply_by = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the meter has let us in and nothing has ended that yet."""
        return self.conversation.association is not None

    @property
    def takes_lists(self) -> bool:
        """Return whether lists were negotiated, and no answer to one has been wrong so far."""
        terms = self.conversation.association
        return terms is not None and terms.supports_with_list and not self.conversation.counters.with_list_fallbacks

    def resolve(self, host: str) -> str:
        """Return the host's numeric address; raise NameUnresolved."""
        self.spoke = False
        started = self._clock.monotonic()
        address = self._resolver.resolve(host, started + self._limits.connect_timeout_s)
        self.timings = Timings(resolve_ms=self._since(started))
        return address

    def open(self, address: str, port: int) -> Association:
        """Connect to a numeric address and associate; raise leaves of Relink, Reassociate and Barred."""
        started = self._clock.monotonic()
        heard, self.spoke = self.conversation.counters.frames_received, False
        self._wire.connect(address, port, started + self._limits.connect_timeout_s)
        self.timings = Timings(self.timings.resolve_ms, self._since(started))
        try:
            association = self.associate()
        except BridgeError:
            self.spoke = self.conversation.counters.frames_received > heard
            self.close()
            raise
        self.spoke = True
        return association

    def associate(self) -> Association:
        """Open link and association over the connection that stands, also anew."""
        started = self._clock.monotonic()
        self._silences = 0
        association = self._drive(self.conversation.open(), 2 * WAITS * self._limits.reply_timeout_s, OPEN_SILENCES)
        self.timings = Timings(self.timings.resolve_ms, self.timings.connect_ms, self._since(started))
        return association

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Data:
        """Return one attribute, or the selected part of it; raise what the meter or the link says."""
        return self.run(self.conversation.get(ref, selection), 1 if selection is None else OBJECT_REQUESTS)

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        """Return attributes in the order asked, each or the error in its place; raise what concerns them all."""
        return self.run(self.conversation.get_many(refs), len(refs))

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> None:
        """Write one attribute, or the selected part of it."""
        self.run(self.conversation.set(ref, data, selection))

    def set_many(self, items: Sequence[tuple[AttributeRef, Data]]) -> list[BridgeError | None]:
        """Write attributes in order; return None or the error in each one's place."""
        return self.run(self.conversation.set_many(items), len(items))

    def action(self, method: MethodRef, parameters: Data | None = None) -> Data | None:
        """Invoke a method; return what it returns."""
        return self.run(self.conversation.action(method, parameters))

    def action_many(self, items: Sequence[tuple[MethodRef, Data | None]]) -> list[Data | BridgeError | None]:
        """Invoke methods in order; return what each returns, or the error in its place."""
        return self.run(self.conversation.action_many(items), len(items))

    def access(self, items: "Sequence[AccessItem]") -> "list[AccessResult]":
        """Read, write and invoke in one request."""
        return self.run(self.conversation.access(items), len(items))

    def keep_alive(self) -> None:
        """Show the meter that we are there, and see that it is."""
        self.run(self.conversation.keep_alive())

    def run(self, exchange: Exchange[_T], requests: int = 1) -> _T:
        """Drive an exchange of our conversation that makes as many requests; return its result, raise as ``get``."""
        return self._drive(exchange, self._budget(requests), SILENCES)

    def close(self) -> None:
        """Leave the meter in order as far as it answers within CLOSE_S, then close the connection; raises nothing.

        ``closing`` is set meanwhile: nobody may break this off, a session left open bars the way for the next one.
        """
        self.closing = True
        self._silences = 0
        with suppress(BridgeError):
            self._drive(self.conversation.close(), min(CLOSE_S, self._limits.reply_timeout_s), SILENCES)
        self.conversation.association = None
        self._wire.close()
        self.closing = False

    def within(self, seconds: float, requests: int) -> int:
        """Return how many requests of as many may be allowed for, so that all take no longer than a time."""
        return max(1, min(requests, round(seconds / self._budget(1))))

    def _budget(self, requests: int) -> float:
        return WAITS * self._limits.reply_timeout_s * max(1, requests)

    def _since(self, started: float) -> int:
        return round((self._clock.monotonic() - started) * 1000)

    def _drive(self, exchange: Exchange[_T], budget_s: float, silences: int) -> _T:
        """Run an exchange to its end and return its result; ``budget_s`` bounds it whatever the meter sends."""
        started = self._clock.monotonic()
        limit, self._reply_by = started + budget_s, started + self._limits.reply_timeout_s
        try:
            out = next(exchange)
            while True:
                out = self._turn(exchange, out, limit, silences)
        except StopIteration as end:
            self.last_exchange = self._clock.monotonic()
            return cast("_T", end.value)
        finally:
            exchange.close()

    def _turn(self, exchange: Exchange[_T], out: bytes, limit: float, silences: int) -> bytes:
        """Send, wait for octets or for the end of the wait, and hand the outcome to the exchange."""
        now = self._clock.monotonic()
        if now >= limit:
            raise ExchangeOverrun("the exchange did not end in time, though the meter kept answering")
        if out:
            self.steps += 1
            self._reply_by = now + self._limits.reply_timeout_s
        try:
            if out:
                self._wire.send(out, min(self._reply_by, limit))
                if self.tap is not None:
                    self.tap(OUT, out)
            octets = self._wire.receive(min(self._reply_by if out else self._next_octet_by(now), limit))
        except ReplyTimeout as silence:
            self._count_silence(silences)
            self._reply_by = self._clock.monotonic() + self._limits.reply_timeout_s
            return exchange.throw(silence)
        self._silences = 0
        if self.tap is not None:
            self.tap(IN, octets)
        return exchange.send(octets)

    def _next_octet_by(self, now: float) -> float:
        """Return until when to wait when nothing was sent: inside a frame for the pause between octets at most."""
        if self.conversation.mid_frame:
            return min(self._reply_by, now + self._limits.inter_octet_timeout_s)
        return self._reply_by

    def _count_silence(self, silences: int) -> None:
        self._silences += 1
        if self._silences >= silences:
            raise LinkLost(f"{silences} waits of {self._limits.reply_timeout_s:g} s passed without an octet")
