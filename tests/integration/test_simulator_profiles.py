"""Another implementation reads the profiles of simulated meters; every row is checked against the oracle."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from pydlms import DlmsClient, DlmsData, ObisCode, ServiceError
from pydlms.apdu.xdlms import SelectiveAccess, entry_descriptor, range_descriptor
from pydlms.security.hls import Mechanism

from poller.simulator import Fleet, MeterSpec, Personality, personality
from poller.simulator.meter_clock import decode_moment, encode_moment
from poller.simulator.personality import ClockSetting, ProfileHabit, ProfileSetting
from poller.simulator.profiles import daily_row, load_row

LOAD, DAILY = "1.0.99.1.0.255", "1.0.98.1.0.255"
STEP = 900_000


def with_habit(habit: ProfileHabit) -> Personality:
    return replace(personality("wrapper"), profile=ProfileSetting(depth=20, habits=frozenset({habit})))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    east = replace(personality("wrapper"), clock=ClockSetting(zone=-60, summer=True))
    specs = [MeterSpec("hdlc"), MeterSpec("wrapper", "wrapper"), MeterSpec("east", east)]
    specs += [MeterSpec(habit.value, with_habit(habit)) for habit in ProfileHabit]
    with Fleet(specs) as running:
        yield running


def client(fleet: Fleet, name: str) -> DlmsClient:
    hdlc = name == "hdlc"
    return DlmsClient.tcp(
        "127.0.0.1",
        fleet.meters[name].port,
        client_sap=1,
        server_logical=1,
        timeout=5.0,
        mechanism=Mechanism.LLS,
        password="22222222",
        hdlc=hdlc,
        address_size=1 if hdlc else None,
    )


def rows(fleet: Fleet, name: str, access: SelectiveAccess | None, obis: str = LOAD) -> list[list[object]]:
    """Read a profile; the first column of each row as milliseconds of UTC."""
    with client(fleet, name) as reading:
        found = reading.read_profile(obis, access).rows
    return [[decode_moment(cast(bytes, row[0])), *row[1:]] for row in found]


def last_slot() -> int:
    return int(datetime.now(UTC).timestamp() * 1000) // STEP * STEP


def moment(wall_ms: int, deviation: int = 0) -> DlmsData:
    return DlmsData.octet_string(encode_moment(wall_ms, deviation))


@pytest.mark.parametrize(("name", "index"), [("hdlc", 0), ("wrapper", 1), ("east", 2)])
def test_a_range_is_what_the_oracle_says(fleet: Fleet, name: str, index: int) -> None:
    end = last_slot() - 10 * STEP
    found = rows(fleet, name, range_descriptor(moment(end - 100 * STEP, -60), moment(end, -60)))
    assert found == [list(load_row(index, due)) for due in range(end - 100 * STEP, end + 1, STEP)]


def test_a_range_off_the_slots_holds_what_lies_between(fleet: Fleet) -> None:
    end = last_slot() - 5 * STEP
    found = rows(fleet, "wrapper", range_descriptor(moment(end - 1000), moment(end + STEP - 1000)))
    assert [row[0] for row in found] == [end]
    assert rows(fleet, "wrapper", range_descriptor(moment(end + 1000), moment(end + 2000))) == []


def test_columns_can_be_chosen(fleet: Fleet) -> None:
    end = last_slot()
    energy = (3, ObisCode.parse("1.0.1.8.0.255"), 2, 0)
    with client(fleet, "wrapper") as reading:
        chosen = range_descriptor(moment(end - STEP), moment(end), selected_values=[energy])
        found = reading.read_profile(LOAD, chosen).rows
    assert found == [[load_row(1, due).imported] for due in (end - STEP, end)]


def test_entries_count_from_one_and_the_oldest(fleet: Fleet) -> None:
    found = rows(fleet, "wrapper", entry_descriptor(3_359, 0))
    assert found == [list(load_row(1, cast(int, row[0]))) for row in found]
    assert len(found) == 2
    assert [len(row) for row in rows(fleet, "wrapper", entry_descriptor(1, 2, 1, 3))] == [3, 3]


def test_the_whole_profile_comes_in_blocks(fleet: Fleet) -> None:
    found = rows(fleet, "wrapper", None)
    assert len(found) == 3_360
    assert found == [list(load_row(1, cast(int, row[0]))) for row in found]


@pytest.mark.parametrize(("name", "index", "hour"), [("wrapper", 1, 0), ("east", 2, 22)])
def test_days_begin_at_local_midnight(fleet: Fleet, name: str, index: int, hour: int) -> None:
    found = rows(fleet, name, None, DAILY)
    assert len(found) == 62
    assert found == [list(daily_row(index, cast(int, row[0]))) for row in found]
    assert cast(int, found[0][0]) % 86_400_000 == hour * 3_600_000


def test_some_meters_answer_any_range_with_the_last_row(fleet: Fleet) -> None:
    found = rows(fleet, ProfileHabit.RANGE_LAST_ROW, range_descriptor(moment(0), moment(STEP)))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("habit", "access"),
    [
        (ProfileHabit.NO_RANGE, range_descriptor(moment(last_slot() - STEP), moment(last_slot()))),
        (ProfileHabit.NO_ENTRY, entry_descriptor(1, 2)),
    ],
)
def test_some_meters_have_one_way_only(fleet: Fleet, habit: ProfileHabit, access: SelectiveAccess) -> None:
    with pytest.raises(ServiceError) as refusal:
        rows(fleet, habit, access)
    assert int(cast(int, refusal.value.result)) == 13
    assert len(rows(fleet, habit, None)) == 20


def test_the_clock_may_stand_second(fleet: Fleet) -> None:
    with client(fleet, ProfileHabit.CLOCK_SECOND) as reading:
        found = reading.read_profile(LOAD, range_descriptor(moment(last_slot() - STEP), moment(last_slot())))
    assert found.columns[1][1] == ObisCode.parse("0.0.1.0.0.255")
    assert len(found.rows) == 2


def test_what_did_not_change_may_be_null_data(fleet: Fleet) -> None:
    with client(fleet, ProfileHabit.NULL_DATA) as reading:
        found = reading.read_profile(LOAD).rows
    assert len(found) == 20
    assert found[0][0] is not None
    assert [row[0] for row in found[1:]] == [None] * 19
    assert any(row[1] is None for row in found[1:])


def test_a_profile_can_be_emptied(fleet: Fleet) -> None:
    with client(fleet, ProfileHabit.CLOCK_SECOND) as reading:
        reading.action(LOAD, 7, 1, DlmsData.int8(0))
        assert reading.get(LOAD, 7, 7).to_python() == 0
        assert reading.read_profile(LOAD).rows == []
