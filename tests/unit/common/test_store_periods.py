"""Measured periods: added to, summed up since a time, bounded."""

from common.store.engine import Store
from common.store.model import PERIOD_MS, MeterCounts, SystemCounts
from common.store.periods import KEPT_MS

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
