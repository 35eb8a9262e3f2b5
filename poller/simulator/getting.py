"""GET on the meter's side: single, in lists, in blocks.

A GET and the association it comes in; the answer and notes for the log out. It holds the block transfer under way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from poller.simulator import services
from poller.simulator.association import Granted
from poller.simulator.faults import FaultKind
from poller.simulator.notes import Mood, Noting, noted
from poller.simulator.objects import DataAccess, Forge, ObjectBook, Reading
from poller.simulator.personality import CONFORMANCE_BLOCK_GET, CONFORMANCE_GET, CONFORMANCE_LIST
from poller.simulator.services import GetList, GetNext, GetNormal

_WRAPPED: Final = b"\x02\x01"
"""A structure of one element, around a member of a list that is wrapped once more than it should be."""


@dataclass(slots=True)
class _Long:
    invoke: int
    rest: bytes
    number: int = 1


@dataclass(slots=True)
class Getting:
    """GET of one connection. ``forge`` is set by a link that can place 0x7E in a checksum."""

    objects: ObjectBook
    note: Noting
    block_octets: int | None = None
    forge: Callable[[bytes, bytes], bytes] | None = None
    _long: _Long | None = field(default=None)

    @property
    def under_way(self) -> bool:
        """Whether an answer is only partly told."""
        return self._long is not None

    def forget(self) -> None:
        """End a block transfer."""
        self._long = None

    def answer(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Return the answer to a GET; raise BadRequest when it cannot be read."""
        request = services.parse_get(apdu)
        if not granted.conformance & CONFORMANCE_GET:
            return services.exception(1, 2)
        answer = self._served(request, granted, mood)
        if FaultKind.WRONG_INVOKE in mood:
            return answer[:2] + bytes((answer[2] ^ 0x07,)) + answer[3:]
        return answer

    def _served(self, request: GetNormal | GetNext | GetList, granted: Granted, mood: Mood) -> bytes:
        match request:
            case GetNormal():
                self._long = None
                return self._normal(request, granted, mood)
            case GetNext():
                return self._next_block(request, granted)
            case GetList():
                self._long = None
                return self._list(request, granted, mood)

    def _normal(self, request: GetNormal, granted: Granted, mood: Mood) -> bytes:
        forge = self._forging(request.invoke) if self.forge and self.objects.poison else None
        outcome = self._read(request, granted, mood, forge)
        self._note("get", request, outcome)
        answer = services.normal(request.invoke, outcome)
        if isinstance(outcome, DataAccess) or len(answer) <= self._unblocked(granted):
            return answer
        return self._first_block(request.invoke, outcome.data, granted)

    def _forging(self, invoke: int) -> Forge | None:
        link = self.forge
        head = b"\xc4\x01%c\x00" % invoke
        return None if link is None else lambda data, wanted: link(head + data, wanted)

    def _read(self, item: GetNormal, granted: Granted, mood: Mood, forge: Forge | None = None) -> Reading | DataAccess:
        if FaultKind.BUSY in mood:
            return DataAccess.TEMPORARY_FAILURE
        return self.objects.read(item.key, granted, item.selection, forge)

    def _note(self, event: str, item: GetNormal, outcome: Reading | DataAccess) -> None:
        if isinstance(outcome, DataAccess):
            self.note(noted(event, item.key, item.invoke, outcome, ""))
        else:
            self.note(noted(event, item.key, item.invoke, DataAccess.SUCCESS, outcome.raw))

    def _list(self, request: GetList, granted: Granted, mood: Mood) -> bytes:
        if not granted.conformance & CONFORMANCE_LIST:
            return services.exception(1, 2)
        outcomes = []
        for item in request.items:
            outcome = self._read(item, granted, mood)
            self._note("list", item, outcome)
            outcomes.append(outcome)
        body = services.listed(_bent(outcomes, mood))
        answer = services.with_list(request.invoke, body)
        return answer if len(answer) <= self._unblocked(granted) else self._first_block(request.invoke, body, granted)

    def _unblocked(self, granted: Granted) -> int:
        """Return how long an answer may be before it is cut into blocks."""
        return min(granted.room, self.block_octets or granted.room)

    def _first_block(self, invoke: int, raw: bytes, granted: Granted) -> bytes:
        """Begin a block transfer; without its conformance bit the data cannot be had."""
        if not granted.conformance & CONFORMANCE_BLOCK_GET:
            return services.normal(invoke, DataAccess.OBJECT_UNAVAILABLE)
        self._long = _Long(invoke, raw)
        return self._block(self._long, granted)

    def _block(self, long: _Long, granted: Granted) -> bytes:
        size = max(1, granted.room - services.BLOCK_OVERHEAD)
        size = min(size, self.block_octets or size)
        part, long.rest = long.rest[:size], long.rest[size:]
        if not long.rest:
            self._long = None
        return services.block(long.invoke, long.number, part, last=not long.rest)

    def _next_block(self, request: GetNext, granted: Granted) -> bytes:
        long = self._long
        if long is None:
            return services.block_refused(request.invoke, request.block, DataAccess.NO_LONG_GET)
        if request.block != long.number or request.invoke & 0x0F != long.invoke & 0x0F:
            self._long = None
            return services.block_refused(request.invoke, request.block, DataAccess.BLOCK_NUMBER_INVALID)
        long.number += 1
        return self._block(long, granted)


def _bent(outcomes: list[Reading | DataAccess], mood: Mood) -> list[Reading | DataAccess]:
    """Return a list's outcomes with the faults that lists can have."""
    if FaultKind.LIST_SHORT in mood:
        outcomes = outcomes[:-1]
    if FaultKind.LIST_WRAPPED in mood:
        outcomes = [
            each if isinstance(each, DataAccess) else Reading(_WRAPPED + each.data, each.raw) for each in outcomes
        ]
    return outcomes
