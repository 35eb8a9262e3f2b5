"""From octets of any kind to their tree: lines with frames or messages, single APDUs, single values.

Goes in: octets, split anywhere, of one or both directions. Comes out: nodes as they are complete. Nothing is raised.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from common.errors import BridgeError
from poller.dlms.axdr import decode_whole
from poller.dlms.data import DataType
from poller.dlms.explain.apdu import TAGS, apdu_nodes
from poller.dlms.explain.data import read_data
from poller.dlms.explain.frames import WRAPPER_HEADER, frame_size, read_frame, read_message, read_payload
from poller.dlms.explain.memory import Memory
from poller.dlms.explain.tree import MAX_NODES, Budget, Node, Scan, guarded
from poller.dlms.hdlc_frame import FLAG
from poller.dlms.security import SecuritySettings

_LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
_VERSION: Final = b"\x00\x01"
_DATA_TAGS: Final = frozenset(int(data_type) for data_type in DataType)


class Kind(StrEnum):
    """What octets are."""

    AUTO = "auto"
    HDLC = "hdlc"
    WRAPPER = "wrapper"
    APDU = "apdu"
    DATA = "data"


def explain(octets: bytes, kind: Kind = Kind.AUTO, keys: SecuritySettings | None = None) -> list[Node]:
    """Return the trees of octets that are whole."""
    explainer = Explainer(kind, keys)
    return explainer.feed(octets) + explainer.finish()


def kind_of(octets: bytes) -> Kind:
    """Return what octets most likely are, by how they begin and whether they add up."""
    if octets[:1] == bytes((FLAG,)):
        return Kind.HDLC
    if octets[:2] == _VERSION and _adds_up(octets):
        return Kind.WRAPPER
    if octets[:3] in _LLC:
        return Kind.APDU
    if octets and octets[0] in _DATA_TAGS and (octets[0] not in TAGS or _is_value(octets)):
        return Kind.DATA
    return Kind.APDU


class Explainer:
    """Octets as they come to trees; frames and messages may be split over several calls.

    The trees of one call have at most ``limit`` nodes: what is to be explained without end comes in pieces.
    """

    def __init__(self, kind: Kind = Kind.AUTO, keys: SecuritySettings | None = None, limit: int = MAX_NODES) -> None:
        self.memory = Memory(keys, Budget(limit))
        self._limit = limit
        self._kind = kind
        self._held: dict[str, tuple[int, bytes]] = {}
        self._lost: set[str] = set()
        self._ended = False

    def feed(self, octets: bytes, way: str = "") -> list[Node]:
        """Return what is complete now; ``way`` names the direction where it is known."""
        if self._kind is Kind.AUTO and octets:
            self._kind = kind_of(octets)
        self.memory.budget.left = self._limit
        offset, held = self._held.pop(way, (0, b""))
        scan = Scan(held + octets, offset, self.memory.budget)
        self._read(scan, way)
        self._held[way] = (scan.here, scan.peek(scan.left))
        return scan.nodes

    def finish(self) -> list[Node]:
        """Return what never became complete."""
        nodes: list[Node] = []
        self._ended = True
        for way, (offset, rest) in self._held.items():
            scan = Scan(rest, offset, self.memory.budget)
            self._read(scan, way)
            if scan.left:
                scan.fault("the octets end inside a frame or message")
            nodes += scan.nodes
        self._held.clear()
        return nodes

    def _read(self, scan: Scan, way: str) -> None:
        """Read all that is complete; a spent budget ends the explanation with a node that says so."""
        try:
            if self._kind is Kind.HDLC:
                self._read_line(scan)
            elif self._kind is Kind.WRAPPER:
                self._read_messages(scan, way)
            elif scan.left:
                self._read_single(scan)
        except BridgeError as error:
            scan.fault(error.detail)

    def _read_single(self, scan: Scan) -> None:
        if self._kind is Kind.DATA:
            guarded(scan, read_data)
        elif scan.peek(3) in _LLC:
            guarded(scan, lambda part: read_payload(part, self.memory))
        else:
            apdu_nodes(scan, self.memory)

    def _read_line(self, scan: Scan) -> None:
        """Read frames; what lies between them is noise."""
        while scan.left:
            flag = scan.octets.find(FLAG, scan.at)
            size = frame_size(scan.octets, flag, ended=self._ended) if flag >= 0 else None
            noise = (flag if flag >= 0 else len(scan.octets)) - scan.at
            if noise:
                scan.fault("no frame begins here", noise)
            elif size:
                self._take(scan, size, read_frame)
            elif size is None or self._ended:
                self._skip_flag(scan)
            else:
                return

    def _skip_flag(self, scan: Scan) -> None:
        """Pass a flag behind which no frame begins: an idle line, or damage up to the next flag."""
        following = scan.octets.find(FLAG, scan.at + 1)
        if following == scan.at + 1 or scan.left == 1:
            scan.leaf(1, "flag", "idle")
        else:
            scan.fault("a flag, but no frame behind it", (len(scan.octets) if following < 0 else following) - scan.at)

    def _read_messages(self, scan: Scan, way: str) -> None:
        """Read messages; a stream that has lost step cannot find it again (IEC 62056-47)."""
        while scan.left >= (0 if way in self._lost else WRAPPER_HEADER) and scan.left:
            if way in self._lost or scan.peek(2) != _VERSION:
                scan.fault("no WRAPPER header: version 1 expected")
                self._lost.add(way)
                return
            size = WRAPPER_HEADER + int.from_bytes(scan.peek(WRAPPER_HEADER)[6:], "big")
            if size > scan.left:
                return
            self._take(scan, size, read_message)

    def _take(self, scan: Scan, size: int, read: Callable[[Scan, Memory], None]) -> None:
        part = Scan(scan.peek(size), scan.here, scan.budget)
        guarded(part, lambda frame: read(frame, self.memory))
        scan.at += size
        for node in part.nodes:
            scan.derive(node)


def _adds_up(octets: bytes) -> bool:
    """Whether the first message's length is that of the octets, or a further message follows it."""
    size = WRAPPER_HEADER + int.from_bytes(octets[6:WRAPPER_HEADER], "big")
    return len(octets) >= WRAPPER_HEADER and octets[size : size + 2] in {b"", _VERSION}


def _is_value(octets: bytes) -> bool:
    try:
        decode_whole(octets)
    except BridgeError:
        return False
    return True
