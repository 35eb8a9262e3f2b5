"""A damaged outbox file: what is sound in it is delivered, what is not is counted, and no start waits for it."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from common.envelope import Envelope, Kind, encode
from common.routes import Mode, Route
from publisher import salvage
from publisher.outbox import Arrival, Lane, Outbox, Verdict
from publisher.outbox_file import FILE, open_file
from publisher.outbox_salvage import PAGE, STEP_S, DamagedFile
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

UID, OTHER, EPOCH, BOOT = bytes(range(16)), b"the other meter!", b"epoch-01", b"boot-one"
METERS, COUNT = (UID, OTHER), 200
DELIVERED = 20  # the first ones of each meter
AGE_S = 30.0


def route(uid: bytes) -> Route:
    return Route(uid, "meter", Mode.GENERIC, "broker", "meters/meter/telemetry")


def opened(path: Path, clock: StepClock) -> Outbox:
    return Outbox.open(path, clock, BOOT, max_age_s=1e6, max_octets=1 << 30)


def arrival(uid: bytes, seq: int, clock: StepClock) -> Arrival:
    envelope = Envelope(Kind.READING, uid, EPOCH, seq, 1, clock.boottime_ms(), BOOT, ["x" * 150])
    return Arrival(envelope, encode(envelope), route(uid))


def numbers(outbox: Outbox, uid: bytes = UID) -> list[int]:
    rows = outbox.next_rows(uid, Lane.BACKLOG, after_id=0, limit=9999, octets=1 << 30)
    return [row.seq for row in rows]


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def good(tmp_path: Path, clock: StepClock) -> Path:
    """Make a sound file of two meters: 20 delivered, one set aside, the others waiting; half a minute old."""
    outbox = opened(tmp_path / "good", clock)
    for uid in METERS:
        outbox.begin(uid, EPOCH, 1)
        outbox.take([arrival(uid, seq, clock) for seq in range(1, COUNT + 1)])
        rows = outbox.next_rows(uid, Lane.STRICT, after_id=0, limit=DELIVERED + 1, octets=1 << 30)
        outbox.acknowledge([row.id for row in rows[:DELIVERED]])
        outbox.set_aside(rows[DELIVERED].id, "poison")
    clock.now += AGE_S
    outbox.close()
    return tmp_path / "good" / FILE


def damaged(good: Path, directory: Path, first: int, octets: bytes) -> Path:
    """Copy a file with other octets at a place."""
    directory.mkdir()
    shutil.copy(good, directory / FILE)
    with (directory / FILE).open("r+b") as stream:
        stream.seek(first)
        stream.write(octets)
    return directory


def check(outbox: Outbox) -> int:
    """Every reading is accounted for, none is there twice or out of order; return how many are lost."""
    lost = 0
    for uid in METERS:
        tally, found = outbox.tally(uid), numbers(outbox, uid)
        assert tally.balanced, tally
        assert found == sorted(set(found))
        assert len(found) == tally.waiting - tally.unrouted
        lost += sum(tally.dropped.values())
    return lost


def test_a_page_that_is_lost_costs_what_it_held(good: Path, tmp_path: Path, clock: StepClock) -> None:
    """Whichever page it is; but the root of the rows' tree, without which SQLite finds none of them."""
    pages = good.stat().st_size // PAGE
    lost = []
    for number in range(pages):
        outbox = opened(damaged(good, tmp_path / str(number), number * PAGE, b"\xa5" * PAGE), clock)
        lost.append(check(outbox))
        if outbox.stats().damaged and outbox.tally(UID).delivered:
            assert outbox.cursor(UID, EPOCH) == COUNT
            assert outbox.take([arrival(UID, COUNT, clock)]) == [Verdict.REPEAT]
        outbox.close()
    assert sum(count > 20 for count in lost) <= 1, lost
    assert lost[0] == 0, "the first page can be made anew"


@pytest.mark.parametrize("octets", [bytes(100), bytes(PAGE), b"not a database"])
def test_a_lost_header_costs_no_row(good: Path, tmp_path: Path, clock: StepClock, octets: bytes) -> None:
    outbox = opened(damaged(good, tmp_path / "bad", 0, octets), clock)
    assert check(outbox) == 0
    tally = outbox.tally(UID)
    assert (tally.taken, tally.delivered, tally.waiting, tally.set_aside) == (
        COUNT,
        DELIVERED,
        COUNT - DELIVERED - 1,
        1,
    )
    assert numbers(outbox) == list(range(DELIVERED + 2, COUNT + 1))
    row = outbox.next_rows(UID, Lane.BACKLOG, after_id=0, limit=1, octets=1)[0]
    assert (row.route, row.age_ms, row.past) == (route(UID), AGE_S * 1000, True)
    assert outbox.stats().salvaged == 2 * (COUNT - DELIVERED)


def test_a_row_of_another_boot_has_the_age_it_had_and_the_time_since(
    good: Path, tmp_path: Path, clock: StepClock
) -> None:
    clock.now += 5000.0  # nobody knows how long the machine was off: that counts for nothing
    clock.reboot()
    directory = damaged(good, tmp_path / "bad", 0, bytes(PAGE))
    outbox = Outbox.open(directory, clock, b"boot-two", max_age_s=1e6, max_octets=1 << 30)
    assert check(outbox) == 0
    assert outbox.next_rows(UID, Lane.BACKLOG, after_id=0, limit=1, octets=1)[0].age_ms == AGE_S * 1000 + 1000


def test_a_file_that_was_cut_gives_what_is_left(good: Path, tmp_path: Path, clock: StepClock) -> None:
    size = good.stat().st_size
    for place, cut in enumerate(range(PAGE, size, size // 12)):
        directory = damaged(good, tmp_path / str(place), 0, b"")
        with (directory / FILE).open("r+b") as stream:
            stream.truncate(cut)
        check(opened(directory, clock))


def test_rows_whose_books_are_lost_are_taken_anew(good: Path, tmp_path: Path, clock: StepClock) -> None:
    connection = sqlite3.connect(good)
    connection.execute("DELETE FROM accounts")
    connection.execute("DELETE FROM cursors")
    connection.commit()
    connection.close()
    outbox = opened(damaged(good, tmp_path / "bad", 0, bytes(PAGE)), clock)
    assert check(outbox) == 0
    assert (outbox.tally(UID).taken, outbox.tally(UID).set_aside) == (COUNT - DELIVERED, 1)


def test_what_comes_meanwhile_is_of_the_present(
    good: Path, tmp_path: Path, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "START_S", 0.0)
    outbox = opened(damaged(good, tmp_path / "bad", 0, bytes(PAGE)), clock)
    assert outbox.stats().salvaging
    assert outbox.take([arrival(UID, COUNT + 1, clock)]) == [Verdict.INSERTED]
    outbox.flush()
    assert not outbox.stats().salvaging
    live = outbox.next_rows(UID, Lane.LIVE, after_id=0, limit=9, octets=1 << 20)
    assert [row.seq for row in live] == [COUNT + 1]
    assert (numbers(outbox), outbox.stats().total.balanced) == (list(range(DELIVERED + 2, COUNT + 1)), True)


def test_a_death_or_a_full_disk_on_the_way_loses_nothing(
    good: Path, tmp_path: Path, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "START_S", 0.0)
    monkeypatch.setattr("publisher.outbox_salvage.STEP_ROWS", 50)
    directory = damaged(good, tmp_path / "bad", 0, bytes(PAGE))
    outbox = opened(directory, clock)
    for turn in range(40):
        if turn % 3 == 0:
            outbox._file.close()  # as SIGKILL does
            outbox = opened(directory, clock)
        if turn % 4 == 1:
            disk = FusedConnection(outbox._file._db, Fuse())
            disk.full, outbox._file._db = True, cast("sqlite3.Connection", disk)
            outbox.flush()
            assert outbox.stats().total.balanced
            outbox._file._db = disk.real
        clock.now += 2.0
        outbox.flush()
        assert outbox.stats().total.balanced
    assert not outbox.stats().salvaging
    assert check(outbox) == 0
    assert numbers(outbox) == list(range(DELIVERED + 2, COUNT + 1))


def test_nothing_is_taken_back_twice(good: Path, tmp_path: Path, clock: StepClock) -> None:
    directory = damaged(good, tmp_path / "bad", 0, bytes(PAGE))
    opened(directory, clock).close()
    again = opened(directory, clock)
    assert (again.stats().salvaged, again.stats().damaged) == (0, 1)
    assert again.stats().total.waiting == 2 * (COUNT - DELIVERED - 1)
    rows = [
        item.id for uid in METERS for item in again.next_rows(uid, Lane.BACKLOG, after_id=0, limit=999, octets=1 << 30)
    ]
    again.acknowledge(rows)
    clock.now += 1.0
    again.flush()
    again.close()
    assert opened(directory, clock).stats().total.waiting == 0


def test_a_row_without_a_sound_route_waits_for_one(good: Path, tmp_path: Path, clock: StepClock) -> None:
    connection = sqlite3.connect(good)
    connection.execute("UPDATE routes SET content = '{' WHERE id = 1")
    connection.commit()
    connection.close()
    outbox = opened(damaged(good, tmp_path / "bad", 0, bytes(PAGE)), clock)
    tally = outbox.tally(UID)
    assert (tally.unrouted, tally.waiting) == (COUNT - DELIVERED - 1, COUNT - DELIVERED - 1)
    outbox.route_known(UID, replace(route(UID), topic="now"))
    assert len(numbers(outbox)) == COUNT - DELIVERED - 1
    assert outbox.tally(UID).unrouted == 0


@pytest.mark.parametrize(("place", "octet"), [(18, 3), (18, 255), (47, 5), (63, 0), (63, 1), (63, 2), (63, 9)])
def test_an_octet_of_the_header_stops_no_start(
    good: Path, tmp_path: Path, clock: StepClock, place: int, octet: int
) -> None:
    """The version that may write, the format of the schema, the version of our tables."""
    outbox = opened(damaged(good, tmp_path / "bad", place, bytes([octet])), clock)
    assert check(outbox) == 0
    assert outbox.take([arrival(UID, COUNT + 1, clock)]) == [Verdict.INSERTED]


def test_a_page_that_is_lost_stops_no_start_of_a_file_that_is_not_checked(
    good: Path, tmp_path: Path, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.outbox_file.ALWAYS_CHECKED", 0)
    for number in range(good.stat().st_size // PAGE):
        outbox = opened(damaged(good, tmp_path / str(number), number * PAGE, b"\xa5" * PAGE), clock)
        assert outbox.stats().total.balanced
        outbox._file.close()


def leaves(file: Path) -> list[int]:
    """Return the pages that hold rows, in the order of their ids."""
    octets = file.read_bytes()
    pages = [octets[at : at + PAGE] for at in range(0, len(octets), PAGE)]
    found = []
    for number, page in enumerate(pages):
        if page[0] == 0x0D and b"x" * 150 in page:
            cell = int.from_bytes(page[8:10], "big")
            sizes = [index for index in range(cell, cell + 9) if page[index] < 0x80]
            row_id = page[sizes[0] + 1] if page[sizes[0] + 1] < 0x80 else (page[sizes[0] + 1] & 0x7F) << 7
            found.append((row_id, number))
    return [number for _, number in sorted(found)]


@pytest.mark.parametrize("width", [1, 32, 1024])
def test_pages_in_the_place_of_others_give_no_row_twice(
    good: Path, tmp_path: Path, clock: StepClock, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("publisher.outbox_salvage.FIRST_WIDTH", width)
    octets, pages = good.read_bytes(), leaves(good)
    first, last = (slice(number * PAGE, (number + 1) * PAGE) for number in (pages[3], pages[12]))
    directory = damaged(good, tmp_path / "bad", first.start, octets[last])
    with (directory / FILE).open("r+b") as stream:
        stream.seek(last.start)
        stream.write(octets[first])
    file = DamagedFile(directory / FILE, clock)
    given: list[int] = []
    while file.next_id is not None:
        given += [row.id for row in file.step()]
        assert len(given) == len(set(given))
    assert len(given) > 250, "of 360"


class HastyClock(StepClock):
    """Each look at it costs a good part of a step."""

    def monotonic(self) -> float:
        self.now += 0.4 * STEP_S
        return super().monotonic()


def test_a_range_that_takes_too_long_is_read_in_smaller_ones(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.outbox_salvage.INSTRUCTIONS", 400)
    file, given = DamagedFile(good, HastyClock()), 0
    for _ in range(20 * COUNT):
        given += len(file.step())
    assert (given, file.next_id) == (2 * (COUNT - DELIVERED), None)


def test_a_disk_that_is_full_at_the_start_costs_no_row(
    good: Path, tmp_path: Path, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written before the books of the damaged file are: it would be the end of what waits in it."""
    disks: list[FusedConnection] = []

    def full(directory: Path) -> FusedConnection:
        disks.append(FusedConnection(open_file(directory), Fuse()))
        disks[-1].full = True
        return disks[-1]

    monkeypatch.setattr("publisher.outbox_writer.open_file", full)
    outbox = opened(damaged(good, tmp_path / "bad", 0, bytes(PAGE)), clock)
    disks[-1].full = False
    assert not outbox.begin(UID, b"epoch-02", 1)
    assert (outbox.stats().salvaging, outbox.uids()) == (True, [])
    clock.now += 2.0
    outbox.flush()
    assert outbox.begin(UID, b"epoch-02", 1)
    assert (outbox.stats().salvaging, check(outbox)) == (False, 0)
    assert outbox.cursor(UID, EPOCH) == COUNT
    assert numbers(outbox) == list(range(DELIVERED + 2, COUNT + 1))
