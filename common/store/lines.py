"""Whether two meters would be on one line: the same port of the same address.

In: host names and addresses. Out: the addresses they stand for. Names are looked up in threads of their own under one
deadline, never inside a transaction; a name that does not resolve in time stands for itself. The worker's lock on its
line guards what escapes this.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

LOOK_UP_S: Final = 1.5  # a person waits for the answer
MAX_LOOK_UPS: Final = 64  # at once; further names stand for themselves
SHAREABLE: Final = frozenset({"shared", "concurrent"})
Resolve = Callable[[Iterable[str]], Mapping[str, frozenset[str]]]


def resolve(hosts: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the addresses that each host stands for, in one way of writing; at most LOOK_UP_S seconds."""
    found: dict[str, frozenset[str]] = {}
    names = [host for host in hosts if not _is_address(host)][:MAX_LOOK_UPS]
    ended = threading.Condition()
    for name in names:
        threading.Thread(target=_look_up, args=(name, found, ended), daemon=True).start()
    with ended:
        ended.wait_for(lambda: len(found) == len(names), timeout=LOOK_UP_S)
        return dict(found)


def canonical(host: str) -> str:
    """Return one way of writing for all that name the same host without a look-up."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def same_line(one: str, other: str, addresses: Mapping[str, frozenset[str]]) -> bool:
    """Return whether two hosts have an address in common."""
    return not addresses_of(one, addresses).isdisjoint(addresses_of(other, addresses))


def addresses_of(host: str, addresses: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return what a host was found to stand for; a name that did not resolve stands for itself."""
    return addresses.get(host) or frozenset({canonical(host)})


def may_share(one: str, other: str) -> bool:
    """Return whether two line modes bear each other: both must be declared."""
    return {one, other} <= SHAREABLE


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(name: str, found: dict[str, frozenset[str]], ended: threading.Condition) -> None:
    try:
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        rows = []
    with ended:
        found[name] = frozenset({canonical(name), *(canonical(str(row[4][0])) for row in rows)})
        ended.notify()
