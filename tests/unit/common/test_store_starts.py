"""Starts of workers: counted per worker and window, given back in order, forgotten in the end."""

from common.store.engine import Store

A, B = bytes(16), b"\x01" * 16


def test_starts_are_counted_per_worker_within_the_window(store: Store) -> None:
    for at_ms in (100, 200, 300):
        store.starts.record(A, 7, at_ms, "unplanned")
    store.starts.record(B, 8, 250, "unplanned")
    assert (store.starts.since(A, 200), store.starts.since(B, 0)) == (2, 1)


def test_recent_starts_come_back_ascending_by_worker(store: Store) -> None:
    for uid, at_ms in ((A, 300), (B, 250), (A, 200), (A, 100)):
        store.starts.record(uid, 7, at_ms, "unplanned")
    assert store.starts.recent(200) == {A: [200, 300], B: [250]}
