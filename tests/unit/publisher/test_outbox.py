"""The outbox on a real file: cursors, lanes, accounts, bounds, damage, a disk that refuses."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from common.envelope import Envelope, Kind, encode
from common.routes import Mode, Route
from publisher.accounts import MAX_REASONS
from publisher.outbox import Arrival, Lane, Outbox, OutboxFailed, Verdict
from publisher.outbox_file import FILE, MAX_BAD, SUSPECT
from publisher.outbox_writer import ROW_OVERHEAD
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID, OTHER, EPOCH, BOOT = bytes(range(16)), b"the other meter!", b"epoch-01", b"boot-one"
ROUTE = Route(UID, "meter-1", Mode.GENERIC, "broker", "meters/meter-1/telemetry", keys={"a": "b"})
WEEK_S = 7 * 86_400.0


def opened(
    path: Path, clock: StepClock, boot: bytes = BOOT, max_age_s: float = WEEK_S, octets: int = 1 << 30
) -> Outbox:
    return Outbox.open(path, clock, boot, max_age_s=max_age_s, max_octets=octets)


def arrival(
    seq: int,
    clock: StepClock,
    *,
    uid: bytes = UID,
    epoch: bytes = EPOCH,
    route: Route | None = ROUTE,
    boot: bytes = BOOT,
) -> Arrival:
    envelope = Envelope(Kind.READING, uid, epoch, seq, 1000 + seq, clock.boottime_ms(), boot, ["x" * 100])
    return Arrival(envelope, encode(envelope), route)


def take(outbox: Outbox, clock: StepClock, *numbers: int, **options: object) -> list[Verdict]:
    return outbox.take([arrival(seq, clock, **options) for seq in numbers])  # type: ignore[arg-type]  # passed on


def numbers(outbox: Outbox, lane: Lane = Lane.STRICT, uid: bytes = UID, limit: int = 1000) -> list[int]:
    return [row.seq for row in outbox.next_rows(uid, lane, after_id=0, limit=limit, octets=1 << 30)]


def ids(outbox: Outbox) -> list[int]:
    return [row.id for row in outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=1000, octets=1 << 30)]


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: StepClock) -> Outbox:
    outbox = opened(tmp_path, clock)
    outbox.begin(UID, EPOCH, 1)
    return outbox


def test_what_follows_its_cursor_is_inserted_and_nothing_else(outbox: Outbox, clock: StepClock) -> None:
    assert take(outbox, clock, 1, 2, 2, 4, 3, 1) == [
        Verdict.INSERTED,
        Verdict.INSERTED,
        Verdict.REPEAT,
        Verdict.GAP,
        Verdict.INSERTED,
        Verdict.REPEAT,
    ]
    assert outbox.cursor(UID, EPOCH) == 3
    assert numbers(outbox) == [1, 2, 3]


def test_an_epoch_that_was_not_begun_is_held(outbox: Outbox, clock: StepClock) -> None:
    assert take(outbox, clock, 1, epoch=b"epoch-02") == [Verdict.HELD]
    assert outbox.cursor(UID, b"epoch-02") is None
    outbox.begin(UID, b"epoch-02", 50)
    outbox.begin(UID, b"epoch-02", 10)
    assert take(outbox, clock, 49, 50, epoch=b"epoch-02") == [Verdict.REPEAT, Verdict.INSERTED]


def test_rows_and_cursors_are_there_after_a_start(tmp_path: Path, outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2)
    outbox._file.close()
    again = opened(tmp_path, clock)
    assert again.cursor(UID, EPOCH) == 2
    assert numbers(again) == [1, 2]
    assert take(again, clock, 2, 3) == [Verdict.REPEAT, Verdict.INSERTED]


def test_a_row_carries_what_came_and_the_route_of_its_intake(outbox: Outbox, clock: StepClock) -> None:
    item = arrival(1, clock)
    outbox.take([item])
    take(outbox, clock, 2, route=replace(ROUTE, topic="renamed"))
    clock.now += 5.0
    first, second = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=10, octets=1 << 20)
    assert (first.envelope, first.ts_ms, first.route, first.age_ms) == (item.octets, 1001, ROUTE, 5000)
    assert (first.mode, first.target, first.device, first.keys) == (Mode.GENERIC, "broker", "", {"a": "b"})
    assert (first.topic, second.topic) == (ROUTE.topic, "renamed")


def test_live_is_younger_than_a_minute_by_boot_time(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2)
    clock.now += 59.9
    take(outbox, clock, 3)
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([1, 2, 3], [])
    clock.wall_step_s = 1e9
    clock.now += 0.1
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([3], [1, 2])
    assert numbers(outbox, Lane.STRICT) == [1, 2, 3]


def test_what_another_boot_measured_is_backlog(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, boot=b"boot-nil")
    take(outbox, clock, 2)
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([2], [1])


def test_rows_are_bounded_by_count_and_octets_but_one_always_comes(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, *range(1, 11))
    assert numbers(outbox, limit=4) == [1, 2, 3, 4]
    size = len(arrival(1, clock).octets)
    found = outbox.next_rows(UID, Lane.LIVE, after_id=0, limit=10, octets=size * 3)
    assert [row.seq for row in found] == [1, 2, 3]
    assert len(outbox.next_rows(UID, Lane.LIVE, after_id=0, limit=10, octets=1)) == 1
    assert [row.seq for row in outbox.next_rows(UID, Lane.LIVE, after_id=found[-1].id, limit=2, octets=1 << 20)] == [
        4,
        5,
    ]


def test_an_acknowledged_row_is_not_seen_again_and_leaves_with_its_group(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2, 3)
    outbox.acknowledge(ids(outbox)[:2])
    assert numbers(outbox) == [3]
    outbox.flush()
    assert outbox.tally(UID).delivered == 0
    clock.now += 0.06
    outbox.flush()
    tally = outbox.tally(UID)
    assert (tally.taken, tally.delivered, tally.waiting, tally.balanced) == (3, 2, 1, True)
    assert outbox.delivered_boot_ms(UID) == clock.boottime_ms()
    assert outbox.delivered_boot_ms(OTHER) == 0


def test_acknowledging_twice_counts_once(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1)
    row = ids(outbox)
    outbox.acknowledge(row)
    take(outbox, clock, 2)
    outbox.acknowledge(row)
    outbox.acknowledge([999])
    outbox.close()
    assert outbox.tally(UID).delivered == 1


def test_gone_counts_as_dropped_and_moves_the_cursor(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1)
    assert outbox.gone(UID, EPOCH, 5, 6, "damaged") is Verdict.GAP
    assert outbox.gone(UID, EPOCH, 2, 4, "damaged") is Verdict.INSERTED
    assert outbox.gone(UID, EPOCH, 2, 4, "damaged") is Verdict.REPEAT
    assert outbox.gone(UID, EPOCH, 3, 6, "journal_full") is Verdict.INSERTED
    assert outbox.gone(UID, b"epoch-02", 1, 1, "damaged") is Verdict.HELD
    tally = outbox.tally(UID)
    assert tally.dropped == {"damaged": 3, "journal_full": 2}
    assert (tally.taken, tally.balanced, outbox.cursor(UID, EPOCH)) == (6, True, 6)


def test_reasons_from_outside_are_bounded(outbox: Outbox) -> None:
    for number in range(30):
        outbox.gone(UID, EPOCH, number + 1, number + 1, f"reason_{number}")
    outbox.gone(UID, EPOCH, 31, 31, "spaces and more")
    outbox.gone(UID, EPOCH, 32, 32, "x" * 100)
    tally = outbox.tally(UID)
    assert len(tally.dropped) == MAX_REASONS + 1
    assert tally.dropped["other"] == 16
    assert tally.balanced


def test_beyond_the_octets_the_oldest_go_first_and_are_counted(tmp_path: Path, clock: StepClock) -> None:
    size = len(arrival(1, clock).octets) + ROW_OVERHEAD
    outbox = opened(tmp_path, clock, octets=size * 10)
    for uid in (UID, OTHER):
        outbox.begin(uid, EPOCH, 1)
    for seq in range(1, 11):
        clock.now += 1.0
        take(outbox, clock, seq)
        take(outbox, clock, seq, uid=OTHER)
    assert numbers(outbox) == [6, 7, 8, 9, 10]
    assert numbers(outbox, uid=OTHER) == [6, 7, 8, 9, 10]
    assert outbox.tally(UID).dropped == {"outbox_full": 5}
    assert outbox.stats().total.balanced
    assert outbox.stats().octets <= size * 10


def test_beyond_the_age_rows_go_and_are_counted(tmp_path: Path, clock: StepClock) -> None:
    outbox = opened(tmp_path, clock, max_age_s=100.0)
    outbox.begin(UID, EPOCH, 1)
    take(outbox, clock, 1)
    clock.now += 60.0
    take(outbox, clock, 2)
    clock.wall_step_s = 1e6
    clock.now += 41.0
    outbox.trim()
    assert numbers(outbox) == [2]
    assert outbox.tally(UID).dropped == {"outbox_age": 1}


def test_ages_go_on_over_a_start_and_a_boot(tmp_path: Path, clock: StepClock) -> None:
    outbox = opened(tmp_path, clock, max_age_s=100.0)
    outbox.begin(UID, EPOCH, 1)
    take(outbox, clock, 1)
    outbox.close()
    clock.now += 50.0
    outbox = opened(tmp_path, clock, max_age_s=100.0)
    assert outbox.stats().oldest_age_ms == 50_000
    outbox.close()
    clock.reboot()
    outbox = opened(tmp_path, clock, b"boot-two", max_age_s=100.0)
    clock.now += 40.0
    assert outbox.stats().oldest_age_ms == 91_000
    outbox.trim()
    assert numbers(outbox) == [1]
    clock.now += 10.0
    outbox.trim()
    assert numbers(outbox) == []


def test_what_the_broker_has_is_not_dropped(tmp_path: Path, clock: StepClock) -> None:
    outbox = opened(tmp_path, clock, max_age_s=10.0)
    outbox.begin(UID, EPOCH, 1)
    take(outbox, clock, 1, 2)
    outbox.acknowledge(ids(outbox)[:1])
    clock.now += 11.0
    outbox.trim()
    assert outbox.tally(UID).delivered == 1
    assert outbox.tally(UID).dropped == {"outbox_age": 1}


def test_a_row_without_a_route_waits_for_one(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2, route=None)
    clock.now += 61.0
    assert outbox.unrouted() == {UID: 61_000}
    assert (outbox.waiting_uids(), numbers(outbox), outbox.tally(UID).waiting) == ([], [], 2)
    outbox.route_known(UID, ROUTE)
    assert (outbox.unrouted(), outbox.waiting_uids(), numbers(outbox)) == ({}, [UID], [1, 2])
    outbox.route_known(UID, ROUTE)
    assert outbox.stats().unrouted == 0


def test_a_row_that_is_set_aside_stays_on_disk_and_is_counted(tmp_path: Path, outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2)
    first = ids(outbox)[0]
    outbox.set_aside(first, "poison")
    outbox.set_aside(first, "poison")
    outbox.set_aside(12345, "poison")
    assert numbers(outbox) == [2]
    outbox.acknowledge([first])
    outbox.close()
    again = opened(tmp_path, clock)
    tally = again.tally(UID)
    assert (tally.set_aside, tally.waiting, tally.balanced) == (1, 1, True)
    assert again._file.query("SELECT aside FROM rows WHERE id = ?", (first,)) == [("poison",)]


def test_a_row_whose_octets_changed_is_set_aside(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1, 2)
    outbox._file.query("UPDATE rows SET envelope = x'00' WHERE seq = 1")
    assert numbers(outbox) == [2]
    assert outbox.tally(UID).set_aside == 1


def test_a_row_whose_route_is_lost_is_set_aside(tmp_path: Path, outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1)
    outbox._file.query("UPDATE routes SET content = '{'")
    outbox.close()
    again = opened(tmp_path, clock)
    assert numbers(again) == []
    assert again.tally(UID).set_aside == 1


def full(outbox: Outbox, code: int = sqlite3.SQLITE_FULL) -> FusedConnection:
    """Let the outbox's disk refuse every COMMIT from now on."""
    fused = FusedConnection(outbox._file._db, Fuse())
    fused.full, fused.code = True, code
    outbox._file._db = cast("sqlite3.Connection", fused)
    return fused


def test_a_full_disk_refuses_and_nothing_is_believed(outbox: Outbox, clock: StepClock) -> None:
    take(outbox, clock, 1)
    disk = full(outbox)
    assert take(outbox, clock, 2, 1) == [Verdict.REFUSED, Verdict.REPEAT]
    assert outbox.cursor(UID, EPOCH) == 1
    assert outbox.gone(UID, EPOCH, 2, 3, "damaged") is Verdict.REFUSED
    assert not outbox.begin(UID, b"epoch-02", 1)
    outbox.acknowledge(ids(outbox))
    clock.now += 1.0
    outbox.flush()
    assert numbers(outbox) == []
    assert outbox.tally(UID).delivered == 0
    disk.full = False
    clock.now += 2.0
    outbox.flush()
    assert outbox.tally(UID).delivered == 1
    outbox.trim()
    assert take(outbox, clock, 2) == [Verdict.INSERTED]
    assert outbox.stats().refused == 4
    assert outbox.stats().total.balanced


def test_a_failed_fsync_ends_the_use_of_the_file(outbox: Outbox, clock: StepClock) -> None:
    full(outbox, sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(OutboxFailed):
        take(outbox, clock, 1)


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + bytes(5000)])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, clock: StepClock, content: bytes) -> None:
    for turn in range(MAX_BAD + 2):
        (tmp_path / FILE).write_bytes(content)
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"{FILE}{suffix}").unlink(missing_ok=True)
        outbox = opened(tmp_path, clock)
        assert outbox.stats().damaged == turn + 1
        assert outbox.cursor(UID, EPOCH) is None
        outbox.close()
    assert len({path.name.split("-")[1] for path in tmp_path.glob(f"{FILE}.bad-*")}) == MAX_BAD


def test_a_schema_of_another_version_is_set_aside(tmp_path: Path, clock: StepClock) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    assert opened(tmp_path, clock).stats().damaged == 1


def test_no_flipped_octet_stops_a_start(tmp_path: Path, clock: StepClock) -> None:
    good = opened(tmp_path / "good", clock)
    good.begin(UID, EPOCH, 1)
    take(good, clock, *range(1, 40))
    good.close()
    content = (tmp_path / "good" / FILE).read_bytes()
    (tmp_path / "bad").mkdir()
    for place in range(0, len(content), 389):
        for path in (tmp_path / "bad").iterdir():
            path.unlink()
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "bad" / FILE).write_bytes(damaged)
        outbox = opened(tmp_path / "bad", clock)
        for uid in outbox.waiting_uids():
            assert numbers(outbox, uid=uid) == sorted(set(numbers(outbox, uid=uid)))
        outbox._file.close()


def test_damage_that_is_met_while_running_makes_the_next_start_look(tmp_path: Path, outbox: Outbox) -> None:
    with pytest.raises(OutboxFailed):
        raise outbox._file._failed(sqlite3.DatabaseError("database disk image is malformed"))
    assert (tmp_path / SUSPECT).exists()
    assert opened(tmp_path, StepClock()).stats().damaged == 0
    assert not (tmp_path / SUSPECT).exists()


def test_old_epochs_are_forgotten_when_nobody_speaks_of_them(tmp_path: Path, clock: StepClock) -> None:
    outbox = opened(tmp_path, clock)
    epochs = [b"epoch-%02d" % number for number in range(12)]
    for epoch in epochs:
        outbox.begin(UID, epoch, 1)
    outbox.forget_epochs(UID, frozenset({epochs[1]}))
    outbox.close()
    again = opened(tmp_path, clock)
    kept = [epoch for epoch in epochs if again.cursor(UID, epoch) is not None]
    assert kept == [epochs[1], *epochs[4:]]


def test_the_file_shrinks_after_a_backlog(tmp_path: Path, clock: StepClock) -> None:
    outbox = opened(tmp_path, clock)
    outbox.begin(UID, EPOCH, 1)
    for start in range(1, 20_001, 1000):
        take(outbox, clock, *range(start, start + 1000))
    outbox.acknowledge([row[0] for row in cast("list[tuple[int]]", outbox._file.query("SELECT id FROM rows"))])
    clock.now += 1.0
    outbox.flush()
    pages = outbox._file.number("PRAGMA page_count")
    for _ in range(20):
        outbox.trim()
    assert cast("int", outbox._file.number("PRAGMA page_count")) < cast("int", pages) * 0.7
    assert outbox.stats().total.delivered == 20_000
