"""A small secondary station for tests of the link: strict numbering, windows, segmentation, and a line that fails.

Goes in: octets of a primary station. Comes out: octets, or None for silence. It answers a payload by what a function
makes of it. It knows nothing of DLMS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import Frame, FrameKind, information_control, supervisory_control, unnumbered_control
from poller.dlms.hdlc_parameters import LinkParameters, decode_parameters, encode_parameters
from poller.dlms.hdlc_window import SendWindow, segments

METER, CLIENT = Address(1), Address(16)


class Fate(Enum):
    """What the line does to a frame."""

    ARRIVES = auto()
    LOST = auto()
    DAMAGED = auto()
    TWICE = auto()
    CUT = auto()


@dataclass
class Secondary:
    """The meter's end of a link, and the line to it."""

    answer: Callable[[bytes], bytes]
    limits: LinkParameters = field(default_factory=LinkParameters)
    to_meter: Iterable[Fate] = ()
    from_meter: Iterable[Fate] = ()
    received: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What a strict meter would complain about; repetitions after losses are none."""

    def __post_init__(self) -> None:
        self._decoder = HdlcDecoder(Counters())
        self._fates_in, self._fates_out = iter(self.to_meter), iter(self.from_meter)
        self.up = False
        self._reset(LinkParameters())

    def _reset(self, bound: LinkParameters) -> None:
        self._bound = bound
        self._window = SendWindow(bound.window_tx)
        self._expected = 0
        self._parts: list[bytes] = []
        self._out: list[bytes] = []

    def __call__(self, octets: bytes) -> bytes | None:
        """Take what the primary sent; return what arrives at its side."""
        self._out = []
        for frame in self._decoder.feed(octets):
            for copy in suffered(frame.to_bytes(), next(self._fates_in, Fate.ARRIVES)):
                for arrived in HdlcDecoder(Counters()).feed(copy):
                    self._take(arrived)
        arriving = (suffered(out, next(self._fates_out, Fate.ARRIVES)) for out in self._out)
        joined = b"".join(octets for copies in arriving for octets in copies)
        return joined or None

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case FrameKind.SNRM:
                proposed = decode_parameters(frame.info)
                self._reset(self.limits.granted(proposed))
                self.up = True
                self._send(unnumbered_control(FrameKind.UA), encode_parameters(self._bound))
            case FrameKind.DISC:
                kind = FrameKind.UA if self.up else FrameKind.DM
                self.up = False
                self._send(unnumbered_control(kind))
            case FrameKind.I if self.up:
                self._information(frame)
            case FrameKind.RR if self.up:
                self._poll(frame)
            case _:
                self._send(unnumbered_control(FrameKind.DM))

    def _information(self, frame: Frame) -> None:
        if len(frame.info) > self._bound.info_rx:
            self.faults.append("information field too long")
        if self._window.admits(frame.nr):
            self._window.acknowledge(frame.nr)
        if frame.ns == self._expected:
            self._expected = (self._expected + 1) % 8
            self._parts.append(frame.info)
            if not frame.segmented:
                self._complete()
        if frame.final:
            self._turn()

    def _complete(self) -> None:
        payload = b"".join(self._parts)
        self._parts = []
        self.received.append(payload)
        self._window.offer(segments(self.answer(payload), self._bound.info_tx))

    def _poll(self, frame: Frame) -> None:
        if not self._window.admits(frame.nr):
            self.faults.append(f"N(R) {frame.nr}")
            return
        self._window.acknowledge(frame.nr)
        self._turn()

    def _turn(self) -> None:
        """Send what is unacknowledged again, or what is due, or RR; the last frame gives the turn back."""
        due = self._window.in_flight or self._window.due()
        for place, (ns, segment) in enumerate(due, 1):
            control = information_control(ns, self._expected, poll=place == len(due))
            self._send(control, segment.info, segmented=segment.more)
        if not due:
            self._send(supervisory_control(FrameKind.RR, self._expected))

    def _send(self, control: int, info: bytes = b"", *, segmented: bool = False) -> None:
        self._out.append(Frame(CLIENT, METER, control, info, segmented).to_bytes())


def suffered(octets: bytes, fate: Fate) -> list[bytes]:
    """Return what arrives of a frame."""
    middle = len(octets) // 2
    return {
        Fate.ARRIVES: [octets],
        Fate.LOST: [],
        Fate.DAMAGED: [octets[:middle] + bytes((octets[middle] ^ 0x55,)) + octets[middle + 1 :]],
        Fate.TWICE: [octets, octets],
        Fate.CUT: [octets[:middle]],
    }[fate]
