"""Import and export over HTTP."""

import pytest

from common.store.model import Role
from tests.support.installation import Api, document

CSV = {"Content-Type": "text/csv"}
TWO = "name,ip_address,password\nm1,10.0.0.1,22222222\nm2,10.0.0.2,\n"


def _import(api: Api, text: str, query: str = "", media: str = "text/csv") -> dict[str, object]:
    response = api.call("POST", f"/api/meters/import{query}", data=text, headers={"Content-Type": media})
    assert response.status_code == 200, response.get_data(as_text=True)
    return document(response)


def test_a_file_is_imported_and_reported_row_by_row(api: Api) -> None:
    report = _import(api, TWO)
    assert (report["applied"], report["created"], report["refused"]) == (True, 2, 0)
    rows = report["rows"]
    assert isinstance(rows, list)
    assert [(row["row"], row["name"], row["outcome"], row["meter_id"]) for row in rows] == [
        (1, "m1", "created", 1),
        (2, "m2", "created", 2),
    ]
    assert _import(api, TWO)["unchanged"] == 2
    assert api.store.meters.by_name("m1").revision == 1


def test_a_dry_run_writes_nothing(api: Api) -> None:
    report = _import(api, TWO + "m3,,\n", "?dry_run=true")
    assert (report["applied"], report["created"], report["refused"]) == (False, 2, 1)
    assert api.store.meters.list() == []


def test_refused_rows_are_named_and_nothing_is_written(api: Api) -> None:
    response = api.call("POST", "/api/meters/import", data=TWO + "m3,,\n ,10.0.0.9,\n", headers=CSV)
    problem = document(response)
    assert (response.status_code, problem["kind"], problem["field"]) == (422, "refused_import", "rows[3].ip_address")
    assert problem["errors"] == [{"field": "rows[4].name", "detail": "is missing"}]
    assert api.store.meters.list() == []


@pytest.mark.parametrize(
    ("data", "media", "status", "field"),
    [
        ("nonsense\n", "text/csv", 422, "header"),
        ("- &a [*a]", "application/yaml", 422, "file"),
        ("{}", "application/json", 422, "file"),
        ("x", "text/plain", 415, None),
        (b"x" * ((4 << 20) + 1), "text/csv", 413, None),
    ],
)
def test_what_is_no_file_of_meters_is_refused(
    api: Api, data: bytes | str, media: str, status: int, field: str | None
) -> None:
    response = api.call("POST", "/api/meters/import", data=data, headers={"Content-Type": media})
    assert (response.status_code, document(response).get("field")) == (status, field)


def test_only_an_admin_imports(api: Api) -> None:
    assert api.call("POST", "/api/meters/import", role=Role.OPERATOR, data=TWO, headers=CSV).status_code == 403


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", None, "text/csv"),
        ("", "application/yaml", "application/yaml"),
        ("", "application/json", "application/json"),
        ("?format=yaml", "text/csv", "application/yaml"),
    ],
)
def test_what_is_exported_may_be_imported_again(api: Api, query: str, accept: str | None, media: str) -> None:
    _import(api, TWO)
    headers = {"Accept": accept} if accept else {}
    response = api.call("GET", f"/api/meters/export{query}", role=Role.VIEWER, headers=headers)
    assert (response.status_code, response.mimetype) == (200, media)
    text = response.get_data(as_text=True)
    assert "22222222" not in text
    assert _import(api, text, media=media)["unchanged"] == 2
    assert api.store.meters.by_name("m1").wish.password.reveal() == "22222222"
