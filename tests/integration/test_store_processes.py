"""The store under several processes at once, on each kind of database."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.store.engine import Store, open_store
from common.store.model import MeterStateRow
from common.vault import Vault
from tests.support.databases import databases
from tests.support.installation import wish

WRITERS, ROUNDS = 4, 15


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    Vault.create(tmp_path / "master.key")
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    with databases() as servers, servers.empty() as found:
        yield found


def _open(directory: Path, url: str) -> Store:
    return open_store(url, Vault.create(directory / "master.key"))


def _upgrade(directory: Path, url: str) -> int:
    with closing(_open(directory, url)) as store:
        store.upgrade()
        return store.wishes_version()


def _write(directory: Path, url: str, number: int) -> None:
    with closing(_open(directory, url)) as store:
        for turn in range(ROUNDS):
            store.meters.add(wish(f"m-{number}-{turn}", port=1000 + number * ROUNDS + turn), f"writer {number}")
            store.states.write([MeterStateRow(bytes(15) + bytes([number]))])


def test_eight_processes_upgrade_at_once(tmp_path: Path, url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        assert pool.starmap(_upgrade, [(tmp_path, url)] * 8) == [1] * 8


def test_several_processes_write_without_losing_anything(tmp_path: Path, url: str) -> None:
    _upgrade(tmp_path, url)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, url, number)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    store = _open(tmp_path, url)
    assert len(store.meters.list()) == WRITERS * ROUNDS
    assert [meter.id for meter in store.meters.list()] == list(range(1, WRITERS * ROUNDS + 1))
    assert store.wishes_version() == 1 + WRITERS * ROUNDS
    assert len(store.states.list()) == WRITERS
    store.close()
