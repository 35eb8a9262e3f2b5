"""A discovery that somebody ordered: what a meter has, asked in the session that polls it, one request at a time.

In: commands with the measurements to look for, a moment while the link is up. Out: progress and one result. Live
readings go first: before each request the loop is asked to give way to them. Only the object list is one answer, which
nothing can come between: on a slow line that takes half a minute, LIST_S at the most. What it takes is loaded when it
is ordered, and one is enough at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from common.clock import Clock
from common.command import Command, CommandResult
from common.errors import Again, BridgeError, Skip
from common.progress import Progress
from poller.commands import Feedback
from poller.errors import Interrupted, Withdrawn
from poller.link import MeterLink

if TYPE_CHECKING:
    from common.meter_model import CatalogueEntry
    from poller.dlms.conversation import Association, AttributeRef, Conversation, Exchange
    from poller.dlms.data import Data
    from poller.session import Session

MAX_KNOWN: Final = 64  # measurements looked for; the catalogue's general model has some twenty
REQUESTS_EACH: Final = 2  # value and scaler; what else is asked is ASKED_BESIDE at the most
ASKED_BESIDE: Final = 12
LIST_S: Final = 120.0  # the object list in all; as long as a load profile that is read as a whole
PROGRESS_S: Final = 1.0
_T = TypeVar("_T")
Between = Callable[[int, float], None]
"""Called before a request, with how many there were and how long the last one took."""


class TooManyDiscoveries(Again):
    """A discovery of this meter is under way."""


class BadKnown(Skip):
    """What is to be looked for is not said as it has to be."""


class Discoverer:
    """One meter's discovery. ``give_way``: called before each request with the seconds that one may take."""

    def __init__(self, link: MeterLink, out: Feedback, clock: Clock, give_way: Callable[[float], None]) -> None:
        self._link, self._out, self._clock, self._give_way = link, out, clock, give_way
        self._command: Command | None = None
        self._told_at = float("-inf")
        self._asking: _Polite | None = None

    @property
    def broken_off(self) -> bool:
        """Whether a long answer is awaited that nobody wants any more: the link is worth less than the time."""
        return self._command is None and self._asking is not None and self._asking.in_list

    def order(self, command: Command) -> None:
        """Take a discovery, to be begun at the next turn; raise TooManyDiscoveries or BadKnown."""
        if self._command is not None:
            raise TooManyDiscoveries(f"the discovery {self._command.id} is under way")
        _known(command.arguments)
        self._command = command

    def cancel(self, job: str) -> bool:
        """End a discovery; return whether there was one of that id. No further request leaves."""
        if self._command is None or self._command.id != job:
            return False
        self._command = None
        return True

    def turn(self) -> None:
        """Carry out what was ordered; the link is up."""
        command = self._command
        if command is None:
            return
        from poller.discovery import discover

        known = _known(command.arguments)
        between = partial(self._between, command, len(known))
        asking = self._asking = _Polite(self._link.session, self._clock, between)
        try:
            found = discover(asking, known).result()
        except Interrupted:
            self._end(command, CommandResult(False, {}, "interrupted", "new settings or a stop broke it off"))
            raise
        except Withdrawn:
            return
        except BridgeError as error:
            self._end(command, CommandResult(False, {}, error.kind, error.detail))
            if self._link.up and not isinstance(error, Skip):
                self._link.recover(error)
            return
        finally:
            self._asking = None
        self._end(command, CommandResult(True, found))

    def _between(self, command: Command, known: int, done: int, cost_s: float) -> None:
        """Before a request: say how far it is, let the loop do what is due, and see that it is still wanted."""
        total = REQUESTS_EACH * known + ASKED_BESIDE
        now = self._clock.monotonic()
        if self._command is command and now - self._told_at >= PROGRESS_S:
            self._told_at = now
            self._out.answer(command, CommandResult(True, progress=str(Progress(min(done, total), total, "requests"))))
        self._give_way(cost_s)
        if self._command is not command:
            raise Withdrawn("the discovery was cancelled")

    def _end(self, command: Command, result: CommandResult) -> None:
        if self._command is command:
            self._command = None
            self._out.answer(command, result)


class _Polite:
    """A session that asks before each request; see ``discovery.Opened``."""

    def __init__(self, session: "Session", clock: Clock, between: Between) -> None:
        self._session, self._clock, self._between = session, clock, between
        self.in_list = False
        self._done, self._cost_s = 0, 0.0

    @property
    def conversation(self) -> "Conversation":
        """Return what its exchanges are made with."""
        return self._session.conversation

    def get(self, ref: "AttributeRef") -> "Data":
        """Return one attribute."""
        return self._asked(lambda: self._session.get(ref))

    def get_many(self, refs: "Sequence[AttributeRef]") -> "list[Data | BridgeError]":
        """Return attributes in the order asked."""
        return self._asked(lambda: self._session.get_many(refs))

    def run(self, exchange: "Exchange[_T]", requests: int = 1) -> _T:
        """Drive an exchange."""
        self.in_list = True
        try:
            return self._asked(lambda: self._session.run(exchange, self._session.within(LIST_S, requests)))
        finally:
            self.in_list = False

    def associate(self) -> "Association":
        """Associate anew."""
        return self._session.associate()

    def _asked(self, ask: Callable[[], _T]) -> _T:
        self._between(self._done, self._cost_s)
        started = self._clock.monotonic()
        try:
            return ask()
        finally:
            self._done += 1
            self._cost_s = self._clock.monotonic() - started


def _known(arguments: Mapping[str, object]) -> "dict[str, CatalogueEntry]":
    """Return what is looked for, by key; raise BadKnown."""
    from common.meter_model import CatalogueEntry

    rows = arguments.get("known")
    if not isinstance(rows, list | tuple) or not 1 <= len(rows) <= MAX_KNOWN:
        raise BadKnown(f"known: 1 to {MAX_KNOWN} measurements were expected")
    found = {}
    for row in rows:
        match row:
            case [str() as key, str() as obis, str() as unit]:
                found[key] = CatalogueEntry(key, obis, unit)
            case _:
                raise BadKnown("known: a key, an OBIS code and a unit were expected of each")
    return found
