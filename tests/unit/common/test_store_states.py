"""What is: states, latest values, components, starts."""

from dataclasses import replace

from common.meter_state import MeterState
from common.store.engine import Store
from common.store.model import ComponentRow, LatestRow, MeterStateRow

UID, OTHER = bytes(16), bytes(15) + b"\x01"
STATE = MeterStateRow(
    uid=UID,
    status=MeterState.UNREACHABLE,
    cause="refused",
    detail="connection refused",
    revision=3,
    last_seen_ms=1,
    last_error="no route",
    error_count=4,
    process_id=77,
    serial_number="0123",
    firmware_version="1.2",
    last_read_ms=2,
    last_taken_ms=3,
    last_acknowledged_ms=4,
    metrics={"reads_ok": 5, "cycle_ms_avg": 1.5},
    network={"frames_sent": 6},
    facts={"breaker": "open"},
    updated_ms=5,
)


def test_a_state_comes_back_as_it_went_in(store: Store) -> None:
    store.states.write([STATE])
    assert store.states.get(UID) == STATE
    assert store.states.list() == [STATE]


def test_the_last_word_counts(store: Store) -> None:
    store.states.write([STATE, replace(STATE, uid=OTHER)])
    store.states.write([replace(STATE, status=MeterState.ACTIVE, process_id=None)])
    assert store.states.get(UID) == replace(STATE, status=MeterState.ACTIVE, process_id=None)
    assert store.states.get(OTHER) == replace(STATE, uid=OTHER)
    store.states.write([])


def test_an_unknown_meter_is_inactive(store: Store) -> None:
    assert store.states.get(UID) == MeterStateRow(UID)
    assert MeterStateRow(UID).status is MeterState.INACTIVE


def test_texts_are_cut_and_numbers_that_json_cannot_say_left_out(store: Store) -> None:
    store.states.write([replace(STATE, detail="x" * 999, metrics={"a": float("nan"), "b": 1.0})])
    found = store.states.get(UID)
    assert (len(found.detail), found.metrics) == (300, {"b": 1.0})


def test_latest_values_come_back_with_null_for_what_is_no_number(store: Store) -> None:
    row = LatestRow(
        UID, 9, b"12345678", 7, {"v": 1.5, "n": float("inf"), "t": "x"}, {"v": "V"}, ("partial",), {"i": "x"}
    )
    store.states.write_latest([row])
    store.states.write_latest([row])
    expected = replace(row, values={"v": 1.5, "n": None, "t": "x"})
    assert store.states.latest(UID) == expected
    assert store.states.list_latest() == [expected]
    assert store.states.latest(OTHER) is None


def test_components_say_their_last_word(store: Store) -> None:
    store.states.write_component("publisher", {"a": 1}, 10)
    store.states.write_component("publisher", {"a": [2]}, 11)
    assert store.states.components() == {"publisher": ComponentRow("publisher", {"a": [2]}, 11)}


def test_starts_are_counted_per_worker_and_time(store: Store) -> None:
    for at_ms in (100, 200, 300):
        store.starts.record(UID, 1, at_ms, "exit")
    store.starts.record(OTHER, 2, 300, "exit")
    assert (store.starts.since(UID, 200), store.starts.since(UID, 301), store.starts.since(OTHER, 0)) == (2, 0, 1)
