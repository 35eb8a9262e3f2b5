"""Who may do what: every route, walked by nobody and by every role."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.app import AREAS, PREFIXES
from admin_api.auth import PROXY_HEADERS, RANK
from admin_api.context import Route
from common.store.model import MeterStateRow, Role, Severity
from tests.support.installation import Api, document, serving, wish

NAMES = {"meter": "sim-1", "asset": "start.js"}  # what a part of a path means; 99 is nobody
OPEN = {"/health", "/ready", "/api/login", "/api/openapi.json", "/api/docs", "/api/docs/<asset>"}
OF_ONESELF = {"/api/logout", "/api/password"}  # what a viewer changes: its own session and password
THROUGH_A_PROXY = {"X-Forwarded-For": "203.0.113.7"}  # /metrics is open to this host alone


def _routes() -> Iterator[tuple[str, Route]]:
    for area in AREAS:
        for prefix in PREFIXES.values() if area.prefixed else [""]:
            yield from ((prefix + route.path, route) for route in area.routes)


ROUTES = list(_routes())


def _path(text: str) -> str:
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda found: NAMES.get(found[1], "99"), text)


def _expected(route: Route, role: Role | None) -> str:
    """Return how somebody is met at a route: the table of roles in one line."""
    if route.role is None:
        return "let in"
    if role is None:
        return "401"
    return "let in" if RANK[role] >= RANK[route.role] else "403"


def _met(api: Api, path: str, route: Route, role: Role | None) -> str:
    response = api.call(route.method, _path(path), role=role, json={}, headers=THROUGH_A_PROXY)
    try:
        assert response.status_code < 500 or path == "/ready", response.get_data(as_text=True)
        kind = str(document(response)["kind"]) if response.content_type == "application/problem+json" else ""
    finally:
        response.close()
    return {"unauthenticated": "401", "forbidden": "403"}.get(kind, "let in")


def test_the_table_holds_every_route_of_the_application(api: Api) -> None:
    served = {
        (rule.rule, method)
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, route.method) for path, route in ROUTES}


def test_only_probes_the_login_and_the_documents_are_open() -> None:
    assert {path.replace("/v1", "") for path, route in ROUTES if route.role is None} == OPEN


def test_a_viewer_changes_nothing_but_what_is_its_own() -> None:
    changing = {
        path.replace("/v1", "") for path, route in ROUTES if route.method != "GET" and route.role is Role.VIEWER
    }
    assert changing == OF_ONESELF


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for the whole walk."""
    with serving(tmp_path_factory.mktemp("walked")) as found:
        found.store.alarms.raise_("disk:x", Severity.INFO, "disk", "x")
        yield found


@pytest.mark.parametrize(("path", "route"), ROUTES, ids=[f"{route.method} {path}" for path, route in ROUTES])
def test_a_route_lets_in_its_role_and_those_above(walked: Api, path: str, route: Route) -> None:
    walked.clock.sleep(60)  # nobody comes too often
    if not walked.store.meters.list():
        walked.store.states.write([MeterStateRow(walked.store.meters.add(wish(), "test").uid)])
    everybody = (None, *sorted(Role, key=lambda role: RANK[role]))
    assert {role: _met(walked, path, route, role) for role in everybody} == {
        role: _expected(route, role) for role in everybody
    }


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PATCH", "CONNECT"])
def test_what_is_not_there_says_what_is(api: Api, method: str) -> None:
    response = api.call(method, "/api/models", role=None)
    assert response.status_code == (200 if method == "OPTIONS" else 405)
    assert {word.strip() for word in response.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_a_body_is_not_looked_at_before_it_is_clear_who_sends_it(api: Api) -> None:
    assert api.call("POST", "/api/meters", role=None, data=b"{").status_code == 401
    assert api.call("POST", "/api/meters", role=Role.VIEWER, json={"colour": "red"}).status_code == 403


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer dbt_nobody",
        "Basic YWRtaW46YWRtaW4=",
        "bearer dbt_\u00e9",
        "Bearer " + "x" * 5000,
    ],
)
def test_what_is_no_token_is_401(api: Api, header: str) -> None:
    response = api.call("GET", "/api/meters", role=None, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert document(response)["kind"] == "unauthenticated"


def test_a_revoked_token_is_401_at_once(api: Api) -> None:
    assert api.call("GET", "/api/meters").status_code == 200
    for row in api.store.tokens.list():
        api.store.tokens.revoke(row.id)
    assert api.call("GET", "/api/meters").status_code == 401


def test_the_metrics_page_is_open_to_this_host_by_setting_only(api: Api, tmp_path: Path) -> None:
    assert api.call("GET", "/metrics", role=None).status_code == 200
    for name in PROXY_HEADERS:
        assert api.call("GET", "/metrics", role=None, headers={name: "x"}).status_code == 401
    for host in ("127.0.0.1:5001", "[::1]:5001", "localhost"):
        assert api.call("GET", "/metrics", role=None, headers={"Host": host}).status_code == 200
    for host in ("elsewhere.example", "127.0.0.1.example:5001", "192.0.2.1", "[", "x@127.0.0.1"):
        assert api.call("GET", "/metrics", role=None, headers={"Host": host}).status_code == 401, host
    elsewhere = api.app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert elsewhere.status_code == 401
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, {"DLMS_BRIDGE_API_OPEN_METRICS": "false"}) as closed:
        assert closed.call("GET", "/metrics", role=None).status_code == 401
        assert closed.call("GET", "/metrics", role=Role.VIEWER).status_code == 200


def test_whoever_has_a_network_of_ipv6_is_one_caller(tmp_path: Path) -> None:
    settings = {"DLMS_BRIDGE_API_TRUSTED_PROXIES": "127.0.0.1", "DLMS_BRIDGE_API_REQUESTS_PER_MINUTE": "60"}
    with serving(tmp_path, settings) as api:

        def met(address: str) -> int:
            return api.call("GET", "/health", role=None, headers={"X-Forwarded-For": address}).status_code

        assert [met(f"2001:db8::{number}") for number in range(1, 13)].count(429) == 2
        assert (met("2001:db8::ffff"), met("2001:db8:0:1::1")) == (429, 200)
