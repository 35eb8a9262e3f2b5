"""Orders about rows that are set aside, on a real outbox: sent again, dropped, counted, answered."""

import sqlite3
from pathlib import Path
from typing import cast

import pytest

from common.command import OUTBOX_DROP, OUTBOX_RETRY, Command, CommandResult
from common.envelope import Envelope, Kind, decode, encode
from common.routes import Mode, Route
from publisher.orders import MAX_ROWS, Orders
from publisher.outbox import Arrival, Lane, Outbox
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID, OTHER, EPOCH, BOOT = bytes(range(16)), b"the other meter!", b"epoch-01", b"boot-one"
FOR_EVER = 1 << 40


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: StepClock) -> Outbox:
    """Return an outbox with five rows of one meter, three of them set aside, and one of another meter set aside."""
    outbox = Outbox.open(tmp_path, clock, BOOT, max_age_s=1e6, max_octets=1 << 30)
    for uid, count in ((UID, 5), (OTHER, 1)):
        outbox.begin(uid, EPOCH, 1)
        outbox.take([arrival(uid, seq, clock) for seq in range(1, count + 1)])
    for row in rows(outbox, UID)[:3] + rows(outbox, OTHER):
        outbox.set_aside(row, "rejected")
    return outbox


def arrival(uid: bytes, seq: int, clock: StepClock) -> Arrival:
    envelope = Envelope(Kind.READING, uid, EPOCH, seq, 1, clock.boottime_ms(), BOOT, ["x"])
    return Arrival(envelope, encode(envelope), Route(uid, "meter", Mode.GENERIC, "broker", "topic"))


def rows(outbox: Outbox, uid: bytes = UID) -> list[int]:
    return [row.id for row in outbox.next_rows(uid, Lane.STRICT, after_id=0, limit=99, octets=1 << 20)]


def told(orders: Orders, verb: str, rows: object = None, deadline: int = FOR_EVER, uid: bytes = UID) -> CommandResult:
    arguments = {} if rows is None else {"rows": rows}
    envelope = Envelope(Kind.COMMAND, uid, body=Command("id-1", verb, arguments, deadline).to_body())
    (octets,) = orders.handle([decode(encode(envelope)), Envelope(Kind.NOTE)])
    answer = decode(octets)
    identity, result = CommandResult.from_body(answer.body)
    assert (answer.kind, answer.uid, identity) == (Kind.RESULT, uid, "id-1")
    return result


def test_rows_that_are_named_wait_again_and_all_without_names(outbox: Outbox, clock: StepClock) -> None:
    orders, before = Orders(outbox, clock), rows(outbox)
    assert told(orders, OUTBOX_RETRY, [1, 3, 4, 6]) == CommandResult(True, {"rows": 2, "left": 1})
    assert rows(outbox) == [1, 3, *before]
    assert told(orders, OUTBOX_RETRY) == CommandResult(True, {"rows": 1, "left": 0})
    tally = outbox.tally(UID)
    assert (tally.waiting, tally.set_aside, tally.balanced) == (5, 0, True)
    assert outbox.tally(OTHER).set_aside == 1


def test_what_is_dropped_is_counted_and_leaves_the_disk(outbox: Outbox, clock: StepClock) -> None:
    orders = Orders(outbox, clock)
    assert told(orders, OUTBOX_DROP, [2]).result == {"rows": 1, "left": 2}
    assert told(orders, OUTBOX_DROP).result == {"rows": 2, "left": 0}
    tally = outbox.tally(UID)
    assert (tally.waiting, tally.set_aside, dict(tally.dropped)) == (2, 0, {"operator": 3})
    assert outbox.stats().rows == 3
    assert outbox.stats().total.balanced


@pytest.mark.parametrize("rows", [[4], [99], [6]])
def test_rows_that_are_not_set_aside_are_not_touched(outbox: Outbox, clock: StepClock, rows: list[int]) -> None:
    result = told(Orders(outbox, clock), OUTBOX_DROP, rows)
    assert (result.ok, result.error_kind, result.result) == (False, "no_such_row", {"rows": 0, "left": 3})


@pytest.mark.parametrize("rows", ["1", [0], ["1"], [1.5], list(range(1, MAX_ROWS + 2))])
def test_what_are_no_rows_is_refused(outbox: Outbox, clock: StepClock, rows: object) -> None:
    assert told(Orders(outbox, clock), OUTBOX_DROP, rows).error_kind == "bad_command"
    assert outbox.tally(UID).set_aside == 3


def test_another_verb_is_refused(outbox: Outbox, clock: StepClock) -> None:
    assert told(Orders(outbox, clock), "read").error_kind == "unknown_verb"


def test_what_expired_or_is_no_command_is_not_done(outbox: Outbox, clock: StepClock) -> None:
    orders = Orders(outbox, clock)
    late = Command("id", OUTBOX_DROP, {}, clock.boottime_ms() - 1).to_body()
    assert orders.handle([Envelope(Kind.COMMAND, UID, body=late), Envelope(Kind.COMMAND, UID, body="x")]) == []
    assert outbox.tally(UID).set_aside == 3


def test_a_disk_that_refuses_is_told_and_nothing_is_done(outbox: Outbox, clock: StepClock) -> None:
    disk = FusedConnection(outbox._file._db, Fuse())
    disk.full, outbox._file._db = True, cast("sqlite3.Connection", disk)
    for rows in (None, [1]):
        result = told(Orders(outbox, clock), OUTBOX_RETRY, rows)
        assert (result.ok, result.error_kind, result.result) == (False, "disk_refused", {"rows": 0, "left": 3})
    outbox._file._db = disk.real
    assert told(Orders(outbox, clock), OUTBOX_RETRY).result == {"rows": 3, "left": 0}


class SlowClock(StepClock):
    """Each look at it takes half a second."""

    def monotonic(self) -> float:
        self.now += 0.5
        return super().monotonic()


def test_a_command_holds_the_loop_for_a_second_and_tells_what_is_left(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.outbox.TRIM_ROWS", 1)
    orders = Orders(outbox, SlowClock())
    assert told(orders, OUTBOX_DROP).result == {"rows": 2, "left": 1}
    assert told(orders, OUTBOX_DROP).result == {"rows": 1, "left": 0}
