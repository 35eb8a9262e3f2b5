"""Health and readiness."""

from pathlib import Path

from common.meter_state import MeterState
from common.store.model import MeterStateRow, Role, Severity
from tests.support.installation import Api, document, wish


def _hear(api: Api, *names: str) -> None:
    for name in names or ("supervisor", "publisher"):
        api.store.states.write_component(name, {"pid": 7}, api.clock.wall_ms())


def test_health_is_open_and_names_no_meter(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    _hear(api)
    assert api.get("/health", role=None) == {
        "status": "ok",
        "store": "ok",
        "supervisor_age_s": 0.0,
        "publisher_age_s": 0.0,
    }


def test_without_supervisor_and_publisher_the_api_is_well_but_not_ready(api: Api) -> None:
    assert api.get("/health", role=None)["status"] == "degraded"
    assert api.call("GET", "/ready", role=None).status_code == 503
    _hear(api, "supervisor")
    assert api.call("GET", "/ready", role=None).status_code == 503
    _hear(api)
    assert api.call("GET", "/ready", role=None).status_code == 200
    api.clock.sleep(16)
    response = api.call("GET", "/ready", role=None)
    assert (response.status_code, document(response)["publisher_age_s"]) == (503, 16.0)


def test_without_a_store_health_is_503_and_tells_no_path(api: Api, tmp_path: Path) -> None:
    api.store.close()
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    (tmp_path / "store.db").mkdir()
    response = api.call("GET", "/health", role=None)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert document(response)["kind"] == "store_unavailable"
    assert str(tmp_path) not in response.get_data(as_text=True)
    assert api.call("GET", "/api/meters").status_code == 503


def test_a_damaged_store_is_away_until_it_is_made_anew(api: Api, tmp_path: Path) -> None:
    api.store.close()
    for path in tmp_path.glob("store.db-*"):
        path.unlink()
    (tmp_path / "store.db").write_bytes(b"garbage" * 1000)
    response = api.call("GET", "/api/meters")
    assert (response.status_code, document(response)["kind"]) == (503, "store_damaged")
    assert str(tmp_path) not in response.get_data(as_text=True)


def test_system_health_says_what_is_not_well(api: Api) -> None:
    for number, status in enumerate((MeterState.ACTIVE, MeterState.AUTH_FAILED, MeterState.UNREACHABLE)):
        meter = api.store.meters.add(wish(f"m{number}", port=4000 + number), "test")
        api.store.states.write([MeterStateRow(meter.uid, status)])
    api.store.alarms.raise_("auth:1", Severity.ERROR, "auth", "refused")
    assert api.get("/api/system/health")["status"] == "down"
    _hear(api)
    found = api.get("/api/system/health")
    assert found["status"] == "degraded"
    assert found["checks"] == {
        "supervisor": {"ok": True, "age_s": 0.0},
        "publisher": {"ok": True, "age_s": 0.0},
        "alarms": {"ok": False, "error_or_critical": 1},
        "meters": {"ok": False, "unwell": {"auth_failed": 1, "unreachable": 1}},
    }


def test_a_paused_meter_is_not_unwell(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    api.store.states.write([MeterStateRow(meter.uid, MeterState.PAUSED)])
    api.call("POST", f"/api/meters/{meter.id}/pause", role=Role.OPERATOR)
    _hear(api)
    assert api.get("/api/system/health")["status"] == "ok"


def test_system_status_counts_and_tells_versions(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    _hear(api)
    found = api.get("/api/system/status")
    assert found["version"]
    assert found["meters"] == {"total": 1, "by_state": {"inactive": 1}, "by_desired_state": {"running": 1}}
    assert found["components"] == {
        name: {"age_s": 0.0, "at": "2026-11-21T12:00:00.000Z", "pid": 7} for name in ("supervisor", "publisher")
    }
