"""Diagnosis: from what is known of a meter to the cause that a person can act on."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from admin_api.diagnosis import MeterFacts, findings
from common.meter_state import DesiredState, MeterState
from common.store.model import (
    AlarmRow,
    DiagnosticRow,
    LatestRow,
    Meter,
    MeterCounts,
    MeterStateRow,
    MeterWish,
    Severity,
)
from tests.support.installation import NOON_MS, wish

UID = bytes(16)
UNREACHABLE, ACTIVE, STALE = MeterState.UNREACHABLE, MeterState.ACTIVE, MeterState.STALE
SILENT: Mapping[str, str] = {"line": "silent"}
SPEAKS: Mapping[str, str] = {"line": "speaks"}
GOOD = MeterCounts(measured_ms=3_600_000, up_ms=3_600_000, reads_ok=1000, cycles=200, delivered=200)


def facts(
    status: MeterState = ACTIVE,
    cause: str = "",
    known: Mapping[str, str] = SPEAKS,
    hour: MeterCounts = GOOD,
    wanted: MeterWish | None = None,
) -> MeterFacts:
    meter = Meter(1, UID, 1, 0, 0, None, False, wanted or wish())
    return MeterFacts(meter, MeterStateRow(UID, status, cause, "the words of the worker", facts=known), hour)


def alarm(category: str) -> AlarmRow:
    return AlarmRow(1, 1, UID, Severity.ERROR, category, "words", {}, category, 1, 0, 0, None, None, "")


def diagnostic(kind: str) -> DiagnosticRow:
    return DiagnosticRow(1, UID, NOON_MS, Severity.WARNING, "connection", kind, "words", (), 0)


def causes(found: MeterFacts) -> list[str]:
    return [finding.cause.name for finding in findings(found)]


@pytest.mark.parametrize(
    ("status", "cause", "known", "expected"),
    [
        (UNREACHABLE, "name_unresolved", SILENT, "name_unresolved"),
        (UNREACHABLE, "host_unreachable", SILENT, "no_route"),
        (UNREACHABLE, "connect_timeout", SILENT, "no_answer"),
        (UNREACHABLE, "connect_refused", SILENT, "refused"),
        (UNREACHABLE, "link_lost", SILENT, "no_ua"),
        (UNREACHABLE, "peer_closed", SILENT, "peer_closed"),
        (UNREACHABLE, "link_lost", SPEAKS, "no_association"),
        (UNREACHABLE, "link_lost", {"line": "associates"}, "timeouts"),
        (UNREACHABLE, "link_lost", {}, "timeouts"),
        (UNREACHABLE, "peer_closed", SPEAKS, "peer_closed"),
        (UNREACHABLE, "link_refused", SPEAKS, "link_refused"),
        (UNREACHABLE, "association_refused", SPEAKS, "association_refused"),
        (UNREACHABLE, "bad_frame", SPEAKS, "line_damage"),
        (UNREACHABLE, "circuit_breaker", SPEAKS, "unstable_link"),
        (MeterState.AUTH_FAILED, "authentication_failed", SPEAKS, "wrong_credentials"),
        (MeterState.BLOCKED, "worker_down", SPEAKS, "worker_blocked"),
        (MeterState.ERROR, "worker_down", SPEAKS, "worker_down"),
        (MeterState.ERROR, "object_undefined", SPEAKS, "not_in_meter"),
        (STALE, "worker_silent", SPEAKS, "worker_hung"),
        (STALE, "no_reading", SPEAKS, "not_read"),
        (STALE, "", SPEAKS, "not_read"),
        (STALE, "not_taken", SPEAKS, "not_taken"),
        (STALE, "not_acknowledged", SPEAKS, "not_delivered"),
        (UNREACHABLE, "born_yesterday", SPEAKS, "other"),
    ],
)
def test_a_state_is_explained(status: MeterState, cause: str, known: Mapping[str, str], expected: str) -> None:
    (found,) = findings(facts(status, cause, known))
    assert found.cause.name == expected
    assert found.symptom.startswith(str(status))
    assert "the words of the worker" in found.symptom


def test_a_protected_meter_that_refuses_us_has_other_keys() -> None:
    found = facts(MeterState.AUTH_FAILED, "authentication_failed", wanted=replace(wish(), security="both"))
    assert causes(found) == ["keys_or_counter"]


@pytest.mark.parametrize("desired", [DesiredState.PAUSED, DesiredState.STOPPED])
def test_a_meter_that_is_not_to_be_read_has_nothing(desired: DesiredState) -> None:
    wanted = replace(wish(), desired_state=desired)
    assert causes(facts(UNREACHABLE, "connect_refused", wanted=wanted)) == []


def test_a_meter_that_is_well_has_nothing() -> None:
    assert causes(facts()) == []


def test_alarms_that_say_the_same_as_the_state_are_not_said_twice() -> None:
    found = replace(facts(UNREACHABLE, "connect_refused"), alarms=[alarm("connection"), alarm("plausibility")])
    assert causes(found) == ["refused", "implausible"]


@pytest.mark.parametrize(
    ("category", "expected"),
    [("plausibility", "implausible"), ("performance", "slow_cycles"), ("clock", "meter_clock"), ("new", "other")],
)
def test_an_alarm_is_a_finding(category: str, expected: str) -> None:
    assert causes(replace(facts(), alarms=[alarm(category)])) == [expected]


def test_what_the_last_reading_lacks_is_told_with_its_names() -> None:
    latest = LatestRow(UID, 0, bytes(8), 1, {}, failed={"voltage_l1": "object_undefined", "frequency": "access_denied"})
    (found,) = findings(replace(facts(), latest=latest))
    assert (found.cause.name, found.symptom) == ("not_in_meter", "voltage_l1: object_undefined")


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        (replace(GOOD, reads_failed=100), "timeouts"),
        (replace(GOOD, cycles_slow=20), "slow_cycles"),
        (replace(GOOD, hdlc_errors=9), "line_damage"),
        (replace(GOOD, reconnects=3), "unstable_link"),
        (replace(GOOD, up_ms=0), "not_read"),
        (replace(GOOD, overdue=50), "not_delivered"),
    ],
)
def test_figures_of_the_hour_speak_where_the_state_is_well(hour: MeterCounts, expected: str) -> None:
    (found,) = findings(facts(hour=hour))
    assert found.cause.name == expected
    assert found.symptom.endswith("in the last hour")


def test_what_fails_most_often_explains_the_figures() -> None:
    rows = [diagnostic("bad_frame"), diagnostic("peer_reset"), diagnostic("peer_reset")]
    found = replace(facts(hour=replace(GOOD, reads_failed=100)), diagnostics=rows)
    assert causes(found) == ["peer_closed"]
