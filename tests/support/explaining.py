"""Explanations as lines: ``name: meaning``, with ``!`` before what could not be read."""

from poller.dlms.explain.stream import Kind, explain
from poller.dlms.explain.tree import Node
from poller.dlms.security import SecuritySettings


def told(nodes: list[Node]) -> list[str]:
    """Return a line for each node."""
    return [
        f"{'!' if node.fault else ''}{node.name}: {node.meaning}".removesuffix(": ")
        for root in nodes
        for _, node in root.walk()
    ]


def lines(text: str | bytes, kind: Kind = Kind.APDU, keys: SecuritySettings | None = None) -> list[str]:
    """Return a line for each node of hexadecimal, or of octets."""
    return told(explain(bytes.fromhex(text) if isinstance(text, str) else text, kind, keys))


def faults(text: str | bytes, kind: Kind = Kind.APDU) -> list[str]:
    """Return the reasons why something could not be read."""
    return [line.removeprefix("!unreadable: ") for line in lines(text, kind) if line.startswith("!")]
