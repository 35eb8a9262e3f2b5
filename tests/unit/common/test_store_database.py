"""The database under the store: schema, durability, several processes, damage."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from common.store.database import Database, Way
from common.store.engine import Store, open_store
from common.store.errors import BadStoreUrl, StoreDamaged, StoreUnavailable
from common.store.model import Role
from common.store.tables import metadata
from common.vault import Vault
from tests.support.installation import wish

FIRST_TO_SECOND = (
    *("security", "security_suite", "encryption_key", "authentication_key", "client_title", "server_title"),
    *("dedicated_key", "general_ciphering", "referencing"),
)
"""Columns of meters that the second schema added."""


def _open(directory: Path) -> Store:
    return open_store(f"sqlite:///{directory}/store.db", Vault.create(directory / "master.key"))


def test_the_migrations_make_the_schema_of_the_tables(tmp_path: Path, store: Store) -> None:
    assert store.wishes_version() == 1
    with Database(f"sqlite:///{tmp_path}/store.db").begin(Way.READ) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_meters_of_the_first_schema_are_kept_with_their_measurements(tmp_path: Path) -> None:
    store = _open(tmp_path)
    store.upgrade()
    meter = store.meters.add(wish(), "test")
    with Database(f"sqlite:///{tmp_path}/store.db").begin(Way.WISH) as connection:
        for name in (*FIRST_TO_SECOND, "backfill", "load_profile"):
            connection.execute(text(f"ALTER TABLE meters DROP COLUMN {name}"))
        for name in ("dlms_diagnostics", "meter_periods", "system_periods", "notices"):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    store.upgrade()
    assert [kept.wish for kept in store.meters.list()] == [meter.wish]
    assert meter.wish.measurements


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(store: Store) -> None:
    store.meters.add(wish(), "test")
    store.upgrade()
    assert [meter.wish for meter in store.meters.list()] == [wish()]


@pytest.mark.parametrize(("way", "synchronous"), [(Way.WISH, 2), (Way.STATE, 1), (Way.READ, 1)])
def test_wishes_survive_a_power_cut(tmp_path: Path, store: Store, way: Way, synchronous: int) -> None:
    store.check()
    with Database(f"sqlite:///{tmp_path}/store.db").begin(way) as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        }
    expected = {"synchronous": synchronous, "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}
    assert pragmas == expected


def test_a_write_holds_the_lock_from_its_first_moment(tmp_path: Path, store: Store) -> None:
    store.check()
    with Database(f"sqlite:///{tmp_path}/store.db").begin(Way.STATE):
        other = sqlite3.connect(tmp_path / "store.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_what_raises_is_rolled_back(store: Store, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.db")

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


def test_a_store_that_was_never_made_says_what_makes_it(tmp_path: Path) -> None:
    store = _open(tmp_path)
    with pytest.raises(StoreDamaged, match="meterctl init"):
        store.check()
    store.close()


def test_a_store_of_an_older_version_says_what_brings_it_up(store: Store, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/store.db").begin(Way.WISH) as connection:
        connection.execute(text("ALTER TABLE meters DROP COLUMN security"))
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


def test_a_schema_of_another_version_is_refused(store: Store, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/store.db").begin(Way.WISH) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreDamaged, match="9999"):
        store.upgrade()


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
