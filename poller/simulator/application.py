"""The application layer of a simulated meter: who may in, and which service answers.

A client's SAP and an APDU in; the answering APDU with notes for the log out. It holds the one association; protection
is taken off and put on here. No frames, no sockets, no clock; misbehaviour comes in as a mood and is decided elsewhere.
"""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from poller.simulator import acse, block_transfer, secrecy, services
from poller.simulator.accessing import Accessing
from poller.simulator.acse import AssociationRequest, BadRequest, Diagnostic
from poller.simulator.acting import Acting
from poller.simulator.admission import Admission
from poller.simulator.association import Granted
from poller.simulator.block_transfer import GeneralBlocks
from poller.simulator.faults import FaultKind
from poller.simulator.getting import Getting
from poller.simulator.notes import CALM, Mood, Note
from poller.simulator.objects import Done, Forge, ObjectBook
from poller.simulator.personality import CONFORMANCE_GENERAL_BLOCKS, CONFORMANCE_GET, CONFORMANCE_READ, Personality
from poller.simulator.secrecy import Guard, KeyRing, Undeciphered
from poller.simulator.setting import Setting
from poller.simulator.short_names import ShortNames
from poller.simulator.values import Value

_NOT_ALLOWED: Final = services.exception(1, 1)
_NOT_SUPPORTED: Final = services.exception(1, 2)
_OTHER_REASON: Final = services.exception(1, 3)
_TOO_LONG: Final = services.exception(1, 4)
_UNKNOWN: Final = services.exception(2, 2)
_UNREADABLE: Final = services.exception(2, 3)
_NOBODY: Final = -1
_BLOCKS: Final = bytes((block_transfer.TAG,))
_PROVING: Final = frozenset({services.ACTION, services.READ, services.WRITE})
"""Services by which a client answers the challenge; each lets nothing else through before that."""
Service = Callable[[bytes, Granted, Mood], bytes]


class Application:
    """One association at a time. ``forge`` is set by a link that can place 0x7E in a checksum."""

    def __init__(
        self, kind: Personality, objects: ObjectBook, ring: KeyRing | None = None, random: Random | None = None
    ) -> None:
        self.kind = kind
        self.objects = objects
        self.granted: Granted | None = None
        self.hang_up = False
        """True after a refusal, when this kind of meter then closes the connection."""
        self.notes: list[Note] = []
        """Events since they were last taken."""
        self._ring = ring
        self._guard: Guard | None = None
        self._admission = Admission(kind, ring, random)
        self._getting = Getting(objects, self._note, kind.block_octets)
        self._setting = Setting(objects, self._note)
        self._acting = Acting(objects, self._note, self._prove)
        self._general = GeneralBlocks(kind.block_window)
        self.pushes: deque[bytes] = deque(maxlen=1)
        """Notifications that go before the next answer; the meter's own, handed in."""
        self._services: dict[int, Service] = {
            services.GET: self._getting.answer,
            services.SET: self._setting.answer,
            services.ACTION: self._acting.answer,
            services.ACCESS: Accessing(objects, self._note).answer,
        }
        self._short = ShortNames(objects, self._note, self._prove)
        if kind.short_names:
            self._services = {services.READ: self._short.read, services.WRITE: self._short.write}
        self._plain = _NOBODY
        """The client whose unprotected requests are served, once it has proven itself."""

    def _note(self, note: Note) -> None:
        self.notes.append(note)

    @property
    def forge(self) -> Forge | None:
        """What places 0x7E in a checksum."""
        return self._getting.forge

    @forge.setter
    def forge(self, forge: Forge) -> None:
        self._getting.forge = forge

    @property
    def mid_block(self) -> bool:
        """Whether a block transfer is under way."""
        parts = (self._getting, self._setting, self._acting, self._short, self._general)
        return any(part.under_way for part in parts)

    def release(self) -> None:
        """Forget association and block transfers."""
        self.granted = None
        self._guard = None
        self._plain = _NOBODY
        for part in (self._getting, self._setting, self._acting, self._short, self._general):
            part.forget()

    def answer(self, client: int, apdu: bytes, mood: Mood = CALM) -> bytes | None:
        """Return the answer to an APDU; None: nothing is said to that."""
        granted = self.granted
        if client == self._plain and granted is not None and apdu[:1] == b"\xc0":
            return self._served(apdu, granted, mood)
        tag = apdu[0] if apdu else 0
        if tag == acse.AARQ:
            return self._associate(client, apdu, mood)
        if tag == acse.RLRQ:
            return self._released(apdu)
        if granted is None or granted.client != client:
            return _NOT_ALLOWED
        return self._inner(apdu, granted, mood)

    def say(self, client: int, apdu: bytes, mood: Mood = CALM) -> Sequence[bytes]:
        """Return the APDUs that are said to one: notifications that wait, the answer, and blocks that follow it."""
        granted = self.granted
        if client == self._plain and granted is not None and apdu[:1] == b"\xc0" and not self.pushes:
            answer = self._served(apdu, granted, mood)
            return (answer,) if len(answer) <= granted.max_pdu else self._cut(answer, mood)
        if len(apdu) > self.kind.max_pdu and self._serves(client):
            return (_TOO_LONG,)
        pushed = self._pushed() if self.pushes and self._serves(client) else []
        if apdu[:1] == _BLOCKS and self._serves(client):
            said = self._blocks(apdu, mood)
        else:
            found = self.answer(client, apdu, mood)
            said = () if found is None else self._cut(found, mood)
        return [*pushed, *said] if pushed else said

    def _pushed(self) -> list[bytes]:
        """Take the notifications that wait: protected before the answer, for invocation counters rise in that order."""
        waiting = list(self.pushes)
        self.pushes.clear()
        return [self._notified(each) for each in waiting]

    def _serves(self, client: int) -> bool:
        return self.granted is not None and self.granted.client == client

    def _notified(self, notification: bytes) -> bytes:
        self.notes.append(Note("push", raw=len(notification)))
        return notification if self._guard is None else self._guard.notify(notification)

    def _cut(self, answer: bytes, mood: Mood) -> Sequence[bytes]:
        """Return an answer, or its first block where it is too long and general block transfer was negotiated."""
        granted = self.granted
        if granted is None or len(answer) <= granted.max_pdu or not granted.conformance & CONFORMANCE_GENERAL_BLOCKS:
            return (answer,)
        self._general.forget()
        return self._general.answer(answer, granted.max_pdu, 1, lose=FaultKind.LOST_BLOCK in mood)

    def _blocks(self, apdu: bytes, mood: Mood) -> Sequence[bytes]:
        """General block transfer: requests in blocks, and answers that go on."""
        granted = self.granted
        if granted is None or not granted.conformance & CONFORMANCE_GENERAL_BLOCKS:
            return (_NOT_SUPPORTED,)
        lose = FaultKind.LOST_BLOCK in mood
        try:
            block = block_transfer.parse(apdu)
            request = self._general.take(block)
        except BadRequest:
            self._general.forget()
            return (_UNREADABLE,)
        if request is None:
            return self._general.reply(block, lose=lose)
        answer = self.answer(granted.client, request, mood)
        if answer is None or self.granted is None:
            return ()
        return self._general.answer(answer, granted.max_pdu, block.window, lose=lose)

    def _inner(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        """Answer a request that may be protected."""
        guard = self._guard
        protected = apdu[:1] != b"" and apdu[0] in secrecy.REQUESTS
        if guard is None:
            return _UNKNOWN if protected else self._served(apdu, granted, mood)
        if not protected:
            return _NOT_SUPPORTED
        try:
            opened = guard.open(apdu)
        except Undeciphered as error:
            return self._undeciphered(error)
        answer = self._served(opened.plain, granted, mood)
        guard.spoil = FaultKind.WRONG_TAG in mood
        guard.replay = FaultKind.REPLAY in mood
        return guard.protect(answer, opened)

    def _undeciphered(self, error: Undeciphered) -> bytes:
        self.notes.append(Note("cipher", raw=f"{error.why} {error.counter}" if error.counter else error.why))
        return error.answer

    def _served(self, apdu: bytes, granted: Granted, mood: Mood) -> bytes:
        service = self._services.get(apdu[0] if apdu else 0)
        if service is None:
            return _UNKNOWN
        if granted.pending and apdu[0] not in _PROVING:
            return _NOT_ALLOWED
        if FaultKind.EXCEPTION in mood:
            return _OTHER_REASON
        try:
            return service(apdu, granted, mood)
        except Undeciphered as error:  # the proof of a client under GMAC
            return self._undeciphered(error)
        except BadRequest:
            return _UNREADABLE

    def _associate(self, client: int, apdu: bytes, mood: Mood) -> bytes:
        self.release()
        try:
            request = acse.parse_aarq(apdu, self._open_initiate if self._ring is not None else None)
        except Undeciphered as error:
            return self._undeciphered(error)
        except BadRequest:
            return self._refused(Diagnostic.NO_REASON, self.kind.conformance)
        conformance = self.kind.conformance & request.conformance
        diagnostic = self._admission.verdict(client, request, self._guard, mood)
        if diagnostic is not Diagnostic.NONE:
            return self._refused(diagnostic, conformance)
        unfit = request.initiate_error(conformance & (CONFORMANCE_GET | CONFORMANCE_READ))
        if unfit is not None:
            self.notes.append(Note("refuse", raw=unfit.name.lower()))
            return acse.aare(Diagnostic.NO_REASON, unfit.value)
        self.granted = self._admission.grant(client, request, conformance)
        if self._guard is not None:
            self._guard.dedicated = request.dedicated
        return self._accepted(self.granted, request)

    def _open_initiate(self, title: bytes, information: bytes) -> bytes:
        """Return the InitiateRequest inside a protected one; from then on a guard stands."""
        if self._ring is None or len(title) != secrecy.TITLE:
            raise BadRequest("protected by nobody")
        guard = Guard(self._ring, title)
        plain = guard.open_initiate(information)
        self._guard = guard
        return plain

    def _accepted(self, granted: Granted, request: AssociationRequest) -> bytes:
        self._admit(granted)
        self.notes.append(Note("associate", raw=granted.client))
        initiate = acse.initiate_response(granted.conformance, self.kind.max_pdu, short=granted.short)
        if self._guard is not None:
            initiate = self._guard.close_initiate(initiate)
        title = self._ring.title if self._ring is not None and request.client_title else b""
        if not granted.pending:
            return acse.aare(Diagnostic.NONE, initiate, granted.context, title)
        asked = acse.Hls(granted.mechanism, granted.server_challenge)
        return acse.aare(Diagnostic.AUTHENTICATION_REQUIRED, initiate, granted.context, title, asked)

    def _admit(self, granted: Granted) -> None:
        """Serve unprotected requests from now on, where they are."""
        if self._guard is None and not granted.pending and not granted.short:
            self._plain = granted.client

    def _prove(self, value: Value) -> Done:
        """Judge a client's answer to the challenge."""
        if self.granted is None:
            return Done()
        outcome = self._admission.prove(value, self.granted, self._guard)
        if self.granted.pending:
            self.notes.append(Note("refuse", raw=int(Diagnostic.AUTHENTICATION_FAILURE)))
        self._admit(self.granted)
        return outcome

    def _refused(self, diagnostic: Diagnostic, conformance: int) -> bytes:
        self.notes.append(Note("refuse", raw=int(diagnostic)))
        self.hang_up = self.kind.close_after_refusal
        ciphered, self._guard = self._guard is not None, None
        initiate = b"" if ciphered else acse.initiate_response(conformance, self.kind.max_pdu)
        return acse.aare(diagnostic, initiate, 3 if ciphered else 1)

    def _released(self, apdu: bytes) -> bytes:
        """RLRQ: protected as the AARQ was, or plain."""
        guard, conformance = self._guard, self.granted.conformance if self.granted else 0
        information = b""
        if guard is not None:
            try:
                information = acse.released_information(apdu)
                guard.open_initiate(information) if information else b""
            except Undeciphered as error:
                return self._undeciphered(error)
            except BadRequest:
                return _UNREADABLE
            if not information and self.kind.strict_release:
                return _NOT_SUPPORTED
        self.release()
        self.notes.append(Note("disc"))
        if guard is None or not information:
            return acse.rlre()
        return acse.rlre(guard.close_initiate(acse.initiate_response(conformance, self.kind.max_pdu)))
