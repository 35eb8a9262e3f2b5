"""Folding: lowest, mean, highest and last of each minute; clocks that are set; what is no number, or not plausible."""

from collections.abc import Sequence

from common.reading import Quality, Quantity, Reading, Source
from common.store.summary import HistoryRow, Summary, pack, unpack
from supervisor_qos.folding import AHEAD_MS, LATE_MS, MAX_PERIODS, Folding
from tests.support.installation import NOON_MS

UID, OTHER = bytes(16), b"\x01" * 16
MINUTE_MS = 60_000


def _reading(raw: float | str, scaler: int | None = -1, key: str = "voltage_l1", **more: object) -> Reading:
    return Reading((Quantity(key, "32.7.0", raw, scaler, 35),), duration_ms=100, **more)  # type: ignore[arg-type]


def _over(folding: Folding, now_ms: int | None = None) -> Sequence[HistoryRow]:
    return list(folding.over(now_ms, {}))


def test_a_minute_has_its_lowest_mean_highest_and_last() -> None:
    folding = Folding()
    for at_s, raw in ((0, 2301), (5, 2295), (10, 2310), (15, 2300)):
        folding.take(UID, NOON_MS + 1000 * at_s, _reading(raw))
    (row,) = _over(folding)
    assert row.values == {"voltage_l1": Summary(229.5, 230.15, 231.0, 230.0, 4)}
    assert (row.at_ms, row.last_ms, row.readings) == (NOON_MS, NOON_MS + 15_000, 4)
    assert row.read_ms == Summary(100.0, 100.0, 100.0, 100.0, 4)


def test_numbers_are_those_of_the_payload() -> None:
    for raw, scaler in ((1234567890123, -3), (7, 2), (0.1, None), (0.3, -1), (-5, 0)):
        folding, reading = Folding(), _reading(raw, scaler)
        folding.take(UID, NOON_MS, reading)
        assert _over(folding)[0].values["voltage_l1"].last == reading.quantities[0].payload()


def test_a_minute_is_over_a_little_later_and_then_begins_anew() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(1))
    assert not folding.is_over(NOON_MS + MINUTE_MS + LATE_MS - 1)
    assert _over(folding, NOON_MS + MINUTE_MS + LATE_MS - 1) == []
    assert folding.is_over(NOON_MS + MINUTE_MS + LATE_MS)
    assert len(_over(folding, NOON_MS + MINUTE_MS + LATE_MS)) == 1
    folding.take(UID, NOON_MS + 59_999, _reading(2))
    (row,) = _over(folding)
    assert (row.at_ms, row.readings) == (NOON_MS, 1), "the store puts it together with what it has"


def test_what_lies_ahead_of_a_clock_that_was_set_back_does_not_wait_for_it() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(1))
    assert _over(folding, NOON_MS - AHEAD_MS) == []
    assert len(_over(folding, NOON_MS - AHEAD_MS - 1)) == 1


def test_the_last_is_that_of_the_latest_time_whatever_came_last() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS + 30_000, _reading(2))
    folding.take(UID, NOON_MS + 10_000, _reading(1))
    assert _over(folding)[0].values["voltage_l1"].last == 0.2


def test_of_texts_the_last_is_kept() -> None:
    folding = Folding()
    for text in ("old", "n" * 1000):
        folding.take(UID, NOON_MS, _reading(text, None, "serial_number"))
    (row,) = _over(folding)
    assert (row.texts, row.values) == ({"serial_number": "n" * 64}, {})


def test_numbers_whose_sum_is_none_are_folded_and_packed_all_the_same() -> None:
    for scaler in (None, 0):
        folding = Folding()
        for at_s in (0, 5):
            folding.take(UID, NOON_MS + 1000 * at_s, _reading(1.7e308, scaler))
        (row,) = _over(folding)
        assert row.values["voltage_l1"] == Summary(1.7e308, 1.7e308, 1.7e308, 1.7e308, 2)
        assert unpack(row, pack(row)) == row


def test_what_is_no_number_and_what_is_not_plausible_is_left_out() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(float("nan"), None))
    folding.take(UID, NOON_MS, _reading(float("inf"), None))
    folding.take(UID, NOON_MS, _reading(1e300, 127))
    folding.take(OTHER, NOON_MS, _reading(9, quality=(Quality.IMPLAUSIBLE,)))
    (row,) = _over(folding)
    assert (row.uid, row.values) == (UID, {})
    assert folding.left_out == 1


def test_marks_that_say_nothing_of_the_values_leave_nothing_out() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(9, quality=(Quality.PARTIAL, Quality.CLOCK_UNSYNCED)))
    assert _over(folding)[0].readings == 1


def test_a_reading_without_values_is_none() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, Reading(()))
    assert _over(folding) == []


def test_what_was_read_from_the_meters_memory_belongs_to_its_quarter() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS + 899_999, _reading(9, source=Source.PROFILE))
    (row,) = _over(folding)
    assert (row.resolution_s, row.at_ms, row.read_ms) == (900, NOON_MS, None)


def test_a_scaler_that_changes_within_the_minute_changes_no_value() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(2300, -1))
    folding.take(UID, NOON_MS + 1, _reading(232, 0))
    assert _over(folding)[0].values["voltage_l1"] == Summary(230.0, 231.0, 232.0, 232.0, 2)


def test_keys_get_the_names_they_are_sent_by() -> None:
    folding = Folding()
    folding.take(UID, NOON_MS, _reading(1))
    (row,) = folding.over(None, {UID: {"voltage_l1": "u1"}})
    assert list(row.values) == ["u1"]


def test_periods_and_keys_that_are_open_are_bounded() -> None:
    folding = Folding()
    for minute in range(MAX_PERIODS + 3):
        folding.take(UID, NOON_MS + MINUTE_MS * minute, _reading(1))
    for number in range(300):
        folding.take(UID, NOON_MS, _reading(1, key=f"k{number}"))
        folding.take(UID, NOON_MS, _reading("x", key=f"t{number}"))
    rows = _over(folding)
    assert (len(rows), folding.left_out) == (MAX_PERIODS, 3)
    assert (len(rows[0].values), len(rows[0].texts)) == (256, 256)
