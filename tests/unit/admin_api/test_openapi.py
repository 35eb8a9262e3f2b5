"""The OpenAPI document and its page: whole, true to the tables, closed by a setting."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from admin_api.app import AREAS, PREFIXES
from admin_api.context import Route
from admin_api.docs import POLICY
from tests.support.installation import Api, serving

Document = dict[str, Any]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for all of this: nothing here changes it."""
    with serving(tmp_path_factory.mktemp("described")) as found:
        yield found


@pytest.fixture(scope="module")
def described(api: Api) -> Document:
    """The document."""
    return cast("Document", api.get("/api/openapi.json", role=None))


def _operations(described: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in described["paths"].items():
        yield from ((path, method.upper(), operation) for method, operation in item.items())


def _shown() -> Iterator[tuple[str, Route]]:
    for area in AREAS:
        for route in area.routes:
            if route.shown:
                path = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", route.path)
                yield (PREFIXES[""] if area.prefixed else "") + path, route


def test_it_describes_every_route_with_its_role(described: Document) -> None:
    there = {(path, method, operation["x-required-role"]) for path, method, operation in _operations(described)}
    assert described["openapi"] == "3.1.0"
    assert there == {(path, route.method, str(route.role or "open")) for path, route in _shown()}


def test_every_operation_is_named_told_and_in_an_area(described: Document) -> None:
    operations = [operation for _, _, operation in _operations(described)]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names)
    assert [operation["operationId"] for operation in operations if not operation["summary"]] == []
    assert {tag for operation in operations for tag in operation["tags"]} <= {area.name for area in AREAS}


def test_every_good_answer_has_a_form_or_no_content(described: Document) -> None:
    for path, route in _shown():
        assert route.answers, path
        responses = described["paths"][path][route.method.lower()]["responses"]
        for status in route.answers:
            assert ("content" in responses[str(status)]) == (status not in {204, 304}), path


def test_every_error_is_a_problem(described: Document) -> None:
    for path, method, operation in _operations(described):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and "application/problem+json" in response["content"]:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method, status)
        assert {"500", "503"} <= set(operation["responses"])


def test_every_schema_is_one_and_every_reference_leads_to_one(described: Document) -> None:
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    wanted = set(re.findall(r"'#/components/schemas/([^']+)'", str(described)))
    assert wanted <= set(schemas)


def test_every_parameter_of_a_path_is_described(described: Document) -> None:
    for path, _, operation in _operations(described):
        given = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert given == set(re.findall(r"{(\w+)}", path)), path


def test_what_the_store_bounds_is_bounded_in_the_form(described: Document) -> None:
    fields = described["components"]["schemas"]["NewMeter"]["properties"]
    assert (fields["port"]["minimum"], fields["port"]["maximum"]) == (1, 65535)
    assert fields["transport"]["enum"] == ["hdlc", "wrapper"]
    assert fields["password"]["writeOnly"]
    assert fields["revision"]["readOnly"]


def test_it_is_sent_once_to_who_keeps_it(api: Api) -> None:
    first = api.call("GET", "/api/openapi.json", role=None)
    again = api.call("GET", "/api/openapi.json", role=None, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("prefix", PREFIXES.values())
def test_the_page_needs_nothing_from_elsewhere(api: Api, prefix: str) -> None:
    page = api.call("GET", f"{prefix}/docs", role=None)
    assert page.headers["Content-Security-Policy"] == POLICY
    text = page.get_data(as_text=True)
    assert f'data-document="{prefix}/openapi.json"' in text
    assert "//" not in text
    for name in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert api.call("GET", name, role=None).status_code == 200, name
    assert api.call("GET", f"{prefix}/docs/../app.py", role=None).status_code == 404


@pytest.mark.parametrize("path", ["/api/meters", "/api/nowhere", "/health", "/api/docs/start.js"])
def test_every_answer_carries_what_browsers_heed(api: Api, path: str) -> None:
    headers = api.call("GET", path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert "Access-Control-Allow-Origin" not in headers


def test_a_setting_closes_both(tmp_path: Path) -> None:
    with serving(tmp_path, {"DLMS_BRIDGE_API_DOCS": "false"}) as closed:
        assert closed.call("GET", "/api/openapi.json").status_code == 404
        assert closed.call("GET", "/api/docs").status_code == 404
        assert closed.call("GET", "/api/meters").status_code == 200
