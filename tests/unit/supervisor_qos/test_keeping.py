"""Keeping: minutes go to the store when they are over, wait while it is away, and are bounded."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from common.reading import Quantity, Reading
from common.store.engine import Store
from common.store.errors import StoreUnavailable
from supervisor_qos import keeping
from supervisor_qos.folding import LATE_MS, Folding, Names
from supervisor_qos.keeping import BATCH, DOUBT_MS, SET_MS, Doubt, Keeping
from tests.support.installation import NOON_MS

MINUTE_MS = 60_000
OVER_MS = NOON_MS + MINUTE_MS + LATE_MS
READING = Reading((Quantity("voltage_l1", "32.7.0", 2300, -1, 35),))


def _uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _names() -> Mapping[bytes, Names]:
    return {_uid(0): {"voltage_l1": "u1"}}


@pytest.fixture
def kept(store: Store) -> Keeping:
    found = Keeping(store.history, Folding())
    for number in range(BATCH + 1):
        found.folding.take(_uid(number), NOON_MS, READING)
    return found


def _readings(store: Store, number: int) -> list[int]:
    return [row.readings for row in store.history.between(_uid(number), 0, 2 * NOON_MS, 60)]


def test_a_minute_that_is_over_is_written_a_batch_at_a_time(store: Store, kept: Keeping) -> None:
    assert not kept.turn(OVER_MS - 1, _names)
    assert _readings(store, 0) == []
    assert kept.turn(OVER_MS, _names), "there is more"
    assert (_readings(store, 0), _readings(store, BATCH)) == ([1], [])
    assert not kept.turn(OVER_MS, _names)
    assert _readings(store, BATCH) == [1]
    assert list(store.history.between(_uid(0), 0, 2 * NOON_MS, 60)[0].values) == ["u1"]


def test_who_is_told_to_stop_writes_the_running_minute_too_and_the_next_goes_on_in_it(
    store: Store, kept: Keeping
) -> None:
    kept.finish({})
    assert _readings(store, BATCH) == [1]
    following = Keeping(store.history, Folding())
    following.folding.take(_uid(0), NOON_MS + 30_000, READING)
    following.turn(OVER_MS, dict)
    assert _readings(store, 0) == [2]


def test_rows_wait_for_a_store_that_is_away_and_the_oldest_of_too_many_go(
    store: Store, kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_WAITING", BATCH)
    away = replace(kept, history=Away(store))  # type: ignore[arg-type]  # a store that nobody reaches
    with pytest.raises(StoreUnavailable):
        away.turn(OVER_MS, _names)
    assert (away.counters["history_waiting"], away.counters["history_dropped"]) == (BATCH, 1)
    away.history = store.history
    assert not away.turn(OVER_MS, _names)
    assert (_readings(store, 0), _readings(store, 1), _readings(store, BATCH)) == ([], [1], [1])


def test_a_clock_that_is_not_synchronised_does_not_say_what_is_old_until_a_day_has_passed() -> None:
    doubt, began_ms = Doubt(), 5000
    assert doubt.was_set(NOON_MS, began_ms)
    assert doubt.may_forget(began_ms, synchronised=True)
    assert not doubt.may_forget(began_ms + DOUBT_MS - 1, synchronised=False)
    assert doubt.may_forget(began_ms + DOUBT_MS, synchronised=False)


def test_a_clock_that_somebody_set_is_doubted_again() -> None:
    for step_ms in (10 * 365 * DOUBT_MS, -DOUBT_MS, SET_MS):
        doubt, now_ms = Doubt(), 2 * DOUBT_MS
        doubt.was_set(NOON_MS, 0)
        assert not doubt.was_set(NOON_MS + now_ms + SET_MS - 1, now_ms), "it runs a little wrong"
        assert doubt.may_forget(now_ms, synchronised=False)
        assert doubt.was_set(NOON_MS + now_ms + SET_MS - 1 + step_ms, now_ms)
        assert not doubt.may_forget(now_ms, synchronised=False)
        assert doubt.may_forget(now_ms, synchronised=True)
        assert doubt.may_forget(now_ms + DOUBT_MS, synchronised=False)


class Away:
    """A history in a store that is away."""

    def __init__(self, store: Store) -> None:
        self.cut, self.unreadable = store.history.cut, store.history.unreadable

    def add(self, _rows: object) -> None:
        raise StoreUnavailable("locked")
