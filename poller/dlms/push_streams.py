"""Octets of a line on which meters push, to payloads: HDLC frames, WRAPPER messages, or APDUs as they are.

Goes in: octets as they come. Comes out: payloads with where they came from, or the typed error in place of one. What
may not happen: a wait that another push does not end, or more than MAX_HELD octets of what is not complete yet.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from common.errors import BridgeError
from poller.dlms.axdr import Reader
from poller.dlms.block_service import GENERAL_BLOCK
from poller.dlms.ciphered import CIPHERED, GENERAL_DED, GENERAL_GLO
from poller.dlms.errors import BadData, BadFrame, UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import Frame, FrameKind
from poller.dlms.notification import DATA_NOTIFICATION, EVENT_NOTIFICATION
from poller.dlms.wrapper import WrapperDecoder

MAX_PAYLOAD: Final = 0x4_0000
"""Octets of one push; the longest known, a day of quarter hours, has some 20 000."""
MAX_HELD: Final = 0x10_0000
"""Octets kept of pushes that are not complete, over all origins of a stream; the oldest makes room."""
MAX_ORIGINS: Final = 64
"""Origins with such a push: as many meters as share one line."""
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_LLC_OCTETS: Final = 3
_NS_MODULO: Final = 8


class Framing(StrEnum):
    """How pushes are told apart on a stream."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a payload came from, and to whom: HDLC addresses, wPorts, or None where nothing says so."""

    source: Address | int | None = None
    destination: Address | int | None = None


Payload = tuple[Origin, bytes | BridgeError]


class PushStream(Protocol):
    """One stream of pushes."""

    def feed(self, octets: bytes) -> list[Payload]:
        """Take what arrived; return the payloads that are complete now; raise LinkDamaged when it cannot go on."""

    def expire(self) -> list[Payload]:
        """Nothing more came for a while: return what was complete after all, give up what never will be."""


class Unfinished:
    """Parts of payloads by origin, bounded over all of them."""

    def __init__(self) -> None:
        self._parts: OrderedDict[Origin, bytearray] = OrderedDict()
        self._held = 0

    def __contains__(self, origin: Origin) -> bool:
        return origin in self._parts

    def add(self, origin: Origin, part: bytes) -> None:
        """Add a part; raise UnexpectedReply, and forget them all, when the payload becomes too long."""
        parts = self._parts.setdefault(origin, bytearray())
        if len(parts) + len(part) > MAX_PAYLOAD:
            self.drop(origin)
            raise UnexpectedReply(f"a push of more than {MAX_PAYLOAD} octets")
        parts += part
        self._held += len(part)
        self._parts.move_to_end(origin)
        while self._held > MAX_HELD or len(self._parts) > MAX_ORIGINS:
            self.drop(next(iter(self._parts)))

    def whole(self, origin: Origin) -> bytes:
        """Return the parts together, and forget them."""
        payload = bytes(self._parts.get(origin, b""))
        self.drop(origin)
        return payload

    def drop(self, origin: Origin) -> None:
        """Forget the parts of an origin."""
        self._held -= len(self._parts.pop(origin, b""))


class HdlcPushes:
    """Payloads of UI and I frames of anybody to anybody, segmented or not (IEC 62056-46, 6.4.3)."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._decoder = HdlcDecoder(counters)
        self._unfinished = Unfinished()
        self._numbers: dict[Origin, int] = {}

    def feed(self, octets: bytes) -> list[Payload]:
        return self._payloads(self._decoder.feed(octets))

    def expire(self) -> list[Payload]:
        return self._payloads(self._decoder.expire())

    def _payloads(self, frames: list[Frame]) -> list[Payload]:
        payloads: list[Payload] = []
        for frame in frames:
            origin = Origin(frame.source, frame.destination)
            if frame.kind not in {FrameKind.UI, FrameKind.I} or not frame.info:
                self._counters.foreign_frames += 1
                continue
            try:
                payload = self._assembled(origin, frame)
            except UnexpectedReply as error:
                payloads.append((origin, error))
                continue
            if payload is not None:
                payloads.append((origin, payload))
        return payloads

    def _assembled(self, origin: Origin, frame: Frame) -> bytes | None:
        """Return the payload without its LLC header, when the frame is the last of it."""
        begins = frame.info.startswith(_LLC)
        if begins:  # a payload that never ended makes room for this one
            self._counters.out_of_sequence += origin in self._unfinished
            self._unfinished.drop(origin)
        elif origin in self._unfinished and not self._follows(origin, frame):
            self._counters.out_of_sequence += 1
            return None
        self._numbers = {origin: frame.ns} if frame.kind is FrameKind.I else {}
        part = frame.info[_LLC_OCTETS:] if begins else frame.info
        if not frame.segmented and origin not in self._unfinished:
            return part
        self._unfinished.add(origin, part)
        return None if frame.segmented else self._unfinished.whole(origin)

    def _follows(self, origin: Origin, frame: Frame) -> bool:
        """Say whether a segment continues its payload; UI frames have no number that could tell."""
        last = self._numbers.get(origin)
        return frame.kind is FrameKind.UI or last is None or frame.ns == (last + 1) % _NS_MODULO


class WrapperPushes:
    """APDUs of WRAPPER messages of anybody to anybody (IEC 62056-47)."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._decoder = WrapperDecoder()

    def feed(self, octets: bytes) -> list[Payload]:
        messages = self._decoder.feed(octets)
        self._counters.frames_received += len(messages)
        return [(Origin(message.source, message.destination), message.apdu) for message in messages]

    def expire(self) -> list[Payload]:
        return []


class RawPushes:
    """APDUs without anything around them: each ends where its own structure does."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._buffer = bytearray()
        self._needed = 1

    def feed(self, octets: bytes) -> list[Payload]:
        self._buffer += octets
        payloads = self._complete() if len(self._buffer) >= self._needed else []
        if len(self._buffer) > MAX_PAYLOAD:
            self._cut(len(self._buffer))
            payloads.append((Origin(), BadFrame(f"{MAX_PAYLOAD} octets without an end of a push")))
        return payloads

    def expire(self) -> list[Payload]:
        """Whatever is there is taken for one push, or for the error that says why it is none."""
        self._needed = 1
        payloads = self.feed(b"")
        if self._buffer:
            payloads.append((Origin(), self._cut(len(self._buffer))))
        return payloads

    def _complete(self) -> list[Payload]:
        """Cut off all that is complete, in one look: of many small pushes each is looked at once."""
        octets, at = bytes(self._buffer), 0
        payloads: list[Payload] = []
        while at < len(octets) and (end := extent(octets, at)) is not None:
            payloads.append((Origin(), octets[at:end]))
            at = end
        del self._buffer[:at]
        self._counters.frames_received += len(payloads)
        left = len(self._buffer)
        self._needed = left + left // 4 + 1  # grown by a quarter: work stays in step with the input
        return payloads

    def _cut(self, end: int) -> bytes:
        taken = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._needed = 1
        self._counters.frames_received += 1
        return taken


def extent(octets: bytes, at: int = 0) -> int | None:
    """Return where the APDU ends that begins at an octet; None when it is not complete, or has no end."""
    reader = Reader(octets)
    reader.at = at
    try:
        _skip(reader, reader.octet())
    except BadData:
        return None
    return reader.at


def _skip(reader: Reader, tag: int) -> None:
    if tag in CIPHERED:
        if tag in {GENERAL_GLO, GENERAL_DED}:
            reader.take(reader.length())
        reader.take(reader.length())
    elif tag == GENERAL_BLOCK:
        reader.take(5)
        reader.take(reader.length())
    elif tag == DATA_NOTIFICATION:
        reader.take(4)
        reader.take(reader.length())
        reader.data()
    elif tag == EVENT_NOTIFICATION:
        if reader.octet():
            reader.take(reader.length())
        reader.take(9)
        reader.data()
    else:
        raise BadData(f"an APDU with tag {tag:02x} has no end of its own")


def stream_of(framing: Framing, counters: Counters) -> PushStream:
    """Return a new stream."""
    return _STREAMS[framing](counters)


_STREAMS: Final[Mapping[Framing, Callable[[Counters], PushStream]]] = {
    Framing.HDLC: HdlcPushes,
    Framing.WRAPPER: WrapperPushes,
    Framing.RAW: RawPushes,
}
