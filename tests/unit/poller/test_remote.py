"""What changes something at a meter: done once, said how it ended, never a secret."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from common.command import Command, CommandResult
from common.errors import BridgeError
from common.meter_state import DesiredState
from common.secret import Secret
from poller.remote import order_of
from poller.simulator import FaultKind, MeterSpec
from poller.simulator.faults import Asked
from tests.support.nights import Night

OFFSET = {"class": 8, "obis": "0-0:1.0.0", "attribute": 3}
RELAY = {"class": 70, "obis": "0-0:96.3.10", "method": 1}
Plan = Callable[[Night], object]


def nothing(_: Night) -> None:
    """Let all be well."""


def night_of(root: Path) -> Night:
    """Return a night with the client that may write."""
    root.mkdir(exist_ok=True)
    return Night(root, client_id=1, authentication="lls", password=Secret("22222222"))


def played(root: Path, verb: str, arguments: Mapping[str, object], plan: Plan = nothing) -> tuple[Night, CommandResult]:
    night = night_of(root)
    night.at(4.5, lambda: plan(night))
    night.at(5, lambda: night.order(verb, **arguments))
    night.play(60)
    return night, night.feed.results[verb]


def test_a_relay_is_opened_and_says_how_it_stands_and_is_closed(tmp_path: Path) -> None:
    night = night_of(tmp_path)
    results = []
    night.at(3, lambda: night.order("relay", operation="disconnect"))
    night.at(10, lambda: night.order("relay", operation="reconnect"))
    for at in (8, 15):
        night.at(at, lambda: results.append(night.feed.results["relay"]))
    night.play(20)
    assert (results[0].ok, results[0].result["output"]) == (True, False)
    assert results[0].result["state"] == "disconnected"
    assert results[1].ok
    assert len(night.times) >= 8  # polling went on


def test_an_attribute_is_written_and_a_method_invoked(tmp_path: Path) -> None:
    _, written = played(tmp_path / "a", "set", OFFSET | {"value": "int16:-60"})
    assert (written.ok, written.result) == (True, {"result": "success"}), written
    _, invoked = played(tmp_path / "b", "action", RELAY | {"value": "int8:0"})
    assert (invoked.ok, invoked.result) == (True, {"result": "success", "returned": None}), invoked


def test_what_the_meter_refuses_has_the_standards_name_and_costs_no_link(tmp_path: Path) -> None:
    for name, changes, kind in (
        ("type", {**OFFSET, "value": "visible-string:x"}, "type_unmatched"),
        ("object", {**OFFSET, "obis": "9-9:9.9.9", "value": "int16:0"}, "object_undefined"),
        ("denied", {"class": 1, "obis": "0-0:96.1.0", "attribute": 2, "value": "octet-string:00"}, "access_denied"),
    ):
        night, result = played(tmp_path / name, "set", changes)
        assert (result.ok, result.error_kind) == (False, kind)
        assert night.wire.connects == 1


def deaf(night: Night) -> None:
    night.fault(FaultKind.DEAF, lasting=20.0, on=frozenset({Asked.ACTION, Asked.POLL}))


def test_silence_leaves_the_outcome_unknown_and_nothing_is_sent_again(tmp_path: Path) -> None:
    night, result = played(tmp_path, "action", RELAY | {"value": "int8:0"}, deaf)
    assert (result.ok, result.error_kind) == (False, "outcome_unknown")
    assert [identity for identity, _ in night.feed.answers] == ["action"]
    assert night.last.state == "active"  # made well again


def test_a_pause_while_it_is_under_way_leaves_the_outcome_unknown_and_it_is_not_taken_up_again(tmp_path: Path) -> None:
    def silence_then_pause(night: Night) -> None:
        deaf(night)
        night.at(night.clock.now - night.start + 2, lambda: night.change(desired_state=DesiredState.PAUSED))
        night.at(night.clock.now - night.start + 20, lambda: night.change(desired_state=DesiredState.RUNNING))

    night, result = played(tmp_path, "action", RELAY | {"value": "int8:0"}, silence_then_pause)
    assert (result.ok, result.error_kind) == (False, "outcome_unknown")
    assert [identity for identity, _ in night.feed.answers] == ["action"]


def test_nothing_is_sent_where_there_is_no_link_and_after_the_deadline(tmp_path: Path) -> None:
    night = night_of(tmp_path)
    night.wire.reachable = False
    night.at(5, lambda: night.order("relay", operation="disconnect"))
    night.play(20)
    assert night.feed.results["relay"].error_kind == "not_readable"
    late = night_of(tmp_path / "late")
    late.at(5, lambda: late.feed.orders.append(Command("late", "relay", {"operation": "disconnect"}, 1)))
    late.play(20)
    assert late.feed.results["late"].error_kind == "expired"


@pytest.mark.parametrize(
    ("verb", "arguments", "kind"),
    [
        ("set", {}, "bad_order"),
        ("set", {**OFFSET, "value": 5}, "bad_order"),
        ("set", {**OFFSET, "class": True, "value": "int16:0"}, "bad_order"),
        ("set", {**OFFSET, "attribute": 1000, "value": "int16:0"}, "bad_order"),
        ("set", {**OFFSET, "obis": "x", "value": "int16:0"}, "bad_obis"),
        ("set", {**OFFSET, "value": "nonsense"}, "bad_value"),
        ("relay", {"operation": "explode"}, "bad_order"),
        ("relay", {}, "bad_order"),
        ("set", {"class": 15, "obis": "0-0:40.0.0", "attribute": 7, "value": "octet-string:00"}, "secret_object"),
        ("set", {"class": 15, "obis": "0-0:40.0.0", "attribute": 0, "value": "octet-string:00"}, "secret_object"),
        ("set", {"class": 45, "obis": "0-0:25.4.0", "attribute": 3, "value": "octet-string:00"}, "secret_object"),
        ("action", {"class": 64, "obis": "0-0:43.0.0", "method": 2, "value": "octet-string:00"}, "secret_object"),
        ("action", {"class": 15, "obis": "0-0:40.0.0", "method": 2, "value": "octet-string:00"}, "secret_object"),
    ],
)
def test_what_makes_no_sense_or_is_a_secret_never_reaches_the_line(
    verb: str, arguments: dict[str, object], kind: str
) -> None:
    with pytest.raises(BridgeError) as refused:
        order_of(Command("x", verb, arguments))
    assert refused.value.kind == kind


def test_a_deadline_that_passes_while_the_link_is_made_keeps_the_meter_as_it_is(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(4.0, 4.0)), client_id=1, authentication="lls")
    night.change(password=Secret("22222222"))
    night.wire.reachable = False
    arguments = {"operation": "disconnect"}
    night.at(200, lambda: setattr(night.wire, "reachable", True))
    night.at(
        201, lambda: night.feed.orders.append(Command("late", "relay", arguments, night.clock.boottime_ms() + 5000))
    )
    night.play(260)
    assert (night.feed.results["late"].error_kind, night.last.state) == ("expired", "active")
    assert night.wire.device.counters.associations == 1
