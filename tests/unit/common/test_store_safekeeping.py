"""The copy of the wishes, and a damaged store made anew from it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from common.meter_state import MeterState
from common.secret import Secret
from common.store.engine import Store, open_store
from common.store.errors import StoreDamaged, StoreUnavailable
from common.store.model import MeterStateRow, Role, Severity
from common.store.safekeeping import SET_ASIDE, copy_path
from common.vault import Vault
from tests.support.installation import StillClock, unresolved, wish

GARBAGE = b"\xa5" * 20_000


@contextmanager
def opened(directory: Path, clock: StillClock) -> Iterator[Store]:
    """Give the store of a directory as `meterctl run` opens it."""
    vault = Vault.create(directory / "master.key")
    store = open_store(f"sqlite:///{directory}/store.db", vault, clock=clock, resolve_hosts=unresolved)
    try:
        store.upgrade()
        yield store
    finally:
        store.close()


def _file(directory: Path) -> Path:
    return directory / "store.db"


def _remove(directory: Path) -> None:
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (directory / name).unlink(missing_ok=True)


@pytest.fixture
def kept(tmp_path: Path, clock: StillClock) -> list[object]:
    """A store with two meters and a token, kept and closed; what it held."""
    with opened(tmp_path, clock) as store:
        meters = [
            store.meters.add(replace(wish(), name=name, port=port), "test") for name, port in (("a", 1), ("b", 2))
        ]
        store.meters.remove(meters[1].uid, "test")
        store.tokens.create(Role.ADMIN, "first")
        store.keep()
        return [store.meters.list(include_deleted=True), store.tokens.list()]


def _held(store: Store) -> list[object]:
    return [store.meters.list(include_deleted=True), store.tokens.list()]


def test_garbage_is_set_aside_and_the_wishes_come_back(tmp_path: Path, kept: list[object], clock: StillClock) -> None:
    _file(tmp_path).write_bytes(GARBAGE)
    with opened(tmp_path, clock) as store:
        assert _held(store) == kept
        assert store.states.list() == []
    (aside,) = tmp_path.glob("store.db.corrupt-*")
    assert aside.read_bytes() == GARBAGE


@pytest.mark.parametrize("content", [None, b""])
def test_a_store_that_is_gone_or_empty_comes_back(
    tmp_path: Path, kept: list[object], clock: StillClock, content: bytes | None
) -> None:
    _remove(tmp_path)
    if content is not None:
        _file(tmp_path).write_bytes(content)
    with opened(tmp_path, clock) as store:
        assert _held(store) == kept


def test_a_page_that_is_damaged_is_noticed_at_the_next_start(
    tmp_path: Path, kept: list[object], clock: StillClock
) -> None:
    octets = bytearray(_file(tmp_path).read_bytes())
    octets[4096:8192] = os.urandom(4096)
    _file(tmp_path).write_bytes(octets)
    with opened(tmp_path, clock) as store:
        assert _held(store) == kept


def test_a_wish_made_after_the_restoring_has_a_new_id_and_raises_the_version(
    tmp_path: Path, kept: list[object], clock: StillClock
) -> None:
    with opened(tmp_path, clock) as store:
        before = store.wishes_version()
    _remove(tmp_path)
    with opened(tmp_path, clock) as store:
        assert store.wishes_version() > before
        assert store.meters.add(replace(wish(), name="c", port=3), "test").id not in {1, 2}
    assert kept


def test_the_number_of_an_alarm_is_never_given_twice(tmp_path: Path, clock: StillClock) -> None:
    seen: list[int] = []
    for _ in range(3):
        with opened(tmp_path, clock) as store:
            store.keep()
            store.alarms.raise_("one", Severity.WARNING, "disk", "after the copy")
            seen += [alarm.id for alarm in store.alarms.active()]
        _remove(tmp_path)
        clock.sleep(1.0)
    assert len(set(seen)) == 3


def test_a_sound_store_is_never_replaced(tmp_path: Path, kept: list[object], clock: StillClock) -> None:
    with opened(tmp_path, clock) as store:
        store.meters.add(replace(wish(), name="newer", port=9), "test")
    with opened(tmp_path, clock) as store:
        assert not store.restore()
        assert len(store.meters.list()) == 2
    assert kept
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_without_a_copy_damage_is_said(tmp_path: Path, clock: StillClock) -> None:
    _file(tmp_path).write_bytes(GARBAGE)
    with pytest.raises((StoreDamaged, StoreUnavailable)), opened(tmp_path, clock):
        pass
    assert _file(tmp_path).read_bytes() == GARBAGE


def test_a_damaged_copy_is_no_copy(tmp_path: Path, kept: list[object], clock: StillClock) -> None:
    assert kept
    for path in (_file(tmp_path), copy_path(_file(tmp_path))):
        path.write_bytes(GARBAGE)
    with pytest.raises((StoreDamaged, StoreUnavailable)), opened(tmp_path, clock):
        pass
    assert _file(tmp_path).read_bytes() == GARBAGE


def test_the_copy_follows_wishes_and_tokens_and_nothing_else(store_file: Path, store: Store) -> None:
    copied = copy_path(store_file)
    store.keep()
    assert copied.stat().st_mode & 0o777 == 0o600
    contents = [copied.read_bytes()]
    meter = store.meters.add(wish(), "test")
    number, _ = store.tokens.create(Role.VIEWER, "one")
    store.keep()
    contents.append(copied.read_bytes())
    store.tokens.revoke(number)
    store.keep()
    contents.append(copied.read_bytes())
    assert len(set(contents)) == 3
    copied.unlink()
    store.states.write([MeterStateRow(meter.uid, MeterState.ACTIVE)])
    store.keep()
    assert not copied.exists()


def test_secrets_are_sealed_in_the_copy(store_file: Path, store: Store) -> None:
    store.meters.add(replace(wish(), authentication="lls", password=Secret("12345678")), "test")
    store.keep()
    assert b"12345678" not in copy_path(store_file).read_bytes()


def test_a_file_that_was_replaced_or_overwritten_or_deleted_while_open_is_noticed(
    store_file: Path, store: Store
) -> None:
    store.keep()
    moved = store_file.parent / "moved"
    store_file.rename(moved)
    with pytest.raises(StoreDamaged, match="gone"):
        store.keep()
    moved_copy = store_file.parent / "another"
    moved_copy.write_bytes(moved.read_bytes())
    moved_copy.rename(store_file)
    with pytest.raises(StoreDamaged, match="another"):
        store.keep()
    moved.rename(store_file)
    store.keep()
    with store_file.open("r+b") as stream:
        stream.write(b"nothing of sqlite")
    with pytest.raises(StoreDamaged, match="not a database"):
        store.keep()


def test_another_process_follows_a_store_that_was_made_anew(tmp_path: Path, clock: StillClock) -> None:
    with opened(tmp_path, clock) as keeper, opened(tmp_path, clock) as reader:
        meter = keeper.meters.add(wish(), "test")
        keeper.keep()
        assert reader.meters.get(meter.uid) == meter
        _remove(tmp_path)
        with pytest.raises(StoreUnavailable, match="gone"):
            reader.meters.list()
        with opened(tmp_path, clock) as again:
            assert reader.meters.get(meter.uid) == meter
            other = reader.meters.add(replace(wish(), name="other", port=2), "reader")
            assert again.meters.get(other.uid) == other
    with sqlite3.connect(_file(tmp_path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM meters").fetchone() == (2,)
    database.close()


def test_only_so_many_damaged_files_are_kept(tmp_path: Path, kept: list[object], clock: StillClock) -> None:
    for _ in range(SET_ASIDE + 2):
        clock.sleep(1.0)
        _file(tmp_path).write_bytes(GARBAGE)
        with opened(tmp_path, clock) as store:
            assert _held(store) == kept
    assert len(list(tmp_path.glob("store.db.corrupt-*"))) == SET_ASIDE
