"""The store under several processes at once."""

import multiprocessing
from pathlib import Path

from common.store.engine import Store, open_store
from common.store.model import MeterStateRow
from common.vault import Vault
from tests.support.installation import wish

WRITERS, ROUNDS = 4, 25


def _open(directory: Path) -> Store:
    return open_store(f"sqlite:///{directory}/store.db", Vault.create(directory / "master.key"))


def _upgrade(directory: Path) -> int:
    store = _open(directory)
    store.upgrade()
    return store.wishes_version()


def _write(directory: Path, number: int) -> None:
    store = _open(directory)
    for turn in range(ROUNDS):
        store.meters.add(wish(f"m-{number}-{turn}", port=1000 + number * ROUNDS + turn), f"writer {number}")
        store.states.write([MeterStateRow(bytes(15) + bytes([number]))])


def test_eight_processes_upgrade_at_once(tmp_path: Path) -> None:
    Vault.create(tmp_path / "master.key")
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        assert pool.map(_upgrade, [tmp_path] * 8) == [1] * 8


def test_several_processes_write_without_losing_anything(tmp_path: Path) -> None:
    _upgrade(tmp_path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    store = _open(tmp_path)
    assert len(store.meters.list()) == WRITERS * ROUNDS
    assert store.wishes_version() == 1 + WRITERS * ROUNDS
    assert len(store.states.list()) == WRITERS
    store.close()
