"""The API over a new store for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Api, serving


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A client for each role."""
    with serving(tmp_path) as found:
        yield found
