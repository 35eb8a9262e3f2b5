"""When two meters are on one line."""

import pytest

from common.store.lines import canonical, may_share, resolve, same_line

NOTHING: dict[str, frozenset[str]] = {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FE80::0001", "fe80::1"),
        ("Meter.Plant.", "meter.plant"),
        ("meter.plant", "meter.plant"),
    ],
)
def test_one_host_has_one_way_of_writing(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_equal_hosts_are_one_line_without_a_look_up() -> None:
    assert same_line("Meter.", "meter", NOTHING)
    assert not same_line("meter", "other", NOTHING)


def test_a_name_and_its_address_are_one_line() -> None:
    found = {"meter": frozenset({"meter", "10.0.0.1"})}
    assert same_line("10.0.0.1", "meter", found)
    assert not same_line("10.0.0.2", "meter", found)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("exclusive", "exclusive", False),
        ("exclusive", "shared", False),
        ("shared", "shared", True),
        ("shared", "concurrent", True),
        ("concurrent", "concurrent", True),
    ],
)
def test_a_line_is_shared_only_when_both_say_so(one: str, other: str, expected: bool) -> None:
    assert may_share(one, other) is may_share(other, one) is expected


def test_this_machine_is_found_by_its_name() -> None:
    found = resolve(["localhost", "127.0.0.1"])
    assert same_line("localhost", "127.0.0.1", found)


def test_a_name_that_nobody_knows_stands_for_itself() -> None:
    assert resolve(["no such name"]) == {"no such name": frozenset({"no such name"})}
