"""The cache of the metrics page: how old it may be, who makes it, what comes when it cannot be made."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.exposition import StoreCollector
from admin_api.metrics_page import FRESH_S, IDLE_S, OLD_S, PAUSE_S, MetricsPage
from common.settings import SupervisionSettings
from common.store.errors import StoreUnavailable
from tests.support.installation import StillClock, opened, wish


class Steps(StillClock):
    """A clock whose sleepers wait until the test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()
        self.go = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        if seconds == PAUSE_S:
            return
        self.asleep.set()
        assert self.go.acquire(timeout=10)
        super().sleep(seconds)


@pytest.fixture
def clock() -> Steps:
    return Steps()


@pytest.fixture
def page(tmp_path: Path, clock: Steps) -> Iterator[MetricsPage]:
    with opened(tmp_path, clock) as store:
        store.meters.add(wish(), "test")
        yield MetricsPage(StoreCollector(store, clock, tmp_path, SupervisionSettings()), clock)


def wake(clock: Steps) -> None:
    """Let the thread that keeps the page fresh go once around."""
    assert clock.asleep.wait(10)
    clock.asleep.clear()
    clock.go.release()


def settled(clock: Steps) -> None:
    """Wait until it sleeps again."""
    assert clock.asleep.wait(10)


def ended(page: MetricsPage) -> None:
    """Wait for the end of the thread."""
    keeper = page._keeper
    assert keeper is not None
    keeper.join(10)
    assert not keeper.is_alive()


def test_one_who_asks_makes_a_page_that_is_too_old(page: MetricsPage, clock: Steps) -> None:
    first = page.read()
    clock.passed_s = FRESH_S
    assert page.read() is first
    clock.passed_s = FRESH_S + 0.1
    assert page.read() is not first
    assert page._keeper is None


def test_from_the_first_scrape_on_nobody_waits_and_after_the_last_nobody_works(page: MetricsPage, clock: Steps) -> None:
    page.background = True
    first = page.read()
    clock.passed_s = FRESH_S + 1
    assert page.read() is first
    wake(clock)
    settled(clock)
    second = page.read()
    assert second is not first
    clock.passed_s += IDLE_S
    wake(clock)
    ended(page)
    clock.passed_s += FRESH_S + 1
    last = page._page
    assert page.read() is not last
    clock.passed_s += IDLE_S
    wake(clock)
    ended(page)


def test_a_store_that_cannot_be_read_is_told_when_the_page_is_too_old(
    page: MetricsPage, clock: Steps, tmp_path: Path
) -> None:
    page.background = True
    first = page.read()
    (tmp_path / "store.db").rename(tmp_path / "away.db")
    wake(clock)
    settled(clock)
    assert page.read() is first
    clock.passed_s = OLD_S + 0.1
    with pytest.raises(StoreUnavailable, match="gone"):
        page.read()
    (tmp_path / "away.db").rename(tmp_path / "store.db")
    wake(clock)
    settled(clock)
    assert b"dlms_meters 1.0" in page.read().plain
    clock.passed_s += IDLE_S
    wake(clock)
    ended(page)


def test_a_page_that_hangs_is_not_given_away_for_ever(page: MetricsPage, clock: Steps) -> None:
    page.background = True
    page.read()
    settled(clock)
    clock.passed_s = OLD_S + 0.1
    with pytest.raises(StoreUnavailable, match="10 s"):
        page.read()
    clock.passed_s += IDLE_S
    wake(clock)
    ended(page)
