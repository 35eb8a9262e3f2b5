"""Parts of a meter's wish by their own paths."""

from dataclasses import replace
from typing import cast

from admin_api.context import EXTENSION, WAITING, Services
from common.secret import Secret
from common.store.model import Role
from tests.support.installation import Api, document, wish

TOKEN = Secret("t0ken")


def test_what_a_meter_is_asked_for_is_shown_and_replaced(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    shown = api.get("/api/config/sim-1")
    assert (shown["meter_id"], shown["model"], shown["interval_s"]) == (meter.id, "microstar", 2.0)
    shown |= {
        "measurements": ["frequency", {"name": "x", "obis_code": "1-0:1.8.0"}],
        "name": "another",
        "interval_s": 5,
    }
    response = api.call("PUT", "/api/config/sim-1", json=shown, headers={"If-Match": '"1"'})
    assert (response.status_code, response.headers["ETag"]) == (200, '"2"')
    changed = api.store.meters.get(meter.id).wish
    assert [item.measurement_name for item in changed.measurements] == ["frequency", "x"]
    assert (changed.name, changed.interval_s) == ("sim-1", 5.0)


def test_a_configuration_that_is_put_back_changes_nothing(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    for path in ("/api/config/sim-1", "/api/meters/sim-1/thingsboard"):
        assert api.call("PUT", path, json=api.get(path)).headers["ETag"] == '"1"'


def test_another_revision_is_refused_and_the_same_is_not_sent_again(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    body = {"measurements": ["frequency"]}
    assert api.call("PUT", "/api/config/sim-1", json=body, headers={"If-Match": '"9"'}).status_code == 412
    assert api.call("GET", "/api/config/sim-1", headers={"If-None-Match": '"1"'}).status_code == 304
    response = api.call("PUT", "/api/config/sim-1", json={"measurements": ["nonsense"]})
    assert (response.status_code, document(response)["field"]) == (422, "measurements[0].measurement_name")


def test_a_token_is_written_kept_and_taken_away_but_never_shown(api: Api) -> None:
    meter = api.store.meters.add(replace(wish(), tb_token=TOKEN, tb_enabled=True), "test")
    path = "/api/meters/sim-1/thingsboard"
    assert api.get(path)["tb_token_set"] is True
    response = api.call("PUT", path, json={"tb_host": "tb.example", "tb_port": 1884})
    assert "t0ken" not in response.get_data(as_text=True)
    kept = api.store.meters.get(meter.id).wish
    assert (kept.tb_token, kept.tb_host, kept.tb_port, kept.tb_enabled) == (TOKEN, "tb.example", 1884, True)
    api.call("PUT", path, json={"tb_token": None})
    gone = api.store.meters.get(meter.id).wish
    assert (gone.tb_token, gone.tb_host, gone.tb_port, gone.tb_enabled) == (Secret(""), "", 1883, False)


def test_there_is_nothing_to_try_without_a_thingsboard(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    response = api.call("POST", "/api/meters/sim-1/thingsboard/test", role=Role.OPERATOR)
    assert (response.status_code, document(response)["kind"]) == (409, "no_thingsboard")


def test_trying_brokers_takes_no_more_threads_than_can_be_spared(api: Api) -> None:
    api.store.meters.add(replace(wish(), tb_host="192.0.2.1", tb_token=Secret("A1")), "test")
    waiting = cast("Services", api.app.extensions[EXTENSION]).waiting
    for _ in range(WAITING):
        assert waiting.acquire(blocking=False)
    response = api.call("POST", "/api/meters/sim-1/thingsboard/test", role=Role.OPERATOR)
    assert (response.status_code, document(response)["kind"], response.headers["Retry-After"]) == (
        429,
        "too_often",
        "5",
    )
