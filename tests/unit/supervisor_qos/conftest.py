"""A store for each test that asks for one: migrated once, copied for each."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.store.engine import Store, open_store
from common.vault import Vault
from tests.support.installation import StillClock, opened, unresolved


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store at the newest schema and its key."""
    directory = tmp_path_factory.mktemp("store")
    with opened(directory, StillClock()):
        pass
    return directory


@pytest.fixture
def clock() -> StillClock:
    """A clock that only moves when told to."""
    clock = StillClock()
    clock.passed_s = 1000.0
    return clock


@pytest.fixture
def store(tmp_path: Path, migrated: Path, clock: StillClock) -> Iterator[Store]:
    """A new store at the newest schema."""
    directory = tmp_path / "store"
    shutil.copytree(migrated, directory)
    vault = Vault.load(directory / "master.key")
    found = open_store(f"sqlite:///{directory}/store.db", vault, clock=clock, resolve_hosts=unresolved)
    yield found
    found.close()
