"""Each kind of violation breaks exactly the invariant that speaks of it, and a sound record breaks none."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from admin_api.audit.auditor import judged
from admin_api.audit.facts import Account, AlarmSpan, Answer, Copy, Cursor, Kept, Name, copy_from_line, copy_of, line_of
from admin_api.audit.gathered import Gathered
from admin_api.audit.scope import Scope
from admin_api.audit.sparse import SparseNumbers
from admin_api.audit.verdict import Decision, Invariant, Verdict

METERS = ("sim-1", "sim-2")
COUNT = 200
START_MS = 1_700_000_000_000
FROM_MS, TO_MS = START_MS + 100_000, START_MS + 150_000
SCOPE = Scope(
    complete=True, kills=0, abused=frozenset({"sim-1"}), fault_from_ms=FROM_MS, fault_to_ms=TO_MS, clear_s=60.0
)
SOUND_ALARM = AlarmSpan("sim-1", "connection", FROM_MS + 1000, TO_MS + 5000)


def copy(meter: str, seq: int, *, off_ms: int = 0, note: str = "", energy: int | None = None) -> Copy:
    ts_ms = START_MS + 1000 * seq + off_ms
    content = f"{meter} {seq} {note}".encode()
    name = Name(f"uid of {meter}", "e1", seq)
    return Copy(name, meter, ts_ms, "live", 1000 + seq if energy is None else energy, content, at_ms=ts_ms + 50)


def copies() -> list[Copy]:
    return [copy(meter, seq) for seq in range(1, COUNT + 1) for meter in METERS]


def gathered(
    arrived: Iterable[Copy],
    *,
    alarms: Sequence[AlarmSpan] = (SOUND_ALARM,),
    delivered: int = COUNT,
    dropped: int = 0,
    kept: Sequence[Kept] = (),
) -> Gathered:
    told = Gathered()
    for meter in METERS:
        told.meters[f"uid of {meter}"] = meter
        for seq in range(1, COUNT + 1):
            told.answered(Answer(meter, 1000 + seq, START_MS + 1000 * seq + 20))
        taken = delivered + dropped + len(kept)
        told.accounts[f"uid of {meter}"] = Account(
            taken, delivered, len(kept), 0, {"outbox_age": dropped} if dropped else {}, rows=len(kept)
        )
        told.cursor(Cursor(f"uid of {meter}", "e1", COUNT, COUNT, COUNT - 5, COUNT))
    for one in arrived:
        told.arrived(one)
    for row in kept:
        told.kept(row)
    told.alarms = list(alarms)
    return told


def verdict(arrived: Iterable[Copy], scope: Scope = SCOPE, **more: object) -> Verdict:
    return judged(gathered(arrived, **more), scope)  # type: ignore[arg-type]  # as gathered has them


def decisions(found: Verdict) -> dict[str, str]:
    return {name.name: str(finding.decision) for name, finding in found.findings.items()}


def test_a_sound_record_keeps_all_seven() -> None:
    found = verdict(copies())
    assert set(decisions(found).values()) == {"holds"}, found
    assert found.is_clean


def test_a_hole_breaks_the_second_alone() -> None:
    """The reading exists, it was taken, and nobody says where it went."""
    arrived = [one for one in copies() if one.name != Name("uid of sim-1", "e1", 50)]
    told = gathered(arrived, delivered=COUNT - 1)
    del told.answers["sim-1"]
    assert judged(told, SCOPE).broken == (Invariant.I2,)


def test_a_lost_cycle_breaks_the_first_alone() -> None:
    """It was answered and never taken: no number is missing."""
    told = gathered(copies())
    told.answered(Answer("sim-1", 5000, START_MS + 5000))
    found = judged(told, SCOPE)
    assert found.broken == (Invariant.I1,)
    assert found.missing["sim-1"] == (5000,)


def test_a_kill_may_cost_the_cycle_that_was_not_taken() -> None:
    told = gathered(copies())
    told.answered(Answer("sim-1", 5000, START_MS + 5000))
    assert not judged(told, replace(SCOPE, kills=1)).broken


def test_books_that_do_not_balance_break_the_first_alone() -> None:
    told = gathered(copies())
    told.accounts["uid of sim-1"] = Account(COUNT + 1, COUNT, 0, 0, {}, 0)
    assert judged(told, SCOPE).broken == (Invariant.I1,)


def test_a_row_that_vanished_breaks_the_first_alone() -> None:
    told = gathered(copies())
    told.accounts["uid of sim-1"] = Account(COUNT + 1, COUNT, 1, 0, {}, 0)
    assert judged(told, SCOPE).broken == (Invariant.I1,)


def test_a_reading_acknowledged_for_the_subscriber_that_never_came_breaks_the_first() -> None:
    arrived = [one for one in copies() if one.name.seq < COUNT or one.meter == "sim-2"]
    found = verdict(arrived, replace(SCOPE, until_ms=START_MS + 1000 * (COUNT - 1) + 999, clear_s=1.0))
    assert Invariant.I1 in found.broken


def test_a_phantom_breaks_the_first_alone() -> None:
    extra = copy("sim-1", COUNT + 1, energy=9999)
    assert verdict([*copies(), extra], delivered=COUNT).broken == (Invariant.I1,)


def test_an_unequal_repeat_breaks_the_third_alone() -> None:
    assert verdict([*copies(), copy("sim-1", 3, note="other")], replace(SCOPE, kills=1)).broken == (Invariant.I3,)


def test_more_repeats_than_kills_explain_break_the_third_alone() -> None:
    again = [copy("sim-1", seq) for seq in range(1, 100)]
    assert verdict([*copies(), *again], replace(SCOPE, kills=1)).broken == (Invariant.I3,)
    assert not verdict([*copies(), *again], replace(SCOPE, kills=2)).broken


def test_repeats_are_not_judged_by_number_when_nobody_names_the_kills() -> None:
    found = verdict([*copies(), copy("sim-1", 3)], replace(SCOPE, kills=None))
    assert found.findings[Invariant.I3].decision is Decision.UNDECIDED


def test_disorder_breaks_the_fourth_alone() -> None:
    arrived = copies()
    arrived[20], arrived[22] = arrived[22], arrived[20]
    assert verdict(arrived).broken == (Invariant.I4,)


def test_disorder_without_lanes_is_not_decided() -> None:
    arrived = [replace(one, lane="") for one in copies()]
    arrived[20], arrived[22] = arrived[22], arrived[20]
    assert verdict(arrived).findings[Invariant.I4].decision is Decision.UNDECIDED


def test_a_late_stamp_breaks_the_fifth_alone() -> None:
    arrived = copies()
    late = replace(arrived[-2], ts_ms=arrived[-2].ts_ms - 40_000, at_ms=arrived[-2].ts_ms)
    arrived[-2] = late
    assert verdict(arrived).broken == (Invariant.I5,)


def test_an_old_reading_in_the_live_lane_breaks_the_fifth_alone() -> None:
    arrived = copies()
    arrived[5] = replace(arrived[5], at_ms=arrived[5].ts_ms + 70_000)
    assert verdict(arrived).broken == (Invariant.I5,)


def test_other_meters_slowed_down_break_the_sixth_alone() -> None:
    """Every second reading of the other meter comes half a second late while one is abused."""
    arrived = [
        replace(one, ts_ms=one.ts_ms + 500, at_ms=one.at_ms + 500)
        if one.meter == "sim-2" and FROM_MS <= one.ts_ms <= TO_MS and one.name.seq % 2
        else one
        for one in copies()
    ]
    assert verdict(arrived).broken == (Invariant.I6,)


def test_the_abused_meter_may_be_slow() -> None:
    arrived = [
        replace(one, ts_ms=one.ts_ms + 500, at_ms=one.at_ms + 500) if one.meter == "sim-1" and one.name.seq % 2 else one
        for one in copies()
    ]
    assert not verdict(arrived).broken


@pytest.mark.parametrize("cleared_ms", [None, TO_MS + 61_000], ids=["lasts", "late"])
def test_a_sticky_alarm_breaks_the_seventh_alone(cleared_ms: int | None) -> None:
    sticky = replace(SOUND_ALARM, cleared_ms=cleared_ms)
    assert verdict(copies(), alarms=[SOUND_ALARM, sticky]).broken == (Invariant.I7,)


def test_an_alarm_of_before_the_fault_is_none_of_its_marks() -> None:
    earlier = AlarmSpan("", "clock", START_MS, None)
    assert not verdict(copies(), alarms=[earlier]).broken


def test_what_waits_on_disk_is_not_lost() -> None:
    waiting = [Kept(Name(f"uid of {meter}", "e1", COUNT), 1000 + COUNT) for meter in METERS]
    arrived = [one for one in copies() if one.name.seq < COUNT]
    told = gathered(arrived, delivered=COUNT - 1)
    for row in waiting:
        told.kept(row)
        told.accounts[row.name.uid] = Account(COUNT, COUNT - 1, 1, 0, {}, 1)
    assert not judged(told, SCOPE).broken


def test_what_was_dropped_and_counted_is_not_lost() -> None:
    arrived = [one for one in copies() if one.name.seq not in {7, 8}]
    assert not verdict(arrived, delivered=COUNT - 2, dropped=2).broken


def test_fewer_counted_drops_than_numbers_missing_break_first_and_second() -> None:
    arrived = [one for one in copies() if one.name.seq not in {7, 8}]
    assert verdict(arrived, delivered=COUNT - 2, dropped=1).broken == (Invariant.I1, Invariant.I2, Invariant.I6)


def test_a_journal_that_frees_what_was_not_taken_breaks_the_second_alone() -> None:
    told = gathered(copies())
    told.cursor(Cursor("uid of sim-1", "e2", 10, 10, acknowledged=12, last=20))
    for seq in range(1, 11):
        told.kept(Kept(Name("uid of sim-1", "e2", seq)))
    told.accounts["uid of sim-1"] = Account(COUNT + 10, COUNT, 10, 0, {}, 10)
    assert judged(told, SCOPE).broken == (Invariant.I2,)


def test_a_journal_that_ends_before_what_was_taken_breaks_the_second() -> None:
    told = gathered(copies())
    told.cursor(Cursor("uid of sim-1", "e1", COUNT, COUNT, acknowledged=0, last=COUNT - 1))
    assert judged(told, SCOPE).broken == (Invariant.I2,)


def test_a_recording_that_began_late_says_nothing_of_what_was_before() -> None:
    scope = replace(SCOPE, complete=False, since_ms=START_MS + 50_000)
    backlog = [replace(copy("sim-1", seq), lane="backlog") for seq in (10, 11, 40)]
    arrived = [*backlog, *(one for one in copies() if one.name.seq >= 50)]
    assert verdict(arrived, scope).findings[Invariant.I2].decision is Decision.HOLDS


def test_a_cycle_before_a_recording_that_began_late_is_not_called_lost() -> None:
    scope = replace(SCOPE, complete=False)
    backlog = [replace(copy("sim-1", seq), lane="backlog") for seq in (10, 11, 40)]
    arrived = [*backlog, *(one for one in copies() if one.name.seq >= 50)]
    assert verdict(arrived, scope).findings[Invariant.I1].decision is Decision.HOLDS
    lost = [one for one in arrived if one.name.seq != 60]
    assert verdict(lost, scope).missing == {"sim-1": (1060,), "sim-2": (1060,)}


def test_nothing_given_decides_nothing() -> None:
    found = judged(Gathered(), Scope())
    assert set(decisions(found).values()) == {"cannot be decided"}
    assert not found.broken


def profile_row(seq: int, ts_ms: int) -> Copy:
    return Copy(Name("uid of sim-1", "e1", seq), "sim-1", ts_ms, "backlog", None, b"%d" % seq, is_profile=True)


def test_rows_of_a_load_profile_are_audited_apart() -> None:
    rows = [profile_row(COUNT + n, START_MS + 900_000 * n) for n in (1, 2, 3)]
    found = verdict([*copies(), *rows])
    assert not found.broken
    assert found.profile_readings == 3


def test_a_row_of_a_load_profile_that_comes_under_two_names_breaks_the_third_alone() -> None:
    rows = [profile_row(COUNT + 1, START_MS), profile_row(COUNT + 2, START_MS)]
    assert verdict([*copies(), *rows]).broken == (Invariant.I3,)


def test_rows_of_a_load_profile_that_go_back_in_time_break_the_fourth_alone() -> None:
    rows = [profile_row(COUNT + 1, START_MS + 900_000), profile_row(COUNT + 2, START_MS)]
    assert verdict([*copies(), *rows]).broken == (Invariant.I4,)


def test_a_line_of_a_recording_gives_back_the_arrival() -> None:
    body = {"ts": 5, "meter": "é", "uid": "u", "epoch": "e", "seq": 1, "values": {"active_energy": 7.0}}
    payload = json.dumps({**body, "source": "live"}, ensure_ascii=False).encode()
    line = line_of("meters/é/telemetry", payload, "backlog", 99)
    assert copy_from_line(line) == copy_of(payload, "backlog", 99)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[1]", b'{"ts":1,"meter":"m","seq":0}', b'"x"'])
def test_what_is_no_reading_is_passed_over(payload: bytes) -> None:
    assert copy_of(payload) is None
    assert copy_from_line(line_of("t", payload, "", 1)) is None


def test_the_document_names_all_seven() -> None:
    document = verdict(copies()).to_document()
    assert list(document["invariants"]) == ["I1", "I2", "I3", "I4", "I5", "I6", "I7"]  # type: ignore[call-overload]
    assert document["broken"] == []
    json.dumps(document)


def test_sparse_numbers_keep_what_they_are_given() -> None:
    numbers = SparseNumbers()
    for key in (5, 1_000_000_000_000, 5, 6):
        numbers[key] = key + 1
    assert list(numbers.items()) == [(5, 6), (6, 7), (1_000_000_000_000, 1_000_000_000_001)]
    assert (numbers.count, numbers.highest, numbers[7]) == (3, 1_000_000_000_000, 0)
