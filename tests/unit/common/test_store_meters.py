"""Wishes: what the store keeps of them, what it refuses, what a revision is."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from common.meter_state import DesiredState
from common.secret import Secret
from common.store.engine import Store, open_store
from common.store.errors import BadWish, LineTaken, NameTaken, NoSuchMeter, RevisionConflict, WishesChanged
from common.store.model import Draft, LatestRow, MeasurementWish, MeterStateRow, MeterWish
from common.vault import Vault
from tests.support.installation import NOON_MS, StillClock, wish

FULL = MeterWish(
    name="all fields",
    ip_address="meter.example",
    port=4000,
    transport="hdlc",
    client_id=32,
    server_logical=1,
    server_physical=17,
    address_size=4,
    authentication="lls",
    password=Secret("11111111"),
    model="generic",
    interval_s=7.5,
    desired_state=DesiredState.PAUSED,
    line_mode="shared",
    tb_enabled=True,
    tb_host="tb.example",
    tb_port=8883,
    tb_token=Secret("hush-token"),
    tb_device_name="Device 7",
    limits={"reply_timeout_s": 9.5, "breaker_failures": 4},
    measurements=(
        MeasurementWish("zeta", "1-0:1.7.0", 3, 2, True, 60.0, "p"),
        MeasurementWish("alpha", "0-0:1.0.0", 8, 2, False, None, ""),
    ),
)


def test_a_wish_comes_back_as_it_went_in(store: Store) -> None:
    added = store.meters.add(FULL, "test")
    assert added.wish == FULL
    assert store.meters.get(added.id) == store.meters.get(added.uid) == store.meters.by_name(FULL.name) == added
    assert store.meters.list() == [added]
    assert (added.revision, added.created_at, added.deleted_at) == (1, NOON_MS, None)
    assert len(added.uid) == 16


def test_secrets_are_nowhere_in_the_files(store: Store, store_file: Path) -> None:
    store.meters.add(FULL, "test")
    files = b"".join(path.read_bytes() for path in store_file.parent.glob("store.db*"))
    assert b"all fields" in files
    assert b"11111111" not in files
    assert b"hush-token" not in files


def test_only_we_may_read_the_file(store: Store, store_file: Path) -> None:
    store.meters.add(wish(), "test")
    assert {path.name: path.stat().st_mode & 0o777 for path in store_file.parent.glob("store.db*")} == {
        "store.db": 0o600,
        "store.db-wal": 0o600,
        "store.db-shm": 0o600,
    }


@pytest.mark.parametrize("text", ["1", "sim-1", "uid"])
def test_a_meter_is_found_by_id_name_and_uid(store: Store, text: str) -> None:
    added = store.meters.add(wish(), "test")
    assert store.meters.find(added.uid.hex() if text == "uid" else text) == added


@pytest.mark.parametrize("text", ["2", "99999999999999999999", "nobody", "0" * 32, "x" * 32, "", "\u0663"])
def test_a_meter_that_is_not_there_is_not_found(store: Store, text: str) -> None:
    store.meters.add(wish(), "test")
    with pytest.raises(NoSuchMeter):
        store.meters.find(text)


def test_a_name_is_unique_among_the_living(store: Store) -> None:
    first = store.meters.add(wish(), "test")
    with pytest.raises(NameTaken, match="sim-1"):
        store.meters.add(wish(port=3334), "test")
    store.meters.remove(first.id, "test")
    assert store.meters.add(wish(), "test").id != first.id


@pytest.mark.parametrize("host", ["10.0.0.1", "alias.test"])
def test_a_line_is_one_meters(store: Store, host: str) -> None:
    store.meters.add(wish(), "test")
    with pytest.raises(LineTaken, match="sim-1"):
        store.meters.add(wish("sim-2", host), "test")
    store.meters.add(wish("sim-2", host, 3334), "test")


def test_a_line_may_be_shared_by_those_who_both_say_so(store: Store) -> None:
    store.meters.add(replace(wish(), line_mode="shared"), "test")
    with pytest.raises(LineTaken):
        store.meters.add(wish("sim-2"), "test")
    other = store.meters.add(replace(wish("sim-2"), line_mode="concurrent"), "test")
    with pytest.raises(LineTaken):
        store.meters.edit(other.id, lambda old: replace(old, line_mode="exclusive"), "test")


def test_a_bad_wish_is_not_taken(store: Store) -> None:
    with pytest.raises(BadWish):
        store.meters.add(wish(""), "test")
    assert store.meters.list() == []


def test_an_edit_raises_the_revision_and_the_version(store: Store, clock: StillClock) -> None:
    added = store.meters.add(wish(), "test")
    before = store.wishes_version()
    clock.sleep(5)
    edited = store.meters.edit(added.id, lambda old: replace(old, interval_s=9.0), "test")
    assert (edited.revision, edited.wish.interval_s, edited.uid) == (2, 9.0, added.uid)
    assert (edited.created_at, edited.updated_at) == (NOON_MS, NOON_MS + 5000)
    assert store.meters.get(added.id) == edited
    assert store.wishes_version() > before


def test_an_edit_that_changes_nothing_raises_nothing(store: Store) -> None:
    added = store.meters.add(wish(), "test")
    before = store.wishes_version()
    assert store.meters.edit(added.id, lambda old: old, "test") == added
    assert store.wishes_version() == before


def test_measurements_are_replaced_in_their_order(store: Store) -> None:
    added = store.meters.add(FULL, "test")
    changed = (*reversed(FULL.measurements), MeasurementWish("third", "1-0:2.7.0"))
    store.meters.edit(added.id, lambda old: replace(old, measurements=changed), "test")
    assert store.meters.get(added.id).wish.measurements == changed


def test_an_edit_of_another_revision_is_refused(store: Store) -> None:
    added = store.meters.add(wish(), "test")
    store.meters.set_desired(added.id, DesiredState.PAUSED, "test")
    with pytest.raises(RevisionConflict) as caught:
        store.meters.edit(added.id, lambda old: replace(old, interval_s=9.0), "test", expected_revision=1)
    assert caught.value.current == 2
    with pytest.raises(RevisionConflict):
        store.meters.remove(added.id, "test", expected_revision=1)


def test_an_edit_may_not_take_anothers_name_or_line(store: Store) -> None:
    store.meters.add(wish(), "test")
    other = store.meters.add(wish("sim-2", port=3334), "test")
    with pytest.raises(NameTaken):
        store.meters.edit(other.id, lambda old: replace(old, name="sim-1"), "test")
    with pytest.raises(LineTaken):
        store.meters.edit(other.id, lambda old: replace(old, port=3333), "test")
    assert store.meters.get(other.id) == other


def test_a_change_that_leaves_the_line_alone_looks_up_no_name(tmp_path: Path) -> None:
    asked: list[set[str]] = []

    def ask(hosts: Iterable[str]) -> Mapping[str, frozenset[str]]:
        asked.append(set(hosts))
        return {}

    store = open_store(f"sqlite:///{tmp_path}/other.db", Vault(bytes(32)), resolve_hosts=ask)
    store.upgrade()
    added = store.meters.add(wish(ip_address="slow.test"), "test")
    store.meters.set_desired(added.id, DesiredState.PAUSED, "test")
    assert asked == [{"slow.test"}]
    store.meters.edit(added.id, lambda old: replace(old, port=4000), "test")
    assert len(asked) == 2
    store.close()


def test_the_desired_state_is_kept(store: Store) -> None:
    added = store.meters.add(wish(), "test")
    for desired in (DesiredState.PAUSED, DesiredState.STOPPED, DesiredState.RUNNING):
        assert store.meters.set_desired(added.uid, desired, "test").wish.desired_state is desired
        assert store.meters.get(added.id).wish.desired_state is desired


def test_a_removed_meter_leaves_a_tombstone_until_it_is_purged(store: Store) -> None:
    added = store.meters.add(FULL, "test")
    store.states.write([MeterStateRow(added.uid)])
    store.states.write_latest([LatestRow(added.uid, 1, bytes(8), 1, {})])
    store.meters.remove(added.id, "test")
    assert store.meters.list() == []
    tombstone = store.meters.list(include_deleted=True)[0]
    assert (tombstone.uid, tombstone.deleted_at, tombstone.purge) == (added.uid, NOON_MS, False)
    with pytest.raises(NoSuchMeter):
        store.meters.get(added.uid)
    before = store.wishes_version()
    store.meters.purged(added.uid)
    assert store.meters.list(include_deleted=True) == []
    assert store.states.list() == []
    assert store.states.latest(added.uid) is None
    assert store.wishes_version() > before


def test_a_tombstone_may_be_told_to_drop_what_waits(store: Store) -> None:
    added = store.meters.add(wish(), "test")
    store.meters.remove(added.id, "test")
    with pytest.raises(NoSuchMeter):
        store.meters.remove(added.id, "test")
    assert store.meters.remove(added.id, "test", purge=True).purge
    assert store.meters.list(include_deleted=True)[0].purge


def test_the_living_are_not_purged(store: Store) -> None:
    added = store.meters.add(wish(), "test")
    store.meters.purged(added.uid)
    assert store.meters.list() == [added]


def test_row_ids_are_never_used_again(store: Store) -> None:
    first = store.meters.add(wish(), "test")
    store.meters.remove(first.id, "test")
    store.meters.purged(first.uid)
    assert store.meters.add(wish(), "test").id > first.id


def test_every_change_is_audited_without_secrets(store: Store) -> None:
    added = store.meters.add(FULL, "ann")
    store.meters.edit(added.id, lambda old: replace(old, password=Secret("22222222")), "bob")
    store.meters.edit(added.id, lambda old: old, "nobody")
    store.meters.remove(added.id, "ann")
    rows = store.audit.list()
    assert [(row.actor, row.action) for row in rows] == [
        ("ann", "meter.remove"),
        ("bob", "meter.edit"),
        ("ann", "meter.add"),
    ]
    assert rows[1].details == {"changed": ["password"]}
    assert "22222222" not in repr(rows)


def test_many_wishes_are_written_at_once_and_may_exchange_their_names(store: Store) -> None:
    one, two = (store.meters.add(wish(f"m{n}", f"10.0.0.{n}"), "test") for n in (1, 2))
    version = store.wishes_version()
    fewer = replace(one.wish, name="m2", measurements=one.wish.measurements[:1], password=Secret("kept"))
    drafts = [Draft(one.uid, fewer), Draft(two.uid, replace(two.wish, name="m1")), Draft(None, wish("m3", "10.0.0.3"))]
    written = store.meters.bring(drafts, "file", version)
    found = [(meter.id, meter.revision, meter.wish.name) for meter in written]
    assert found == [(1, 2, "m2"), (2, 2, "m1"), (3, 1, "m3")]
    assert list(written) == list(store.meters.list())
    assert store.wishes_version() == version + 1
    assert sorted(row.action for row in store.audit.list()[:3]) == ["meter.add", "meter.edit", "meter.edit"]


def test_of_many_wishes_all_are_written_or_none(store: Store) -> None:
    there = store.meters.add(wish("m1"), "test")
    good, version = Draft(None, wish("m2", "10.0.0.2")), store.wishes_version()
    for draft, error in (
        (Draft(None, wish("m1", "10.0.0.3")), NameTaken),
        (Draft(None, wish("m2", "10.0.0.3")), NameTaken),
        (Draft(bytes(16), wish("m3", "10.0.0.3")), NoSuchMeter),
        (Draft(None, wish("a/b", "10.0.0.3")), BadWish),
    ):
        with pytest.raises(error):
            store.meters.bring([good, draft], "file", version)
    with pytest.raises(WishesChanged):
        store.meters.bring([good], "file", version - 1)
    assert [meter.id for meter in store.meters.list()] == [there.id]
    assert store.wishes_version() == version
