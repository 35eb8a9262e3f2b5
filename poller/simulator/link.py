"""The secondary station of one HDLC link (IEC 62056-46), strict about numbers.

Good frames in, the frames to answer with out; whole APDUs go up to a callable and its answers come back down, cut to
the negotiated information length, as many frames at a time as the window allows. No octets, no socket, no clock, no
misbehaviour.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from poller.simulator import crc, frames
from poller.simulator.frames import POLL, Frame, Kind
from poller.simulator.personality import EarlyRr, OnWrongNumber, Personality

FROM_CLIENT: Final = b"\xe6\xe6\x00"
FROM_SERVER: Final = b"\xe6\xe7\x00"
MAX_APDU: Final = 65_536
"""Octets of a segmented request: beyond any PDU size that can be negotiated, so only a flood reaches it."""
DEFAULT_INFO: Final = 128
_SEGMENT_EVERY: Final = 7
"""Under poison, one short answer in so many is cut so that a header's checksum holds 0x7E; odd, to meet all N(S)."""
_SEGMENT_ANYWAY: Final = 49
"""Where no cut does that, one in so many is cut in the middle: N(S) against N(R) then shifts, and so do the headers."""

Upper = Callable[[int, bytes], Sequence[bytes]]
"""Client SAP and APDU in, the APDUs to say out: mostly one, none where nothing is said."""


class State(Enum):
    """Where the link is."""

    DOWN = auto()
    UP = auto()
    REJECTING = auto()
    """After FRMR: only SNRM and DISC help."""


class Act(Enum):
    """What is done with a frame."""

    OPEN = auto()
    CLOSE = auto()
    TAKE = auto()
    POLLED = auto()
    REPEAT = auto()
    READY = auto()
    SAY_DM = auto()
    SAY_FRMR = auto()
    NOTHING = auto()


STEPS: Final[Mapping[tuple[State, Kind], tuple[Act, State]]] = {
    (State.DOWN, Kind.SNRM): (Act.OPEN, State.UP),
    (State.DOWN, Kind.DISC): (Act.SAY_DM, State.DOWN),
    (State.DOWN, Kind.INFORMATION): (Act.SAY_DM, State.DOWN),
    (State.DOWN, Kind.RR): (Act.SAY_DM, State.DOWN),
    (State.DOWN, Kind.RNR): (Act.SAY_DM, State.DOWN),
    (State.DOWN, Kind.REJ): (Act.SAY_DM, State.DOWN),
    (State.DOWN, Kind.UI): (Act.NOTHING, State.DOWN),
    (State.DOWN, Kind.OTHER): (Act.NOTHING, State.DOWN),
    (State.UP, Kind.SNRM): (Act.OPEN, State.UP),
    (State.UP, Kind.DISC): (Act.CLOSE, State.DOWN),
    (State.UP, Kind.INFORMATION): (Act.TAKE, State.UP),
    (State.UP, Kind.RR): (Act.POLLED, State.UP),
    (State.UP, Kind.RNR): (Act.READY, State.UP),
    (State.UP, Kind.REJ): (Act.REPEAT, State.UP),
    (State.UP, Kind.UI): (Act.NOTHING, State.UP),
    (State.UP, Kind.OTHER): (Act.SAY_FRMR, State.REJECTING),
    (State.REJECTING, Kind.SNRM): (Act.OPEN, State.UP),
    (State.REJECTING, Kind.DISC): (Act.CLOSE, State.DOWN),
    (State.REJECTING, Kind.INFORMATION): (Act.SAY_FRMR, State.REJECTING),
    (State.REJECTING, Kind.RR): (Act.SAY_FRMR, State.REJECTING),
    (State.REJECTING, Kind.RNR): (Act.SAY_FRMR, State.REJECTING),
    (State.REJECTING, Kind.REJ): (Act.SAY_FRMR, State.REJECTING),
    (State.REJECTING, Kind.UI): (Act.NOTHING, State.REJECTING),
    (State.REJECTING, Kind.OTHER): (Act.SAY_FRMR, State.REJECTING),
}


@dataclass(slots=True)
class LinkCounters:
    """What a strict meter would complain about, and how often it said something again."""

    wrong_numbers: int = 0
    repeated: int = 0
    too_long: int = 0
    frmr: int = 0


def parameters(max_transmit: int, max_receive: int, window_transmit: int, window_receive: int) -> bytes:
    """Return the information field of a UA (62056-46, 6.4.4.4.3.2)."""
    body = b"\x05\x02%b\x06\x02%b\x07\x04%b\x08\x04%b" % (
        max_transmit.to_bytes(2, "big"),
        max_receive.to_bytes(2, "big"),
        window_transmit.to_bytes(4, "big"),
        window_receive.to_bytes(4, "big"),
    )
    return b"\x81\x80%c%b" % (len(body), body)


def proposed(info: bytes) -> dict[int, int]:
    """Return the parameters of an SNRM by their identifier (5 to 8); what cannot be read is left out."""
    found: dict[int, int] = {}
    rest = info[3:]
    while len(rest) >= 2 and len(rest) >= 2 + rest[1]:
        found[rest[0]] = int.from_bytes(rest[2 : 2 + rest[1]], "big")
        rest = rest[2 + rest[1] :]
    return found


class Link:
    """One link to one client. ``upper`` gets whole APDUs, ``released`` is called when the link ends or begins anew."""

    def __init__(self, kind: Personality, upper: Upper, released: Callable[[], None], counters: LinkCounters) -> None:
        self.state = State.DOWN
        self.counters = counters
        self.busy = False
        """While true, RNR is said instead of an answer."""
        self._kind = kind
        self._upper = upper
        self._released = released
        self.poison = False
        """While true, some answers are cut where a header checksum then holds 0x7E."""
        self._answers = 0
        self._client = b""
        self._server = b""
        self._max_send = self._max_receive = DEFAULT_INFO
        self._window = 1
        self._expected = 0
        self._next = 0
        self._sent: deque[Frame] = deque()
        """Frames that the client has not acknowledged, oldest first; at most the window."""
        self._waiting: deque[tuple[bytes, bool]] = deque()
        """Information fields to be sent, and whether the APDU goes on in the next."""
        self._incoming = bytearray()
        self._acts: Final[Mapping[Act, Callable[[Frame], list[Frame]]]] = {
            Act.OPEN: self._open,
            Act.CLOSE: self._close,
            Act.TAKE: self._take,
            Act.POLLED: self._polled,
            Act.REPEAT: self._polled,
            Act.READY: self._ready,
            Act.SAY_DM: self._dm,
            Act.SAY_FRMR: self._frmr,
            Act.NOTHING: lambda _frame: [],
        }

    def handle(self, frame: Frame) -> list[Frame]:
        """Return what the station says to a frame that was addressed to it."""
        kind = frame.kind
        if self.state is State.UP and kind is not Kind.SNRM and frame.source != self._client:
            return self._dm(frame)
        act, self.state = STEPS[self.state, kind]
        return self._acts[act](frame)

    def reject(self, frame: Frame) -> list[Frame]:
        """Say FRMR to a frame without cause."""
        return self._frmr(frame)

    def drop(self) -> None:
        """Forget the link, as a meter does that reboots or was not spoken to for too long."""
        self.state = State.DOWN
        self._forget()

    def forge(self, apdu: bytes, wanted: bytes) -> bytes:
        """Return the last two octets of an answer, so that its frame's FCS is ``wanted``."""
        frame = self._information(FROM_SERVER + apdu + b"\0\0", final=True)
        head = frames.header(frame, len(frame.info))
        return crc.forge(head + crc.checksum(head) + FROM_SERVER + apdu, wanted)

    def _forget(self) -> None:
        self._sent.clear()
        self._waiting.clear()
        self._incoming.clear()
        self._expected = self._next = 0
        self._released()

    def _reply(self, frame: Frame, control: int, info: bytes = b"") -> list[Frame]:
        return [Frame(frame.source, frame.destination, control | POLL, info)] if frame.control & POLL else []

    def _dm(self, frame: Frame) -> list[Frame]:
        return self._reply(frame, frames.DM)

    def _frmr(self, frame: Frame) -> list[Frame]:
        """Say FRMR with its three octets: what was rejected, where we are, invalid control field."""
        self.counters.frmr += 1
        self.state = State.REJECTING
        reason = bytes((frame.control, self._expected << 5 | self._next << 1, 0x01))
        return self._reply(frame, frames.FRMR, reason)

    def _open(self, frame: Frame) -> list[Frame]:
        self._forget()
        self._client, self._server = frame.source, frame.destination
        asked = proposed(frame.info)
        kind = self._kind
        self._max_send = min(kind.max_info, asked.get(6) or DEFAULT_INFO)
        self._max_receive = min(kind.max_info, asked.get(5) or DEFAULT_INFO)
        self._window = min(kind.window, asked.get(8) or 1)
        window = min(kind.window, asked.get(7) or 1)
        info = b"" if kind.bare_ua else parameters(self._max_send, self._max_receive, self._window, window)
        return self._reply(frame, frames.UA, info)

    def _close(self, frame: Frame) -> list[Frame]:
        self.drop()
        return self._reply(frame, frames.DM if self._kind.dm_to_disc else frames.UA)

    def _rr(self, *, final: bool = True) -> Frame:
        ready = frames.RNR if self.busy else frames.RR
        return Frame(self._client, self._server, self._expected << 5 | ready | (POLL if final else 0))

    def _ready(self, frame: Frame) -> list[Frame]:
        """The client cannot take more now (RNR): note what it has, send no information."""
        self._acknowledged(frame)
        return [self._rr()] if frame.control & POLL else []

    def _acknowledged(self, frame: Frame) -> bool:
        """Drop what N(R) acknowledges; False when N(R) is neither the next nor an outstanding frame's number."""
        left = (self._next - (frame.control >> 5)) & 7
        if left > len(self._sent):
            return False
        while len(self._sent) > left:
            self._sent.popleft()
        return True

    def _wrong(self, frame: Frame, repeat: list[Frame]) -> list[Frame]:
        """A wrong number: what a strict meter does, by its personality."""
        self.counters.wrong_numbers += 1
        match self._kind.on_wrong_number:
            case OnWrongNumber.IGNORE:
                return []
            case OnWrongNumber.FRMR:
                return self._frmr(frame)
            case OnWrongNumber.REPEAT:
                return repeat or self._frmr(frame)

    def _repeated(self) -> list[Frame]:
        if not self._sent:
            return [self._rr()]
        self.counters.repeated += len(self._sent)
        said = [replace(frame, control=frame.control & 0x0F | self._expected << 5) for frame in self._sent]
        said[-1] = replace(said[-1], control=said[-1].control | POLL)
        return said

    def _polled(self, frame: Frame) -> list[Frame]:
        """RR or REJ: the next segment, the last frame again, or nothing to say."""
        if not self._acknowledged(frame):
            return self._wrong(frame, [])
        if not frame.control & POLL:
            return []
        if self.busy:
            return [self._rr()]
        return self._repeated() if self._sent or not self._waiting else self._burst()

    def _take(self, frame: Frame) -> list[Frame]:
        """An information frame: numbers, length, segments, and the answer when it is whole."""
        if len(frame.info) > self._max_receive:
            self.counters.too_long += 1
            return self._frmr(frame)
        sent = frame.control >> 1 & 7
        if sent != self._expected:
            again = sent == (self._expected - 1) & 7
            if again and self._acknowledged(frame):
                return self._repeated() if frame.control & POLL else []
            return self._wrong(frame, [replace(self._rr(), control=self._expected << 5 | frames.REJ | POLL)])
        stale = frame.control >> 5 != self._next
        if stale:
            return self._wrong(frame, self._repeated() if self._acknowledged(frame) else [])
        self._sent.clear()
        self._expected = (self._expected + 1) & 7
        return self._assembled(frame)

    def _assembled(self, frame: Frame) -> list[Frame]:
        self._incoming += frame.info
        self._waiting.clear()
        if len(self._incoming) > MAX_APDU:
            return self._frmr(frame)
        if frame.segmented:
            return [self._rr()] if frame.control & POLL else []
        request = bytes(self._incoming)
        self._incoming.clear()
        if request[:3] != FROM_CLIENT:
            return self._frmr(frame)
        for answer in self._upper(frame.source[0] >> 1, request[3:]):
            self._cut(FROM_SERVER + answer)
        return self._answered(frame)

    def _answered(self, frame: Frame) -> list[Frame]:
        """Say what is ready, as early or as late as this kind of meter does."""
        if not frame.control & POLL:
            return []
        if self.busy or not self._waiting or self._kind.early_rr is EarlyRr.AWAIT_POLL:
            return [self._rr()]
        if self._kind.early_rr is EarlyRr.THEN_ANSWER:
            return [self._rr(final=False), *self._burst()]
        return self._burst()

    def _cut(self, info: bytes) -> None:
        """Cut an answer into information fields."""
        self._answers += 1
        rest = info
        while len(rest) > self._max_send:
            self._waiting.append((rest[: self._max_send], True))
            rest = rest[self._max_send :]
        split = self._poisonous_split(rest) if self.poison and rest is info else 0
        if split:
            self._waiting.append((rest[:split], True))
            rest = rest[split:]
        self._waiting.append((rest, False))

    def _poisonous_split(self, info: bytes) -> int:
        """Return where to cut so that the first part's HCS holds 0x7E; 0: nowhere, or not this time."""
        if self._answers % _SEGMENT_EVERY:
            return 0
        first = replace(self._information(info, final=True), segmented=True)
        cuts = range(len(info) - 1, 0, -1)
        anyway = 0 if self._answers % _SEGMENT_ANYWAY else len(info) // 2
        return next((size for size in cuts if frames.FLAG in crc.checksum(frames.header(first, size))), anyway)

    def _information(self, info: bytes, *, final: bool) -> Frame:
        control = self._expected << 5 | (POLL if final else 0) | self._next << 1
        return Frame(self._client, self._server, control, info)

    def _burst(self) -> list[Frame]:
        """Send what waits, as far as the window allows; the last frame gives the client the turn."""
        said = []
        while self._waiting and len(self._sent) < self._window:
            said.append(self._send(final=len(self._waiting) == 1 or len(self._sent) + 1 == self._window))
        return said

    def _send(self, *, final: bool) -> Frame:
        info, segmented = self._waiting.popleft()
        frame = self._information(info, final=final)
        if segmented:
            frame = replace(frame, segmented=True)
        self._sent.append(frame)
        self._next = (self._next + 1) & 7
        return frame
