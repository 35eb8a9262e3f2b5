"""Waiting with a limit: for tests of real processes, where only the outside can be looked at."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE_S = 0.02  # between two looks: short beside every limit that is tested


def wait_until(predicate: Callable[[], Found | None], timeout: float, what: str) -> Found:
    """Return the first true value of ``predicate``; after ``timeout`` seconds fail and say what was waited for."""
    started = time.monotonic()
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() - started > timeout:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; the last look gave {found!r}")
        time.sleep(PAUSE_S)
