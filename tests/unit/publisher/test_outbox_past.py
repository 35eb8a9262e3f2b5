"""What was read from a meter's own memory: always of the past, never in the way of the present; and older files."""

import sqlite3
from pathlib import Path

import pytest

from common.envelope import Envelope, Kind, encode
from common.reading import Quantity, Reading, Source
from common.routes import Mode, Route
from publisher.outbox import Arrival, Lane, Outbox, Verdict
from publisher.outbox_file import FILE, SCHEMA, STEPS, damaged_files, route_text
from publisher.outbox_rows import row_check
from tests.support.still_clock import StepClock

UID, EPOCH, BOOT = bytes(range(16)), b"epoch-01", b"boot-one"
ROUTE = Route(UID, "meter-1", Mode.GENERIC, "broker", "meters/meter-1/telemetry")
MAX_AGE_S = 1000.0


def opened(path: Path, clock: StepClock) -> Outbox:
    return Outbox.open(path, clock, BOOT, max_age_s=MAX_AGE_S, max_octets=1 << 30)


def arrival(seq: int, clock: StepClock, source: Source, read_s_ago: float = 0.0) -> Arrival:
    body = Reading((Quantity("active_energy", "1-0:1.8.0*255", seq, 0, 30),), source=source).to_body()
    boot_ms = clock.boottime_ms() - round(read_s_ago * 1000)
    envelope = Envelope(Kind.READING, UID, EPOCH, seq, 1000 + seq, boot_ms, BOOT, body)
    return Arrival(envelope, encode(envelope), ROUTE)


def numbers(outbox: Outbox, lane: Lane, limit: int = 100) -> list[int]:
    return [row.seq for row in outbox.next_rows(UID, lane, after_id=0, limit=limit, octets=1 << 20)]


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: StepClock) -> Outbox:
    outbox = opened(tmp_path, clock)
    outbox.begin(UID, EPOCH, 1)
    return outbox


def test_what_is_read_from_the_meters_memory_is_backlog_at_once(outbox: Outbox, clock: StepClock) -> None:
    sources = {1: Source.LIVE, 2: Source.PROFILE, 3: Source.LIVE, 4: Source.PROFILE}
    outbox.take([arrival(seq, clock, source) for seq, source in sources.items()])
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([1, 3], [2, 4])
    assert numbers(outbox, Lane.STRICT) == [1, 2, 3, 4]
    rows = outbox.next_rows(UID, Lane.STRICT, after_id=0, limit=9, octets=1 << 20)
    assert [row.past for row in rows] == [False, True, False, True]


def test_an_old_row_of_the_meters_memory_does_not_make_the_present_backlog(outbox: Outbox, clock: StepClock) -> None:
    outbox.take([arrival(1, clock, Source.LIVE), arrival(2, clock, Source.PROFILE, read_s_ago=300.0)])
    outbox.take([arrival(3, clock, Source.LIVE)])
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([1, 3], [2])


def test_the_backlog_is_one_order_of_both_kinds(outbox: Outbox, clock: StepClock) -> None:
    kinds = (Source.LIVE, Source.PROFILE, Source.PROFILE, Source.LIVE, Source.PROFILE)
    outbox.take([arrival(seq, clock, source) for seq, source in enumerate(kinds, 1)])
    clock.now += 60.0
    assert (numbers(outbox, Lane.LIVE), numbers(outbox, Lane.BACKLOG)) == ([], [1, 2, 3, 4, 5])
    assert numbers(outbox, Lane.BACKLOG, limit=3) == [1, 2, 3]


def test_its_age_counts_from_when_it_was_read(outbox: Outbox, clock: StepClock) -> None:
    outbox.take([arrival(1, clock, Source.PROFILE, read_s_ago=MAX_AGE_S - 1.0), arrival(2, clock, Source.PROFILE)])
    clock.now += 2.0
    outbox.trim()
    assert numbers(outbox, Lane.BACKLOG) == [2]
    assert outbox.tally(UID).dropped == {"outbox_age": 1}


def first_schema(path: Path, rows: int) -> None:
    """Make a file as release 0.2.0 left it, with rows, the last of them set aside."""
    connection = sqlite3.connect(path / FILE)
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(f"BEGIN IMMEDIATE;{STEPS[0]}PRAGMA user_version=1;COMMIT")
    connection.execute("INSERT INTO routes (content) VALUES (?)", (route_text(ROUTE),))
    for seq in range(1, rows + 1):
        envelope = encode(Envelope(Kind.READING, UID, EPOCH, seq, 1000 + seq, 1, BOOT, Reading(()).to_body()))
        values = (UID, EPOCH, seq, 1000 + seq, 0, 100, 1, row_check(UID, EPOCH, seq, 1000 + seq, envelope), envelope)
        connection.execute(
            "INSERT INTO rows (uid, epoch, seq, ts_ms, born_ms, octets, route, crc, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
    connection.execute("UPDATE rows SET aside = 'poison' WHERE id = ?", (rows,))
    connection.execute("INSERT INTO cursors VALUES (?, ?, ?)", (UID, EPOCH, rows))
    books = {"taken": rows, "waiting": rows - 1, "set_aside": 1, "octets": 100 * rows}
    connection.executemany("INSERT INTO accounts VALUES (?, ?, ?)", [(UID, *item) for item in books.items()])
    connection.commit()
    connection.close()


def test_a_file_of_an_earlier_release_is_taken_over_with_all_it_holds(tmp_path: Path, clock: StepClock) -> None:
    first_schema(tmp_path, rows=5)
    for _ in range(2):
        outbox = opened(tmp_path, clock)
        assert numbers(outbox, Lane.STRICT) == [1, 2, 3, 4]
        assert (outbox.cursor(UID, EPOCH), outbox.tally(UID).set_aside) == (5, 1)
        assert outbox.tally(UID).balanced
        outbox.close()
    assert damaged_files(tmp_path) == 0
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    outbox = opened(tmp_path, clock)
    assert outbox.take([arrival(6, clock, Source.PROFILE)]) == [Verdict.INSERTED]
    assert numbers(outbox, Lane.BACKLOG) == [1, 2, 3, 4, 6]
