"""What a scan may ask: ranges and ports of a person, held against what the operator allows, to spans of addresses.

In: texts such as ``192.0.2.0/24``, ``192.0.2.10-192.0.2.20``, ``2001:db8::/120``; the rules of ``[scan]``. Out: spans
without overlap, network and broadcast addresses, bounded in number; ScanNotAllowed or BadScan. Whom we own already is
not known here: that is asked when an address is dialled. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from common.errors import Hopeless

MAX_RANGES: Final = 64  # of one scan, and networks that may be allowed
MAX_PORTS: Final = 4  # of one scan: a meter has one, and people know which
MAX_RANGE: Final = 1 << 16  # addresses of one range; IPv6 therefore from /112 on
SETTING: Final = "[scan] allow"
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class ScanNotAllowed(Hopeless):
    """The operator does not allow to scan, or not there; names the setting."""


class BadScan(Hopeless):
    """A scan is none, or too large; ``field`` is the part at fault."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows."""

    allow: tuple[Network, ...]
    ports: tuple[int, ...]
    max_hosts: int


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses from the first to the last, both included."""

    first: Address
    last: Address

    @property
    def count(self) -> int:
        """Return how many there are."""
        return int(self.last) - int(self.first) + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be dialled, but for what is owned."""

    spans: tuple[Span, ...]
    ports: tuple[int, ...]

    @property
    def hosts(self) -> int:
        """Return the number of addresses."""
        return sum(span.count for span in self.spans)


def rules(allow: str, ports: str, max_hosts: int) -> Rules:
    """Return the rules that the settings say; raise BadScan."""
    words, numbers = _words(allow), [_port(word, "ports") for word in _words(ports)]
    if len(words) > MAX_RANGES:
        raise BadScan("allow", f"at most {MAX_RANGES} networks")
    return Rules(tuple(_network(word, "allow") for word in words), _distinct(numbers), max_hosts)


def plan(ranges: Sequence[str], ports: Sequence[int], rules: Rules) -> Plan:
    """Return what a scan dials; no ``ports``: those of the rules. Raise ScanNotAllowed or BadScan."""
    if not rules.allow:
        raise ScanNotAllowed(f"nothing may be scanned: {SETTING} is empty")
    if not 1 <= len(ranges) <= MAX_RANGES:
        raise BadScan("ranges", f"1 to {MAX_RANGES} were expected")
    found = [_range(text, f"ranges[{place}]", rules) for place, text in enumerate(ranges)]
    spans = _merged(span for spans in found for span in spans)
    made = Plan(spans, _distinct([_port(port, f"ports[{place}]") for place, port in enumerate(ports)]) or rules.ports)
    if not made.hosts:
        raise BadScan("ranges", "only network and broadcast addresses are in them")
    if made.hosts > rules.max_hosts:
        raise BadScan("ranges", f"{made.hosts} addresses; [scan] max_hosts allows {rules.max_hosts}")
    return made


def _range(text: str, field: str, rules: Rules) -> list[Span]:
    """Return the addresses of one range without those that no host has."""
    span, own = _parsed(text, field)
    if span.count > MAX_RANGE:
        raise BadScan(field, f"{text} has more than {MAX_RANGE} addresses")
    if not _is_allowed(span, rules.allow):
        raise ScanNotAllowed(f"{field}: {text} is not within {SETTING}")
    edges = {edge for network in (*own, *rules.allow) for edge in _edges(network)}
    return _without(span, edges)


def _parsed(text: str, field: str) -> tuple[Span, tuple[Network, ...]]:
    """Return a range, and the network that it is, if it is one."""
    if "-" in text:
        first, last = (_address(each.strip(), field) for each in text.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            raise BadScan(field, f"{text[:100]!r} does not go from an address to a later one")
        return Span(first, last), ()
    if "/" in text:
        network = _network(text, field)
        return Span(network[0], network[-1]), (network,)
    address = _address(text, field)
    return Span(address, address), ()


def _is_allowed(span: Span, allow: Iterable[Network]) -> bool:
    """Return whether a span lies within what is allowed; networks that touch are one."""
    version, first, last = span.first.version, int(span.first), int(span.last)
    allowed = _merged(Span(network[0], network[-1]) for network in allow if network.version == version)
    return any(int(each.first) <= first and last <= int(each.last) for each in allowed)


def _edges(network: Network) -> tuple[Address, ...]:
    """Return the addresses of a network that no host has."""
    if network.version == 4 and network.prefixlen <= 30:
        return network.network_address, network.broadcast_address
    if network.version == 6 and network.prefixlen <= 126:
        return (network.network_address,)  # any router of it (RFC 4291, 2.6.1)
    return ()


def _without(span: Span, edges: Iterable[Address]) -> list[Span]:
    """Return what is left of a span."""
    kind, first, found = type(span.first), int(span.first), []
    inside = sorted(int(edge) for edge in edges if edge.version == span.first.version)
    for edge in (*(each for each in inside if int(span.first) <= each <= int(span.last)), int(span.last) + 1):
        if edge > first:
            found.append(Span(kind(first), kind(edge - 1)))
        first = edge + 1
    return found


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans in order, each address once: nobody is dialled twice."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.first.version, int(each.first))):
        last = found[-1] if found else None
        if last is not None and last.first.version == span.first.version and int(span.first) <= int(last.last) + 1:
            found[-1] = Span(last.first, max(last.last, span.last, key=int))
        else:
            found.append(span)
    return tuple(found)


def _network(text: str, field: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise BadScan(field, f"{text[:100]!r} is no network") from None
    _check(network.network_address, field)
    return network


def _address(text: str, field: str) -> Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise BadScan(field, f"{text[:100]!r} is no address") from None
    _check(address, field)
    return address


def _check(address: Address, field: str) -> None:
    """Refuse what names no host of its own, and other spellings of IPv4 addresses: ownership is held against one."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise BadScan(field, f"{address}: neither mapped addresses nor zones")
    if address.is_multicast:
        raise BadScan(field, f"{address} is a multicast address")


def _port(value: object, field: str) -> int:
    text = str(value)
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 65535:
        raise BadScan(field, f"{text[:20]!r} is no port")
    return int(text)


def _distinct(ports: Sequence[int]) -> tuple[int, ...]:
    found = tuple(dict.fromkeys(ports))
    if len(found) > MAX_PORTS:
        raise BadScan("ports", f"at most {MAX_PORTS}")
    return found


def _words(text: str) -> list[str]:
    """Return what is separated by blanks or commas."""
    return text.replace(",", " ").split()
