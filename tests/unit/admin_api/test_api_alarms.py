"""Alarms over HTTP."""

import pytest

from common.store.model import Severity
from tests.support.installation import Api, document, wish


@pytest.fixture
def alarms(api: Api) -> Api:
    """Three alarms: one cleared, one acknowledged and of a meter, one new."""
    meter = api.store.meters.add(wish(), "test")
    api.store.alarms.raise_("disk:publisher", Severity.CRITICAL, "disk", "full")
    api.store.alarms.clear("disk:publisher")
    api.clock.sleep(60)
    number = api.store.alarms.raise_("auth:1", Severity.ERROR, "auth", "refused", meter_uid=meter.uid)
    api.store.alarms.acknowledge(number, "ann")
    api.store.alarms.raise_("clock:host", Severity.WARNING, "clock", "not synchronised")
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2, 1]),
        ("?acknowledged=true", [2]),
        ("?acknowledged=0", [3, 1]),
        ("?active=true", [3, 2]),
        ("?severity=critical", [1]),
        ("?category=clock", [3]),
        ("?meter_id=1", [2]),
        ("?meter=sim-1", [2]),
        ("?since=2026-11-21T12:00:30Z", [3, 2]),
        ("?since=2026-11-21T12:00:30", [3, 2]),
        ("?since=2026-11-21T14:00:30%2B02:00", [3, 2]),
        ("?since=1795262430000", [3, 2]),
        ("?limit=1&offset=1", [2]),
    ],
)
def test_alarms_are_listed_and_filtered(alarms: Api, query: str, expected: list[int]) -> None:
    items = alarms.get(f"/api/alarms{query}")["items"]
    assert isinstance(items, list)
    assert [item["id"] for item in items] == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("acknowledged=maybe", "acknowledged"),
        ("severity=awful", "severity"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("colour=red", "colour"),
    ],
)
def test_a_bad_filter_is_refused(alarms: Api, query: str, field: str) -> None:
    response = alarms.call("GET", f"/api/alarms?{query}")
    assert (response.status_code, document(response)["field"]) == (422, field)


@pytest.mark.parametrize("word", ["ack", "acknowledge"])
def test_an_alarm_is_acknowledged_by_the_token(alarms: Api, word: str) -> None:
    response = alarms.call("POST", f"/api/alarms/3/{word}")
    assert response.status_code == 200
    found = document(response)
    assert (found["acknowledged"], found["acknowledged_by"], found["active"]) == (True, "token 3 admin", True)
    assert alarms.get("/api/alarms/3") == found


def test_the_first_to_acknowledge_stays(alarms: Api) -> None:
    assert document(alarms.call("POST", "/api/alarms/2/ack"))["acknowledged_by"] == "ann"


@pytest.mark.parametrize("path", ["/api/alarms/99", "/api/alarms/99999999999999999999", "/api/alarms/x"])
def test_an_unknown_alarm_is_404(alarms: Api, path: str) -> None:
    assert alarms.call("GET", path).status_code == 404
