"""Who may do what: every route, walked by every role."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.app import AREAS, PREFIXES
from admin_api.auth import RANK
from admin_api.context import Route
from common.store.model import MeterStateRow, Role, Severity
from tests.support.installation import Api, document, serving, wish

PATHS = {
    "<meter>": "sim-1",
    "<number>": "00000000-0000-0000-0000-000000000000",
    "<int(max=9007199254740991):number>": "1",
}
REFUSED = {401, 403}


def _routes() -> Iterator[tuple[str, Route]]:
    for area in AREAS:
        for prefix in PREFIXES.values() if area.prefixed else [""]:
            yield from ((prefix + route.path, route) for route in area.routes)


ROUTES = list(_routes())


def _path(text: str) -> str:
    for place, value in PATHS.items():
        text = text.replace(place, value)
    return text


def test_the_table_holds_every_route_of_the_application(api: Api) -> None:
    served = {
        (rule.rule, method)
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, route.method) for path, route in ROUTES}


def test_only_health_and_readiness_are_open() -> None:
    assert {path for path, route in ROUTES if route.role is None} == {"/health", "/ready"}


def test_what_changes_a_meter_is_the_admins_and_what_runs_it_the_operators() -> None:
    for path, route in ROUTES:
        if route.method != "GET" and route.role is not None:
            assert RANK[route.role] >= RANK[Role.OPERATOR], path
    assert {path for path, route in ROUTES if route.role is Role.ADMIN} == {
        f"{prefix}{path}" for prefix in PREFIXES.values() for path in ("/meters", "/meters/<meter>")
    }


@pytest.mark.parametrize(("path", "route"), ROUTES, ids=[f"{route.method} {path}" for path, route in ROUTES])
def test_a_route_lets_in_its_role_and_those_above(api: Api, path: str, route: Route) -> None:
    meter = api.store.meters.add(wish(), "test")
    api.store.states.write([MeterStateRow(meter.uid)])
    api.store.alarms.raise_("disk:x", Severity.INFO, "disk", "x")
    for role in (None, *Role):
        through_a_proxy = {"X-Forwarded-For": "203.0.113.7"}  # /metrics is open to this host alone
        status = api.call(route.method, _path(path), role=role, json={}, headers=through_a_proxy).status_code
        if route.role is None or (role is not None and RANK[role] >= RANK[route.role]):
            assert status not in REFUSED, role
            assert status < 500 or path == "/ready", role
        else:
            assert status == (401 if role is None else 403), role


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
    for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
        assert api.call("GET", "/metrics", role=None, headers={name: "x"}).status_code == 401
    elsewhere = api.app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert elsewhere.status_code == 401
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, {"DLMS_BRIDGE_API_OPEN_METRICS": "false"}) as closed:
        assert closed.call("GET", "/metrics", role=None).status_code == 401
        assert closed.call("GET", "/metrics", role=Role.VIEWER).status_code == 200
