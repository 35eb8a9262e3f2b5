"""A store on a server: what SQLite never does, a server that goes away and comes back, and connections that are few."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from common.settings import load
from common.store.database import Database, Way
from common.store.engine import Store, open_store
from common.store.engines import POOL, SERVER_OVERFLOW
from common.store.errors import BadStoreUrl, StoreDamaged, StoreUnavailable
from common.store.model import Role
from common.vault import Vault
from tests.support.databases import Databases, databases
from tests.support.installation import Api, StillClock, wish
from tests.support.postgresql import Cluster

KEY = bytes(32)


@pytest.fixture(scope="module")
def servers() -> Iterator[Databases]:
    """One server for this file."""
    with databases() as found:
        yield found


@pytest.fixture
def store(servers: Databases) -> Iterator[Store]:
    """A store on it."""
    with servers.store() as url:
        found = open_store(url, Vault(KEY), resolve_hosts=lambda _hosts: {})
        yield found
        found.close()


def _connections(cluster: Cluster) -> int:
    found = cluster.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dlms-bridge'")[0][0]
    assert isinstance(found, int)
    return found


def test_a_server_that_was_restarted_is_used_again_at_once(servers: Databases, store: Store) -> None:
    store.meters.add(wish(), "test")
    for number in (signal.SIGINT, signal.SIGQUIT):
        servers.cluster.stop(number)
        with pytest.raises(StoreUnavailable):
            store.meters.list()
        with pytest.raises(StoreUnavailable):
            store.meters.add(wish("two", port=2), "test")
        servers.cluster.start()
        assert [meter.wish.name for meter in store.meters.list()] == ["sim-1"]
    store.meters.add(wish("two", port=2), "test")
    assert store.wishes_version() == 3


def test_a_connection_that_is_cut_within_a_transaction_is_unavailable_and_nothing_of_it_stays(
    servers: Databases, store: Store
) -> None:
    def cut() -> None:
        servers.cluster.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlms-bridge'"
        )

    store.check()
    database = store._database

    def write() -> None:
        with database.begin(Way.WISH) as connection:
            connection.execute(text("UPDATE versions SET value = 99"))
            cut()
            connection.execute(text("UPDATE versions SET value = 100"))

    with pytest.raises(StoreUnavailable):
        write()
    assert store.wishes_version() == 1


def test_a_number_that_no_row_can_have_is_one_that_none_has(store: Store, tmp_path: Path) -> None:
    api = Api(store, load(str(tmp_path), {}), StillClock())
    for number in (2**31 - 1, 2**31, 2**53 - 1, 2**64):
        for path in ("alarms", "tokens", "users", "meters"):
            status = api.call("GET", f"/api/{path}/{number}").status_code
            assert status == (422 if path == "tokens" and number >= 2**31 else 404), (path, number)


def test_many_threads_share_few_connections(servers: Databases, store: Store) -> None:

    def work(number: int) -> int:
        for turn in range(4):
            store.meters.add(wish(f"m{number}-{turn}", port=100 + 10 * number + turn), "test")
            store.meters.list()
        return _connections(servers.cluster)

    with ThreadPoolExecutor(24) as threads:
        seen = list(threads.map(work, range(24)))
    assert len(store.meters.list()) == 24 * 4
    assert 1 < max(seen) <= POOL + SERVER_OVERFLOW


def test_a_preloaded_process_hands_no_connection_to_its_children(store: Store) -> None:
    store.meters.add(wish(), "test")
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            store.tokens.create(Role.VIEWER, f"child {number}")
            store.close()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert len(store.meters.list()) == 1
    assert sorted(row.label for row in store.tokens.list()) == ["child 0", "child 1", "child 2"]


def test_who_hangs_with_the_lock_loses_it(servers: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.store.engines.IDLE_MS", 300)
    with servers.store() as url:
        hanging, other = Database(url), open_store(url, Vault(KEY), resolve_hosts=lambda _hosts: {})

        def hang() -> None:
            with hanging.begin(Way.WISH) as connection:
                other.meters.add(wish(), "test")
                connection.execute(text("UPDATE versions SET value = 99"))

        with pytest.raises(StoreUnavailable):
            hang()
        assert other.wishes_version() == 2
        hanging.close()
        other.close()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda url: url.replace("/test_", "/absent_"), StoreUnavailable),
        (lambda url: url.replace("postgresql+psycopg", "postgresql"), None),
        (lambda url: url.replace("postgresql+psycopg", "postgresql+nosuch"), BadStoreUrl),
        (lambda url: url.replace("127.0.0.1", "127.0.0.2"), StoreUnavailable),
    ],
)
def test_urls_of_a_server(servers: Databases, change: object, error: type[Exception] | None) -> None:
    assert callable(change)
    with servers.store() as url:
        store = open_store(change(url), Vault(KEY))
        if error is None:
            store.check()
        else:
            with pytest.raises(error):
                store.check()
        store.close()


def test_an_empty_database_says_what_fills_it(servers: Databases, tmp_path: Path) -> None:
    with servers.empty() as url:
        store = open_store(url, Vault.create(tmp_path / "master.key"))
        with pytest.raises(StoreDamaged, match="meterctl init"):
            store.check()
        store.upgrade()
        store.check()
        store.close()
