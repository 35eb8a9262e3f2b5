"""Jobs over HTTP: ordered with 202, shown with their progress, cancelled however often."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from common.command import BACKFILL, DISCOVER, SCAN, SYSTEM_UID
from common.store.model import CommandState, Meter, Role
from tests.support.installation import Api, document, serving, wish


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path, {"DLMS_BRIDGE_SCAN_ALLOW": "192.0.2.0/24"}) as found:
        yield found


@pytest.fixture
def meter(api: Api) -> Meter:
    return api.store.meters.add(wish(), "test")


def order(api: Api, path: str, body: object = None) -> dict[str, object]:
    response = api.call("POST", f"/api{path}", role=Role.OPERATOR, json=body)
    job = document(response)
    assert (response.status_code, response.headers["Location"]) == (202, f"/api/jobs/{job['id']}"), job
    return job


def test_a_scan_is_ordered_shown_and_cancelled_as_often_as_one_likes(api: Api) -> None:
    job = order(api, "/scan", {"ranges": ["192.0.2.0/28"], "ports": [4059]})
    assert (job["verb"], job["meter_uid"], job["state"]) == (SCAN, None, "pending")
    assert job["arguments"] == {"ranges": ["192.0.2.0/28"], "ports": [4059]}
    assert job["progress"] == {"done": 0, "total": 0, "fraction": None, "text": ""}
    number = str(job["id"])
    assert api.store.commands.get(number).meter_uid == SYSTEM_UID
    api.store.commands.dispatched(number)
    api.store.commands.advance(number, "3/12 asked, 1 meters, 0 others")
    shown = api.get(f"/api/v1/jobs/{number}")
    assert shown["progress"] == {"done": 3, "total": 12, "fraction": 0.25, "text": "asked, 1 meters, 0 others"}
    for _ in range(2):
        response = api.call("DELETE", f"/api/jobs/{number}", role=Role.OPERATOR)
        cancelled = document(response)
        assert (response.status_code, cancelled["state"]) == (200, "dispatched")
        assert cancelled["cancelled_at"] is not None
    api.store.commands.finish(number, ok=False, error_kind="cancelled", error_detail="x", result={"found": []})
    assert document(api.call("DELETE", f"/api/jobs/{number}", role=Role.OPERATOR))["state"] == "cancelled"


def test_a_job_that_is_done_is_done_as_a_whole(api: Api, meter: Meter) -> None:
    number = str(order(api, f"/meters/{meter.id}/discover")["id"])
    api.store.commands.dispatched(number)
    api.store.commands.advance(number, "0/40 requests")
    api.store.commands.finish(number, ok=True, result={"objects_count": 1})
    assert api.get(f"/api/jobs/{number}")["progress"] == {"done": 40, "total": 40, "fraction": 1.0, "text": ""}


def test_a_discovery_and_a_backfill_are_ordered_of_a_meter(api: Api, meter: Meter) -> None:
    discovery = order(api, f"/meters/{meter.id}/discover")
    assert (discovery["verb"], discovery["meter_uid"]) == (DISCOVER, meter.uid.hex())
    known = api.store.commands.get(str(discovery["id"])).arguments["known"]
    assert ["active_energy", "1-0:1.8.0", "Wh"] in cast("list[object]", known)
    span = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    backfill = order(api, f"/meters/{meter.wish.name}/backfill", span)
    arguments = cast("dict[str, int]", backfill["arguments"])
    assert (backfill["verb"], arguments["to_ms"] - arguments["from_ms"]) == (BACKFILL, 86_400_000)


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "field"),
    [
        ("/scan", {"ranges": ["198.51.100.0/24"]}, 403, "scan_not_allowed", None),
        ("/scan", {"ranges": ["x"]}, 422, "bad_wish", "ranges[0]"),
        ("/scan", {"ranges": []}, 422, "bad_payload", "ranges"),
        ("/scan", {"ranges": ["192.0.2.1"], "ports": [0]}, 422, "bad_payload", "ports[0]"),
        ("/scan", {"ranges": ["192.0.2.1"], "password": "x"}, 422, "bad_payload", "password"),
        ("/scan", {}, 422, "bad_payload", "ranges"),
        ("/meters/sim-1/backfill", {"from": "yesterday", "to": "2026-01-01"}, 422, "bad_payload", "from"),
        ("/meters/sim-1/backfill", {"from": "2026-01-02", "to": "2026-01-01"}, 422, "bad_wish", "to"),
        ("/meters/nobody/discover", None, 404, "no_such_meter", None),
    ],
)
def test_what_cannot_be_ordered_is_refused_by_name(
    api: Api, meter: Meter, path: str, body: object, status: int, kind: str, field: str | None
) -> None:
    response = api.call("POST", f"/api{path}", role=Role.OPERATOR, json=body)
    problem = document(response)
    assert (response.status_code, problem["kind"], problem.get("field")) == (status, kind, field), problem
    assert api.store.commands.jobs() == ([], 0)
    assert meter.id


def test_without_the_setting_nothing_is_scanned_and_it_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        response = api.call("POST", "/api/scan", role=Role.OPERATOR, json={"ranges": ["127.0.0.1"]})
        assert response.status_code == 403
        assert "[scan] allow" in str(document(response)["detail"])


def test_more_scans_than_may_wait_are_refused(api: Api) -> None:
    for _ in range(4):
        order(api, "/scan", {"ranges": ["192.0.2.1"]})
    response = api.call("POST", "/api/scan", role=Role.OPERATOR, json={"ranges": ["192.0.2.1"]})
    assert (response.status_code, document(response)["kind"]) == (429, "too_many_jobs")


def test_jobs_are_listed_by_what_they_are(api: Api, meter: Meter) -> None:
    scan = order(api, "/scan", {"ranges": ["192.0.2.1"]})
    api.clock.sleep(1.0)
    discovery = order(api, f"/meters/{meter.id}/discover")
    api.store.commands.finish(str(discovery["id"]), ok=True)
    read = api.store.commands.insert(meter.uid, "read", actor="test")

    def listed(query: str) -> list[object]:
        return [each["id"] for each in cast("list[dict[str, object]]", api.get(f"/api/jobs{query}")["items"])]

    assert listed("") == [discovery["id"], scan["id"]]
    assert listed("?unfinished=true") == [scan["id"]]
    assert listed(f"?meter_id={meter.wish.name}") == [discovery["id"]]
    assert listed("?verb=scan&limit=1") == [scan["id"]]
    assert api.get("/api/jobs?limit=1")["next_offset"] == 1
    for number in (read, "nonsense"):
        for method in ("GET", "DELETE"):
            assert api.call(method, f"/api/jobs/{number}").status_code == 404
    assert api.store.commands.get(read).state is CommandState.PENDING
