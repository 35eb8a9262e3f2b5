"""Migrations, up and down, from the store of every version that was released, on each kind of database.

The stores below tests/fixtures were made by those versions themselves. What is compared is every row of every table.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from common.secret import Secret
from common.store.content import Content, content_of, load
from common.store.database import Database, Way
from common.store.engine import open_store
from common.store.errors import NoSuchRevision
from common.store.migrations.upgrade import HEAD, NOTHING, migrate, plan, revision_of, revisions
from common.store.model import Role
from common.store.schema import REVISION
from common.store.tables import metadata
from common.vault import Vault

FIXTURES = Path(__file__).parents[2] / "fixtures"
RELEASED = {"0.1.0": "0001", "0.2.0": "0002", "0.3.0": "0003"}
KEY = bytes(range(32))
Rows = dict[str, list[dict[str, object]]]


def _as_released(version: str, directory: Path, url: str) -> Database:
    """Return a database as a released version left it."""
    path = directory / f"{version}.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript((FIXTURES / f"store-{version}.sql").read_text(encoding="utf-8"))
    old = Database(f"sqlite:///{path}")
    if url.startswith("sqlite"):
        return old
    database = Database(url)
    migrate(database, RELEASED[version])
    with old.begin(Way.READ) as source, database.begin(Way.WISH) as target:
        load(target, content_of(source))
    old.close()
    return database


def _rows(database: Database) -> Rows:
    with database.begin(Way.READ) as connection:
        content: Content = content_of(connection)
        return {
            table.name: [dict(zip(table.columns, row, strict=True)) for row in content.rows(table)]
            for table in content.tables
        }


def _kept(before: Rows, after: Rows, but: Mapping[str, frozenset[str]] | None = None) -> None:
    """Assert that every row is there again, in the columns that both schemas know."""
    for name in before.keys() & after.keys():
        known = before[name][0].keys() & after[name][0].keys() if before[name] else set()
        known = known - (but or {}).get(name, frozenset())
        assert [{key: row[key] for key in known} for row in after[name]] == [
            {key: row[key] for key in known} for row in before[name]
        ], name


@pytest.mark.parametrize("version", RELEASED)
def test_every_row_of_a_released_version_comes_up_goes_down_and_comes_up_again(
    version: str, tmp_path: Path, unmade_url: str
) -> None:
    database = _as_released(version, tmp_path, unmade_url)
    released = _rows(database)
    assert plan(database).current == RELEASED[version]
    done = migrate(database)
    assert [name for name, _ in done.steps] == [name for name in revisions() if name > RELEASED[version]]
    newest = _rows(database)
    _kept(released, newest)
    assert released.keys() <= newest.keys()
    assert all(len(released[name]) == len(newest[name]) for name in released)
    migrate(database, RELEASED[version])
    assert _rows(database) == released
    migrate(database)
    assert _rows(database) == newest
    database.close()


@pytest.mark.parametrize("version", RELEASED)
def test_what_a_released_version_sealed_and_gave_out_is_good_today(
    version: str, tmp_path: Path, unmade_url: str
) -> None:
    database = _as_released(version, tmp_path, unmade_url)
    store = open_store(database.url, Vault(KEY))
    store.upgrade()
    wishes = {meter.wish.name: meter.wish for meter in store.meters.list()}
    assert wishes["Zähler 2"].password == Secret("12345678")
    assert wishes["Zähler 2"].tb_token == Secret("a-token-of-thingsboard")
    assert len(wishes["plain"].measurements) == 3
    assert version == "0.1.0" or wishes["secured"].encryption_key == Secret("00112233445566778899aabbccddeeff")
    token = store.tokens.verify("dbt_" + "A" * 43)
    assert token is not None
    assert token.role is Role.ADMIN
    assert [alarm.dedup_key for alarm in store.alarms.active()] == ["disk:2"]
    store.close()
    database.close()


@pytest.mark.parametrize("to", sorted(RELEASED.values()))
def test_on_the_way_down_to_a_version_the_schema_is_that_versions(to: str, tmp_path: Path, unmade_url: str) -> None:
    database = Database(unmade_url)
    migrate(database, to)
    made = _shape(database)
    migrate(database)
    assert plan(database, to).is_downward
    migrate(database, to)
    assert _shape(database) == made
    assert tmp_path
    database.close()


def _shape(database: Database) -> dict[str, object]:
    with database.begin(Way.READ) as connection:
        tables = content_of(connection).tables
        return {table.name: sorted(zip(table.columns, table.kinds, strict=True)) for table in tables}


def test_the_migrations_make_the_schema_of_the_tables(unmade_url: str) -> None:
    database = Database(unmade_url)
    migrate(database)
    with database.begin(Way.READ) as connection:
        assert revision_of(connection) == REVISION
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_down_to_nothing_leaves_no_table(unmade_url: str) -> None:
    from alembic import command

    from common.store.migrations.upgrade import _config

    database = Database(unmade_url)
    migrate(database)
    with database.begin(Way.WISH) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with database.begin(Way.READ) as connection:
        assert revision_of(connection) == NOTHING
        assert content_of(connection).tables == ()
    database.close()


def test_what_an_older_version_would_misread_is_made_harmless_on_the_way_down(tmp_path: Path, unmade_url: str) -> None:
    database = _as_released("0.3.0", tmp_path, unmade_url)
    migrate(database)
    with database.begin(Way.WISH) as connection:
        connection.execute(text("UPDATE tokens SET expires_at = 5 WHERE id = 1"))
        connection.execute(text("UPDATE commands SET state = 'cancelled' WHERE verb = 'test'"))
    migrate(database, "0001")
    rows = _rows(database)
    assert rows["tokens"][0]["revoked_at"] == 5
    assert {row["verb"]: row["state"] for row in rows["commands"]} == {"read": "done", "test": "failed"}
    assert {row["name"]: row["desired_state"] for row in rows["meters"]}["secured"] == "stopped"
    database.close()


def test_a_revision_that_is_none_is_refused_and_nothing_is_done(tmp_path: Path, unmade_url: str) -> None:
    database = _as_released("0.2.0", tmp_path, unmade_url)
    for to in ("0005", "base", "head~1", ""):
        with pytest.raises(NoSuchRevision):
            migrate(database, to)
    assert plan(database, HEAD).current == "0002"
    database.close()
