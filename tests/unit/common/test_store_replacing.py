"""One store in the place of another: whatever kills whoever does it, there is the one or the other, whole."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from common.store.safekeeping import copy_path, put_in_place

OLD, NEW, ROWS = "old", "new", 200
CALLS = ("link", "rename", "replace", "fsync")


def _make(path: Path, word: str) -> None:
    """Make a database of which a good part is in its log, as a product that was killed leaves it."""
    origin = path.with_name("origin.db")
    with closing(sqlite3.connect(origin, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE held (word TEXT)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.executemany("INSERT INTO held VALUES (?)", [(word,)] * ROWS)
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{origin}{suffix}", f"{path}{suffix}")
    for left in path.parent.glob("origin.db*"):
        left.unlink()


def _held(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return database.execute("SELECT word, count(*) FROM held GROUP BY word").fetchall()


def _killing(name: str, at: int, seen: list[int]) -> Callable[..., object]:
    real: Callable[..., object] = getattr(os, name)

    def call(*values: object, **more: object) -> object:
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*values, **more)

    return call


@pytest.mark.parametrize("at", range(1, 10))
def test_a_kill_before_any_step_leaves_the_one_or_the_other_and_it_can_be_done_again(tmp_path: Path, at: int) -> None:
    path, made, aside = (tmp_path / name for name in ("store.db", ".store.db.restored", "store.db.before-restore-1"))
    _make(path, OLD)
    copy_path(path).write_bytes(b"the copy of the old one")
    with closing(sqlite3.connect(made, isolation_level=None)) as database:
        database.execute("CREATE TABLE held (word TEXT)")
        database.executemany("INSERT INTO held VALUES (?)", [(NEW,)] * ROWS)
    shutil.copy(made, tmp_path / "again")
    child = os.fork()
    if child == 0:
        seen = [0]
        for name in CALLS:
            setattr(os, name, _killing(name, at, seen))
        put_in_place(path, made, aside)
        os._exit(0)
    killed = os.waitpid(child, 0)[1] == signal.SIGKILL
    assert _held(path) in ([(OLD, ROWS)], [(NEW, ROWS)])
    if not killed:
        assert (_held(path), _held(aside)) == ([(NEW, ROWS)], [(OLD, ROWS)])
        assert copy_path(aside).exists()
        assert not copy_path(path).exists()
    put_in_place(path, tmp_path / "again", tmp_path / "store.db.before-restore-2")
    assert _held(path) == [(NEW, ROWS)]
    kept = [_held(each) for each in sorted(tmp_path.glob("store.db.before-restore-?"))]
    assert [(OLD, ROWS)] in kept, "the store that was there is never lost"
