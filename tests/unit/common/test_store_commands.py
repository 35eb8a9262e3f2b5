"""Commands: their states and who may still change them."""

import pytest

from common.store.commands import KEPT_MS, MAX_UNFINISHED
from common.store.engine import Store
from common.store.errors import NoSuchCommand, TooManyCommands
from common.store.model import CommandState
from tests.support.installation import NOON_MS, StillClock

UID = bytes(16)


def test_a_command_waits_until_it_is_dispatched_once(store: Store) -> None:
    number = store.commands.insert(UID, "read", arguments={"a": 1}, actor="test", timeout_s=2.5)
    row = store.commands.pending()[0]
    assert (row.id, row.verb, row.arguments, row.state) == (number, "read", {"a": 1}, CommandState.PENDING)
    assert (row.created_ms, row.deadline_ms) == (NOON_MS, NOON_MS + 2500)
    assert store.commands.dispatched(number)
    assert not store.commands.dispatched(number)
    assert store.commands.pending() == []


@pytest.mark.parametrize("ok", [True, False])
def test_a_command_ends_once(store: Store, ok: bool) -> None:
    number = store.commands.insert(UID, "read", actor="test")
    store.commands.advance(number, "half way")
    assert store.commands.finish(number, ok=ok, result={"v": 1.5}, error_kind="" if ok else "busy", error_detail="x")
    assert not store.commands.finish(number, ok=not ok)
    assert not store.commands.dispatched(number)
    row = store.commands.get(number)
    assert row.state is (CommandState.DONE if ok else CommandState.FAILED)
    assert (row.result, row.progress, row.finished_ms) == ({"v": 1.5}, "half way", NOON_MS)


def test_the_oldest_command_is_first(store: Store, clock: StillClock) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(store.commands.insert(UID, "read", actor="test"))
        clock.sleep(0.001)
    assert [row.id for row in store.commands.pending(2)] == numbers[:2]


def test_a_command_expires_by_its_deadline_and_no_sooner(store: Store) -> None:
    number = store.commands.insert(UID, "read", actor="test", timeout_s=1.0)
    assert store.commands.expire(NOON_MS + 999) == []
    assert store.commands.expire(NOON_MS + 1000) == [number]
    assert store.commands.expire(NOON_MS + 1000) == []
    row = store.commands.get(number)
    assert (row.state, row.error_kind) == (CommandState.EXPIRED, "command_expired")
    assert not store.commands.finish(number, ok=True)


def test_a_meter_has_a_bounded_number_of_unfinished_commands(store: Store, clock: StillClock) -> None:
    for _ in range(MAX_UNFINISHED):
        store.commands.insert(UID, "read", actor="test", timeout_s=1.0)
    with pytest.raises(TooManyCommands):
        store.commands.insert(UID, "read", actor="test")
    store.commands.insert(b"\x01" * 16, "read", actor="test")
    clock.sleep(1.0)
    store.commands.insert(UID, "read", actor="test")


def test_finished_commands_are_forgotten_after_a_week(store: Store) -> None:
    number = store.commands.insert(UID, "read", actor="test")
    waiting = store.commands.insert(UID, "read", actor="test")
    store.commands.finish(number, ok=True)
    store.commands.trim(NOON_MS + KEPT_MS)
    assert store.commands.get(number)
    store.commands.trim(NOON_MS + KEPT_MS + 1)
    with pytest.raises(NoSuchCommand):
        store.commands.get(number)
    assert store.commands.get(waiting)
