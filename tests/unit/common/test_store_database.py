"""The database under the store: schema, durability, several processes, damage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from common.meter_state import MeterState
from common.store.database import Database, Way
from common.store.engine import Store, open_store
from common.store.errors import BadStoreUrl, StoreDamaged, StoreTooNew, StoreUnavailable
from common.store.model import MeterStateRow, Role
from common.vault import Vault
from tests.support.installation import wish


def _open(directory: Path, url: str = "") -> Store:
    return open_store(url or f"sqlite:///{directory}/store.db", Vault.create(directory / "master.key"))


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(store: Store) -> None:
    store.meters.add(wish(), "test")
    store.upgrade()
    assert [meter.wish for meter in store.meters.list()] == [wish()]


@pytest.mark.parametrize(("way", "synchronous"), [(Way.WISH, 2), (Way.STATE, 1), (Way.READ, 1)])
def test_wishes_survive_a_power_cut(store_url: str, store_file: Path, store: Store, way: Way, synchronous: int) -> None:
    store.check()
    assert store_file.exists()
    with Database(store_url).begin(way) as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        }
    expected = {"synchronous": synchronous, "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}
    assert pragmas == expected


def test_on_a_server_too_states_may_lose_their_last_seconds_and_wishes_none(store_url: str, store: Store) -> None:
    store.check()
    if store_url.startswith("sqlite"):
        return
    found = {}
    database = Database(store_url)
    for way in Way:
        with database.begin(way) as connection:
            found[way] = connection.execute(text("SHOW synchronous_commit")).scalar()
    database.close()
    assert found == {Way.READ: "on", Way.STATE: "off", Way.WISH: "on"}


def test_a_write_holds_the_lock_from_its_first_moment(
    store_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    first = Database(store_url)
    monkeypatch.setattr("common.store.engines.BUSY_TIMEOUT_MS", 20)
    second = Database(store_url)
    with first.begin(Way.STATE) as reading:
        with pytest.raises(StoreUnavailable, match="lock"), second.begin(Way.WISH):
            pass
        with second.begin(Way.READ) as connection:
            assert connection.execute(text("SELECT count(*) FROM meters")).scalar() == 0
        assert reading.execute(text("SELECT count(*) FROM meters")).scalar() == 0
    with second.begin(Way.WISH):
        pass
    first.close()
    second.close()


def test_a_reader_sees_one_moment(store_url: str, store: Store) -> None:
    database = Database(store_url)
    with database.begin(Way.READ) as connection:
        counting = text("SELECT count(*) FROM meters")
        assert connection.execute(counting).scalar() == 0
        store.meters.add(wish(), "test")
        assert connection.execute(counting).scalar() == 0
    database.close()


def test_what_no_database_can_hold_is_replaced_not_refused(store: Store) -> None:
    nasty = "a\0b\ud800c" + "x" * 400
    row = MeterStateRow(bytes(16), MeterState.ACTIVE, detail=nasty, serial_number=nasty, facts={"x": nasty[:3]})
    store.states.write([row])
    found = store.states.get(bytes(16))
    assert found.detail[:6] == "a\ufffdb?cx"
    assert (len(found.detail), len(found.serial_number)) == (300, 64)
    store.audit.record("me", "x", "y", {"n": float("inf")})
    assert store.audit.list()[0].details == {"n": None}


def test_what_raises_is_rolled_back(store: Store, store_url: str) -> None:
    database = Database(store_url)

    def fail() -> None:
        with database.begin(Way.WISH) as connection:
            connection.execute(text("UPDATE versions SET value = 99"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.wishes_version() == 1
    database.close()


def test_a_forked_child_gets_connections_of_its_own(store: Store) -> None:
    store.meters.add(wish(), "test")
    child = os.fork()
    if child == 0:
        store.tokens.create(Role.VIEWER, "child")
        os._exit(0 if store.wishes_version() == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [row.label for row in store.tokens.list()] == ["child"]


def test_a_store_that_was_never_made_says_what_makes_it(tmp_path: Path, unmade_url: str) -> None:
    store = _open(tmp_path, unmade_url)
    with pytest.raises(StoreDamaged, match="meterctl init"):
        store.check()
    store.close()


def test_a_store_of_an_older_version_says_what_brings_it_up(store: Store, store_url: str) -> None:
    database = Database(store_url)
    with database.begin(Way.WISH) as connection:
        connection.execute(text("ALTER TABLE meters DROP COLUMN security"))
    database.close()
    with pytest.raises(StoreDamaged, match="older version; stop that one, then `meterctl run`"):
        store.meters.list()


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"garbage, garbage, garbage" * 100)
    store = _open(tmp_path)
    with pytest.raises(StoreDamaged, match="not a database"):
        store.check()
    with pytest.raises((StoreDamaged, StoreUnavailable)):
        store.upgrade()
    store.close()


def test_a_directory_that_is_not_there_makes_the_store_unavailable(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/gone/store.db", Vault(bytes(32)))
    with pytest.raises(StoreUnavailable):
        store.check()


def test_a_schema_of_a_newer_version_is_refused_and_stays(store: Store, store_url: str) -> None:
    database = Database(store_url)
    with database.begin(Way.WISH) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="9999"):
        store.upgrade()
    with database.begin(Way.READ) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    database.close()


def test_no_error_shows_the_password_of_a_url() -> None:
    store = open_store("postgresql://bridge:hush@127.0.0.1:1/x", Vault(bytes(32)))
    with pytest.raises((StoreUnavailable, BadStoreUrl)) as caught:
        store.check()
    assert "hush" not in caught.value.detail


@pytest.mark.parametrize("url", ["", "store.db", "nosuchbase://x/y"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadStoreUrl, match="url"):
        open_store(url, Vault(bytes(32))).check()


def test_the_store_loads_no_alembic() -> None:
    code = "import sys, common.store.engine; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
