"""What a scan may ask: ranges within what is allowed, each address once, bounded."""

import pytest

from common.scan_plan import MAX_PORTS, BadScan, Plan, ScanNotAllowed, plan, rules

RULES = rules("192.0.2.0/24 2001:db8::/112,127.0.0.0/8", "4059 3333", 300)


def spans(made: Plan) -> list[tuple[str, str]]:
    return [(str(span.first), str(span.last)) for span in made.spans]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (["192.0.2.0/24"], [("192.0.2.1", "192.0.2.254")]),
        (["192.0.2.7"], [("192.0.2.7", "192.0.2.7")]),
        (["192.0.2.77/29"], [("192.0.2.73", "192.0.2.78")]),
        (["192.0.2.77/31"], [("192.0.2.76", "192.0.2.77")]),
        (["192.0.2.0-192.0.2.5"], [("192.0.2.1", "192.0.2.5")]),
        (["192.0.2.3 - 192.0.2.5", "192.0.2.4-192.0.2.6", "192.0.2.7"], [("192.0.2.3", "192.0.2.7")]),
        (["2001:db8::/120"], [("2001:db8::1", "2001:db8::ff")]),
        (["2001:db8::5", "127.0.0.2"], [("127.0.0.2", "127.0.0.2"), ("2001:db8::5", "2001:db8::5")]),
    ],
)
def test_a_range_becomes_addresses_that_hosts_have(ranges: list[str], expected: list[tuple[str, str]]) -> None:
    made = plan(ranges, [], RULES)
    assert spans(made) == expected
    assert made.ports == (4059, 3333)


def test_ports_are_taken_once() -> None:
    assert plan(["192.0.2.7"], [5000, 5001, 5000], RULES).ports == (5000, 5001)


@pytest.mark.parametrize("text", ["198.51.100.7", "192.0.2.200-192.0.3.5", "192.0.0.0/22", "2001:db9::/120", "::1"])
def test_what_is_not_allowed_is_refused(text: str) -> None:
    with pytest.raises(ScanNotAllowed, match=r"\[scan\] allow"):
        plan([text], [], RULES)


def test_nothing_is_allowed_where_nothing_is_said() -> None:
    with pytest.raises(ScanNotAllowed, match=r"\[scan\] allow is empty"):
        plan(["127.0.0.1"], [], rules("", "4059", 1024))


def test_networks_that_touch_allow_what_lies_in_both() -> None:
    both = rules("192.0.2.0/25 192.0.2.128/25", "4059", 1024)
    assert plan(["192.0.2.100-192.0.2.200"], [], both).hosts == 99  # an end of either network is in it


@pytest.mark.parametrize(
    ("ranges", "ports", "field"),
    [
        ([], [], "ranges"),
        (["192.0.2.1"] * 65, [], "ranges"),
        (["192.0.2.1", "x"], [], "ranges[1]"),
        (["192.0.2.9-192.0.2.1"], [], "ranges[0]"),
        (["192.0.2.9-2001:db8::1"], [], "ranges[0]"),
        (["192.0.2.0/33"], [], "ranges[0]"),
        (["2001:db8::/64"], [], "ranges[0]"),
        (["::ffff:192.0.2.1"], [], "ranges[0]"),
        (["fe80::1%eth0"], [], "ranges[0]"),
        (["224.0.0.1"], [], "ranges[0]"),
        (["127.0.0.0/22"], [], "ranges"),
        (["192.0.2.255"], [], "ranges"),
        (["192.0.2.1"], [0], "ports[0]"),
        (["192.0.2.1"], [1, 70000], "ports[1]"),
        (["192.0.2.1"], list(range(1, MAX_PORTS + 2)), "ports"),
    ],
)
def test_what_is_no_scan_is_refused_by_its_field(ranges: list[str], ports: list[int], field: str) -> None:
    with pytest.raises(BadScan) as caught:
        plan(ranges, ports, RULES)
    assert caught.value.field == field


@pytest.mark.parametrize(("allow", "ports"), [("300.0.0.0/8", "1"), ("10.0.0.0/8", "x"), ("10.0.0.0/8", "1 2 3 4 5")])
def test_bad_rules_are_refused(allow: str, ports: str) -> None:
    with pytest.raises(BadScan):
        rules(allow, ports, 1)
