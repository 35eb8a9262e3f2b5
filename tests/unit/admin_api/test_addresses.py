"""Where a request comes from: what a proxy says counts only where somebody trusts it."""

import pytest

from admin_api.addresses import MAX_HOPS, UNKNOWN, counted, networks, source
from common.settings import BadSettings

PROXIES = networks("127.0.0.1, 10.0.0.0/8 fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.9, nonsense, 10.0.0.1", "10.0.0.1"),
        ("::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", ", ".join(["198.51.100.1"] + ["10.0.0.1"] * 40), "10.0.0.1"),
        ("", "198.51.100.1", UNKNOWN),
    ],
)
def test_the_farthest_address_that_is_certain(peer: str, forwarded: str, found: str) -> None:
    assert source(peer, forwarded, PROXIES) == found
    assert MAX_HOPS < 40


def test_nobody_is_trusted_by_default() -> None:
    assert source("127.0.0.1", "198.51.100.1", networks("")) == "127.0.0.1"


def test_one_customer_of_ipv6_is_counted_once() -> None:
    assert counted("2001:db8:1:2:3:4:5:6") == counted("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert counted("192.0.2.1") == "192.0.2.1"
    assert counted(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "1.2.3"])
def test_a_proxy_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="trusted_proxies"):
        networks(text)
