"""Looking at the fleet in brief: marks of everything, rows of what is asked for, and nothing of the dead."""

from common.meter_state import DesiredState, MeterState
from common.store.engine import Store
from common.store.model import LatestRow, MeterStateRow, Severity
from common.store.sight import MAX_NAMED, StateSight
from tests.support.installation import NOON_MS, wish


def test_a_look_sees_states_readings_and_lasting_alarms(store: Store) -> None:
    one, other = (store.meters.add(wish(f"m{n}", f"10.0.0.{n}"), "test").uid for n in (1, 2))
    store.states.write([MeterStateRow(one, MeterState.ACTIVE, last_error="e"), MeterStateRow(other)])
    store.states.write_latest([LatestRow(one, NOON_MS, b"e" * 8, 7, {"x": 1})])
    lasting = store.alarms.raise_("a", Severity.ERROR, "hdlc", "text", meter_uid=one)
    store.alarms.raise_("b", Severity.ERROR, "hdlc", "text")
    store.alarms.clear("b")
    seen = store.sights.look()
    assert seen.version == store.wishes_version()
    assert set(seen.states) == {one, other}
    assert seen.states[one] == StateSight("active", "", "", 0, "e")
    assert seen.readings == {one: (b"e" * 8, 7)}
    assert list(seen.alarms) == [lasting]
    assert set(store.sights.look([other]).states) == {other}
    assert set(store.sights.look([bytes([n]) * 16 for n in range(MAX_NAMED + 1)]).states) == {one, other}
    assert [row.seq for row in store.sights.readings([one, other])] == [7]
    assert [row.dedup_key for row in store.sights.alarms([lasting])] == ["a"]
    assert [*store.sights.readings([]), *store.sights.alarms([])] == []


def test_the_fleet_in_brief_has_the_living_by_id(store: Store) -> None:
    meters = [store.meters.add(wish(f"m{n}", f"10.0.0.{n}"), "test") for n in (1, 2, 3)]
    store.states.write([MeterStateRow(meters[1].uid, MeterState.BLOCKED)])
    store.meters.set_desired(meters[2].id, DesiredState.PAUSED, "test")
    store.meters.remove(meters[0].id, "test")
    found = [(each.number, each.name, each.desired_state, each.status) for each in store.sights.standings()]
    assert found == [
        (2, "m2", DesiredState.RUNNING, MeterState.BLOCKED),
        (3, "m3", DesiredState.PAUSED, MeterState.INACTIVE),
    ]
    assert store.sights.names() == {meters[1].uid: (2, "m2"), meters[2].uid: (3, "m3")}
    assert [meter.id for meter in store.meters.some([3, 2, 1])] == [2, 3]
    assert [row.uid for row in store.states.some([meters[1].uid, meters[2].uid])] == [meters[1].uid]
