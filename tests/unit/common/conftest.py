"""A new store for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.store.engine import Store
from tests.support.installation import StillClock, opened


@pytest.fixture
def clock() -> StillClock:
    """A clock that only moves when told to."""
    return StillClock()


@pytest.fixture
def store(tmp_path: Path, clock: StillClock) -> Iterator[Store]:
    """A store at the newest schema."""
    with opened(tmp_path, clock) as found:
        yield found
