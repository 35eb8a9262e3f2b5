"""Names to addresses; the system's resolver is asked for names that need no network."""

import pytest

from common.clock import SystemClock
from poller.errors import NameUnresolved
from poller.resolver import Resolver, is_numeric


def nothing() -> None:
    """Nothing else has to go on."""


@pytest.mark.parametrize(("host", "numeric"), [("10.0.0.1", True), ("::1", True), ("meter", False), ("1.2.3", False)])
def test_addresses_are_told_from_names(host: str, numeric: bool) -> None:
    assert is_numeric(host) is numeric


def test_an_address_is_its_own_answer() -> None:
    assert Resolver(SystemClock(), nothing).resolve("10.0.0.1", 0.0) == "10.0.0.1"


def test_localhost_is_known_without_a_network() -> None:
    clock = SystemClock()
    assert Resolver(clock, nothing).resolve("localhost", clock.monotonic() + 5) in {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["", "a" * 300, "bad\udcffname", "x..y"])
def test_what_cannot_be_a_name_is_unresolved(host: str) -> None:
    clock = SystemClock()
    with pytest.raises(NameUnresolved):
        Resolver(clock, nothing).resolve(host, clock.monotonic() + 5)
