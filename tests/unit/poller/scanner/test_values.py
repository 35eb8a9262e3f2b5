"""What the scanner counts by: targets, who is owned, what was found."""

from threading import Event

import pytest

from poller.scanner.handshake import Answers, Finding
from poller.scanner.owned import RESOLVE_S, Owned, OwnedUnresolved
from poller.scanner.tally import MAX_FOUND, Tally
from poller.scanner.targets import BadTargets, Target, targets
from tests.support.simulated import StillClock


def test_targets_are_addresses_times_ports_each_once() -> None:
    found = targets({"spans": [["10.0.0.1", "10.0.0.2"], ["::1", "::1"]], "ports": [1, 2]})
    assert found.count == 6
    assert list(found.each())[:4] == [
        Target("10.0.0.1", 1),
        Target("10.0.0.2", 1),
        Target("::1", 1),
        Target("10.0.0.1", 2),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"spans": [], "ports": [1]},
        {"spans": [["10.0.0.1", "10.0.0.2"]], "ports": []},
        {"spans": [["10.0.0.2", "10.0.0.1"]], "ports": [1]},
        {"spans": [["10.0.0.2", "::1"]], "ports": [1]},
        {"spans": [["10.0.0.2"]], "ports": [1]},
        {"spans": [["x", "y"]], "ports": [1]},
        {"spans": [["10.0.0.1", "10.0.0.1"]], "ports": [70_000]},
        {"spans": [["10.0.0.0", "10.255.255.255"]], "ports": [1]},
    ],
)
def test_what_are_no_targets_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(BadTargets):
        targets(arguments)


def settled(owned: Owned) -> Owned:
    for _ in range(1000):
        if owned.look():
            return owned
        Event().wait(0.005)
    raise AssertionError("it never becomes known")


def test_what_is_owned_is_known_in_every_spelling_and_by_name() -> None:
    names = {"meter.test": ["10.0.0.9", "2001:db8::9"]}
    owned = Owned(StillClock(), lambda name: names.get(name, []))
    owned.tell([["10.0.0.1", 1], ["2001:DB8:0::1", 2], ["::ffff:10.0.0.3", 3], ["meter.test", 4], "nonsense", ["", 1]])
    settled(owned)
    held = [("10.0.0.1", 1), ("2001:db8::1", 2), ("10.0.0.3", 3), ("10.0.0.9", 4), ("2001:db8::9", 4)]
    assert all(owned.holds(*pair) for pair in held)
    assert not owned.holds("10.0.0.1", 2)
    owned.tell([["meter.test", 5]])
    assert owned.look(), "a name is resolved once"
    assert owned.holds("10.0.0.9", 5)
    assert not owned.holds("10.0.0.9", 4)


def test_a_name_without_an_address_could_be_anybody() -> None:
    owned = Owned(StillClock(), lambda _: [])
    owned.tell([["gone.test", 1]])
    with pytest.raises(OwnedUnresolved, match=r"gone\.test"):
        settled(owned)


def test_a_resolver_that_does_not_answer_is_not_waited_for_long() -> None:
    clock, answered = StillClock(), Event()
    owned = Owned(clock, lambda _: ["10.0.0.1"] if answered.wait(10) else [])
    owned.tell([["slow.test", 1]])
    assert not owned.look()
    clock.sleep(RESOLVE_S + 1)
    with pytest.raises(OwnedUnresolved, match="in time"):
        owned.look()
    answered.set()


def test_found_hosts_are_listed_up_to_a_bound() -> None:
    tally = Tally(5000)
    for number in range(MAX_FOUND + 5):
        tally.add(Target(f"h{number}", 1), Finding(Answers.AARE))
    found = tally.to_plain()
    assert (len(tally.found), found["not_listed"], found["meters"]) == (MAX_FOUND, 5, MAX_FOUND + 5)
