"""One cycle against answers from a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from common.errors import BridgeError
from common.worker_file import Measurement
from poller.cycle import LIST_FAILURES, SHUNNED_S, Reader
from poller.dlms.cosem import AttributeRef
from poller.dlms.data import Data, DataType
from poller.dlms.errors import (
    ExceptionResponse,
    ObjectUndefined,
    OtherReason,
    PeerClosed,
    ReplyTimeout,
    TemporaryFailure,
)
from poller.scalers import ScalerCache
from tests.support.simulated import StillClock

VOLTS = Measurement("voltage_l1", "1-1:32.7.0")
AMPERES = Measurement("current_l1", "1-1:31.7.0")
TARIFF = Measurement("tariff", "0-0:96.14.0", class_id=1)
SCALING = Data(DataType.STRUCTURE, (Data(DataType.INT8, -2), Data(DataType.ENUM, 35)))


@dataclass
class Table:
    """Answers by attribute: a list is used up one by one, its last element stays."""

    takes_lists: bool = False
    answers: dict[tuple[str, int], list[Data | BridgeError]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    lists: list[int] = field(default_factory=list)
    list_error: BridgeError | None = None

    def get(self, ref: AttributeRef) -> Data:
        name = (str(ref.obis), ref.attribute)
        self.asked.append(name)
        default: list[Data | BridgeError] = [SCALING if ref.attribute == 3 else Data(DataType.UINT32, 13_130)]
        answers = self.answers.get(name, default)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BridgeError):
            raise answer
        return answer

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        self.lists.append(len(refs))
        if self.list_error is not None:
            raise self.list_error
        found: list[Data | BridgeError] = []
        for ref in refs:
            try:
                found.append(self.get(ref))
            except BridgeError as error:
                found.append(error)
        return found


def reader(table: Table, clock: StillClock | None = None) -> Reader:
    made = Reader(table, clock or StillClock(), ScalerCache())
    made.associated()
    table.asked.clear()
    table.lists.clear()
    return made


def test_scalers_are_asked_for_once_then_one_request_a_value() -> None:
    table = Table()
    made = reader(table)
    made.read([VOLTS, AMPERES])
    assert table.asked == [("1-1:32.7.0", 3), ("1-1:31.7.0", 3), ("1-1:32.7.0", 2), ("1-1:31.7.0", 2)]
    table.asked.clear()
    cycle = made.read([VOLTS, AMPERES])
    assert table.asked == [("1-1:32.7.0", 2), ("1-1:31.7.0", 2)]
    assert [item.raw for item in cycle.quantities] == [13_130, 13_130]


def test_a_class_without_scaler_is_one_request() -> None:
    table = Table()
    cycle = reader(table).read([TARIFF])
    assert table.asked == [("0-0:96.14.0", 2)]
    assert cycle.quantities[0].scaler is None


def test_lists_are_used_where_the_meter_takes_them() -> None:
    table = Table(takes_lists=True)
    made = reader(table)
    made.read([VOLTS, AMPERES])
    made.read([VOLTS, AMPERES])
    made.read([VOLTS])
    assert table.lists == [2, 2, 2]


def test_a_meter_that_falls_silent_at_lists_is_asked_one_by_one() -> None:
    table = Table(takes_lists=True, list_error=ReplyTimeout("silence"))
    made = reader(table)
    for _ in range(LIST_FAILURES):
        assert isinstance(made.read([VOLTS, AMPERES]).lost, ReplyTimeout)
    assert len(made.read([VOLTS, AMPERES]).quantities) == 2


def test_a_failed_read_is_made_once_more_after_a_moment() -> None:
    clock = StillClock()
    table = Table(answers={("1-1:32.7.0", 2): [TemporaryFailure("busy"), Data(DataType.UINT32, 1)]})
    cycle = reader(table, clock).read([VOLTS])
    assert cycle.quantities[0].raw == 1
    assert cycle.duration_ms == 100


@pytest.mark.parametrize("takes_lists", [False, True])
def test_a_quantity_that_fails_twice_fails_alone_and_is_asked_next_time(takes_lists: bool) -> None:
    table = Table(takes_lists, {("1-1:32.7.0", 2): [OtherReason("no"), OtherReason("no"), Data(DataType.UINT32, 1)]})
    made = reader(table)
    cycle = made.read([VOLTS, AMPERES])
    assert [item.key for item in cycle.quantities] == ["current_l1"]
    assert [(item.key, item.kind) for item in cycle.failures()] == [("voltage_l1", "other_reason")]
    assert cycle.lost is None
    assert made.wanted([VOLTS, AMPERES]) == [VOLTS, AMPERES]
    assert made.read([VOLTS]).quantities[0].raw == 1


def test_what_the_meter_lacks_is_dropped_until_the_next_association() -> None:
    table = Table(answers={("1-1:32.7.0", 3): [ObjectUndefined("no")]})
    made = reader(table)
    cycle = made.read([VOLTS, AMPERES])
    assert cycle.failures()[0].kind == "object_undefined"
    assert ("1-1:32.7.0", 2) not in table.asked
    assert made.wanted([VOLTS, AMPERES]) == [AMPERES]
    made.associated()
    assert made.wanted([VOLTS, AMPERES]) == [VOLTS, AMPERES]


def test_a_key_that_stands_for_another_object_is_asked_at_once() -> None:
    table = Table(answers={("1-1:32.7.0", 3): [ObjectUndefined("object-undefined (4)")]})
    made = reader(table)
    made.read([VOLTS])
    elsewhere = Measurement("voltage_l1", "1-0:32.7.0")
    assert made.wanted([VOLTS]) == []
    assert made.wanted([elsewhere]) == [elsewhere]


def test_a_scaler_that_is_none_fails_its_quantity_and_no_unscaled_number_comes_out() -> None:
    table = Table(answers={("1-1:32.7.0", 3): [Data(DataType.UINT8, 1)]})
    cycle = reader(table).read([VOLTS])
    assert cycle.quantities == []
    assert cycle.failures()[0].kind == "bad_data"


def test_a_value_that_is_no_single_value_fails_its_quantity() -> None:
    table = Table(answers={("1-1:32.7.0", 2): [SCALING]})
    assert reader(table).read([VOLTS, AMPERES]).failures()[0].kind == "bad_data"


def test_a_link_that_breaks_keeps_what_came_and_names_the_rest() -> None:
    table = Table(answers={("1-1:31.7.0", 2): [PeerClosed("gone")]})
    cycle = reader(table).read([VOLTS, AMPERES, TARIFF])
    assert [item.key for item in cycle.quantities] == ["voltage_l1"]
    assert {key: error.kind for key, error in cycle.errors.items()} == {
        "current_l1": "peer_closed",
        "tariff": "peer_closed",
    }
    assert isinstance(cycle.lost, PeerClosed)
    assert ("0-0:96.14.0", 2) not in table.asked


def test_the_time_of_a_cycle_is_that_of_its_first_value_request() -> None:
    clock = StillClock()
    table = Table(answers={("1-1:32.7.0", 3): [TemporaryFailure("busy"), SCALING]})
    cycle = reader(table, clock).read([VOLTS])
    assert cycle.boot_ms == clock.boottime_ms()  # the wait for the scaler lies before it
    assert cycle.duration_ms == 0


def test_a_quantity_that_costs_the_association_twice_in_a_row_is_shunned_for_an_hour() -> None:
    clock = StillClock()
    table = Table(answers={("1-1:31.7.0", 2): [ExceptionResponse("service unknown")]})
    made = reader(table, clock)
    assert isinstance(made.read([VOLTS, AMPERES]).lost, ExceptionResponse)
    made.associated()
    assert made.wanted([VOLTS, AMPERES]) == [VOLTS, AMPERES]
    made.read([VOLTS, AMPERES])
    made.associated()
    assert made.wanted([VOLTS, AMPERES]) == [VOLTS]
    clock.sleep(SHUNNED_S + 1)
    assert made.wanted([VOLTS, AMPERES]) == [VOLTS, AMPERES]


def test_one_success_clears_the_blame() -> None:
    error = ExceptionResponse("now and then")
    table = Table(answers={("1-1:32.7.0", 2): [error, Data(DataType.UINT32, 1), error, Data(DataType.UINT32, 1)]})
    made = reader(table)
    for _ in range(4):
        made.read([VOLTS])
    assert made.wanted([VOLTS]) == [VOLTS]


def test_facts_come_from_the_first_place_that_has_them() -> None:
    serial: list[Data | BridgeError] = [Data(DataType.OCTET_STRING, b"12345678")]
    table = Table(
        answers={
            ("1-0:0.0.0", 2): [ObjectUndefined("no")],
            ("0-0:96.1.0", 2): serial,
            ("1-0:0.2.0", 2): [Data(DataType.OCTET_STRING, b"\x01\x02")],
        }
    )
    made = Reader(table, StillClock(), ScalerCache())
    assert made.associated() == {"serial_number": "12345678", "firmware_version": "0102"}
    assert table.asked == [("1-0:0.0.0", 2), ("0-0:96.1.0", 2), ("1-0:0.2.0", 2)]


def test_a_meter_without_a_name_has_empty_facts() -> None:
    nothing: list[Data | BridgeError] = [ObjectUndefined("no")]
    places = ("1-0:0.0.0", "0-0:96.1.0", "1-0:0.2.0", "0-0:0.2.0")
    table = Table(answers={(place, 2): list(nothing) for place in places})
    made = Reader(table, StillClock(), ScalerCache())
    assert made.associated() == {"serial_number": "", "firmware_version": ""}


def test_a_link_lost_while_the_meter_is_asked_who_it_is_is_raised() -> None:
    table = Table(answers={("1-0:0.0.0", 2): [PeerClosed("gone")]})
    with pytest.raises(PeerClosed):
        Reader(table, StillClock(), ScalerCache()).associated()
