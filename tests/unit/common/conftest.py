"""A new store for each test that asks for one, on each kind of database; ``store_url`` is where it lies.

A test that asks for ``store_file``, the file of an SQLite store, runs on that alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.store.engine import Store
from tests.support.databases import Databases, databases
from tests.support.installation import StillClock, opened


@pytest.fixture
def clock() -> StillClock:
    """A clock that only moves when told to."""
    return StillClock()


@pytest.fixture(scope="session")
def servers() -> Iterator[Databases]:
    """The PostgreSQL server of this run; it starts when the first test asks for it."""
    with databases() as found:
        yield found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let each test of the store run on both kinds of database."""
    if "store_url" in metafunc.fixturenames:
        kinds = ["sqlite"] if "store_file" in metafunc.fixturenames else ["sqlite", "postgresql"]
        metafunc.parametrize("store_url", kinds, indirect=True)
    if "unmade_url" in metafunc.fixturenames:
        metafunc.parametrize("unmade_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_file(tmp_path: Path) -> Path:
    """Where the file of an SQLite store lies."""
    return tmp_path / "store.db"


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store at the newest schema, of the kind that the test runs on."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    servers: Databases = request.getfixturevalue("servers")
    with servers.store() as url:
        yield url


@pytest.fixture
def unmade_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, of the kind that the test runs on."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/unmade.db"
        return
    servers: Databases = request.getfixturevalue("servers")
    with servers.empty() as url:
        yield url


@pytest.fixture
def store(tmp_path: Path, clock: StillClock, store_url: str) -> Iterator[Store]:
    """A store at the newest schema."""
    with opened(tmp_path, clock, store_url) as found:
        yield found
