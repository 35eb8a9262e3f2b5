"""Measured periods: added to, summed up since a time, bounded."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from common.settings import StoreSettings
from common.store import periods as module
from common.store.database import Database, Way
from common.store.engine import Store
from common.store.model import PERIOD_MS, MeterCounts, SystemCounts
from common.store.periods import HOUR_MS, HOUR_S, KEPT_MS, Periods

A, B = bytes(16), b"\x01" * 16
FIRST, SECOND, THIRD = PERIOD_MS * 10, PERIOD_MS * 11, PERIOD_MS * 12


def test_a_period_is_added_to_and_not_replaced(store: Store) -> None:
    store.periods.add({(FIRST, A): {"reads_ok": 5, "taken": 2}}, {FIRST: {"measured_ms": 60_000}})
    store.periods.add({(FIRST, A): {"reads_ok": 3}}, {FIRST: {"measured_ms": 30_000}})
    assert store.periods.meters(0) == {A: MeterCounts(since_ms=FIRST, reads_ok=8, taken=2)}
    assert store.periods.system(0) == SystemCounts(since_ms=FIRST, measured_ms=90_000)


def test_sums_go_over_all_periods_that_had_not_ended(store: Store) -> None:
    for at_ms, count in ((FIRST, 1), (SECOND, 10), (THIRD, 100)):
        store.periods.add(
            {(at_ms, A): {"taken": count}, (at_ms, B): {"taken": 2 * count}}, {at_ms: {"mqtt_sessions": 1}}
        )
    middle = SECOND + PERIOD_MS // 2
    assert {uid: counts.taken for uid, counts in store.periods.meters(middle).items()} == {A: 110, B: 220}
    assert store.periods.meters(SECOND + PERIOD_MS)[A].taken == 100, "what ended at that moment does not count"
    assert store.periods.system(middle).mqtt_sessions == 2
    assert store.periods.meters(middle)[A].since_ms == SECOND


def test_one_meter_may_be_asked_for(store: Store) -> None:
    store.periods.add({(FIRST, A): {"taken": 1}, (FIRST, B): {"taken": 2}}, {})
    assert list(store.periods.meters(0, B)) == [B]


def test_a_level_is_that_of_the_last_measuring(store: Store) -> None:
    store.periods.add({(FIRST, A): {"overdue": 9}, (SECOND, A): {"overdue": 7}}, {})
    store.periods.add({(SECOND, A): {"overdue": 4}}, {})
    assert store.periods.meters(0)[A].overdue == 4
    store.periods.add({(THIRD + PERIOD_MS, B): {"taken": 1}}, {})
    assert store.periods.meters(0)[A].overdue == 0, "nothing is known of it any more"


def test_where_nothing_was_measured_there_is_nothing(store: Store) -> None:
    store.periods.add({}, {})
    assert store.periods.meters(0) == {}
    assert store.periods.system(0) == SystemCounts()


def test_what_is_older_than_eight_days_is_forgotten(store: Store) -> None:
    store.periods.add({(FIRST, A): {"taken": 1}, (SECOND, A): {"taken": 2}}, {FIRST: {"mqtt_sessions": 1}})
    store.periods.trim(SECOND + KEPT_MS)
    assert store.periods.meters(0)[A].taken == 2
    assert store.periods.system(0) == SystemCounts()


def test_what_a_clock_dated_that_was_set_back_is_in_no_report(store: Store) -> None:
    later = THIRD + 1000 * PERIOD_MS
    store.periods.add({(FIRST, A): {"taken": 1}, (later, A): {"taken": 2}}, {later: {"mqtt_sessions": 1}})
    store.periods.trim(FIRST + PERIOD_MS // 2)
    assert store.periods.meters(0)[A].taken == 1
    assert store.periods.system(0) == SystemCounts()


def test_a_series_has_a_point_for_each_period_of_one_meter_or_of_all_together(store: Store) -> None:
    for at_ms, count in ((FIRST, 1), (SECOND, 10)):
        meters = {(at_ms, A): {"octets_sent": count}, (at_ms, B): {"octets_sent": 2 * count, "overdue": 1}}
        store.periods.add(meters, {at_ms: {"mqtt_octets": count}})
    one, two = MeterCounts(since_ms=FIRST, octets_sent=2, overdue=1), MeterCounts(SECOND, octets_sent=20, overdue=1)
    assert store.periods.series(B, 0, THIRD) == [one, two]
    assert store.periods.series(B, FIRST + 1, SECOND) == [one], "a period is told that the time begins in"
    assert [point.octets_sent for point in store.periods.series(None, 0, THIRD)] == [3, 30]
    assert store.periods.system_series(SECOND, THIRD) == [SystemCounts(since_ms=SECOND, mqtt_octets=10)]
    assert store.periods.series(A, THIRD, THIRD + 1) == []
    assert store.periods.system_series(0, FIRST) == []


def test_where_nothing_was_measured_a_series_has_no_point(store: Store) -> None:
    assert store.periods.series(A, 0, THIRD) == store.periods.series(None, 0, THIRD, HOUR_S) == []


def test_what_is_added_is_added_to_its_hour(store: Store) -> None:
    hour_ms = 10 * HOUR_MS
    for minute in (0, 5, 10, 60):
        at_ms = hour_ms + 60_000 * minute
        store.periods.add({(at_ms, A): {"taken": 1, "overdue": minute}}, {at_ms: {"mqtt_messages": 7}})
    found = store.periods.series(A, hour_ms, hour_ms + 2 * HOUR_MS, HOUR_S)
    assert found == [MeterCounts(hour_ms, taken=3, overdue=10), MeterCounts(hour_ms + HOUR_MS, taken=1, overdue=60)]
    assert [point.mqtt_messages for point in store.periods.system_series(0, 2 * hour_ms, HOUR_S)] == [21, 7]


def test_hours_are_kept_for_longer_than_periods_and_not_at_all_if_not_wished(store: Store, store_url: str) -> None:
    at_ms = 10 * HOUR_MS
    store.periods.add({(at_ms, A): {"taken": 1}}, {at_ms: {"mqtt_messages": 7}})
    while store.periods.trim(at_ms + KEPT_MS + HOUR_MS):
        pass
    assert store.periods.series(A, 0, 2 * at_ms) == []
    assert [point.taken for point in store.periods.series(A, 0, 2 * at_ms, HOUR_S)] == [1]
    database = Database(store_url)
    periods = Periods(database, replace(StoreSettings(), hours_kept_days=0))
    periods.add({(at_ms, B): {"taken": 1}}, {})
    assert periods.series(B, 0, 2 * at_ms, HOUR_S) == []
    periods.trim(at_ms + HOUR_MS)
    assert periods.series(A, 0, 2 * at_ms, HOUR_S) == []
    database.close()


def test_to_find_what_is_too_old_no_table_is_read_through(store_file: Path, store: Store) -> None:
    assert store_file.exists()
    store.wishes_version()
    engine, seen = store._database._engine(Way.STATE), set[str]()

    @event.listens_for(engine, "before_cursor_execute")
    def _explain(_connection: object, cursor: object, statement: str, values: object, *_more: object) -> None:
        if statement.startswith("DELETE"):
            seen.update(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values))  # type: ignore[attr-defined]

    store.periods.trim(THIRD)
    store.history.trim(THIRD)
    assert any("meter_hours" in line for line in seen)
    assert any("readings_history" in line for line in seen)
    assert [line for line in seen if line.startswith("SCAN")] == [], "it holds the write lock all the while"


def test_of_all_meters_together_a_series_is_as_long_as_the_systems_and_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_POINTS_OF_ALL", 2)
    for at_ms in (FIRST, SECOND, THIRD):
        store.periods.add({(at_ms, A): {"taken": 1}}, {at_ms: {"mqtt_messages": 1}})
    assert [point.since_ms for point in store.periods.series(None, 0, THIRD + 1)] == [FIRST, SECOND]
    assert [point.since_ms for point in store.periods.system_series(0, THIRD + 1)] == [FIRST, SECOND]
    assert [point.since_ms for point in store.periods.series(None, THIRD, THIRD + 1)] == [THIRD]
    assert len(store.periods.series(A, 0, THIRD + 1)) == 3
