"""What meters measured, what passed on their lines, what their workers wrote, over HTTP."""

from pathlib import Path

import pytest

from common.store.model import LatestRow, MeterStateRow, Role, Severity
from common.store.summary import HistoryRow, Summary
from tests.support.installation import NOON_MS, Api, document, wish

MINUTE_MS = 60_000


def _measured(api: Api, minutes: int) -> bytes:
    uid = api.store.meters.add(wish(), "test").uid
    api.store.history.add([
        HistoryRow(
            *(uid, 60, NOON_MS - number * MINUTE_MS, NOON_MS - number * MINUTE_MS + 59_000, 30),
            values={"voltage_l1": Summary(229.0, 230.0, 231.0, 230.5, 30)},
            texts={"serial_number": "7"},
            read_ms=Summary(20.0, 30.0, 40.0, 25.0, 30),
        )
        for number in range(minutes, 0, -1)
    ])
    return uid


def test_the_last_hour_is_shown_by_the_minute(api: Api) -> None:
    uid = _measured(api, 90)
    api.store.states.write_latest([LatestRow(uid, NOON_MS, b"e" * 8, 7, {"voltage_l1": 230.5})])
    found = api.get("/api/meters/sim-1/readings")
    items = found["items"]
    assert isinstance(items, list)
    assert (found["resolution_s"], len(items), found["next_from"]) == (60, 60, None)
    assert items[0]["values"]["voltage_l1"] == {"min": 229.0, "mean": 230.0, "max": 231.0, "last": 230.5, "count": 30}
    latest = found["latest"]
    assert isinstance(latest, dict)
    assert latest["seq"] == 7


def test_a_long_history_goes_on_where_a_page_ended(api: Api) -> None:
    _measured(api, 10)
    first = api.get(f"/api/meters/sim-1/readings?from={NOON_MS - 10 * MINUTE_MS}&resolution=60&limit=4")
    then = api.get(f"/api/meters/sim-1/readings?from={first['next_from']}&resolution=60")
    assert [len(page) for page in (first["items"], then["items"]) if isinstance(page, list)] == [4, 6]


@pytest.mark.parametrize(("query", "accept"), [("?format=csv", "*/*"), ("", "text/csv")])
def test_a_history_is_had_as_a_table(api: Api, query: str, accept: str) -> None:
    _measured(api, 2)
    response = api.call("GET", f"/api/meters/sim-1/readings{query}", headers={"Accept": accept})
    header, *rows = response.get_data(as_text=True).splitlines()
    assert response.mimetype == "text/csv"
    assert header == "at,resolution_s,readings,voltage_l1_min,voltage_l1_mean,voltage_l1_max,voltage_l1_last"
    assert rows[0] == "2026-11-21T11:58:00.000Z,60,30,229.0,230.0,231.0,230.5"
    assert len(rows) == 2


@pytest.mark.parametrize("query", ["resolution=61", "limit=0", "limit=10001", "from=yesterday", "format=xml", "x=1"])
def test_a_question_about_the_past_is_plain(api: Api, query: str) -> None:
    api.store.meters.add(wish(), "test")
    response = api.call("GET", f"/api/meters/sim-1/readings?{query}")
    assert (response.status_code, document(response)["field"]) == (422, query.split("=")[0])


def _passed(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    network = {"frames_sent": 10.0, "octets_received": 700.0}
    api.store.states.write([MeterStateRow(meter.uid, metrics={"reads_ok": 8.0, "reads_failed": 2.0}, network=network)])
    counts = {"measured_ms": 100_000, "reads_ok": 80, "reads_failed": 20, "octets_received": 7000, "delivered": 50}
    at_ms = NOON_MS - 5 * MINUTE_MS
    api.store.periods.add({(at_ms, meter.uid): counts}, {at_ms: {"measured_ms": 200_000, "mqtt_messages": 50}})
    api.store.states.write_component("publisher", {"counters": {"mqtt_messages": 50, "mqtt_octets": 9000}}, NOON_MS)


def test_what_passes_on_a_line_is_counted_and_related_to_time(api: Api) -> None:
    _passed(api)
    found = api.get("/api/meters/sim-1/network")
    line, rates = found["line"], found["rates"]
    assert isinstance(line, dict)
    assert isinstance(rates, dict)
    assert (line["requests"], line["responses"], line["frames_sent"], line["octets_received"]) == (10, 8, 10, 700)
    assert (rates["measured_s"], rates["requests_per_s"], rates["octets_received_per_s"]) == (100, 1.0, 70.0)
    assert found["sockets"] == {"open": None, "connected": None}
    assert len(found["items"]) == 1  # type: ignore[arg-type]


def test_all_lines_and_the_broker_are_summed_up(api: Api) -> None:
    _passed(api)
    found = api.get("/api/network/metrics?resolution=3600")
    assert found["mqtt"] == {"messages": 50, "octets": 9000, "sessions": None, "disconnects": None}
    rates = found["rates"]
    assert isinstance(rates, dict)
    assert (rates["measured_s"], rates["messages_per_s"]) == (200, 0.25)


def test_the_last_lines_of_a_log_come_without_secrets(api: Api, tmp_path: Path) -> None:
    meter = api.store.meters.add(wish(), "test")
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / f"meter-{meter.uid.hex()}.log"
    path.with_name(f"{path.name}.1").write_text("first\n")
    path.write_text("2026-11-21T12:00:00.000Z INFO poller.loop [m] connected port=1\nTraceback password=abc\n")
    items = api.get("/api/meters/sim-1/logs")["items"]
    assert isinstance(items, list)
    assert [item["level"] for item in items] == [None, "INFO", None]
    assert items[1]["at"] == "2026-11-21T12:00:00.000Z"
    assert "abc" not in items[2]["text"]
    assert len(api.get("/api/meters/sim-1/logs?lines=1")["items"]) == 1  # type: ignore[arg-type]


def test_a_log_is_a_meters_or_one_of_a_list(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    assert api.get("/api/meters/sim-1/logs")["items"] == []
    assert api.get("/api/system/logs?component=publisher", Role.OPERATOR)["items"] == []
    for query in ("component=../bridge", "lines=5", "component=publisher&lines=1001"):
        assert api.call("GET", f"/api/system/logs?{query}", role=Role.ADMIN).status_code == 422


def test_only_what_is_over_is_forgotten(api: Api) -> None:
    alarms = api.store.alarms
    for key, severity in (("a", Severity.ERROR), ("b", Severity.ERROR), ("c", Severity.INFO)):
        alarms.raise_(key, severity, "hdlc", "text")
    alarms.clear("b")
    alarms.clear("c")
    assert api.call("DELETE", "/api/alarms").status_code == 422
    assert api.call("DELETE", "/api/alarms?severity=error", role=Role.OPERATOR).status_code == 403
    assert document(api.call("DELETE", "/api/alarms?severity=error")) == {"removed": 1}
    assert document(api.call("DELETE", f"/api/alarms?before={NOON_MS + 1}")) == {"removed": 1}
    assert [row.dedup_key for row in alarms.list()[0]] == ["a"]
    assert [row.action for row in api.store.audit.list()[:2]] == ["alarm.remove"] * 2
