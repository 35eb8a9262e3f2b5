"""The report, the action plan and the diagnosis of one meter by the API."""

from typing import cast

from common.diagnostic import Diagnostic, LineFrame
from common.meter_state import MeterState
from common.store.model import LAST_ERROR_MS, PERIOD_MS, Meter, MeterStateRow, Role, Severity
from tests.support.installation import NOON_MS, Api, document, wish

Document = dict[str, object]
COUNTS = {"measured_ms": 300_000, "up_ms": 300_000, "reads_ok": 200, "reads_failed": 0, "cycles": 50, "delivered": 50}


def _measured(api: Api, meter: Meter, **other: int) -> None:
    """Two hours of measuring, the meter's counts in each period."""
    begin = NOON_MS - NOON_MS % PERIOD_MS
    for number in range(24):
        at_ms = begin - number * PERIOD_MS
        api.store.periods.add({(at_ms, meter.uid): COUNTS | other}, {at_ms: {"measured_ms": 300_000}})


def _heard(api: Api) -> None:
    for name in ("supervisor", "publisher"):
        api.store.states.write_component(name, {"pid": 7}, api.clock.wall_ms())


def _away(api: Api, name: str = "sim-1", host: str = "10.0.0.1") -> Meter:
    meter = api.store.meters.add(wish(name, host), "test")
    facts = {"line": "silent", "health": "honest", LAST_ERROR_MS: str(NOON_MS - 60_000)}
    state = MeterStateRow(
        meter.uid, MeterState.UNREACHABLE, "connect_refused", "nobody", last_error="connect_refused", facts=facts
    )
    api.store.states.write([state])
    return meter


def _windows(found: Document) -> list[Document]:
    return cast("list[Document]", found["windows"])


def test_where_nothing_was_measured_the_report_says_so_and_misses_nothing(api: Api) -> None:
    found = api.get("/api/system/report")
    assert found["missed"] is False
    assert [(window["window"], window["complete"], window["measured_since"]) for window in _windows(found)] == [
        ("1 h", False, None),
        ("24 h", False, None),
    ]
    verdicts = {answer["verdict"] for window in _windows(found) for answer in cast("list[Document]", window["overall"])}
    assert verdicts == {"not measured"}


def test_the_report_answers_overall_and_names_the_worst(api: Api) -> None:
    good, bad = (api.store.meters.add(wish(name, f"10.0.0.{n}"), "test") for n, name in ((1, "good"), (2, "bad")))
    _measured(api, good)
    _measured(api, bad, reads_failed=100)
    found = api.get("/api/system/report")
    hour, day = _windows(found)
    assert (hour["complete"], day["complete"], day["measured_since"]) == (True, False, "2026-11-21T10:05:00.000Z")
    reads = cast("list[Document]", hour["overall"])[0]
    assert (reads["target"], reads["verdict"], reads["value"]) == ("read_success", "missed", 80.0)
    assert (reads["samples"], reads["measured_s"]) == (13 * 500, 13 * 600.0)
    assert reads["meters"] == {"met": 1, "missed": 1, "not_measured": 0}
    assert [meter["name"] for meter in cast("list[Document]", hour["worst"])] == ["bad"]
    assert found["missed"] is True


def test_a_report_may_be_over_any_minutes_that_are_kept(api: Api) -> None:
    (window,) = _windows(api.get("/api/system/report?minutes=15"))
    assert (window["window"], window["asked_s"]) == ("15 min", 900)
    for text in ("0", "-1", "11521", "1e3", "x", ""):
        response = api.call("GET", f"/api/system/report?minutes={text}", role=Role.VIEWER)
        assert (response.status_code, document(response)["field"]) == (422, "minutes")


def test_an_empty_plan_says_that_nothing_is_to_be_done_and_over_what(api: Api) -> None:
    _heard(api)
    found = api.get("/api/system/action-plan")
    assert found["entries"] == []
    assert str(found["basis"]).startswith("nothing was measured")


def test_the_plan_groups_meters_by_cause_and_network(api: Api) -> None:
    _heard(api)
    for number in (1, 2, 3):
        _away(api, f"sim-{number}", f"10.0.0.{number}")
    api.store.alarms.raise_("clock:system", Severity.WARNING, "clock", "not synchronised")
    found = cast("list[Document]", api.get("/api/system/action-plan")["entries"])
    assert [(entry["cause"], entry["where"], entry["meters"]) for entry in found] == [
        ("refused", "10.0.0.0/24", ["sim-1", "sim-2", "sim-3"]),
        ("system_clock", "", []),
    ]
    assert all(entry["actions"] and entry["estimate_minutes"] for entry in found)


def test_a_system_that_says_nothing_is_the_first_thing_to_be_done(api: Api) -> None:
    (entry,) = cast("list[Document]", api.get("/api/system/action-plan")["entries"])
    assert (entry["cause"], entry["priority"]) == ("component_silent", "critical")


def test_a_diagnosis_has_cause_figures_alarms_and_frames(api: Api) -> None:
    meter = _away(api)
    _measured(api, meter, up_ms=0)
    api.store.alarms.raise_("connection:1", Severity.ERROR, "connection", "away", meter_uid=meter.uid)
    frames = (LineFrame("sent", 120, b"\x7e\xa0"), LineFrame("received", 20, b""))
    event = Diagnostic(NOON_MS - 1000, "error", "connection", "connect_refused", "nobody", frames, 3)
    api.store.diagnostics.write([(meter.uid, event)])
    found = api.get(f"/api/meters/{meter.id}/diagnostics")
    (finding,) = cast("list[Document]", found["findings"])
    assert (finding["cause"], finding["symptom"]) == ("refused", "unreachable: connect_refused: nobody")
    assert cast("Document", found["state"])["last_error_at"] == "2026-11-21T11:59:00.000Z"
    assert found["health"] == "honest"
    (diagnostic,) = cast("list[Document]", found["diagnostics"])
    assert diagnostic["frames"] == [
        {"way": "sent", "before_ms": 120, "octets": "7ea0"},
        {"way": "received", "before_ms": 20, "octets": ""},
    ]
    assert diagnostic["suppressed"] == 3
    assert [alarm["category"] for alarm in cast("list[Document]", found["alarms"])] == ["connection"]
    hour = cast("list[Document]", found["figures"])[0]
    answers = {answer["target"]: answer["verdict"] for answer in cast("list[Document]", hour["answers"])}
    assert answers["uptime"] == "missed"


def test_alarms_that_were_over_a_day_ago_are_not_shown(api: Api) -> None:
    meter = _away(api)
    api.store.alarms.raise_("connection:1", Severity.ERROR, "connection", "away", meter_uid=meter.uid)
    api.store.alarms.clear("connection:1")
    assert len(cast("list[Document]", api.get(f"/api/meters/{meter.id}/diagnostics")["alarms"])) == 1
    api.clock.sleep(86_401)
    assert api.get(f"/api/meters/{meter.id}/diagnostics")["alarms"] == []


def test_nobody_looks_without_a_token_and_a_stranger_is_not_found(api: Api) -> None:
    for path in ("/api/system/report", "/api/system/action-plan", "/api/meters/1/diagnostics"):
        assert api.call("GET", path, role=None).status_code == 401
    assert api.call("GET", "/api/meters/9/diagnostics").status_code == 404
