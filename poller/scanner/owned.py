"""Whom we own already: hosts and ports that must not be dialled, names resolved too.

In: pairs of host and port, again whenever a wish changed. Out: whether a target is owned; while names are being
resolved nobody knows, and nobody may dial. A name without an address ends the scan (OwnedUnresolved): what it stands
for could be any of the targets.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from common.clock import Clock
from common.errors import Skip

RESOLVE_S: Final = 15.0  # all names together; the system's resolver itself gives one up after some ten seconds
MAX_OWNED: Final = 10_000  # more meters than one installation may have
Pair = tuple[str, int]
Resolve = Callable[[str], list[str]]


class OwnedUnresolved(Skip):
    """The host name of a meter has no address, or none came in time; names it."""


def addresses_of(host: str) -> list[str]:
    """Return all addresses of a host, none where it has none."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


class _Question(threading.Thread):
    """Asks for the addresses of names; may outlive whoever asked."""

    def __init__(self, names: Sequence[str], resolve: Resolve) -> None:
        super().__init__(name="resolver", daemon=True)
        self._names, self._resolve = names, resolve
        self.found: dict[str, list[str]] = {}
        self.answered = threading.Event()

    def run(self) -> None:
        for name in self._names:
            self.found[name] = self._resolve(name)
        self.answered.set()


class Owned:
    """What is owned at this moment. Names are resolved once a scan."""

    def __init__(self, clock: Clock, resolve: Resolve = addresses_of) -> None:
        self._clock, self._resolve = clock, resolve
        self._addresses: dict[str, list[str]] = {}
        self._pairs: list[Pair] = []
        self._held: frozenset[Pair] = frozenset()
        self._question: _Question | None = None
        self._until = 0.0
        self.is_known = False

    def tell(self, pairs: Iterable[object]) -> None:
        """Take what is owned from now on; what is no pair of host and port is passed over."""
        found = [pair for item in pairs if (pair := _pair(item)) is not None]
        self._pairs = found[:MAX_OWNED]
        self.is_known = False
        self._question = None

    def look(self) -> bool:
        """Return whether it is known what is owned; raise OwnedUnresolved."""
        if self.is_known:
            return True
        missing = sorted({host for host, _ in self._pairs if _normal(host) is None} - self._addresses.keys())
        if missing and self._question is None:
            self._question = _Question(missing, self._resolve)
            self._question.start()
            self._until = self._clock.monotonic() + RESOLVE_S
        if self._question is not None and not self._is_answered(self._question):
            return False
        self._held = frozenset((address, port) for host, port in self._pairs for address in self._of(host))
        self.is_known = True
        return True

    def _is_answered(self, question: _Question) -> bool:
        if question.answered.is_set():
            self._addresses |= question.found
            self._question = None
            return True
        if self._clock.monotonic() >= self._until:
            raise OwnedUnresolved("the host names of the meters were not resolved in time")
        return False

    def _of(self, host: str) -> list[str]:
        """Return the addresses of a host, in one spelling."""
        number = _normal(host)
        if number is not None:
            return [number]
        found = [normal for text in self._addresses.get(host, ()) if (normal := _normal(text)) is not None]
        if not found:
            raise OwnedUnresolved(f"{host}, the host of a meter, has no address: it could be any that is scanned")
        return found

    def holds(self, address: str, port: int) -> bool:
        """Return whether a target is owned."""
        return (address, port) in self._held


def _normal(text: str) -> str | None:
    """Return an address in the one spelling that targets have; None for a name."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _pair(item: object) -> Pair | None:
    match item:
        case [str() as host, int() as port] if host:
            return host, port
        case _:
            return None
