"""Wishes and commands over HTTP."""

import threading

import pytest

from admin_api.context import WAITING
from common.store.commands import MAX_UNFINISHED
from tests.support.installation import Api, StillClock, document, wish


class _Answering(StillClock):
    """A clock whose every sleep lets the supervisor finish what is pending."""

    def __init__(self, api: Api, after: int) -> None:
        super().__init__()
        self._api = api
        self._left = after

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._left -= 1
        for row in self._api.store.commands.pending() if self._left <= 0 else ():
            self._api.store.commands.finish(row.id, ok=True, result={"voltage_l1": "131.25"})


@pytest.mark.parametrize(
    ("word", "desired"), [("pause", "paused"), ("stop", "stopped"), ("resume", "running"), ("start", "running")]
)
def test_a_wish_is_kept(api: Api, word: str, desired: str) -> None:
    meter = api.store.meters.add(wish(), "test")
    response = api.call("POST", f"/api/meters/{meter.id}/{word}")
    assert (response.status_code, document(response)["desired_state"]) == (200, desired)
    assert str(api.store.meters.get(meter.id).wish.desired_state) == desired
    again = api.call("POST", f"/api/meters/{meter.id}/{word}")
    assert again.headers["ETag"] == response.headers["ETag"]


@pytest.mark.parametrize("verb", ["restart", "test", "read"])
def test_a_command_is_accepted_and_found_where_it_says(api: Api, verb: str) -> None:
    meter = api.store.meters.add(wish(), "test")
    response = api.call("POST", f"/api/meters/sim-1/{verb}", json={"timeout_s": 5})
    assert response.status_code == 202
    accepted = document(response)
    assert response.headers["Location"] == f"/api/commands/{accepted['id']}"
    assert api.get(response.headers["Location"]) == accepted
    (row,) = api.store.commands.pending()
    assert (row.verb, row.meter_uid, row.deadline_ms - row.created_ms) == (verb, meter.uid, 5000)
    assert row.actor == "token 3 admin"


def test_a_failed_command_tells_its_error(api: Api) -> None:
    meter = api.store.meters.add(wish(), "test")
    number = api.store.commands.insert(meter.uid, "read", actor="x")
    api.store.commands.finish(number, ok=False, error_kind="connect_refused", error_detail="10.0.0.1:3333")
    found = api.get(f"/api/commands/{number}")
    assert (found["state"], found["error"]) == ("failed", {"kind": "connect_refused", "detail": "10.0.0.1:3333"})


def test_who_waits_gets_the_result(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    bridge = api.app.extensions["dlms_bridge"]
    object.__setattr__(bridge, "clock", _Answering(api, after=5))
    response = api.call("POST", "/api/meters/sim-1/read?wait=10")
    assert response.status_code == 200
    assert (document(response)["state"], document(response)["result"]) == ("done", {"voltage_l1": "131.25"})


def test_who_waits_does_not_wait_for_ever(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    response = api.call("POST", "/api/meters/sim-1/read?wait=3")
    assert (response.status_code, document(response)["state"]) == (202, "pending")
    assert 3.0 <= api.clock.passed_s < 3.2


def test_not_everybody_may_wait_at_once(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    waiting: threading.BoundedSemaphore = api.app.extensions["dlms_bridge"].waiting
    for _ in range(WAITING):
        assert waiting.acquire(blocking=False)
    assert api.call("POST", "/api/meters/sim-1/read?wait=3").status_code == 202
    assert api.clock.passed_s == 0.0


def test_too_many_commands_are_429(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    for _ in range(MAX_UNFINISHED):
        assert api.call("POST", "/api/meters/sim-1/read").status_code == 202
    response = api.call("POST", "/api/meters/sim-1/read")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "2")


def test_bad_options_are_refused_before_anything_is_asked(api: Api) -> None:
    api.store.meters.add(wish(), "test")
    for path, body, field in (
        ("/api/meters/sim-1/read?wait=31", None, "wait"),
        ("/api/meters/sim-1/read?colour=red", None, "colour"),
        ("/api/meters/sim-1/read", {"timeout_s": 0}, "timeout_s"),
    ):
        response = api.call("POST", path, json=body)
        assert (response.status_code, document(response)["field"]) == (422, field)
    assert api.store.commands.pending() == []


def test_an_unknown_command_is_404(api: Api) -> None:
    assert api.call("GET", "/api/commands/nope").status_code == 404
