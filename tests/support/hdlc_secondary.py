"""A secondary station of its own for tests of the link: strict numbering, windows, segmentation, and a line that fails.

Goes in: octets of a primary station. Comes out: octets, or None for silence. It answers a payload by what a function
makes of it, and knows nothing of DLMS. Frames, checksums, numbers and parameters are its own, written from the
standard's text: what the core gets wrong cannot be wrong here in the same way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_parameters import LinkParameters

METER, CLIENT = Address(1), Address(16)
_TO_METER: Final = b"\x03\x21"
_TO_CLIENT: Final = b"\x21\x03"
_FINAL: Final = 0x10
_SNRM, _DISC, _UA, _DM, _FRMR = 0x83, 0x43, 0x63, 0x0F, 0x87
_RR, _RNR, _REJ, _SREJ = 0x01, 0x05, 0x09, 0x0D


class Fate(Enum):
    """What the line does to a frame."""

    ARRIVES = auto()
    LOST = auto()
    DAMAGED = auto()
    TWICE = auto()
    CUT = auto()
    SWAPPED = auto()
    """Comes behind the frame that follows it."""
    LATE = auto()
    """Comes behind everything else, at the next transmission in this direction."""


class Habit(Enum):
    """What secondary stations do differently."""

    REJECTS = auto()
    """REJ instead of RR when a frame of the primary is missing."""
    SELECTS = auto()
    """SREJ for the missing frame; the others are kept. Only with windows to 4, as the standard has it (modulo 8)."""
    GOES_ON = auto()
    """RR gets what was not sent yet; only REJ makes it go back."""
    NO_REJ = auto()
    """REJ gets FRMR, as IEC 62056-46 does not list it."""
    BARE_UA = auto()
    """UA without parameters: the standard's defaults bind."""


class Heard(NamedTuple):
    """One good frame of the primary."""

    control: int
    info: bytes
    segmented: bool


def fcs(octets: bytes) -> bytes:
    """Return the frame check sequence (ISO/IEC 13239, annex A), bit by bit."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little")


def encoded(control: int, info: bytes = b"", *, segmented: bool = False, addresses: bytes = _TO_CLIENT) -> bytes:
    """Return a frame of the meter with its flags."""
    length = 5 + len(addresses) + (len(info) + 2 if info else 0)
    head = (0xA000 | segmented << 11 | length).to_bytes(2, "big") + addresses + bytes((control,))
    body = head + fcs(head) + info if info else head
    return b"~" + body + fcs(body) + b"~"


def heard(octets: bytes) -> list[Heard]:
    """Return the good frames to the meter that octets hold."""
    frames, at = [], 0
    while (at := octets.find(b"~", at)) >= 0 and at + 3 <= len(octets):
        word = int.from_bytes(octets[at + 1 : at + 3], "big")
        body = octets[at + 1 : at + 1 + (word & 0x7FF)]
        if word >> 12 == 0xA and len(body) == word & 0x7FF >= 7 and fcs(body[:-2]) == body[-2:]:
            if body[2:4] == _TO_METER:
                frames.append(Heard(body[4], body[7:-2], bool(word & 0x800)))
            at += len(body)
        at += 1
    return frames


def parameters_of(info: bytes) -> dict[int, int]:
    """Return the numbers of an SNRM by identifier; those that are absent have the standard's default."""
    numbers, at = {5: 128, 6: 128, 7: 1, 8: 1}, 3
    while at < len(info):
        numbers[info[at]] = int.from_bytes(info[at + 2 : at + 2 + info[at + 1]], "big")
        at += 2 + info[at + 1]
    return numbers


def parameter_field(limits: LinkParameters) -> bytes:
    """Return the information field of a UA."""
    numbers = (limits.info_tx, limits.info_rx, limits.window_tx, limits.window_rx)
    sizes = (2, 2, 4, 4)
    items = (bytes((5 + i, sizes[i])) + numbers[i].to_bytes(sizes[i], "big") for i in range(4))
    return b"\x81\x80\x14" + b"".join(items)


@dataclass
class Secondary:
    """The meter's end of a link, and the line to it."""

    answer: Callable[[bytes], bytes]
    limits: LinkParameters = field(default_factory=LinkParameters)
    to_meter: Iterable[Fate] = ()
    from_meter: Iterable[Fate] = ()
    habits: frozenset[Habit] = frozenset()
    busy: Iterable[bool] = ()
    """Whether RNR is said, turn by turn."""
    received: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What a strict meter would complain about; repetitions after losses are none."""
    controls: list[int] = field(default_factory=list)
    """Control octets of everything heard."""

    def __post_init__(self) -> None:
        self._fates_in, self._fates_out = iter(self.to_meter), iter(self.from_meter)
        self._late_in: list[bytes] = []
        self._late_out: list[bytes] = []
        self._moods = iter(self.busy)
        self.up = False
        self._reset(LinkParameters())

    def _reset(self, bound: LinkParameters) -> None:
        self._bound = bound
        self._expected = self._sent = self._acknowledged = 0
        self._queue: list[tuple[bytes, bool]] = []
        """Segments from the oldest unacknowledged on; the first ``_sent - _acknowledged`` are in flight."""
        self._kept: dict[int, Heard] = {}
        self._parts: list[bytes] = []
        self._out: list[bytes] = []

    def __call__(self, octets: bytes) -> bytes | None:
        """Take what the primary sent; return what arrives at its side."""
        self._out = []
        frames = [encoded(*frame[:2], segmented=frame[2], addresses=_TO_METER) for frame in heard(octets)]
        arriving, self._late_in = suffered(frames, self._fates_in, self._late_in)
        for frame in heard(arriving):
            self.controls.append(frame.control)
            self._take(frame)
        arriving, self._late_out = suffered(self._out, self._fates_out, self._late_out)
        return arriving or None

    def _take(self, frame: Heard) -> None:
        command = frame.control & ~_FINAL
        if command == _SNRM:
            self._open(frame.info)
        elif command == _DISC:
            self._send(_UA if self.up else _DM)
            self.up = False
        elif not self.up:
            self._send(_DM)
        elif not frame.control & 1:
            self._information(frame)
        elif frame.control & 0x0F in (_RR, _REJ):
            self._polled(frame)
        else:
            self._send(_FRMR)

    def _open(self, info: bytes) -> None:
        asked, own = parameters_of(info), self.limits
        if Habit.BARE_UA in self.habits:
            own = LinkParameters()
        info_tx, info_rx = min(own.info_tx, asked[6]), min(own.info_rx, asked[5])
        self._reset(LinkParameters(info_tx, info_rx, min(own.window_tx, asked[8]), min(own.window_rx, asked[7])))
        self.up = True
        self._send(_UA, b"" if Habit.BARE_UA in self.habits else parameter_field(self._bound))

    def _information(self, frame: Heard) -> None:
        if len(frame.info) > self._bound.info_rx:
            self.faults.append("information field too long")
        ahead = (frame.control >> 1 & 7) - self._expected & 7
        if ahead < self._bound.window_rx and (ahead == 0 or self._selects):
            self._kept[self._expected + ahead] = frame
        while (ready := self._kept.pop(self._expected, None)) is not None:
            self._acknowledge(ready.control >> 5)
            self._expected += 1
            self._parts.append(ready.info)
            if not ready.segmented:
                self._complete()
        self._acknowledge(frame.control >> 5)
        if frame.control & _FINAL:
            self._turn(missing=0 < ahead < self._bound.window_rx or bool(self._kept))

    @property
    def _selects(self) -> bool:
        return Habit.SELECTS in self.habits and self._bound.window_rx <= 4

    def _complete(self) -> None:
        payload = b"".join(self._parts)
        self._parts = []
        self.received.append(payload)
        answer, size = self.answer(payload), self._bound.info_tx
        cuts = range(0, len(answer), size)
        self._queue += [(answer[at : at + size], at + size < len(answer)) for at in cuts]

    def _polled(self, frame: Heard) -> None:
        if frame.control & 0x0F == _REJ and Habit.NO_REJ in self.habits:
            self.up = False
            self._send(_FRMR)
            return
        if not self._acknowledge(frame.control >> 5):
            self.faults.append(f"N(R) {frame.control >> 5}")
            return
        if frame.control & _FINAL:
            self._turn(back=frame.control & 0x0F == _REJ)

    def _acknowledge(self, nr: int) -> bool:
        passed = nr - self._acknowledged & 7
        if passed > self._sent - self._acknowledged:
            return False
        del self._queue[:passed]
        self._acknowledged += passed
        return True

    def _turn(self, *, missing: bool = False, back: bool = False) -> None:
        """Say what is due, or unacknowledged, or how far we are; the last frame gives the turn back."""
        if next(self._moods, False):
            self._send(self._expected % 8 << 5 | _RNR)
            return
        if missing and (self._selects or Habit.REJECTS in self.habits):
            kind = _SREJ if self._selects else _REJ
            self._send(self._expected % 8 << 5 | kind)
            return
        in_flight = self._sent - self._acknowledged
        room = min(self._bound.window_tx, len(self._queue))
        start = in_flight if Habit.GOES_ON in self.habits and not back and in_flight < room else 0
        for place in range(start, room):
            info, segmented = self._queue[place]
            number = self._acknowledged + place
            control = self._expected % 8 << 5 | number % 8 << 1
            self._send(control, info, segmented=segmented, final=place == room - 1)
        self._sent = self._acknowledged + room
        if start == room:
            self._send(self._expected % 8 << 5 | _RR)

    def _send(self, control: int, info: bytes = b"", *, segmented: bool = False, final: bool = True) -> None:
        self._out.append(encoded(control | (_FINAL if final else 0), info, segmented=segmented))


def suffered(frames: list[bytes], fates: Iterable[Fate], late: list[bytes]) -> tuple[bytes, list[bytes]]:
    """Return what arrives of frames now, and what will only with the next; ``late`` is what the last left behind."""
    arriving: list[bytes] = []
    swapped: list[bytes] = []
    later: list[bytes] = []
    fate_of = iter(fates)
    for octets in frames:
        fate = next(fate_of, Fate.ARRIVES)
        if fate in {Fate.SWAPPED, Fate.LATE}:
            (swapped if fate is Fate.SWAPPED else later).append(octets)
            continue
        arriving += [damaged(octets, fate), *swapped]
        swapped.clear()
    return b"".join(arriving + swapped + (late if frames else [])), later + ([] if frames else late)


def damaged(octets: bytes, fate: Fate) -> bytes:
    """Return what a fate leaves of a frame."""
    middle = len(octets) // 2
    return {
        Fate.LOST: b"",
        Fate.DAMAGED: octets[:middle] + bytes((octets[middle] ^ 0x55,)) + octets[middle + 1 :],
        Fate.TWICE: octets * 2,
        Fate.CUT: octets[:middle],
    }.get(fate, octets)
