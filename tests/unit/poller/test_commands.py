"""Commands wait for their turn and are answered, each once."""

from pathlib import Path

from common.command import Command, CommandResult
from poller.commands import MAX_WAITING
from poller.simulator import MeterSpec
from tests.support.nights import Night
from tests.support.workers import MEASUREMENTS


def answers(root: Path, verb: str, **arguments: object) -> tuple[Night, CommandResult]:
    night = Night(root)
    night.at(5, lambda: night.order(verb, **arguments))
    night.play(30)
    return night, night.feed.results[verb]


def test_ping_tells_the_state(tmp_path: Path) -> None:
    _, result = answers(tmp_path, "ping")
    assert (result.ok, result.result["state"]) == (True, "active")


def test_read_returns_values_and_publishes_them(tmp_path: Path) -> None:
    night, result = answers(tmp_path, "read")
    assert result.result["failed"] == {}
    assert isinstance(result.result["values"], dict)
    assert list(result.result["values"]) == [item.key for item in MEASUREMENTS]
    assert len(night.times) == 16


def test_read_of_some_keys(tmp_path: Path) -> None:
    _, result = answers(tmp_path, "read", keys=["active_energy"])
    assert result.result["units"] == {"active_energy": "Wh"}


def test_read_of_nothing_configured_is_an_error(tmp_path: Path) -> None:
    _, result = answers(tmp_path, "read", keys=["nonsense"])
    assert (result.ok, result.error_kind) == (False, "not_readable")


def test_test_tells_what_was_found(tmp_path: Path) -> None:
    _, result = answers(tmp_path, "test")
    assert result.result["link_was_up"] is True
    assert result.result["max_pdu"] == 0x1900
    assert result.result["with_list"] is False
    assert isinstance(result.result["read"], dict)


def test_reconnect_is_no_loss(tmp_path: Path) -> None:
    night, result = answers(tmp_path, "reconnect")
    assert result.ok
    assert night.wire.device.counters.associations == 2
    assert night.last.counters["reconnects"] == 0


def test_an_unknown_verb_names_the_known_ones(tmp_path: Path) -> None:
    _, result = answers(tmp_path, "dance")
    assert result.error_kind == "unknown_verb"
    assert "ping, read, test, reconnect" in result.error_detail


def test_an_unreachable_meter_is_tried_for_a_command_and_the_error_told(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.wire.reachable = False
    night.at(3, lambda: night.order("read"))
    night.play(4)
    result = night.feed.results["read"]
    assert result.error_kind == "not_readable"
    assert "connect_refused" in result.error_detail


def test_a_command_makes_the_link_at_once(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.wire.reachable = False
    night.at(200, lambda: setattr(night.wire, "reachable", True))
    night.at(201, lambda: night.order("read"))
    night.play(202)
    assert night.feed.results["read"].ok


def test_what_comes_after_its_deadline_is_answered_so(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(4.0, 4.0)))
    night.at(6, lambda: night.feed.orders.append(Command("late", "ping", {}, night.clock.boottime_ms() + 1)))
    night.play(60)
    assert night.feed.results["late"].error_kind == "expired"


def test_a_flood_of_commands_is_bounded(tmp_path: Path) -> None:
    night = Night(tmp_path, MeterSpec("sim-1", delay=(4.0, 4.0)))
    night.at(6, lambda: night.feed.orders.extend(Command(str(n), "ping") for n in range(MAX_WAITING + 5)))
    night.play(60)
    refused = [result for result in night.feed.results.values() if not result.ok]
    assert len(night.feed.results) == MAX_WAITING + 5
    assert {result.error_kind for result in refused} == {"too_many"}
    assert len(refused) == 5
