"""The rolling history: added to in all resolutions, looked up by meter and time, bounded in time and octets."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update

from common.settings import StoreSettings
from common.store import forgetting, history
from common.store.database import Database, Way
from common.store.engine import Store
from common.store.errors import StoreDamaged
from common.store.history import History
from common.store.summary import FORMAT, RESOLUTIONS_S, HistoryRow, Summary, begin_ms, pack, together, unpack
from common.store.tables import readings_history
from tests.support.installation import NOON_MS, StillClock

A, B = bytes(16), b"\x01" * 16
MINUTE_MS, QUARTER_MS, DAY_MS = 60_000, 900_000, 86_400_000
MIDNIGHT_MS = begin_ms(NOON_MS, 86_400)
SMALL = StoreSettings(max_octets=1)


def _row(at_ms: int = NOON_MS, value: float = 1.0, uid: bytes = A, *, resolution_s: int = 60) -> HistoryRow:
    summary = Summary(value, value, value, value, 1)
    return HistoryRow(uid, resolution_s, at_ms, at_ms, 1, {"voltage_l1": summary}, {"serial_number": "7"}, summary)


@pytest.fixture
def database(store: Store, store_url: str) -> Iterator[Database]:
    """The store below its door."""
    assert store.wishes_version()
    found = Database(store_url)
    yield found
    found.close()


@pytest.fixture
def kept(database: Database, clock: StillClock) -> History:
    """A history of the usual bounds."""
    return History(database, clock, StoreSettings())


def test_what_is_added_is_in_its_minute_its_quarter_and_its_day(kept: History) -> None:
    kept.add([_row(NOON_MS, 1.0), _row(NOON_MS + MINUTE_MS, 3.0)])
    found = {seconds: kept.between(A, 0, NOON_MS + DAY_MS, seconds) for seconds in RESOLUTIONS_S}
    assert [row.at_ms for row in found[60]] == [NOON_MS, NOON_MS + MINUTE_MS]
    whole = Summary(1.0, 2.0, 3.0, 3.0, 2)
    for seconds, at_ms in ((900, NOON_MS), (86_400, MIDNIGHT_MS)):
        expected = HistoryRow(A, seconds, at_ms, NOON_MS + MINUTE_MS, 2, {"voltage_l1": whole}, _row().texts, whole)
        assert found[seconds] == [expected]


def test_what_comes_later_is_added_and_what_was_earlier_is_not_the_last(kept: History) -> None:
    late = replace(_row(NOON_MS, 5.0), last_ms=NOON_MS + 30_000)
    kept.add([late])
    kept.add([_row(NOON_MS, 2.0)])
    assert kept.between(A, NOON_MS, NOON_MS + 1, 60)[0].values["voltage_l1"] == Summary(2.0, 3.5, 5.0, 5.0, 2)


def test_rows_of_quarters_leave_minutes_alone(kept: History) -> None:
    kept.add([_row(resolution_s=900)])
    assert [len(kept.between(A, 0, 2 * NOON_MS, seconds)) for seconds in RESOLUTIONS_S] == [0, 1, 1]


def test_a_meter_has_its_own_rows_oldest_first_as_many_as_wanted(kept: History) -> None:
    kept.add([_row(NOON_MS + n * MINUTE_MS, float(n), uid) for n in range(5) for uid in (B, A)])
    found = kept.between(B, NOON_MS + MINUTE_MS, NOON_MS + 4 * MINUTE_MS, 60)
    assert [(row.uid, row.values["voltage_l1"].last) for row in found] == [(B, 1.0), (B, 2.0), (B, 3.0)]
    assert [row.at_ms for row in kept.between(B, 0, 2 * NOON_MS, 60, limit=2)] == [NOON_MS, NOON_MS + MINUTE_MS]
    assert kept.between(b"\x02" * 16, 0, 2 * NOON_MS, 60) == []


def test_a_period_is_told_that_the_time_begins_in(kept: History) -> None:
    kept.add([_row()])
    assert len(kept.between(A, NOON_MS + 59_999, NOON_MS + 60_000, 60)) == 1
    assert kept.between(A, NOON_MS + 60_000, NOON_MS + 90_000, 60) == []


def test_without_a_resolution_it_is_the_finest_that_fits(kept: History) -> None:
    kept.add([_row(NOON_MS)])
    hour_ms = 3_600_000
    asked = ((hour_ms, 100), (hour_ms, 30), (25 * hour_ms, 5000), (32 * DAY_MS, 5000), (NOON_MS, 10))
    found = [kept.between(A, NOON_MS - ago_ms, NOON_MS + 1, limit=limit) for ago_ms, limit in asked]
    assert [[row.resolution_s for row in rows] for rows in found] == [[60], [900], [900], [86_400], [86_400]]


def test_a_resolution_that_is_not_kept_is_not_written(database: Database, clock: StillClock) -> None:
    bounds = StoreSettings(minutes_kept_h=0, quarters_kept_days=0)
    kept = History(database, clock, bounds)
    kept.add([_row()])
    assert [len(kept.between(A, 0, 2 * NOON_MS, seconds)) for seconds in RESOLUTIONS_S] == [0, 0, 1]
    assert kept.between(A, NOON_MS - MINUTE_MS, NOON_MS + 1)[0].resolution_s == 86_400
    History(database, clock, replace(bounds, days_kept_days=0)).add([_row()])
    assert kept.between(A, 0, 2 * NOON_MS, 86_400)[0].readings == 1


def test_each_resolution_goes_after_its_time(kept: History) -> None:
    kept.add([_row()])
    for seconds, days in ((60, 1), (900, 31), (86_400, 731)):
        at_ms = begin_ms(NOON_MS, seconds) + days * DAY_MS
        assert not kept.trim(at_ms)
        assert len(kept.between(A, 0, 2 * NOON_MS, seconds)) == 1
        assert kept.trim(at_ms + 1)
        assert kept.between(A, 0, 2 * NOON_MS, seconds) == []


def test_what_a_clock_dated_that_was_set_back_since_goes(kept: History) -> None:
    kept.add([_row(), _row(NOON_MS + 3_600_000), _row(NOON_MS + 400 * DAY_MS)])
    while kept.trim(NOON_MS):
        pass
    assert [row.at_ms for row in kept.between(A, 0, 2 * NOON_MS, 60)] == [NOON_MS, NOON_MS + 3_600_000]
    assert [row.at_ms for row in kept.between(A, 0, 2 * NOON_MS, 86_400)] == [MIDNIGHT_MS]


def test_a_row_that_was_damaged_begins_anew_and_stops_nobody(kept: History, database: Database) -> None:
    kept.add([_row(NOON_MS, 1.0), _row(NOON_MS, 2.0, B)])
    with database.begin(Way.STATE) as connection:
        connection.execute(update(readings_history).where(readings_history.c.uid == A).values(packed=FORMAT + b"\xff"))
    assert [len(kept.between(uid, MIDNIGHT_MS, NOON_MS + 1, 60)) for uid in (A, B)] == [0, 1], "it is left out"
    kept.unreadable = 0
    kept.add([_row(NOON_MS, 3.0), _row(NOON_MS, 4.0, B)])
    assert kept.unreadable == len(RESOLUTIONS_S)
    for seconds in RESOLUTIONS_S:
        found = [kept.between(uid, MIDNIGHT_MS, NOON_MS + 1, seconds)[-1].values["voltage_l1"] for uid in (A, B)]
        assert [(item.lowest, item.highest) for item in found] == [(3.0, 3.0), (2.0, 4.0)]


def test_a_batch_at_a_time_the_oldest_first(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    kept.add([_row(NOON_MS + n * MINUTE_MS) for n in range(5)])
    assert kept.trim(NOON_MS + 2 * DAY_MS)
    assert kept.between(A, 0, 2 * NOON_MS, 60)[0].at_ms == NOON_MS + 2 * MINUTE_MS


def test_for_want_of_octets_the_oldest_minutes_go_and_the_newest_stay(store_file: object, database: Database) -> None:
    clock = StillClock()
    kept = History(database, clock, SMALL)
    kept.add([_row(NOON_MS + n * MINUTE_MS) for n in range(history.LEAST + 10)])
    now_ms = NOON_MS + (history.LEAST + 9) * MINUTE_MS
    assert kept.trim(now_ms)
    assert not kept.trim(now_ms), "quarters and days have fewer rows than always stay"
    assert (kept.cut, len(kept.between(A, 0, 2 * NOON_MS, 60))) == (9, history.LEAST + 1)
    assert not History(database, clock, StoreSettings()).trim(now_ms)


def test_what_is_packed_comes_back_and_takes_less_room() -> None:
    row = HistoryRow(
        *(A, 60, NOON_MS, NOON_MS + 55_000, 12),
        values={
            "voltage_l1": Summary(229.9, 230.0166, 230.2, 230.1, 12),
            "active_energy": Summary(123456789.0, 123456790.5, 123456792.0, 123456792.0, 11),
            "reactive_power": Summary(-0.5, -0.5, -0.5, -0.5, 12),
            "größe": Summary(1e-30, 2e-30, 3e-30, 3e-30, 12),
        },
        texts={"serial_number": "00012345", "open": True},
        read_ms=Summary(80.0, 95.25, 120.0, 90.0, 12),
    )
    packed = pack(row)
    assert unpack(replace(row, values={}, texts={}, read_ms=None), packed) == row
    assert len(packed) < 200


@pytest.mark.parametrize("octets", [b"", b"\x02abc", FORMAT, FORMAT + b"\xff" * 20, FORMAT + bytes(9)])
def test_octets_that_are_no_row_are_damage(octets: bytes) -> None:
    with pytest.raises(StoreDamaged):
        unpack(_row(), octets)


def test_one_period_has_a_bounded_number_of_keys() -> None:
    summary = Summary(1.0, 1.0, 1.0, 1.0, 1)
    one = replace(_row(), values={f"a{n}": summary for n in range(200)})
    other = replace(_row(), values={f"b{n}": summary for n in range(200)})
    assert len(together(one, other).values) == 256
