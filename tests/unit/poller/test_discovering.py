"""A discovery between the polls: live readings go first, it is told how far it is, and it ends when nobody wants it."""

from itertools import pairwise
from pathlib import Path

import pytest

from common.catalogue import model
from common.command import CANCELLED, DISCOVER, Command
from common.meter_state import DesiredState
from common.progress import parse
from poller.discovering import MAX_KNOWN
from poller.simulator import MeterSpec
from tests.support.nights import Night

KNOWN = [[entry.key, entry.obis, entry.unit] for entry in model("generic").measurements.values()]
SLOW = MeterSpec("sim-1", delay=(0.3, 0.3))


def discover(night: Night) -> None:
    night.order(DISCOVER, known=KNOWN)


def progress(night: Night) -> list[tuple[int, int]]:
    said = [parse(result.progress) for _, result in night.feed.answers if result.progress]
    return [(each.done, each.total) for each in said]


def test_a_meter_tells_what_it_has_while_it_is_polled(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.play(200)
    found = night.feed.results[DISCOVER]
    assert found.ok
    configuration = found.result["configuration"]
    assert isinstance(configuration, dict)
    first = configuration["measurements"][0]
    assert first == {"measurement_name": "voltage_l1", "obis_code": "1-1:32.7.0", "class": 3, "attribute": 2}
    assert found.result["serial_number"] == "SIM00000001"
    listed = found.result["objects"]
    assert isinstance(listed, list)
    assert {"class": 3, "obis_code": "1-1:1.8.0"} in listed
    pauses = sorted(b - a for a, b in pairwise(night.times))
    assert pauses[-2] <= 4.5, "only the object list, which is one answer, takes the time of several polls"
    steps = progress(night)
    assert steps == sorted(steps)
    assert len(steps) > 5


@pytest.mark.parametrize(("at", "associations"), [(20, 2), (45, 1)], ids=["within the object list", "later"])
def test_a_cancelled_discovery_is_answered_at_once_and_asks_no_more(
    tmp_path: Path, at: float, associations: int
) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.at(at, lambda: night.order("cancel", id=DISCOVER))
    night.play(100)
    assert night.feed.results[DISCOVER].error_kind == CANCELLED
    assert len(night.feed.results) == 1
    (answered,) = [place for place, (_, result) in enumerate(night.feed.answers) if not result.progress]
    assert answered == len(night.feed.answers) - 1
    assert night.last.counters["reconnects"] == 0
    assert night.wire.device.counters.associations == associations
    later = [moment for moment in night.times if moment > at + 5]
    assert len(later) >= (95 - at) / 2 - 1
    assert max(b - a for a, b in pairwise(later)) <= 2.5


def test_one_discovery_is_enough_and_can_be_ordered_again(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.at(11, lambda: night.feed.orders.append(order("again")))
    night.at(150, lambda: night.feed.orders.append(order("later")))
    night.play(300)
    assert night.feed.results["again"].error_kind == "too_many_discoveries"
    assert night.feed.results["later"].ok


def order(number: str, known: object = KNOWN) -> Command:
    return Command(number, DISCOVER, {"known": known})


def test_what_is_to_be_looked_for_is_checked(tmp_path: Path) -> None:
    night = Night(tmp_path)
    bad = {"a": None, "b": [], "c": [["key"]], "d": [["key", "1.8.0", "Wh"]] * (MAX_KNOWN + 1)}
    for number, known in bad.items():
        night.feed.orders.append(order(number, known))
    night.play(10)
    assert {night.feed.results[number].error_kind for number in bad} == {"bad_known"}


def test_a_paused_meter_refuses_and_a_pause_breaks_it_off(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.at(15, lambda: night.change(desired_state=DesiredState.PAUSED))
    night.at(30, lambda: night.feed.orders.append(order("paused")))
    night.play(40)
    assert night.feed.results[DISCOVER].error_kind == "interrupted"
    assert night.feed.results["paused"].error_kind == "not_readable"


def test_a_link_that_is_lost_ends_it(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.at(15, lambda: setattr(night.wire, "reachable", False))
    night.at(15, lambda: night.wire.close())
    night.play(60)
    assert not night.feed.results[DISCOVER].ok


def test_new_measurements_are_taken_meanwhile(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW)
    night.at(10, lambda: discover(night))
    night.at(40, lambda: night.change(measurements=night.file.measurements[:1]))
    night.play(100)
    assert night.feed.results[DISCOVER].ok
    during = [reading for at, reading in night.feed.readings if 1045 < at < 1055]
    assert during
    assert {len(reading.quantities) for reading in during} == {1}


def test_a_shared_line_is_shared_meanwhile(tmp_path: Path) -> None:
    night = Night(tmp_path, SLOW, line_mode="shared")
    night.at(10, lambda: discover(night))
    night.play(200)
    assert night.feed.results[DISCOVER].ok
    assert night.wire.device.counters.associations > 20
