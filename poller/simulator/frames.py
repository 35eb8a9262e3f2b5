"""HDLC frames, format type 3 (IEC 62056-46), as a strict meter reads and writes them.

A stream of octets in, frames whose length, addresses, HCS and FCS are right out; everything else is dropped and
counted. Frames in, octets out. No numbering, no state of a link, no socket, no clock but the times handed in.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from poller.simulator import crc

FLAG: Final = 0x7E
POLL: Final = 0x10
"""The P/F bit of a control field."""
MAX_PENDING: Final = 16_384
"""Octets kept of an unfinished frame: several times the longest one (2047), so that only noise can pass it."""
_SHORTEST: Final = 7
_ONE_FLAG: Final = b"\x7e"


class Kind(Enum):
    """What a control field says."""

    INFORMATION = auto()
    RR = auto()
    RNR = auto()
    REJ = auto()
    SNRM = auto()
    DISC = auto()
    UI = auto()
    OTHER = auto()


_SUPERVISORY: Final = {0x01: Kind.RR, 0x05: Kind.RNR, 0x09: Kind.REJ}
_UNNUMBERED: Final = {0x83: Kind.SNRM, 0x43: Kind.DISC, 0x03: Kind.UI}

RR: Final = 0x01
RNR: Final = 0x05
REJ: Final = 0x09
SNRM: Final = 0x83
UA: Final = 0x63
DM: Final = 0x0F
FRMR: Final = 0x87


def _kind_of(control: int) -> Kind:
    if not control & 1:
        return Kind.INFORMATION
    if control & 3 == 1:
        return _SUPERVISORY.get(control & 0x0F, Kind.OTHER)
    return _UNNUMBERED.get(control & ~POLL, Kind.OTHER)


KINDS: Final = tuple(_kind_of(control) for control in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame between its flags; addresses as their octets on the line."""

    destination: bytes
    source: bytes
    control: int
    info: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind:
        """What the control field says."""
        return KINDS[self.control]


def header(frame: Frame, size: int) -> bytes:
    """Return format, addresses and control of a frame whose information field has ``size`` octets, without HCS."""
    length = 2 + len(frame.destination) + len(frame.source) + 1 + 2 + (size + 2 if size else 0)
    word = 0xA000 | (0x0800 if frame.segmented else 0) | length
    return b"%b%b%b%c" % (word.to_bytes(2, "big"), frame.destination, frame.source, frame.control)


def encode(frame: Frame) -> bytes:
    """Return the octets of a frame, flags included."""
    body = header(frame, len(frame.info))
    if frame.info:
        body = body + crc.checksum(body) + frame.info
    return _ONE_FLAG + body + crc.checksum(body) + _ONE_FLAG


def _address_size(octets: bytes | bytearray, start: int) -> int:
    """Return how many octets the address at ``start`` has; 0 when it is not 1, 2 or 4 (or not there yet)."""
    for size in range(1, 5):
        if start + size > len(octets):
            return 0
        if octets[start + size - 1] & 1:
            return 0 if size == 3 else size
    return 0


def hcs_position(octets: bytes) -> int | None:
    """Return where the HCS of one encoded frame (flags included) begins; None when it has none."""
    to_size = _address_size(octets, 3)
    control = 3 + to_size + _address_size(octets, 3 + to_size)
    return control + 1 if len(octets) > control + 4 else None


@dataclass(slots=True)
class ReaderCounters:
    """What was dropped on the way in."""

    bad_format: int = 0
    bad_hcs: int = 0
    bad_fcs: int = 0
    octets_dropped: int = 0


@dataclass(slots=True)
class FrameReader:
    """Cuts a stream into frames. A silence longer than ``inter_octet`` seconds ends an unfinished frame."""

    inter_octet: float = 0.5
    counters: ReaderCounters = field(default_factory=ReaderCounters)
    _buffer: bytearray = field(default_factory=bytearray)
    _last: float = 0.0

    def feed(self, octets: bytes, now: float) -> list[Frame]:
        """Return the frames that these octets complete, in order."""
        if now - self._last > self.inter_octet:
            self._drop(len(self._buffer))
        self._last = now
        self._buffer += octets
        found: list[Frame] = []
        while self._aligned():
            frame, used = self._first()
            if frame is not None:
                found.append(frame)
                del self._buffer[:used]
            elif used:
                self._drop(used)
            else:
                break
        if len(self._buffer) > MAX_PENDING:
            self._drop(len(self._buffer))
        return found

    def _drop(self, count: int) -> None:
        self.counters.octets_dropped += count
        del self._buffer[:count]

    def _aligned(self) -> bool:
        """Bring a flag with something after it to the front; False when there is none yet."""
        buffer = self._buffer
        start = buffer.find(FLAG)
        if start:
            self._drop(len(buffer) if start < 0 else start)
        while len(buffer) > 1 and buffer[1] == FLAG:
            del buffer[0]
        return len(buffer) > 2

    def _first(self) -> tuple[Frame | None, int]:
        """Return the frame at the front and its octets; (None, n) when n octets are no frame, (None, 0) to wait."""
        buffer = self._buffer
        length = (buffer[1] & 0x07) << 8 | buffer[2]
        if buffer[1] & 0xF0 != 0xA0 or length < _SHORTEST:
            self.counters.bad_format += 1
            return None, 1
        if len(buffer) < length + 2:
            return None, 0
        body = bytes(buffer[1 : length + 1])
        if buffer[length + 1] != FLAG:
            self.counters.bad_format += 1
            return None, 1
        if crc.register(body) != crc.GOOD:
            self.counters.bad_fcs += 1
            return None, 1
        frame = self._parsed(body)
        return frame, length + 1 if frame else 1

    def _parsed(self, body: bytes) -> Frame | None:
        """Return the frame of a body whose FCS is right; None when its addresses or its HCS are not."""
        to_size = _address_size(body, 2)
        from_size = _address_size(body, 2 + to_size) if to_size else 0
        control = 2 + to_size + from_size
        if not from_size or control + 3 > len(body):
            self.counters.bad_format += 1
            return None
        info = body[control + 3 : -2]
        if len(body) > control + 3 and crc.register(body[: control + 3]) != crc.GOOD:
            self.counters.bad_hcs += 1
            return None
        return Frame(body[2 : 2 + to_size], body[2 + to_size : control], body[control], info, bool(body[0] & 0x08))


def address(upper: int, lower: int | None, size: int) -> bytes:
    """Return the octets of a server address (62056-46, 6.4.2): upper alone in one, upper and lower in two or four."""
    if size == 1:
        return bytes((upper << 1 | 1,))
    low = lower or 0
    if size == 2:
        return bytes((upper << 1, low << 1 | 1))
    return bytes((upper >> 6 & 0xFE, upper << 1 & 0xFE, low >> 6 & 0xFE, (low << 1 & 0xFE) | 1))
