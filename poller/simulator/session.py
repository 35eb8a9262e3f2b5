"""One connection to a simulated meter as a conversation: octets in, steps out.

HdlcSession and WrapperSession join reader, link, application and faults; both are driven by ``connection`` and by
tests. Time is an argument. No socket, no log: what is worth logging comes out as Record steps.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from poller.simulator import acse, frames, mischief, services, wrapping
from poller.simulator.acse import BadRequest
from poller.simulator.application import Application
from poller.simulator.device import Device
from poller.simulator.faults import Asked, Fault, FaultKind
from poller.simulator.frames import POLL, Frame, FrameReader, Kind
from poller.simulator.link import FROM_CLIENT, Link, State
from poller.simulator.notes import CALM, Mood, Note
from poller.simulator.personality import LingerHow, Transport
from poller.simulator.steps import Finish, Record, Reset, Send, Step, Wait

_BY_TAG: Final = {
    services.GET: Asked.GET,
    services.SET: Asked.SET,
    services.ACTION: Asked.ACTION,
    acse.AARQ: Asked.AARQ,
    acse.RLRQ: Asked.RELEASE,
    **dict.fromkeys((0xC8, 0xD0, 0xDB, 0xDC, services.READ, 0x25, 0x45), Asked.GET),
    **dict.fromkeys((0xC9, 0xD1, services.WRITE, 0x26, 0x46), Asked.SET),
    **dict.fromkeys((0xCB, 0xD3), Asked.ACTION),
}
"""Tags to what is asked. What general ciphering hides counts as a GET: nearly all of it is."""
_BY_KIND: Final = {
    Kind.SNRM: Asked.SNRM,
    Kind.DISC: Asked.DISC,
    Kind.RR: Asked.POLL,
    Kind.RNR: Asked.POLL,
    Kind.REJ: Asked.POLL,
}
_AT_ONCE: Final = frozenset({"disc"})
"""Events that are recorded whatever becomes of the answer."""
_COUNTED: Final = {
    "list": ("gets", "lists"),
    "set": ("sets",),
    "action": ("actions",),
    "associate": ("associations",),
    "refuse": ("refused",),
    "denied": ("denied",),
    "disc": ("discs",),
    "cipher": ("undeciphered",),
}
"""Events to the counters they raise."""
Request = TypeVar("Request")
MAX_BACKLOG: Final = 64
"""Requests taken from one stretch of octets; a client that asks more at once is only flooding."""


class Session(Protocol):
    """What a connection needs of either."""

    def receive(self, octets: bytes, now: float) -> list[Step]:
        """Return what the meter does about these octets."""

    def expire(self) -> list[Step]:
        """Return what it does when nobody has spoken for its inactivity timeout."""

    def reboot(self) -> None:
        """Forget link and association."""

    def end(self, now: float) -> list[Record]:
        """The connection is gone: return what was never answered."""


class _Answering:
    """What both kinds of sessions do alike: faults, delay, notes and counters around one answer."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._application = Application(device.kind, device.objects, device.ring, device.random)
        self._application.pushes = device.pushes
        self._held = False
        self._unsaid: list[Record] = []

    def _mid_block(self) -> bool:
        return self._application.mid_block

    def _taken(self, found: list[Request]) -> list[Request]:
        """Return as many requests as a meter takes at once."""
        self._device.counters.flooded += max(0, len(found) - MAX_BACKLOG)
        return found[:MAX_BACKLOG]

    def _news(self, fault: str) -> list[Step]:
        """Take the application's notes: return what is recorded at once, keep the rest until its answer goes out."""
        self._count_association()
        notes, self._application.notes = self._application.notes, []
        records = [self._record(note, fault) for note in notes]
        later = [record for record in records if record.note.event not in _AT_ONCE]
        given_up = self._given_up() if later else []
        self._unsaid += later
        return [*given_up, *(record for record in records if record.note.event in _AT_ONCE)]

    def _given_up(self) -> list[Record]:
        """Return the records of an answer that will not go out any more."""
        given_up, self._unsaid = self._unsaid, []
        return [record._replace(answered=False) for record in given_up]

    def _said_now(self, answer: list[Step], fault: str) -> list[Step]:
        """Put the records of the answer before its last octets: then it has gone out."""
        said, self._unsaid = self._unsaid, []
        last = max((at for at, step in enumerate(answer) if isinstance(step, Send)), default=len(answer))
        return [*answer[:last], *(record._replace(fault=fault) for record in said), *answer[last:]]

    def _record(self, note: Note, fault: str) -> Record:
        counters = self._device.counters
        if note.event == "get":  # most of all
            counters.gets += 1
            return Record(note, counters.associations, fault)
        for counted in _COUNTED.get(note.event, ()):
            setattr(counters, counted, getattr(counters, counted) + 1)
        return Record(note, counters.associations, fault)

    def _count_association(self) -> None:
        held = self._application.granted is not None
        if held is not self._held:
            self._device.associated(1 if held else -1)
            self._held = held

    def _delayed(self) -> list[Step]:
        least, most = self._device.spec.delay
        return [Wait(self._device.random.uniform(least, most))] if most else []

    def _finished(self, answer: list[Step], struck: Sequence[Fault], *, carries: bool) -> list[Step]:
        """Put records, delay and faults around an answer; ``carries``: it holds what the application said."""
        names = "+".join(fault.kind.value for fault in struck)
        records = self._news(names)
        if struck:
            records.append(Record(Note("fault", raw=names), self._device.counters.associations, names))
            answer = mischief.play(answer, struck, self._device.random)
        if carries and not any(map(mischief.spoils, struck)):
            answer = self._said_now(answer, names)
        if self._application.hang_up:
            self._application.hang_up = False
            answer.append(Finish())
        return [*self._delayed(), *records, *answer] if answer else records

    def _forget(self) -> None:
        self._application.release()
        self._count_association()


class HdlcSession(_Answering):
    """A connection that speaks HDLC."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        kind = device.kind
        self._addresses = frozenset(frames.address(kind.logical, kind.physical, size) for size in kind.sizes)
        self._reader = FrameReader(kind.inter_octet, device.reading)
        self._mood: Mood = CALM
        self._link = Link(kind, self._ask, self._application.release, device.linking)
        self._link.poison = device.spec.poison
        self._application.forge = self._link.forge

    def receive(self, octets: bytes, now: float) -> list[Step]:
        """Return what the meter does about these octets; other meters' frames are not its business."""
        steps: list[Step] = []
        for frame in self._taken(self._reader.feed(octets, now)):
            if frame.destination in self._addresses:
                self._device.counters.requests += 1
                steps += self._frame(frame, now)
            else:
                self._device.counters.foreign += 1
        return steps

    def expire(self) -> list[Step]:
        """Drop the link without a word; TCP stays, as the serial line behind it would not know."""
        if self._link.state is not State.DOWN:
            self._device.counters.expired += 1
            self.reboot()
        return []

    def reboot(self) -> None:
        """Forget link and association."""
        self._link.drop()
        self._forget()

    def end(self, now: float) -> list[Record]:
        """Note how the connection ended, forget the rest."""
        self._device.ended(clean=self._link.state is State.DOWN, now=now)
        self.reboot()
        return self._given_up()

    def _ask(self, client: int, apdu: bytes) -> Sequence[bytes]:
        return self._application.say(client, apdu, self._mood)

    def _frame(self, frame: Frame, now: float) -> list[Step]:
        how = self._device.lingering(now)
        if how is not None:
            return self._refused(frame, how)
        struck = self._device.faults.draw(self._asked(frame), now, self._mid_block)
        self._mood = frozenset(fault.kind for fault in struck)
        if FaultKind.DEAF in self._mood:
            return self._finished([], struck, carries=False)
        if frame.kind is Kind.DISC and self._link.state is not State.DOWN:
            self._application.notes.append(Note("disc"))
        said = self._said(frame)
        carries = any(answer.kind is Kind.INFORMATION for answer in said)
        return self._finished([Send(frames.encode(answer)) for answer in said], struck, carries=carries)

    def _said(self, frame: Frame) -> list[Frame]:
        """Return the frames that answer, with the faults that a link can have."""
        if FaultKind.DM in self._mood:
            return [Frame(frame.source, frame.destination, frames.DM | POLL)]
        if FaultKind.FRMR in self._mood:
            return self._link.reject(frame)
        if FaultKind.REBOOT_MID_BLOCK in self._mood:
            self.reboot()
            return []
        self._link.busy = FaultKind.RNR in self._mood
        said = self._link.handle(frame)
        return mischief.misnumbered(said) if FaultKind.WRONG_NS in self._mood else said

    def _refused(self, frame: Frame, how: LingerHow) -> list[Step]:
        """Another session is still held: DM, silence, or DM until DISC."""
        if how is LingerHow.DISC and frame.kind is Kind.DISC:
            self._device.stop_lingering()
        if how is LingerHow.SILENCE or not frame.control & POLL:
            return []
        return self._finished(
            [Send(frames.encode(Frame(frame.source, frame.destination, frames.DM | POLL)))], (), carries=False
        )

    def _asked(self, frame: Frame) -> Asked:
        if frame.kind is Kind.INFORMATION and frame.info.startswith(FROM_CLIENT):
            return _BY_TAG.get(frame.info[3] if len(frame.info) > 3 else 0, Asked.OTHER)
        return _BY_KIND.get(frame.kind, Asked.OTHER)


class WrapperSession(_Answering):
    """A connection that speaks WRAPPER."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._unwrapper = wrapping.Unwrapper()

    def receive(self, octets: bytes, now: float) -> list[Step]:
        """Return what the meter does about these octets; after a wrong header it hangs up."""
        try:
            found = self._unwrapper.feed(octets)
        except BadRequest:
            self._device.reading.bad_format += 1
            return [Reset()]
        steps: list[Step] = []
        for wrapped in self._taken(found):
            if wrapped.destination == self._device.kind.logical:
                self._device.counters.requests += 1
                steps += self._asked(wrapped, now)
            else:
                self._device.counters.foreign += 1
        return steps

    def expire(self) -> list[Step]:
        """Drop the association and close."""
        self._device.counters.expired += 1
        self.reboot()
        return [Finish()]

    def reboot(self) -> None:
        """Forget the association."""
        self._forget()

    def end(self, now: float) -> list[Record]:
        """Note how the connection ended, forget the rest."""
        self._device.ended(clean=self._application.granted is None, now=now)
        self._forget()
        return self._given_up()

    def _asked(self, wrapped: wrapping.Wrapped, now: float) -> list[Step]:
        how = self._device.lingering(now)
        if how is not None:
            return [] if how is LingerHow.SILENCE else [Finish()]
        asked = _BY_TAG.get(wrapped.apdu[0] if wrapped.apdu else 0, Asked.OTHER)
        struck = self._device.faults.draw(asked, now, self._mid_block)
        mood = frozenset(fault.kind for fault in struck)
        said: Sequence[bytes] = ()
        if FaultKind.REBOOT_MID_BLOCK in mood:
            self.reboot()
        elif FaultKind.DEAF not in mood:
            said = self._application.say(wrapped.source, wrapped.apdu, mood)
        sent = [Send(wrapping.wrap(wrapped.destination, wrapped.source, apdu)) for apdu in said]
        return self._finished([*sent], struck, carries=bool(said))


def session(device: Device) -> Session:
    """Return a new session of the kind that the meter speaks."""
    return HdlcSession(device) if device.kind.transport is Transport.HDLC else WrapperSession(device)
