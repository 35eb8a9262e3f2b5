"""The action plan: one entry per cause and place, the most urgent first, empty only over something measured."""

from dataclasses import replace

import pytest

from admin_api.action_plan import SystemFacts, network, plan
from admin_api.diagnosis import MeterFacts
from common.meter_state import DesiredState, MeterState
from common.store.model import AlarmRow, Meter, MeterCounts, MeterStateRow, Severity, SystemCounts
from tests.support.installation import wish

HEARD = {"supervisor": 1.0, "publisher": 1.0}
WELL = SystemFacts((), HEARD, SystemCounts(since_ms=1, measured_ms=3_600_000))
COUNTS = MeterCounts(measured_ms=3_600_000, up_ms=3_600_000)


def facts(number: int, host: str, cause: str = "", status: MeterState = MeterState.UNREACHABLE) -> MeterFacts:
    meter = Meter(number, number.to_bytes(16), 1, 0, 0, None, False, wish(f"m-{number}", host))
    state = MeterStateRow(meter.uid, status if cause else MeterState.ACTIVE, cause)
    return MeterFacts(meter, state, COUNTS)


def alarm(category: str) -> AlarmRow:
    return AlarmRow(1, None, None, Severity.ERROR, category, f"{category} words", {}, category, 1, 0, 0, None, None, "")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("meter.site.example", "meter.site.example"),
    ],
)
def test_the_network_of_a_host(host: str, expected: str) -> None:
    assert network(host) == expected


def test_forty_meters_behind_one_dead_router_are_one_entry() -> None:
    meters = [facts(number, f"10.1.2.{number}", "connect_timeout") for number in range(1, 41)]
    meters += [facts(50, "10.9.9.9", "connect_timeout"), facts(51, "10.1.2.51")]
    found = plan(meters, WELL).entries
    assert [(entry.cause.name, entry.where, len(entry.meters)) for entry in found] == [
        ("no_answer", "10.1.2.0/24", 40),
        ("no_answer", "10.9.9.0/24", 1),
    ]


def test_the_most_urgent_comes_first_then_what_concerns_most() -> None:
    meters = [
        facts(1, "10.0.0.1", "object_undefined", MeterState.ERROR),
        facts(2, "10.0.0.2", "connect_refused"),
        facts(3, "10.0.1.3", "host_unreachable"),
        facts(4, "10.0.1.4", "host_unreachable"),
        facts(5, "10.0.0.5", "authentication_failed", MeterState.AUTH_FAILED),
    ]
    found = plan(meters, WELL).entries
    assert [entry.cause.name for entry in found] == ["wrong_credentials", "no_route", "refused", "not_in_meter"]
    assert [entry.document()["priority"] for entry in found] == ["critical", "high", "high", "low"]


def test_what_is_the_systems_is_one_entry_wherever_its_meters_are() -> None:
    meters = [facts(n, f"10.0.{n}.1", "not_acknowledged", MeterState.STALE) for n in range(3)]
    system = replace(WELL, alarms=[alarm("publish"), alarm("clock")])
    found = plan(meters, system).entries
    assert [(entry.cause.name, entry.where, len(entry.meters)) for entry in found] == [
        ("not_delivered", "", 3),
        ("system_clock", "", 0),
    ]
    assert found[0].symptom.startswith("publish words; stale: not_acknowledged")


def test_a_part_that_is_silent_comes_first() -> None:
    system = replace(WELL, ages_s={"supervisor": 99.0, "publisher": None})
    (entry,) = plan([], system).entries
    assert entry.symptom == "supervisor: silent for 99 s; publisher: never heard"


def test_a_few_symptoms_are_quoted_and_the_others_counted() -> None:
    meters = [
        replace(item, state=replace(item.state, detail=f"detail {number}"))
        for number, item in enumerate(facts(n, "10.0.0.1", "connect_refused") for n in range(5))
    ]
    (entry,) = plan(meters, WELL).entries
    assert entry.symptom.endswith("detail 2 (and 2 others)")


def test_an_empty_plan_says_over_what_it_is_made() -> None:
    paused = facts(2, "10.0.0.2", "connect_refused")
    wanted = replace(paused.meter.wish, desired_state=DesiredState.PAUSED)
    found = plan([facts(1, "10.0.0.1"), replace(paused, meter=replace(paused.meter, wish=wanted))], WELL)
    assert found.entries == ()
    assert found.basis == "1 of 1 meters that are to be read, 60 min measured in the last hour"
    assert plan([], replace(WELL, hour=SystemCounts())).basis.startswith("nothing was measured")
