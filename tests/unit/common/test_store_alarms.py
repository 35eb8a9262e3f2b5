"""Alarms: episodes, acknowledgement, filters."""

import pytest

from common.store.engine import Store
from common.store.errors import NoSuchAlarm
from common.store.model import AlarmFilter, AlarmStep, Change, Severity
from tests.support.installation import NOON_MS, StillClock, wish

KEY = "connection:00"


def _raise(store: Store, key: str = KEY, severity: Severity = Severity.WARNING, uid: bytes | None = None) -> int:
    return store.alarms.raise_(key, severity, key.partition(":")[0], "gone", meter_uid=uid, details={"tries": 3})


def test_an_episode_is_one_row_however_often_it_is_raised(store: Store, clock: StillClock) -> None:
    first = _raise(store)
    clock.sleep(60)
    assert _raise(store, severity=Severity.CRITICAL) == first
    (row,) = store.alarms.active()
    assert (row.count, row.severity, row.raised_at, row.updated_at) == (2, Severity.CRITICAL, NOON_MS, NOON_MS + 60_000)
    assert (row.category, row.message, row.details) == ("connection", "gone", {"tries": 3})


def test_a_cleared_alarm_is_raised_anew(store: Store) -> None:
    first = _raise(store)
    assert store.alarms.clear(KEY)
    assert not store.alarms.clear(KEY)
    assert store.alarms.active() == []
    assert store.alarms.get(first).cleared_at == NOON_MS
    assert _raise(store) != first


def test_the_first_to_acknowledge_stays(store: Store, clock: StillClock) -> None:
    number = _raise(store)
    store.alarms.acknowledge(number, "ann")
    clock.sleep(1)
    row = store.alarms.acknowledge(number, "bob")
    assert (row.acknowledged_by, row.acknowledged_at, row.cleared_at) == ("ann", NOON_MS, None)
    assert [(line.actor, line.action) for line in store.audit.list()] == [("ann", "alarm.acknowledge")]
    with pytest.raises(NoSuchAlarm):
        store.alarms.acknowledge(99, "ann")


def test_an_alarm_names_its_meter_while_there_is_one(store: Store) -> None:
    meter = store.meters.add(wish(), "test")
    number = _raise(store, uid=meter.uid)
    assert store.alarms.get(number).meter_id == meter.id
    store.meters.remove(meter.id, "test")
    store.meters.purged(meter.uid)
    row = store.alarms.get(number)
    assert (row.meter_id, row.meter_uid) == (None, meter.uid)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AlarmFilter(), [3, 2, 1]),
        (AlarmFilter(acknowledged=True), [2]),
        (AlarmFilter(acknowledged=False), [3, 1]),
        (AlarmFilter(active=True), [3, 2]),
        (AlarmFilter(active=False), [1]),
        (AlarmFilter(severity=Severity.ERROR), [2]),
        (AlarmFilter(category="disk"), [3]),
        (AlarmFilter(meter_uid=b"\x02" * 16), [2]),
        (AlarmFilter(since_ms=NOON_MS + 1), [3, 2]),
        (AlarmFilter(active=True, acknowledged=False), [3]),
    ],
)
def test_alarms_are_filtered(store: Store, clock: StillClock, wanted: AlarmFilter, expected: list[int]) -> None:
    _raise(store)
    store.alarms.clear(KEY)
    clock.sleep(1)
    store.alarms.acknowledge(_raise(store, "auth:02", Severity.ERROR, b"\x02" * 16), "ann")
    _raise(store, "disk:publisher")
    rows, total = store.alarms.list(wanted)
    assert ([row.id for row in rows], total) == (expected, len(expected))


def test_a_page_knows_how_many_there_are(store: Store) -> None:
    for number in range(5):
        _raise(store, f"disk:{number}")
    rows, total = store.alarms.list(limit=2, offset=1)
    assert ([row.id for row in rows], total) == ([4, 3], 5)


def _step(change: Change, severity: Severity = Severity.WARNING, count: int = 1) -> AlarmStep:
    return AlarmStep(change, KEY, severity, "connection", f"gone {count}", count)


def test_steps_of_an_episode_are_written_together_and_twice_is_once(store: Store, clock: StillClock) -> None:
    ids = store.alarms.write([_step(Change.RAISED), AlarmStep(Change.RAISED, "disk:x", Severity.INFO, "disk", "full")])
    clock.sleep(60)
    assert store.alarms.write([_step(Change.RAISED, count=3)]) == {KEY: ids[KEY]}
    row = store.alarms.get(ids[KEY])
    assert (row.count, row.message, row.raised_at, row.updated_at) == (3, "gone 3", NOON_MS, NOON_MS + 60_000)
    assert store.alarms.write([_step(Change.CLEARED, count=4)]) == {KEY: ids[KEY]}
    row = store.alarms.get(ids[KEY])
    assert (row.count, row.cleared_at, row.acknowledged_at) == (4, NOON_MS + 60_000, None)
    assert store.alarms.write([_step(Change.CLEARED)]) == {}
    assert [alarm.dedup_key for alarm in store.alarms.active()] == ["disk:x"]


def test_an_acknowledgement_is_kept_through_updates_until_the_alarm_gets_worse(store: Store) -> None:
    (number,) = store.alarms.write([_step(Change.RAISED)]).values()
    store.alarms.acknowledge(number, "ann")
    store.alarms.write([_step(Change.UPDATED, count=2)])
    assert store.alarms.get(number).acknowledged_by == "ann"
    store.alarms.write([_step(Change.UPDATED, Severity.CRITICAL, 3)])
    row = store.alarms.get(number)
    assert (row.acknowledged_at, row.acknowledged_by) == (None, "")
    assert store.alarms.acknowledge(number, "bob").acknowledged_by == "bob"
