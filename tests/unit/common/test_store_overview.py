"""The look at everything that the metrics page takes: narrow, counted by the database, without what is gone."""

from dataclasses import replace

from common.meter_state import DesiredState, MeterState
from common.store.engine import Store
from common.store.model import MeterStateRow, Role, Severity
from tests.support.installation import NOON_MS, StillClock, wish


def test_an_empty_store_has_nothing_to_tell(store: Store) -> None:
    seen = store.overview.look(NOON_MS)
    assert (seen.meters, seen.components, seen.alarms, seen.tokens) == ([], [], [], [])


def test_meters_come_with_what_was_told_of_them_or_without(store: Store) -> None:
    told = store.meters.add(wish(), "test")
    store.meters.add(replace(wish("sim-2", port=3334), desired_state=DesiredState.PAUSED), "test")
    store.meters.remove(store.meters.add(wish("gone", port=3335), "test").id, "test")
    state = MeterStateRow(told.uid, MeterState.ACTIVE, serial_number="1", last_read_ms=7, metrics={"reads_ok": 2.0})
    store.states.write([state])
    first, second = store.overview.look(NOON_MS).meters
    assert (first.uid, first.name, first.port, first.wanted) == (told.uid, "sim-1", 3333, True)
    assert (first.status, first.serial_number, first.last_read_ms, first.last_taken_ms) == ("active", "1", 7, None)
    assert first.metrics == {"reads_ok": 2.0}
    assert (second.name, second.wanted, second.status) == ("sim-2", False, "inactive")
    assert (second.metrics, second.network, second.last_read_ms) == ({}, {}, None)


def test_alarms_are_counted_by_kind_and_by_whether_they_were_seen(store: Store) -> None:
    first = store.alarms.raise_("disk:x", Severity.ERROR, "disk", "x")
    store.alarms.raise_("disk:y", Severity.ERROR, "disk", "y")
    store.alarms.raise_("clock:x", Severity.WARNING, "clock", "x")
    store.alarms.raise_("clock:gone", Severity.WARNING, "clock", "x")
    store.alarms.clear("clock:gone")
    store.alarms.acknowledge(first, "test")
    found = {(count.severity, count.category): (count.active, count.unseen) for count in store.overview.look(0).alarms}
    assert found == {("error", "disk"): (2, 1), ("warning", "clock"): (1, 1)}


def test_tokens_are_counted_while_they_are_valid(store: Store, clock: StillClock) -> None:
    store.tokens.create(Role.VIEWER, "short", life_ms=1000)
    store.tokens.create(Role.VIEWER, "for ever", life_ms=None)
    store.tokens.create(Role.ADMIN, "for ever", life_ms=None)
    now = clock.wall_ms()
    admin, viewer = store.overview.look(now).tokens
    assert (admin.role, admin.valid, admin.first_end_ms) == ("admin", 1, None)
    assert (viewer.role, viewer.valid, viewer.first_end_ms) == ("viewer", 2, now + 1000)
    assert store.overview.look(now + 1000).tokens[1].valid == 1


def test_components_are_told_by_name(store: Store) -> None:
    store.states.write_component("supervisor", {"counters": {"x": 1}}, 5)
    (found,) = store.overview.look(0).components
    assert (found.name, found.state, found.updated_ms) == ("supervisor", {"counters": {"x": 1}}, 5)
