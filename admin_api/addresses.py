"""Where a request comes from: the address that rate limits and the audit count by.

In: the peer's address, the X-Forwarded-For header, the proxies that the settings trust. Out: one address; of IPv6 its
network of 64 bits, which one customer has whole. What a proxy says that nobody trusts is not looked at. Pure.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from common.settings import BadSettings

UNKNOWN: Final = "unknown"
MAX_HOPS: Final = 16  # addresses of a header that are looked at, from its end
OF_ONE: Final = 64  # bits of an IPv6 address that one customer cannot choose
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Return addresses and networks that stand in a setting with blanks between; raise BadSettings."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise BadSettings(f"[api] trusted_proxies: {word!r} is neither an address nor a network") from None
    return tuple(found)


def source(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the address that is the farthest from us of those that we know for certain."""
    found = _address(peer)
    if found is None:
        return UNKNOWN
    hops = [word.strip() for word in forwarded.split(",")][-MAX_HOPS:]
    while hops and any(found in network for network in trusted):
        before = _address(hops.pop())
        if before is None:
            break
        found = before
    return str(found)


def counted(address: str) -> str:
    """Return what failures of an address are counted under."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, OF_ONE), strict=False))
    return address


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[] ").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
