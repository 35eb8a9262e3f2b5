"""Secrets out of captured octets, so that what is left can be shown, decoded and replayed.

In: the pieces of a capture. Out: pieces of the same lengths. Passwords, answers to digests' challenges, secrets that
are set, and dedicated keys in the clear become as many ``*``; the check sequences of the frames are made anew.
Protected APDUs stay as they are: nobody reads them without the keys. On request serial numbers go as well.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final

from common.errors import BridgeError
from common.redaction import is_secret_attribute, is_secret_method
from poller.capture import IN, OUT, Capture, Piece
from poller.dlms.axdr import Reader
from poller.dlms.data import Data
from poller.dlms.explain.stream import Kind, explain
from poller.dlms.explain.tree import Node
from poller.dlms.fcs import check_sequence
from poller.dlms.get_service import GetList, GetNormal, decode_get_response
from poller.dlms.hdlc_frame import FLAG, MAX_OCTETS, Frame, FrameKind, examine, frame_octets

_SECRET: Final = 0x2A
_SERIAL: Final = 0x30
_SHORTEST_SERIAL: Final = 4
"""Shorter values would be found everywhere."""
_ASSOCIATION: Final = 15
_REPLY_TO_HLS: Final = 1
_DIGESTS: Final = {16, 20, 32}
"""Octets of MD5, SHA-1 and SHA-256; what GMAC answers has 17 and needs no hiding."""
_SERIALS: Final = {(0, 96, 1), (0, 42, 0), (1, 0, 0)}
"""Value groups A, C and D of device identifiers and of the logical device name."""
_TABLES: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "get-request": is_secret_attribute,
    "set-request": is_secret_attribute,
    "action-request": is_secret_method,
}
_LLC: Final = {b"\xe6\xe6\x00", b"\xe6\xe7\x00"}
_WRAPPER_HEADER: Final = 8

Span = tuple[int, int]


@dataclass(slots=True)
class _Payload:
    """One APDU with its LLC header, where its octets lie in the line, and the frames around them."""

    way: str
    ends: int
    places: list[Span] = field(default_factory=list)
    frames: list[Span] = field(default_factory=list)

    def octets(self, line: bytearray) -> bytes:
        """Return what the places hold together."""
        return b"".join(line[start:end] for start, end in self.places)


@dataclass(slots=True)
class Asked:
    """What the last request named: the service, and class, logical name, attribute or method."""

    service: str = ""
    refs: list[tuple[int, bytes, int]] = field(default_factory=list)

    @property
    def proves(self) -> bool:
        """Whether it answered a challenge of the association's."""
        return self.service == "action-request" and any(
            class_id == _ASSOCIATION and method == _REPLY_TO_HLS for class_id, _, method in self.refs
        )

    @property
    def secret(self) -> bool:
        """Whether it named an attribute or a method that the table of secrets has."""
        asks = _TABLES.get(self.service)
        return asks is not None and any(asks(class_id, member) for class_id, _, member in self.refs)


def redact(capture: Capture, *, serials: bool = False, asked: Asked | None = None) -> Capture:
    """Return a capture without secrets, and without serial numbers when those are to go.

    ``asked`` takes what was asked over to the next part, when a capture is redacted part by part.
    """
    lines = {way: bytearray(b"".join(p.octets for p in capture.pieces if p.way == way)) for way in (OUT, IN)}
    find = _in_frames if capture.header.transport == "hdlc" else _in_messages
    moments = {way: _moments(capture.pieces, way) for way in lines}

    def completed(payload: _Payload) -> int:
        ends, numbers = moments[payload.way]
        return numbers[bisect_left(ends, payload.ends)]

    payloads = sorted((payload for way, line in lines.items() for payload in find(way, line)), key=completed)
    asked, numbers = asked or Asked(), set[bytes]()
    for payload in payloads:
        octets = payload.octets(lines[payload.way])
        _mask(lines[payload.way], payload, _secrets(octets, asked), _SECRET)
        if serials:
            numbers |= _serials(octets, asked)
    for payload in payloads if numbers else ():
        octets = payload.octets(lines[payload.way])
        _mask(lines[payload.way], payload, [span for number in numbers for span in _all(octets, number)], _SERIAL)
    return replace(capture, pieces=tuple(_cut(capture.pieces, lines)))


def _in_frames(way: str, line: bytearray) -> Iterator[_Payload]:
    """Yield the payloads of the good I and UI frames; segments belong together."""
    payload = _Payload(way, 0)
    at = 0
    while (flag := line.find(FLAG, at)) >= 0:
        window = line[flag : flag + MAX_OCTETS]
        found = examine(window, 0)
        at = flag + 1
        if not isinstance(found, Frame):
            continue
        at = flag + frame_octets(window, 0)
        if not found.info or found.kind not in {FrameKind.I, FrameKind.UI}:
            continue
        if found.info[:3] in _LLC:
            payload = _Payload(way, 0)  # what came before was never finished
        payload.places.append((at - 2 - len(found.info), at - 2))
        payload.frames.append((flag + 1, at - 2))
        payload.ends = at
        if not found.segmented:
            yield payload
            payload = _Payload(way, 0)


def _in_messages(way: str, line: bytearray) -> Iterator[_Payload]:
    at = 0
    while at + _WRAPPER_HEADER <= len(line):
        end = at + _WRAPPER_HEADER + int.from_bytes(line[at + 6 : at + _WRAPPER_HEADER], "big")
        if end > len(line):
            return
        yield _Payload(way, end, [(at + _WRAPPER_HEADER, end)])
        at = end


def _moments(pieces: Sequence[Piece], way: str) -> tuple[list[int], list[int]]:
    """Return, for the pieces of one direction, where each ends in its line, and its number among all."""
    numbers = [number for number, piece in enumerate(pieces) if piece.way == way]
    return list(accumulate(len(pieces[number].octets) for number in numbers)), numbers


def _mask(line: bytearray, payload: _Payload, spans: Sequence[Span], mask: int) -> None:
    """Overwrite parts of a payload where they lie in the line; make the frames' check sequences fit again."""
    if not spans:
        return
    places = [at for start, end in payload.places for at in range(start, end)]
    for start, end in spans:
        for at in places[start:end]:
            line[at] = mask
    for start, end in payload.frames:
        line[end : end + 2] = check_sequence(bytes(line[start:end]))


def _cut(pieces: Sequence[Piece], lines: dict[str, bytearray]) -> Iterator[Piece]:
    """Yield the pieces as they were cut before."""
    at = {OUT: 0, IN: 0}
    for piece in pieces:
        start = at[piece.way]
        at[piece.way] += len(piece.octets)
        yield replace(piece, octets=bytes(lines[piece.way][start : at[piece.way]]))


def _all(octets: bytes, number: bytes) -> Iterator[Span]:
    at = octets.find(number)
    while at >= 0:
        yield at, at + len(number)
        at = octets.find(number, at + len(number))


def _secrets(octets: bytes, asked: Asked) -> list[Span]:
    """Return where secrets stand in one payload; remember what a request asks for."""
    nodes = [node for root in explain(octets, Kind.APDU) for node in _shown(root)]
    apdu = next((node for node in nodes if node.name != "LLC header"), None)
    if apdu is None:
        return []
    spans = [_whole(node) for node in nodes if node.name == "dedicated-key" and len(node.octets) > 1]
    if apdu.name == "AARQ":
        spans += _proof(nodes)
    if apdu.name.endswith("-request") or apdu.name == "readRequest":
        asked.service, asked.refs = apdu.name, list(map(_reference, _descriptors(nodes)))
    return spans + list(_values(nodes, apdu.name, asked))


def _proof(nodes: Sequence[Node]) -> Iterator[Span]:
    """Yield where the password of an AARQ stands; what cannot be read may be it."""
    low = any(node.meaning.startswith("LLS ") for node in nodes)
    for node in nodes:
        if low and node.name == "calling-authentication-value" and node.children:
            yield _whole(node.children[-1])
        elif node.fault:
            yield _whole(node)


def _values(nodes: Sequence[Node], apdu: str, asked: Asked) -> Iterator[Span]:
    """Yield where octet-strings stand that are secret because of what the request names."""
    whole = asked.secret
    digest = asked.proves or apdu in {"readRequest", "readResponse"}
    if not whole and not digest:
        return
    for node in nodes:
        if node.name.endswith("octet-string") and node.octets[:1] == b"\x09":
            start, end = _content(node)
            if whole or end - start in _DIGESTS:
                yield start, end


def _shown(node: Node) -> Iterator[Node]:
    """Yield a node and those below it that stand in the octets themselves."""
    if not node.derived:
        yield node
        for child in node.children:
            yield from _shown(child)


def _descriptors(nodes: Sequence[Node]) -> Iterator[Node]:
    return (node for node in nodes if node.name.startswith("cosem-") and len(node.octets) == 9)


def _reference(node: Node) -> tuple[int, bytes, int]:
    return int.from_bytes(node.octets[:2], "big"), node.octets[2:8], node.octets[8]


def _whole(node: Node) -> Span:
    return node.offset, node.offset + len(node.octets)


def _content(node: Node) -> Span:
    reader = Reader(node.octets)
    reader.octet()
    size = reader.length()
    return node.offset + reader.at, node.offset + reader.at + size


def _serials(octets: bytes, asked: Asked) -> set[bytes]:
    """Return the serial numbers that an answer brings, if that is what was asked for."""
    try:
        answer = decode_get_response(octets[3:] if octets[:3] in _LLC else octets)
    except BridgeError:
        return set()
    results = (
        answer.results if isinstance(answer, GetList) else [answer.result] if isinstance(answer, GetNormal) else []
    )
    pairs = zip(asked.refs, results, strict=False)
    values = (result for ref, result in pairs if (ref[1][0], ref[1][2], ref[1][3]) in _SERIALS and ref[2] == 2)
    return {text for value in values if isinstance(value, Data) for text in _texts(value)}


def _texts(data: Data) -> Iterator[bytes]:
    value = data.value.encode() if isinstance(data.value, str) else data.value
    if isinstance(value, bytes) and len(value) >= _SHORTEST_SERIAL:
        yield value
