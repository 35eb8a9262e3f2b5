"""The application layer of a simulated meter: who may in, and what is answered.

A client's SAP and an APDU in; the answering APDU with notes for the log out. It holds the one association and a block
transfer under way. No frames, no sockets, no clock; misbehaviour comes in as a mood and is decided elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from common.obis import Obis
from poller.simulator import acse, services
from poller.simulator.acse import AssociationRequest, BadRequest, Diagnostic
from poller.simulator.faults import FaultKind
from poller.simulator.objects import DataAccess, ObjectBook, Raw, Reading
from poller.simulator.personality import (
    CONFORMANCE_BLOCK_GET,
    CONFORMANCE_GET,
    CONFORMANCE_LIST,
    Personality,
)
from poller.simulator.services import GetList, GetNext, GetNormal

Mood = frozenset[FaultKind]
CALM: Final[Mood] = frozenset()
_LN: Final = 1
_NO_MECHANISM, _LLS = 0, 1
_UNLIMITED: Final = 0xFFFF


class Note(NamedTuple):
    """One event for the log; ``obis`` empty where no object is meant."""

    event: str
    obis: str = ""
    attribute: int = 0
    raw: Raw = ""
    invoke: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """What was negotiated with the client."""

    client: int
    conformance: int
    max_pdu: int
    trusted: bool


@dataclass(slots=True)
class _LongGet:
    invoke: int
    rest: bytes
    number: int = 1


@dataclass(slots=True)
class Application:
    """One association at a time. ``forge`` is set by a link that can place 0x7E in a checksum."""

    kind: Personality
    objects: ObjectBook
    forge: Callable[[bytes, bytes], bytes] | None = None
    granted: Granted | None = None
    hang_up: bool = False
    """True after a refusal, when this kind of meter then closes the connection."""
    notes: list[Note] = field(default_factory=list)
    """Events since they were last taken."""
    _long: _LongGet | None = None

    def release(self) -> None:
        """Forget association and block transfer."""
        self.granted = None
        self._long = None

    def answer(self, client: int, apdu: bytes, mood: Mood = CALM) -> bytes | None:
        """Return the answer to an APDU; None: nothing is said to that."""
        tag = apdu[0] if apdu else 0
        if tag == services.GET:
            return self._get(client, apdu, mood)
        if tag == acse.AARQ:
            return self._associate(client, apdu, mood)
        if tag == acse.RLRQ:
            self.release()
            self.notes.append(Note("disc"))
            return acse.rlre()
        return self._other(client, apdu)

    def _other(self, client: int, apdu: bytes) -> bytes:
        """SET and ACTION are denied where negotiated; anything else is unknown."""
        if not self._allowed(client):
            return services.exception(1, 1)
        if len(apdu) > 2 and apdu[0] == services.SET:
            return bytes((0xC5, 1, apdu[2], DataAccess.READ_WRITE_DENIED))
        if len(apdu) > 2 and apdu[0] == services.ACTION:
            return bytes((0xC7, 1, apdu[2], DataAccess.READ_WRITE_DENIED, 0))
        return services.exception(2, 2)

    def _allowed(self, client: int) -> bool:
        return self.granted is not None and self.granted.client == client

    def _associate(self, client: int, apdu: bytes, mood: Mood) -> bytes:
        self.release()
        try:
            request = acse.parse_aarq(apdu)
        except BadRequest:
            return self._refused(Diagnostic.NO_REASON, self.kind.conformance)
        conformance = self.kind.conformance & request.conformance
        diagnostic = self._verdict(client, request, mood)
        if diagnostic is not Diagnostic.NONE:
            return self._refused(diagnostic, conformance)
        error = request.initiate_error(conformance & CONFORMANCE_GET)
        if error is not None:
            self.notes.append(Note("refuse", raw=error.name.lower()))
            return acse.aare(Diagnostic.NO_REASON, error.value)
        max_pdu = min(request.max_pdu or _UNLIMITED, self.kind.max_pdu)
        self.granted = Granted(client, conformance, max_pdu, trusted=request.mechanism == _LLS)
        self.notes.append(Note("associate", raw=client))
        return acse.aare(Diagnostic.NONE, acse.initiate_response(conformance, self.kind.max_pdu))

    def _refused(self, diagnostic: Diagnostic, conformance: int) -> bytes:
        self.notes.append(Note("refuse", raw=int(diagnostic)))
        self.hang_up = self.kind.close_after_refusal
        return acse.aare(diagnostic, acse.initiate_response(conformance, self.kind.max_pdu))

    def _verdict(self, client: int, request: AssociationRequest, mood: Mood) -> Diagnostic:
        """Return why a client is not let in, NONE when it is."""
        if request.context != _LN:
            return Diagnostic.CONTEXT_NOT_SUPPORTED
        if client not in self.kind.saps:
            return Diagnostic.NO_REASON
        return self._password(self.kind.saps[client], request, mood)

    def _password(self, password: bytes | None, request: AssociationRequest, mood: Mood) -> Diagnostic:
        if request.mechanism == _NO_MECHANISM:
            return Diagnostic.NONE if password is None else Diagnostic.AUTHENTICATION_REQUIRED
        if request.mechanism != _LLS or password is None:
            return Diagnostic.MECHANISM_NOT_RECOGNISED
        if request.secret != password or FaultKind.REFUSE_LLS in mood:
            return Diagnostic.AUTHENTICATION_FAILURE
        return Diagnostic.NONE

    def _get(self, client: int, apdu: bytes, mood: Mood) -> bytes | None:
        granted = self.granted
        if granted is None or granted.client != client:
            return services.exception(1, 1)
        if FaultKind.EXCEPTION in mood:
            return services.exception(1, 3)
        try:
            request = services.parse_get(apdu)
        except BadRequest:
            return services.exception(2, 3)
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

    def _forging(self, invoke: int) -> Callable[[bytes, bytes], bytes] | None:
        link = self.forge
        head = b"\xc4\x01%c\x00" % invoke
        return None if link is None else lambda data, wanted: link(head + data, wanted)

    def _read(
        self,
        item: GetNormal,
        granted: Granted,
        mood: Mood,
        forge: Callable[[bytes, bytes], bytes] | None = None,
    ) -> Reading | DataAccess:
        if FaultKind.BUSY in mood:
            return DataAccess.TEMPORARY_FAILURE
        if item.selective:
            return DataAccess.SCOPE_VIOLATED
        return self.objects.read(item.key, trusted=granted.trusted, forge=forge)

    def _note(self, event: str, item: GetNormal, outcome: Reading | DataAccess) -> None:
        name = str(Obis.from_bytes(item.key[2:8]))
        if isinstance(outcome, DataAccess):
            self.notes.append(Note("denied", name, item.key[8], int(outcome), item.invoke))
        else:
            self.notes.append(Note(event, name, item.key[8], outcome.raw, item.invoke))

    def _list(self, request: GetList, granted: Granted, mood: Mood) -> bytes:
        if not granted.conformance & CONFORMANCE_LIST:
            return services.exception(1, 2)
        outcomes = []
        for item in request.items:
            outcome = self._read(item, granted, mood)
            self._note("list", item, outcome)
            outcomes.append(outcome)
        body = services.listed(outcomes)
        answer = services.with_list(request.invoke, body)
        return answer if len(answer) <= self._unblocked(granted) else self._first_block(request.invoke, body, granted)

    def _unblocked(self, granted: Granted) -> int:
        """Return how long an answer may be before it is cut into blocks."""
        return min(granted.max_pdu, self.kind.block_octets or granted.max_pdu)

    def _first_block(self, invoke: int, raw: bytes, granted: Granted) -> bytes:
        """Begin a block transfer; without its conformance bit the data cannot be had."""
        if not granted.conformance & CONFORMANCE_BLOCK_GET:
            return services.normal(invoke, DataAccess.OBJECT_UNAVAILABLE)
        self._long = _LongGet(invoke, raw)
        return self._block(self._long, granted)

    def _block(self, long: _LongGet, granted: Granted) -> bytes:
        size = max(1, granted.max_pdu - services.BLOCK_OVERHEAD)
        size = min(size, self.kind.block_octets or size)
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
