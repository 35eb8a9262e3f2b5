"""The report: every figure with its sample, nothing extrapolated, nothing called measured that was not."""

import pytest

from admin_api.report import (
    HOUR_MS,
    MINUTE_MS,
    TARGETS,
    Answer,
    Verdict,
    Window,
    answers,
    report,
)
from common.store.model import PERIOD_MS, Meter, MeterCounts, SystemCounts
from tests.support.installation import NOON_MS, wish

MET, MISSED, NOT_MEASURED = Verdict.MET, Verdict.MISSED, Verdict.NOT_MEASURED


def meter(number: int) -> Meter:
    return Meter(number, bytes([number] * 16), 1, 0, 0, None, False, wish(f"m-{number}"))


def answer(name: str, counts: MeterCounts) -> Answer:
    return next(found for found in answers(counts) if found.target.name == name)


def judged(name: str, counts: MeterCounts) -> tuple[Verdict, float | None]:
    found = answer(name, counts)
    return found.verdict, found.value


@pytest.mark.parametrize(
    ("name", "counts", "expected"),
    [
        ("read_success", MeterCounts(), (NOT_MEASURED, None)),
        ("read_success", MeterCounts(reads_ok=49), (NOT_MEASURED, 100.0)),
        ("read_success", MeterCounts(reads_ok=98, reads_failed=2), (MET, 98.0)),
        ("read_success", MeterCounts(reads_ok=979, reads_failed=21), (MISSED, 97.9)),
        ("publish", MeterCounts(delivered=20), (MET, 100.0)),
        ("publish", MeterCounts(delivered=9999, dropped=1), (MISSED, 99.99)),
        ("publish", MeterCounts(delivered=75, overdue=25), (MISSED, 75.0)),
        ("publish", MeterCounts(overdue=25), (MISSED, 0.0)),
        ("latency", MeterCounts(cycles=100, cycles_slow=1), (MET, 99.0)),
        ("latency", MeterCounts(cycles=100, cycles_slow=2), (MISSED, 98.0)),
        ("reconnects", MeterCounts(measured_ms=HOUR_MS, reconnects=1), (MET, 1.0)),
        ("reconnects", MeterCounts(measured_ms=HOUR_MS, reconnects=2), (MISSED, 2.0)),
        ("reconnects", MeterCounts(measured_ms=2 * HOUR_MS, reconnects=3), (MET, 1.5)),
        ("reconnects", MeterCounts(measured_ms=MINUTE_MS, reconnects=1), (NOT_MEASURED, 1.0)),
        ("reconnects", MeterCounts(measured_ms=MINUTE_MS, reconnects=2), (MISSED, 2.0)),
        ("reconnects", MeterCounts(reconnects=9), (NOT_MEASURED, None)),
        ("hdlc_errors", MeterCounts(measured_ms=HOUR_MS, hdlc_errors=4), (MET, 4.0)),
        ("hdlc_errors", MeterCounts(measured_ms=HOUR_MS, hdlc_errors=5), (MISSED, 5.0)),
        ("uptime", MeterCounts(measured_ms=100_000, up_ms=0), (NOT_MEASURED, 0.0)),
        ("uptime", MeterCounts(measured_ms=1_000_000, up_ms=990_000), (MET, 99.0)),
        ("uptime", MeterCounts(measured_ms=1_000_000, up_ms=989_999), (MISSED, 98.9999)),
    ],
)
def test_a_figure_is_held_against_its_target(
    name: str, counts: MeterCounts, expected: tuple[Verdict, float | None]
) -> None:
    verdict, value = judged(name, counts)
    assert (verdict, value) == (expected[0], expected[1] if expected[1] is None else pytest.approx(expected[1]))


def test_an_answer_says_over_what_it_is_made() -> None:
    document = answer("read_success", MeterCounts(measured_ms=90_000, reads_ok=99, reads_failed=1)).document()
    assert document == {
        "target": "read_success",
        "title": "read success",
        "wanted": "≥ 98 %",
        "verdict": "met",
        "value": 99.0,
        "unit": "%",
        "samples": 100,
        "measured_s": 90.0,
    }


def test_the_latency_tells_the_mean_of_all_cycles_too() -> None:
    found = answer("latency", MeterCounts(cycles=200, cycles_slow=1, cycle_ms=70_000))
    assert (found.document()["mean_s"], found.text) == (0.35, "99.5 %, mean 0.35 s")


def test_the_sample_of_a_share_of_time_is_in_seconds() -> None:
    assert answer("uptime", MeterCounts(measured_ms=600_000, up_ms=600_000)).samples == 600


def test_a_share_that_is_not_whole_never_looks_like_it() -> None:
    assert answer("publish", MeterCounts(delivered=999_999, dropped=1)).text == "99.99 %"


def test_overall_is_the_sum_of_all_meters_and_a_number_per_hour_that_of_a_meter_and_hour() -> None:
    good = MeterCounts(measured_ms=HOUR_MS, up_ms=HOUR_MS, reads_ok=1000)
    bad = MeterCounts(measured_ms=HOUR_MS // 2, reads_failed=100, reconnects=3)
    window = Window(60, NOON_MS, {meter(1).uid: good, meter(2).uid: bad}, SystemCounts(measured_ms=HOUR_MS))
    (found,) = report([meter(1), meter(2)], [window], NOON_MS).windows
    figures = {item.target.name: (item.verdict, item.value, item.measured_s) for item in found.overall}
    assert figures["read_success"] == (MISSED, 100_000 / 1100, 5400.0)
    assert figures["uptime"] == (MISSED, 100 * HOUR_MS / (HOUR_MS * 3 // 2), 5400.0)
    assert figures["reconnects"] == (MET, 1.5, 5400.0), "half an hour counts as one: nothing is extrapolated"
    assert figures["mqtt_disconnects"] == (MET, 0.0, 3600.0)
    assert [item.meter.wish.name for item in found.meters] == ["m-2", "m-1"], "the worst first"
    assert [item.target.name for item in found.meters[0].missed] == ["read_success", "reconnects", "uptime"]


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        (SystemCounts(), NOT_MEASURED),
        (SystemCounts(measured_ms=MINUTE_MS), NOT_MEASURED),
        (SystemCounts(measured_ms=MINUTE_MS, mqtt_disconnects=1), MISSED),
        (SystemCounts(measured_ms=HOUR_MS), MET),
    ],
)
def test_no_disconnect_is_allowed(counts: SystemCounts, verdict: Verdict) -> None:
    (found,) = report([], [Window(60, NOON_MS, {}, counts)], NOON_MS).windows
    assert found.overall[-1].verdict is verdict
    assert found.missed is (verdict is MISSED)


def test_a_meter_without_a_word_is_not_measured_and_misses_nothing() -> None:
    (found,) = report([meter(1)], [Window(60, NOON_MS, {}, SystemCounts())], NOON_MS).windows
    assert {item.verdict for item in found.meters[0].answers} == {NOT_MEASURED}
    assert not found.missed
    assert len(found.overall) == len(TARGETS) + 1


def test_a_window_says_whether_it_was_measured_from_its_begin() -> None:
    began = NOON_MS - HOUR_MS
    for since, complete in ((0, False), (began - began % PERIOD_MS, True), (began + PERIOD_MS, False)):
        window = Window(60, NOON_MS, {}, SystemCounts(since_ms=since, measured_ms=1))
        assert window.is_complete is complete
    assert [Window(minutes, NOON_MS, {}, SystemCounts()).name for minutes in (60, 1440, 15, 90)] == [
        "1 h",
        "24 h",
        "15 min",
        "90 min",
    ]
