"""Meters over HTTP: add, look, change, remove; ETags; problems."""

import json
from pathlib import Path

import pytest

from common.catalogue import MODELS
from common.meter_state import MeterState
from common.store.model import LatestRow, MeterStateRow, Role
from tests.support.installation import NOON_MS, Api, document, wish

BODY: dict[str, object] = {
    "name": "plant 7",
    "ip_address": "10.0.0.7",
    "password": "s3cret-pw",
    "tb_token": "s3cret-tok",
}


def _add(api: Api, **more: object) -> dict[str, object]:
    response = api.call("POST", "/api/meters", json=BODY | more)
    assert response.status_code == 201, response.get_data(as_text=True)
    return document(response)


def test_an_added_meter_is_where_its_location_says(api: Api) -> None:
    response = api.call("POST", "/api/v1/meters", json=BODY)
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/v1/meters/1"
    assert response.headers["ETag"] == '"1"'
    added = document(response)
    assert api.get("/api/v1/meters/1") == api.get("/api/meters/1") == api.get("/api/meters/plant%207") == added
    assert (added["name"], added["authentication"], added["tb_enabled"]) == ("plant 7", "lls", True)
    assert added["created_at"] == "2026-11-21T12:00:00.000Z"


def test_secrets_are_in_no_answer_and_in_no_file(api: Api, tmp_path: Path) -> None:
    added = _add(api)
    assert (added["password_set"], added["tb_token_set"]) == (True, True)
    answers = [json.dumps(added)]
    for path in (
        "/api/meters",
        "/api/meters/1",
        "/api/meters/1/status",
        "/api/system/status",
        "/api/metrics/1",
        "/metrics",
    ):
        answers.append(api.call("GET", path).get_data(as_text=True))
    answers.append(api.call("PATCH", "/api/meters/1", json={"interval_s": 5}).get_data(as_text=True))
    answers.append(api.call("PATCH", "/api/meters/1", json={"password": "s3cret\n"}).get_data(as_text=True))
    assert "s3cret" not in "".join(answers)
    assert b"s3cret" not in b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))


def test_a_list_comes_in_pages(api: Api) -> None:
    for number in range(5):
        _add(api, name=f"m{number}", port=4000 + number)
    first = api.get("/api/meters?limit=2")
    assert [item["name"] for item in _items(first)] == ["m0", "m1"]
    assert (first["total"], first["next_offset"]) == (5, 2)
    last = api.get("/api/meters?limit=2&offset=4")
    assert [item["name"] for item in _items(last)] == ["m4"]
    assert last["next_offset"] is None
    assert [item["name"] for item in _items(api.get("/api/meters?name=M3"))] == ["m3"]
    api.store.states.write([MeterStateRow(api.store.meters.by_name("m2").uid, MeterState.ACTIVE)])
    assert [item["name"] for item in _items(api.get("/api/meters?status=active"))] == ["m2"]


def _items(listed: dict[str, object]) -> list[dict[str, object]]:
    items = listed["items"]
    assert isinstance(items, list)
    return items


def test_a_query_that_nobody_looks_at_is_refused(api: Api) -> None:
    response = api.call("GET", "/api/meters?colour=red")
    assert (response.status_code, document(response)["field"]) == (422, "colour")


def test_a_change_raises_the_revision(api: Api) -> None:
    _add(api)
    response = api.call("PATCH", "/api/meters/1", json={"interval_s": 7.5})
    assert (response.status_code, response.headers["ETag"]) == (200, '"2"')
    assert (document(response)["interval_s"], document(response)["revision"]) == (7.5, 2)
    assert api.store.meters.get(1).wish.password.reveal() == "s3cret-pw"


def test_an_answered_meter_may_be_put_back(api: Api) -> None:
    added = _add(api, limits={"reply_timeout_s": 7})
    response = api.call("PUT", "/api/meters/1", json=added)
    assert (response.status_code, document(response)) == (200, added)
    assert api.store.meters.get(1).wish.password.reveal() == "s3cret-pw"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_update_of_another_revision_is_412(api: Api, method: str) -> None:
    _add(api)
    api.call("PATCH", "/api/meters/1", json={"interval_s": 3})
    refused = api.call(method, "/api/meters/1", json=BODY, headers={"If-Match": '"1"'})
    assert (refused.status_code, document(refused)["current_revision"]) == (412, 2)
    for etag in ('"2"', '"1", "2"', 'W/"2"', "*"):
        if method == "PATCH":
            body = {"interval_s": 3}
            assert api.call(method, "/api/meters/1", json=body, headers={"If-Match": etag}).status_code == 200
    done = api.call(method, "/api/meters/1", json=BODY, headers={"If-Match": '"2"'})
    assert done.status_code == (204 if method == "DELETE" else 200)


def test_a_removed_meter_is_gone_and_leaves_a_tombstone(api: Api) -> None:
    _add(api)
    response = api.call("DELETE", "/api/meters/1")
    assert (response.status_code, response.get_data()) == (204, b"")
    assert api.call("GET", "/api/meters/1").status_code == 404
    assert [meter.purge for meter in api.store.meters.list(include_deleted=True)] == [False]


def test_a_meter_may_be_removed_with_what_waits_of_it(api: Api) -> None:
    _add(api)
    assert api.call("DELETE", "/api/meters/1?purge=perhaps").status_code == 422
    assert api.call("DELETE", "/api/meters/1?purge=true").status_code == 204
    assert [meter.purge for meter in api.store.meters.list(include_deleted=True)] == [True]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"name": "plant 7", "ip_address": "10.0.0.8"}, "name_taken"),
        ({"name": "m", "ip_address": "10.0.0.7"}, "line_taken"),
    ],
)
def test_what_another_meter_has_is_409(api: Api, body: dict[str, object], kind: str) -> None:
    _add(api)
    response = api.call("POST", "/api/meters", json=body)
    assert (response.status_code, document(response)["kind"]) == (409, kind)


def test_a_bad_field_is_a_problem_that_names_it(api: Api) -> None:
    response = api.call("POST", "/api/meters", json=BODY | {"port": "x"})
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert document(response) == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "kind": "bad_payload",
        "detail": "port: a whole number from 1 to 65535 was expected, not str",
        "instance": "/api/meters",
        "field": "port",
    }


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "bad_body", 400),
        (b"\xff\xfe", "bad_body", 400),
        (b"[" * 100_000, "bad_body", 400),
        (b'{"name": ' + b"1" * 5000 + b"}", "bad_body", 400),
        (b'"' + b"x" * 300_000 + b'"', "request_entity_too_large", 413),
        (b"", "bad_payload", 422),
        (b"null", "bad_payload", 422),
    ],
    ids=range(7),
)
def test_a_body_that_is_none_is_a_problem(api: Api, data: bytes, kind: str, status: int) -> None:
    response = api.call("POST", "/api/meters", data=data, headers={"Content-Type": "application/json"})
    assert (document(response)["kind"], response.status_code) == (kind, status)


def test_a_body_of_another_type_is_415(api: Api) -> None:
    response = api.call(
        "POST", "/api/meters", data=b"name=m", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (response.status_code, document(response)["kind"]) == (415, "not_json")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/meters/99", 404),
        ("GET", "/api/meters/99999999999999999999999", 404),
        ("GET", "/api/meters/%ff%fe", 404),
        ("GET", "/api/metrics/nobody", 404),
        ("GET", "/api/nowhere", 404),
        ("GET", "/", 404),
        ("POST", "/api/meters/1", 405),
    ],
)
def test_what_is_not_there_is_a_problem_too(api: Api, method: str, path: str, status: int) -> None:
    response = api.call(method, path)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    assert document(response)["status"] == status


def test_the_status_tells_state_ages_and_latest_values(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    state = MeterStateRow(meter.uid, MeterState.ACTIVE, last_read_ms=NOON_MS - 1500, facts={"breaker": "closed"})
    api.store.states.write([state])
    api.store.states.write_latest([
        LatestRow(meter.uid, NOON_MS, b"12345678", 7, {"voltage_l1": 131.25}, {"voltage_l1": "V"})
    ])
    found = api.get("/api/meters/sim-1/status")
    assert (found["status"], found["desired_state"], found["facts"]) == ("active", "running", {"breaker": "closed"})
    assert found["ages"] == {"read_s": 1.5, "taken_s": None, "acknowledged_s": None}
    assert found["latest"] == {
        "at": "2026-11-21T12:00:00.000Z",
        "epoch": "3132333435363738",
        "seq": 7,
        "values": {"voltage_l1": 131.25},
        "units": {"voltage_l1": "V"},
        "quality": [],
        "failed": {},
    }


def test_the_catalogue_can_be_read(api: Api) -> None:
    items = {item["name"]: item for item in _items(api.get("/api/models"))}
    assert list(items) == list(MODELS)
    assert (items["microstar"]["reading"], items["itron"]["reading"]) == ("replayed", "facts only")
    assert items["landis-gyr"]["referencing"] == "sn"


def test_the_audit_names_the_token(api: Api) -> None:
    _add(api)
    assert api.store.audit.list()[0].actor == f"token 3 {Role.ADMIN}"
