"""HDLC frames and WRAPPER messages (IEC 62056-46, 6.4; IEC 62056-47), field by field, good ones and damaged ones.

Goes in: octets of a line, from a place where a frame or message begins. Comes out: nodes; how many octets it took, 0
when it is not complete. A frame is told by its length field, as the link itself does.
"""

from typing import Final

from poller.dlms.errors import BadData, BadFrame
from poller.dlms.explain.apdu import read_apdu
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.tree import Node, Scan, derived, within
from poller.dlms.fcs import check_sequence, is_intact
from poller.dlms.hdlc_address import MAX_FIELD, Address, address_from
from poller.dlms.hdlc_frame import MAX_LENGTH, MAX_OCTETS, Frame, FrameKind, Verdict, examine, frame_octets

_SEGMENTED: Final = 0x0800
_HEAD: Final = 3
"""Flag and frame format."""
_CHECK: Final = 2
_LLC: Final = {b"\xe6\xe6\x00": "LLC: command", b"\xe6\xe7\x00": "LLC: response"}
_PARAMETERS: Final = {
    5: "max-information-transmit", 6: "max-information-receive", 7: "window-transmit", 8: "window-receive",
}  # fmt: skip
_SEGMENTS: Final = "segments"
WRAPPER_HEADER: Final = 8


def frame_size(octets: bytes, at: int, *, ended: bool = False) -> int | None:
    """Return the octets of the frame whose flag stands at a place, with its flags; None when none begins there.

    0 says that the octets end before it can be told; ``ended``: none will follow. A damaged frame counts when its
    closing flag stands where its length says. A closing flag that opens the next frame is left to that one.
    """
    window = bytearray(octets[at : at + MAX_OCTETS + 1])
    found = examine(window, 0)
    if isinstance(found, int):
        return 0
    if found is Verdict.NOISE or len(window) < _HEAD:
        return None
    size = frame_octets(window, 0)
    closing = bytes(window[size : size + 2])
    if found is Verdict.DAMAGED and len(closing) < 2 and not ended:
        return 0
    if found is Verdict.DAMAGED and closing[:1] != b"~":
        return None
    return size + (closing[:1] == b"~" and closing[1:] in {b"", b"~"})


def read_frame(scan: Scan, memory: Memory) -> None:
    """Read one frame, which is all that the scan has, with the verdicts on its check sequences."""
    with scan.branch("HDLC frame") as node:
        within(scan, scan.left, lambda part: _read_fields(part, memory, node))


def _read_fields(scan: Scan, memory: Memory, node: Node) -> None:
    scan.leaf(1, "flag")
    form = scan.leaf(2, "frame format")
    number = int.from_bytes(form.octets, "big")
    length, segmented = number & MAX_LENGTH, bool(number & _SEGMENTED)
    form.meaning = f"type 3, {length} octets{', segmented' if segmented else ''}"
    destination, source = _address(scan, "destination"), _address(scan, "source")
    control = scan.leaf(1, "control")
    frame = Frame(Address(0), Address(0), control.octets[0], segmented=segmented)
    control.meaning = control_words(frame)
    node.meaning = f"{control.meaning}, {source} to {destination}"
    memory.way = f"{source}>{destination}"
    left = 1 + length - _CHECK - scan.at
    if left:
        if left < _CHECK:
            raise BadData(f"a frame of {length} octets has no room for an HCS")
        _check(scan, "HCS")
        _information(scan, memory, frame, left - _CHECK, sound=is_intact(scan.octets[1 : 1 + length]))
    _check(scan, "FCS")
    if scan.left:
        scan.leaf(1, "flag")


def control_words(frame: Frame) -> str:
    """Return what a control field says: the kind, N(S) and N(R), the poll or final bit."""
    words = [frame.kind.name]
    if frame.kind is FrameKind.I:
        words.append(f"N(S) {frame.ns}")
    if not frame.control & 1 or frame.control & 3 == 1:
        words.append(f"N(R) {frame.nr}")
    return ", ".join([*words, "P/F"] if frame.final else words)


def _address(scan: Scan, name: str) -> str:
    """Read an address field; return its upper and lower part."""
    octets = scan.peek(MAX_FIELD)
    size = next((at + 1 for at, octet in enumerate(octets) if octet & 1), len(octets))
    node = scan.leaf(size, name)
    try:
        address = address_from(node.octets)
    except BadFrame as fault:
        node.meaning, node.fault = fault.detail, True
        return "?"
    text = str(address.logical) if address.physical is None else f"{address.logical}/{address.physical}"
    node.meaning = text if address.physical is None else f"logical {address.logical}, physical {address.physical}"
    return text


def _check(scan: Scan, name: str) -> None:
    """Read a check sequence over all since the flag (ISO/IEC 13239, 4.2.5.2)."""
    expected = check_sequence(scan.octets[1 : scan.at])
    node = scan.leaf(_CHECK, name, "right")
    if node.octets != expected:
        node.meaning, node.fault = f"wrong, {expected.hex()} expected", True


def _information(scan: Scan, memory: Memory, frame: Frame, size: int, *, sound: bool) -> None:
    """Read the information field by the kind of frame; of a damaged one only the octets."""
    if not sound:
        scan.leaf(size, "information", "not read: the frame is damaged")
    elif frame.kind in {FrameKind.SNRM, FrameKind.UA, FrameKind.DISC}:
        within(scan, size, _parameters)
    elif frame.kind in {FrameKind.I, FrameKind.UI}:
        _payload(scan, memory, size, segmented=frame.segmented)
    else:
        scan.leaf(size, "information")


def _payload(scan: Scan, memory: Memory, size: int, *, segmented: bool) -> None:
    """Read LLC and APDU, at once or with the last of several segments (IEC 62056-46, 6.4.4.4.3.5)."""
    info = scan.peek(size)
    begins = info[:3] in _LLC or not memory.is_joining(_SEGMENTS)
    if begins and not segmented:
        within(scan, size, lambda part: read_payload(part, memory))
        return
    scan.leaf(size, "information", f"{'first' if begins else 'next' if segmented else 'last'} segment")
    joined = memory.join(_SEGMENTS, info, first=begins, last=not segmented)
    if joined is not None:
        text = f"{len(joined)} octets"
        scan.derive(derived(joined, "joined segments", text, memory.budget, lambda part: read_payload(part, memory)))


def read_payload(scan: Scan, memory: Memory) -> None:
    """Read the LLC header, where there is one, and the APDU behind it."""
    meaning = _LLC.get(scan.peek(3))
    if meaning:
        scan.leaf(3, "LLC header", meaning)
    read_apdu(scan, memory)


def _parameters(scan: Scan) -> None:
    """Read what SNRM proposes or UA grants (IEC 62056-46, 6.4.4.4.3.2)."""
    scan.leaf(1, "format identifier")
    while scan.left:
        scan.number(1, "group identifier", {0x80: "link parameters", 0xF0: "user-defined"})
        within(scan, scan.number(1, "group length"), _group)


def _group(scan: Scan) -> None:
    while scan.left:
        head = scan.peek(2)
        size = 2 + head[-1]
        node = scan.leaf(size, _PARAMETERS.get(head[0], f"parameter {head[0]}"))
        node.meaning = str(int.from_bytes(node.octets[2:], "big"))


def read_message(scan: Scan, memory: Memory) -> None:
    """Read one WRAPPER message, which is all that the scan has."""
    with scan.branch("WRAPPER message") as node:
        scan.number(2, "version")
        source = scan.number(2, "source wPort")
        destination = scan.number(2, "destination wPort")
        node.meaning = f"{source} to {destination}"
        memory.way = f"{source}>{destination}"
        within(scan, scan.number(2, "length"), lambda part: read_apdu(part, memory))
