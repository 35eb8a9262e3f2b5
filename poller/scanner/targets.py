"""Where to dial, one after the other: addresses times ports, made as they are asked for.

In: spans as ``[first, last]`` texts, ports; the body of a command, which is checked. Out: targets, each once, or
BadTargets. Port by port, so that a host is not asked at two ports in a row. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from common.errors import Skip

MAX_SPANS: Final = 1024  # what 64 ranges are cut to by the edges of allowed networks
MAX_TARGETS: Final = 1 << 18  # addresses times ports


class BadTargets(Skip):
    """What is to be scanned is not said as it has to be."""


@dataclass(frozen=True, slots=True)
class Target:
    """A host and a port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be dialled, as numbers: version, first and last of each span."""

    spans: tuple[tuple[int, int, int], ...]
    ports: tuple[int, ...]

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.ports) * sum(last - first + 1 for _, first, last in self.spans)

    def each(self) -> Iterator[Target]:
        """Yield one after the other."""
        for port in self.ports:
            for version, first, last in self.spans:
                yield from (Target(text_of(version, number), port) for number in range(first, last + 1))


def text_of(version: int, number: int) -> str:
    """Return an address as text."""
    return str(ip_address(number.to_bytes(4 if version == 4 else 16, "big")))


def targets(arguments: Mapping[str, object]) -> Targets:
    """Return what the arguments of a scan name; raise BadTargets."""
    spans = tuple(_span(item) for item in _list(arguments, "spans"))
    ports = tuple(_number(item, 1, 65535) for item in _list(arguments, "ports"))
    found = Targets(spans, ports)
    if len(spans) > MAX_SPANS or not 1 <= found.count <= MAX_TARGETS:
        raise BadTargets(f"1 to {MAX_TARGETS} targets in at most {MAX_SPANS} spans were expected")
    return found


def _list(arguments: Mapping[str, object], name: str) -> Sequence[object]:
    found = arguments.get(name)
    if not isinstance(found, list | tuple):
        raise BadTargets(f"{name}: a list was expected")
    return found


def _number(item: object, least: int, most: int) -> int:
    if not isinstance(item, int) or not least <= item <= most:
        raise BadTargets(f"a number from {least} to {most} was expected, not {str(item)[:40]!r}")
    return item


def _span(item: object) -> tuple[int, int, int]:
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise BadTargets("spans: pairs of addresses were expected")
    try:
        first, last = (ip_address(str(each)) for each in item)
    except ValueError as error:
        raise BadTargets(f"spans: {str(error)[:100]}") from None
    if first.version != last.version or int(first) > int(last):
        raise BadTargets(f"spans: {first} to {last}")
    return first.version, int(first), int(last)
