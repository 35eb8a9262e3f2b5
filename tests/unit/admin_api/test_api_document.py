"""docs/API.md names what there is: routes with their roles, fields, errors, metrics."""

import re
from pathlib import Path

import pytest

from admin_api.app import AREAS
from admin_api.context import Route
from admin_api.documents import measurement_document, meter_document
from admin_api.problems import STATUS
from admin_api.schemas.meters import READ_ONLY
from common import metric_names
from common.store.model import Meter, MeterStateRow
from tests.support.installation import wish

TEXT = (Path(__file__).parents[3] / "docs" / "API.md").read_text(encoding="utf-8")
ROUTES = [route for area in AREAS for route in area.routes]


@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])
def test_every_route_is_in_the_document_with_its_role(route: Route) -> None:
    path = re.sub(r"<[^>]*>", "{id}", route.path)
    role = "open" if route.role is None else str(route.role)
    assert f"| {route.method} | `{path}` | {role} |" in TEXT


def test_the_document_names_no_route_that_is_not_there() -> None:
    there = {(route.method, re.sub(r"<[^>]*>", "{id}", route.path)) for route in ROUTES}
    assert set(re.findall(r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]*)`", TEXT, re.MULTILINE)) == there


def test_every_field_of_a_meter_is_in_the_document() -> None:
    meter = Meter(1, bytes(16), 1, 0, 0, None, False, wish())
    names = {
        *meter_document(meter, MeterStateRow(meter.uid)),
        *measurement_document(wish().measurements[0]),
        *READ_ONLY,
    }
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


def test_every_error_is_in_the_document_with_its_status() -> None:
    chapter = TEXT.split("\n## Errors\n", 1)[1]
    for kind, status in STATUS.items():
        row = next((line for line in chapter.splitlines() if f"`{kind.kind}`" in line and line.startswith("| ")), "")
        assert row.startswith(f"| {int(status)} |"), kind.kind


def test_every_metric_is_in_the_document() -> None:
    for metric in metric_names.ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |" in TEXT
