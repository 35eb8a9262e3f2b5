"""One HDLC frame of format type 3 (IEC 62056-46, 6.4.1): fields to octets and back.

Goes in: fields to send, or a buffer and a place in it where a frame may start. Comes out: octets with flags, or the
frame, or the verdict why there is none. A frame is delimited by its length field: between the flags every octet is
data, 0x7E as well. Nothing here waits or remembers.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from poller.dlms.errors import BadFrame, BadParameter
from poller.dlms.fcs import check_sequence, is_intact
from poller.dlms.hdlc_address import MAX_FIELD, Address, address_from

FLAG: Final = 0x7E
MAX_LENGTH: Final = 0x7FF
"""Octets between the flags that the 11 bits of the length field can name."""
MAX_OCTETS: Final = MAX_LENGTH + 2
"""The longest frame with its flags."""
_MIN_LENGTH: Final = 7
"""Format 2, two addresses of 1, control 1, FCS 2."""
_TYPE_3: Final = 0xA000
_TYPE_MASK: Final = 0xF000
_SEGMENTED: Final = 0x0800
POLL_FINAL: Final = 0x10


class FrameKind(Enum):
    """What the control field says (ISO/IEC 13239, 5.3)."""

    I = auto()  # noqa: E741  the standard's name
    RR = auto()
    RNR = auto()
    REJ = auto()
    SREJ = auto()
    SNRM = auto()
    DISC = auto()
    UA = auto()
    DM = auto()
    FRMR = auto()
    UI = auto()
    UNKNOWN = auto()


class Verdict(Enum):
    """Why there is no frame at a place."""

    NOISE = auto()
    """What follows the flag is no header at all."""
    DAMAGED = auto()
    """It looks like a frame, but an address field, the HCS or the FCS is wrong."""


_SUPERVISORY: Final = (FrameKind.RR, FrameKind.RNR, FrameKind.REJ, FrameKind.SREJ)
_UNNUMBERED: Final = {
    0x83: FrameKind.SNRM,
    0x43: FrameKind.DISC,
    0x63: FrameKind.UA,
    0x0F: FrameKind.DM,
    0x87: FrameKind.FRMR,
    0x03: FrameKind.UI,
}
_CONTROLS: Final = {kind: control for control, kind in _UNNUMBERED.items()}


def _kind_of(control: int) -> FrameKind:
    if not control & 1:
        return FrameKind.I
    if control & 3 == 1:
        return _SUPERVISORY[control >> 2 & 3]
    return _UNNUMBERED.get(control & ~POLL_FINAL, FrameKind.UNKNOWN)


_KINDS: Final = tuple(_kind_of(control) for control in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """The fields of one frame; checked when it is put into octets."""

    destination: Address
    source: Address
    control: int
    info: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> FrameKind:
        return _KINDS[self.control]

    @property
    def final(self) -> bool:
        """The poll bit of a command, the final bit of a response."""
        return bool(self.control & POLL_FINAL)

    @property
    def ns(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def nr(self) -> int:
        """N(R) of an I or supervisory frame: the number expected next."""
        return self.control >> 5

    def to_bytes(self) -> bytes:
        """Return the frame between its flags; raise BadParameter when it is too long."""
        addresses = self.destination.to_bytes() + self.source.to_bytes()
        return pack_frame(addresses, self.control, self.info, segmented=self.segmented)


def information_control(ns: int, nr: int, *, poll: bool) -> int:
    """Return the control octet of an I frame."""
    return nr << 5 | (POLL_FINAL if poll else 0) | ns << 1


def supervisory_control(kind: FrameKind, nr: int) -> int:
    """Return the control octet of RR, RNR, REJ or SREJ, with the poll bit."""
    return nr << 5 | POLL_FINAL | _SUPERVISORY.index(kind) << 2 | 1


def unnumbered_control(kind: FrameKind) -> int:
    """Return the control octet of SNRM, DISC, UA, DM, FRMR or UI, with the poll bit."""
    return _CONTROLS[kind] | POLL_FINAL


def pack_frame(addresses: bytes, control: int, info: bytes, *, segmented: bool = False) -> bytes:
    """Return a frame between its flags; ``addresses`` are the two address fields, destination first."""
    length = 2 + len(addresses) + 1 + 2 + (len(info) + 2 if info else 0)
    if length > MAX_LENGTH:
        raise BadParameter(f"a frame of {length} octets exceeds the {MAX_LENGTH} that HDLC can name")
    format_field = _TYPE_3 | (_SEGMENTED if segmented else 0) | length
    body = format_field.to_bytes(2, "big") + addresses + bytes((control,))
    if info:
        body += check_sequence(body) + info
    return b"~" + body + check_sequence(body) + b"~"


def unpack_frame(octets: bytes) -> Frame:
    """Return the one frame that octets with both flags are; raise BadFrame for anything else."""
    if len(octets) < _MIN_LENGTH + 2 or octets[0] != FLAG or octets[-1] != FLAG:
        raise BadFrame("a frame lies between two flags and has at least 7 octets")
    found = examine(bytearray(octets), 0)
    if isinstance(found, Frame) and frame_octets(octets, 0) == len(octets) - 1:
        return found
    raise BadFrame(f"{octets[:16].hex()}… is not one HDLC frame: its length, an address or a checksum is wrong")


def frame_octets(buffer: bytes | bytearray, flag: int) -> int:
    """Return how many octets the frame at ``flag`` has with its opening, but without its closing flag."""
    return 1 + ((buffer[flag + 1] << 8 | buffer[flag + 2]) & MAX_LENGTH)


def examine(buffer: bytearray, flag: int) -> Frame | Verdict | int:
    """Judge what follows the flag at this place of the buffer.

    Returns the frame; or a verdict why there is none; or, when the buffer ends too early to tell, how many octets
    from the flag on are needed to know more. A closing flag is not asked for: the FCS proves the end, and a
    closing flag that was damaged, or is the next frame's opening flag, must not cost a second frame.
    """
    present = len(buffer) - flag
    if present < 3:
        return Verdict.NOISE if present == 2 and buffer[flag + 1] >> 4 != _TYPE_3 >> 12 else present + 1
    length = (buffer[flag + 1] << 8 | buffer[flag + 2]) & MAX_LENGTH
    if buffer[flag + 1] >> 4 != _TYPE_3 >> 12 or length < _MIN_LENGTH:
        return Verdict.NOISE
    source_at = _field_end(buffer, flag + 3)
    control_at = _field_end(buffer, source_at) if source_at > 0 else source_at
    if control_at < 0:
        return Verdict.DAMAGED
    if control_at == 0:
        return present + 1
    return _examine_body(buffer, flag, (source_at, control_at), length)


def _examine_body(buffer: bytearray, flag: int, fields: tuple[int, int], length: int) -> Frame | Verdict | int:
    source_at, control_at = fields
    end = flag + 1 + length
    info_at = control_at + 1
    if end != info_at + 2:  # with an information field the header has a check sequence of its own
        info_at += 2
        if end < info_at + 2:
            return Verdict.DAMAGED
        if len(buffer) < info_at:
            return info_at - flag
        if not is_intact(buffer[flag + 1 : info_at]):
            return Verdict.DAMAGED
    if len(buffer) < end:
        return end - flag
    if not is_intact(buffer[flag + 1 : end]):
        return Verdict.DAMAGED
    return Frame(
        address_from(bytes(buffer[flag + 3 : source_at])),
        address_from(bytes(buffer[source_at:control_at])),
        buffer[control_at],
        bytes(buffer[info_at : end - 2]),
        bool(buffer[flag + 1] & _SEGMENTED >> 8),
    )


def _field_end(buffer: bytearray, start: int) -> int:
    """Return where the address field ends; 0 when the buffer ends before it does, -1 when it is none."""
    for at in range(start, min(start + MAX_FIELD, len(buffer))):
        if buffer[at] & 1:
            return at + 1 if at - start != 2 else -1
    return -1 if len(buffer) - start >= MAX_FIELD else 0
