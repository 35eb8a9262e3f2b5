"""The tree of an explanation, and the scan that grows it: every octet that is read leaves a node.

Goes in: octets, and where in the input they lie. Comes out: nodes with offset, octets, name and meaning. A scan raises
BadData when its octets end; ``guarded`` turns that into a node, so nothing leaves an explanation as an error.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from common.errors import BridgeError
from poller.dlms.axdr import Reader
from poller.dlms.errors import BadData

MAX_NODES: Final = 200_000
"""Of one frame, message or piece: the largest load profile has fewer values."""


@dataclass(slots=True)
class Node:
    """One field, or a group of fields."""

    offset: int
    """Where it begins: in the input, or in what was joined or deciphered when ``derived``."""
    octets: bytes
    name: str
    meaning: str = ""
    children: "list[Node]" = field(default_factory=list)
    fault: bool = False
    """Whether this could not be read, or a check failed."""
    derived: bool = False
    """Whether the offsets from here on count in octets that do not stand so in the input."""

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, Node]]":
        """Yield this node and all below it with their depth, in order."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    @property
    def faulty(self) -> bool:
        """Whether this or anything below it is a fault."""
        return any(node.fault for _, node in self.walk())


@dataclass(slots=True)
class Budget:
    """Nodes that may still be made."""

    left: int = MAX_NODES

    def spend(self) -> None:
        """Take one; raise BadData when there are none."""
        if self.left <= 0:
            raise BadData("more fields than are shown at once: what follows is left out")
        self.left -= 1


class Scan:
    """Reads octets in order and notes each field it reads; every method raises BadData when they end."""

    def __init__(self, octets: bytes, offset: int, budget: Budget) -> None:
        self.octets = octets
        self.at = 0
        self.nodes: list[Node] = []
        self.budget = budget
        self._offset = offset
        self._level = self.nodes

    @property
    def left(self) -> int:
        """Octets not read yet."""
        return len(self.octets) - self.at

    @property
    def here(self) -> int:
        """The offset of the next octet in the input."""
        return self._offset + self.at

    def peek(self, count: int = 1) -> bytes:
        """Return octets without reading them; fewer at the end."""
        return self.octets[self.at : self.at + count]

    def look(self) -> Reader:
        """Return a reader that stands where this scan stands; what it reads leaves no node."""
        reader = Reader(self.octets)
        reader.at = self.at
        return reader

    def leaf(self, count: int, name: str, meaning: str = "") -> Node:
        """Read that many octets as one field."""
        if count > self.left:
            raise BadData(f"{count} octets expected for {name}, but only {self.left} are left")
        node = Node(self.here, self.octets[self.at : self.at + count], name, meaning)
        self.budget.spend()
        self.at += count
        self._level.append(node)
        return node

    def number(self, size: int, name: str, names: Mapping[int, str] | None = None, *, signed: bool = False) -> int:
        """Read a number; its meaning is its name, where it has one, and itself."""
        node = self.leaf(size, name)
        value = int.from_bytes(node.octets, "big", signed=signed)
        node.meaning = str(value) if names is None else f"{names.get(value, 'unknown')} ({value})"
        return value

    def length(self, name: str = "length") -> int:
        """Read a length or count in its short or long form."""
        reader = self.look()
        value = reader.length()
        self.leaf(reader.at - self.at, name, str(value))
        return value

    def flag(self, name: str, present: str = "present", absent: str = "absent") -> bool:
        """Read the octet that says whether an optional field follows, or a boolean."""
        node = self.leaf(1, name)
        node.meaning = present if node.octets[0] else absent
        return bool(node.octets[0])

    def derive(self, node: Node) -> None:
        """Add a node that something else made."""
        self.budget.spend()
        self._level.append(node)

    def fault(self, reason: str, count: int | None = None) -> Node:
        """Note what cannot be read: the rest, or that many octets, with the reason."""
        taken = self.peek(self.left if count is None else count)
        node = Node(self.here, taken, "unreadable", reason, fault=True)
        self.at += len(taken)
        self._level.append(node)
        return node

    @contextmanager
    def branch(self, name: str, meaning: str = "") -> Iterator[Node]:
        """Gather all that is read meanwhile below one node."""
        self.budget.spend()
        node = Node(self.here, b"", name, meaning)
        start, level = self.at, self._level
        level.append(node)
        self._level = node.children
        try:
            yield node
        finally:
            node.octets = self.octets[start : self.at]
            self._level = level


def guarded(scan: Scan, read: Callable[[Scan], object]) -> None:
    """Read; what cannot be read, and octets that are left, become a node with the reason."""
    try:
        read(scan)
    except BridgeError as error:
        scan.fault(error.detail)
        return
    if scan.left:
        scan.fault(f"{scan.left} octets follow that belong to nothing")


def within(scan: Scan, size: int, read: Callable[[Scan], object]) -> None:
    """Read the next ``size`` octets on their own: a fault among them does not reach what follows them."""
    if size > scan.left:
        raise BadData(f"{size} octets announced, but only {scan.left} are left")
    part = Scan(scan.peek(size), scan.here, scan.budget)
    guarded(part, read)
    scan.at += size
    for node in part.nodes:
        scan.derive(node)


def derived(octets: bytes, name: str, meaning: str, budget: Budget, read: Callable[[Scan], object]) -> Node:
    """Return a node for octets that do not stand in the input as they are, read from their own offset 0."""
    part = Scan(octets, 0, budget)
    guarded(part, read)
    return Node(0, octets, name, meaning, part.nodes, derived=True)
