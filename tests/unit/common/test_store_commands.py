"""Commands: their states and who may still change them."""

import pytest

from common.command import BACKFILL, CANCELLED, DISCOVER, OUTBOX_DROP, SCAN, SYSTEM_UID
from common.store.commands import MAX_SCANS, MAX_UNFINISHED
from common.store.engine import Store
from common.store.errors import NoSuchCommand, TooManyCommands, TooManyJobs
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


def test_jobs_keep_no_person_waiting(store: Store, clock: StillClock) -> None:
    jobs = [store.commands.insert(bytes([number]) * 16, BACKFILL, actor="test") for number in range(1, 4)]
    clock.sleep(1.0)
    read = store.commands.insert(UID, "read", actor="test")
    assert [row.id for row in store.commands.pending(2)] == [read, jobs[0]]


def test_what_drops_readings_stands_in_the_audit(store: Store) -> None:
    number = store.commands.insert(UID, OUTBOX_DROP, actor="anna")
    line = store.audit.list()[0]
    assert (line.actor, line.action, line.details) == ("anna", "command.outbox_drop", {"command": number})


@pytest.mark.parametrize(("ok", "kind", "action"), [(True, "", "done"), (False, "outcome_unknown", "failed")])
def test_an_answer_that_comes_too_late_stands_in_the_audit_where_it_tells_of_a_meter(
    store: Store, ok: bool, kind: str, action: str
) -> None:
    numbers = [store.commands.insert(UID, verb, actor="anna", timeout_s=1.0) for verb in ("relay", "read")]
    store.commands.expire(NOON_MS + 1000)
    assert not any(store.commands.finish(number, ok=ok, error_kind=kind) for number in numbers)
    lines = [line for line in store.audit.list() if line.action.startswith("command.")]
    assert len(lines) == 3
    assert (lines[0].actor, lines[0].action) == ("anna", f"command.relay.{action}")
    late = "done" if ok else "failed"
    assert lines[0].details == {"command": numbers[0], "state": "expired", "late": late, "error": kind}
    assert store.commands.get(numbers[0]).state is CommandState.EXPIRED


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


def test_a_job_that_nobody_has_begun_is_cancelled_at_once(store: Store) -> None:
    number = store.commands.insert(UID, DISCOVER, actor="test")
    row = store.commands.cancel(number, "anna")
    assert (row.state, row.error_kind, row.finished_ms, row.cancelled_ms) == (
        CommandState.CANCELLED,
        CANCELLED,
        NOON_MS,
        NOON_MS,
    )
    assert "anna" in row.error_detail
    assert store.commands.pending() == []
    assert [line.action for line in store.audit.list()] == ["job.cancel", "command.discover"]


def test_a_job_under_way_is_cancelled_when_its_worker_says_so(store: Store, clock: StillClock) -> None:
    number = store.commands.insert(UID, BACKFILL, actor="test")
    store.commands.dispatched(number)
    assert store.commands.pending() == []
    row = store.commands.cancel(number, "anna")
    assert (row.state, row.cancelled_ms) == (CommandState.DISPATCHED, NOON_MS)
    assert [each.id for each in store.commands.pending()] == [number]
    clock.sleep(1.0)
    assert store.commands.cancel(number, "bert").cancelled_ms == NOON_MS
    assert store.commands.finish(number, ok=False, result={"rows": 3}, error_kind=CANCELLED)
    row = store.commands.cancel(number, "bert")
    assert (row.state, row.result) == (CommandState.CANCELLED, {"rows": 3})
    assert [line.action for line in store.audit.list()] == ["job.cancel", "command.backfill"]


def test_what_is_finished_and_what_is_no_job_is_not_cancelled(store: Store) -> None:
    done, read = store.commands.insert(UID, SCAN, actor="test"), store.commands.insert(UID, "read", actor="test")
    store.commands.finish(done, ok=True)
    assert store.commands.cancel(done, "anna").state is CommandState.DONE
    for number in (read, "nonsense"):
        with pytest.raises(NoSuchCommand):
            store.commands.cancel(number, "anna")
    assert store.commands.get(read).state is CommandState.PENDING


def test_jobs_are_listed_newest_first_by_what_they_are(store: Store, clock: StillClock) -> None:
    numbers = []
    for verb in (BACKFILL, DISCOVER, "read", SCAN):
        numbers.append(store.commands.insert(SYSTEM_UID if verb == SCAN else UID, verb, actor="test"))
        clock.sleep(1.0)
    backfill, discover, _, scan = numbers
    store.commands.finish(discover, ok=True)
    rows, count = store.commands.jobs()
    assert ([row.id for row in rows], count) == ([scan, discover, backfill], 3)
    assert [row.id for row in store.commands.jobs(unfinished=True)[0]] == [scan, backfill]
    assert [row.id for row in store.commands.jobs(unfinished=False)[0]] == [discover]
    assert [row.id for row in store.commands.jobs(verb=SCAN)[0]] == [scan]
    assert store.commands.jobs(verb="read") == ([], 0)
    assert [row.id for row in store.commands.jobs(limit=1, offset=1)[0]] == [discover]
    assert store.commands.jobs(meter_uid=b"\x02" * 16) == ([], 0)


def test_scans_wait_in_a_short_queue(store: Store) -> None:
    for _ in range(MAX_SCANS):
        store.commands.insert(SYSTEM_UID, SCAN, actor="test")
    with pytest.raises(TooManyJobs):
        store.commands.insert(SYSTEM_UID, SCAN, actor="test")
    store.commands.insert(UID, DISCOVER, actor="test")


def test_a_scan_under_way_is_seen_to_until_it_ends(store: Store) -> None:
    number = store.commands.insert(SYSTEM_UID, SCAN, actor="test")
    store.commands.dispatched(number)
    assert [row.id for row in store.commands.pending()] == [number]
    assert store.commands.advance(number, "1/2 x")
    store.commands.finish(number, ok=True)
    assert store.commands.pending() == []
    assert not store.commands.advance(number, "2/2 x")
