"""Logging in and out, tokens, users and the audit over HTTP; how often anybody may; what nobody is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from admin_api import passwords
from admin_api.auth import ALWAYS_TOLD_PER_MINUTE, DAY_S, RATE
from admin_api.throttle import FAILURES, FIRST_BLOCK_S
from common.secret import Secret
from common.store.model import AuditFilter, Role
from tests.support.installation import Api, document, serving, wish

PASSWORD = "a sentence of words"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """The API, and ann, who operates it."""
    with serving(tmp_path) as found:
        found.store.users.add("ann", Role.OPERATOR, passwords.hashed(Secret(PASSWORD)), "test")
        yield found


def log_in(api: Api, name: str = "ann", password: str = PASSWORD, **headers: str) -> dict[str, object]:
    return document(
        api.call("POST", "/api/login", role=None, json={"name": name, "password": password}, headers=headers)
    )


def bearer(text: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_session_may_what_its_person_may_until_it_is_ended(api: Api) -> None:
    made = log_in(api, "ANN")
    assert (made["name"], made["role"], made["expires_at"]) == ("ann", "operator", "2026-11-22T00:00:00.000Z")
    session = bearer(made["token"])
    whoami = document(api.call("GET", "/api/whoami", role=None, headers=session))
    assert (whoami["name"], whoami["kind"]) == ("user ann", "session")
    api.store.meters.add(wish(), "test")
    assert api.call("POST", "/api/meters/sim-1/pause", role=None, headers=session).status_code == 200
    assert api.call("GET", "/api/users", role=None, headers=session).status_code == 403
    assert api.call("POST", "/api/logout", role=None, headers=session).status_code == 204
    assert api.call("GET", "/api/whoami", role=None, headers=session).status_code == 401
    assert [row.actor for row in api.store.audit.list() if row.action == "meter.edit"] == ["user ann"]
    assert api.call("POST", "/api/logout").status_code == 422  # a token is no session


def test_unknown_disabled_and_wrong_are_told_apart_by_nobody(api: Api) -> None:
    api.store.users.add("bob", Role.ADMIN, passwords.hashed(Secret(PASSWORD)), "test")
    api.store.users.change("bob", "test", disabled=True)
    answers = [log_in(api, "nobody"), log_in(api, "bob"), log_in(api, password="x" * 20)]
    assert {answer["kind"] for answer in answers} == {"wrong_credentials"}
    assert len({str(answer["detail"]) for answer in answers}) == 1


def test_an_unknown_name_costs_as_much_as_a_known_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not passwords.is_outdated(passwords.DUMMY)
    compared: list[str | None] = []
    belongs = passwords.belongs

    def noted(password: Secret, kept: str | None) -> bool:
        compared.append(kept)
        return belongs(password, kept)

    monkeypatch.setattr(passwords, "belongs", noted)
    log_in(api, "nobody")
    log_in(api, password="wrong")
    assert compared[0] is None
    assert compared[1] is not None


def test_ten_failures_of_an_address_or_a_name_and_nothing_is_compared(api: Api) -> None:
    for number in range(FAILURES):
        assert log_in(api, f"guess{number}")["kind"] == "wrong_credentials"
    blocked = api.call("POST", "/api/login", role=None, json={"name": "ann", "password": PASSWORD})
    assert (blocked.status_code, document(blocked)["kind"]) == (429, "too_often")
    assert blocked.headers["Retry-After"] == str(round(FIRST_BLOCK_S))
    api.clock.sleep(FIRST_BLOCK_S)
    assert "token" in log_in(api)
    rows = [row for row in api.store.audit.list() if row.action == "login.failed"]
    assert len(rows) == 1  # a line for each address and minute
    assert (rows[0].actor, rows[0].subject) == ("address 127.0.0.1", "")


def test_a_name_is_guarded_over_all_addresses_and_a_success_forgives_it(tmp_path: Path) -> None:
    with serving(tmp_path, {"DLMS_BRIDGE_API_TRUSTED_PROXIES": "127.0.0.1"}) as api:
        api.store.users.add("ann", Role.OPERATOR, passwords.hashed(Secret(PASSWORD)), "test")

        def guess(number: int, password: str = "wrong") -> object:
            return log_in(api, password=password, **{"X-Forwarded-For": f"192.0.2.{number}"}).get("kind")

        assert {guess(number) for number in range(FAILURES - 1)} == {"wrong_credentials"}
        assert guess(50, PASSWORD) is None
        assert {guess(number) for number in range(100, 100 + FAILURES)} == {"wrong_credentials"}
        assert guess(200, PASSWORD) == "too_often"
        actors = {row.actor for row in api.store.audit.list() if row.action == "login.failed"}
        assert "address 192.0.2.0" in actors
        assert len(actors) <= 6  # and of all addresses together no faster than the audit can bear


def test_whoever_has_many_addresses_does_not_push_the_others_out_of_the_audit(tmp_path: Path) -> None:
    with serving(tmp_path, {"DLMS_BRIDGE_API_TRUSTED_PROXIES": "127.0.0.1"}) as api:
        most = int(DAY_S / 60 * ALWAYS_TOLD_PER_MINUTE)
        for number in range(2 * most):
            headers = bearer("dbt_" + "x" * 43) | {"X-Forwarded-For": f"10.0.{number // 250}.{number % 250}"}
            api.call("GET", "/api/meters", role=None, headers=headers)
            api.clock.sleep(3.0)
        rows, told = api.store.audit.page(AuditFilter(action="token.refused"))
        assert rows
        assert most <= told <= most + 2 * most * 3 / 60 * ALWAYS_TOLD_PER_MINUTE + 1


def test_a_person_logs_in_as_often_as_people_do(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "belongs", lambda *_: True)
    met = ["token" in log_in(api) for _ in range(62)]
    assert met == [True] * 60 + [False] * 2
    assert log_in(api)["kind"] == "too_often"
    api.clock.sleep(10.0)
    assert "token" in log_in(api)


def test_what_an_address_says_of_itself_is_not_believed(api: Api) -> None:
    for number in range(FAILURES):
        log_in(api, f"guess{number}", **{"X-Forwarded-For": f"192.0.2.{number}"})
    assert log_in(api, **{"X-Forwarded-For": "192.0.2.99"})["kind"] == "too_often"


def test_tokens_that_are_nobodys_are_slowed_down_and_a_good_one_is_let_in(api: Api) -> None:
    statuses = [
        api.call("GET", "/api/meters", role=None, headers=bearer("dbt_" + "x" * 43)).status_code
        for _ in range(FAILURES + 2)
    ]
    assert statuses == [401] * (FAILURES - 1) + [429] * 3
    assert api.call("GET", "/api/meters").status_code == 200
    assert [row.action for row in api.store.audit.list()].count("token.refused") == 1


def test_one_token_has_a_rate_and_fifty_requests_a_second_pass(tmp_path: Path) -> None:
    with serving(tmp_path, {"DLMS_BRIDGE_API_REQUESTS_PER_MINUTE": "60"}) as api:
        statuses = [api.call("GET", "/api/whoami", role=Role.VIEWER).status_code for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2
        assert api.call("GET", "/api/whoami", role=Role.ADMIN).status_code == 200
        refused = api.call("GET", "/api/whoami", role=Role.VIEWER)
        assert refused.headers["Retry-After"] == "1"
        api.clock.sleep(1)
        assert api.call("GET", "/api/whoami", role=Role.VIEWER).status_code == 200


def test_the_default_rate_lets_fifty_requests_a_second_pass_for_ever(api: Api) -> None:
    throttle = api.app.extensions["dlms_bridge"].throttle
    for _ in range(3000):
        assert not throttle.take(RATE, "token 1", api.app.extensions["dlms_bridge"].settings.api.requests_per_minute)
        api.clock.sleep(0.02)


def test_more_logins_at_once_than_may_be_are_told_to_come_again(api: Api) -> None:
    with passwords._turn(), passwords._turn():
        assert log_in(api)["kind"] == "too_many_logins"
        assert api.call("GET", "/api/meters").status_code == 200
    assert "token" in log_in(api)


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_login(api: Api) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    api.store.users.change("ann", "test", password_hash=weak)
    assert "token" in log_in(api)
    found = api.store.users.hash_of("ann")
    assert found is not None
    assert not passwords.is_outdated(found[1])
    assert "token" in log_in(api)


def test_a_person_changes_the_own_password_and_all_sessions_end(api: Api) -> None:
    first, second = (bearer(log_in(api)["token"]) for _ in range(2))
    change = {"password": "wrong", "new_password": "another long sentence"}
    assert api.call("POST", "/api/password", role=None, headers=first, json=change).status_code == 401
    change["password"] = PASSWORD
    short = change | {"new_password": "too short"}
    assert document(api.call("POST", "/api/password", role=None, headers=first, json=short))["field"] == "password"
    assert api.call("POST", "/api/password", role=None, headers=first, json=change).status_code == 204
    assert api.call("GET", "/api/whoami", role=None, headers=second).status_code == 401
    assert log_in(api)["kind"] == "wrong_credentials"
    assert "token" in log_in(api, password="another long sentence")


def test_users_are_added_changed_and_removed_by_admins(api: Api) -> None:
    body = {"name": "Bob", "role": "viewer", "password": PASSWORD}
    made = api.call("POST", "/api/users", json=body)
    assert (made.status_code, made.headers["Location"]) == (201, "/api/users/bob")
    assert PASSWORD not in made.get_data(as_text=True)
    assert document(api.call("POST", "/api/users", json=body))["kind"] == "user_taken"
    session = bearer(log_in(api, "bob")["token"])
    changed = document(api.call("PATCH", "/api/users/bob", json={"role": "admin", "disabled": True}))
    assert (changed["role"], changed["disabled"]) == ("admin", True)
    assert api.call("GET", "/api/whoami", role=None, headers=session).status_code == 401
    assert api.get("/api/users", Role.ADMIN)["total"] == 2
    assert api.call("DELETE", "/api/users/bob").status_code == 204
    assert api.call("GET", "/api/users/bob").status_code == 404
    weak = api.call("POST", "/api/users", json=body | {"password": "short"})
    assert (weak.status_code, document(weak)["field"]) == (422, "password")


def test_tokens_are_made_shown_once_and_revoked_by_admins(api: Api) -> None:
    made = api.call("POST", "/api/tokens", json={"role": "viewer", "label": "panel", "expires_days": 90})
    assert made.status_code == 201
    shown = document(made)
    assert shown["expires_at"] == "2027-02-19T12:00:00.000Z"
    assert api.call("GET", "/api/meters", role=None, headers=bearer(shown["token"])).status_code == 200
    listed = api.call("GET", "/api/tokens").get_data(as_text=True)
    assert str(shown["token"]) not in listed
    where = made.headers["Location"]
    assert api.get(where, Role.ADMIN)["last_used_at"] == "2026-11-21T12:00:00.000Z"
    assert api.call("DELETE", where).status_code == 204
    assert api.call("GET", "/api/meters", role=None, headers=bearer(shown["token"])).status_code == 401
    assert api.get(where, Role.ADMIN)["state"] == "revoked"
    never = document(api.call("POST", "/api/tokens", json={"role": "viewer", "expires_days": None}))
    assert never["expires_at"] is None


def test_the_audit_is_paged_and_searched(api: Api) -> None:
    api.call("PATCH", "/api/users/ann", json={"role": "viewer"})
    page = api.get("/api/audit?action=user&limit=1", Role.ADMIN)
    assert page["total"] == 2
    (row,) = cast("list[dict[str, object]]", page["items"])
    assert (row["action"], row["actor"]) == ("user.edit", "token 3 admin")
    assert row["details"] == {"changed": ["role"], "role": "viewer"}
    assert api.call("GET", "/api/audit?actor=x&since=soon").status_code == 422


REMOTE = [
    ("set", {"class": 8, "obis": "0-0:1.0.0", "attribute": 3, "value": "int16:60"}),
    ("action", {"class": 70, "obis": "0-0:96.3.10", "method": 1, "value": "int8:0"}),
    ("relay", {"operation": "disconnect"}),
]


@pytest.mark.parametrize(("verb", "body"), REMOTE, ids=[verb for verb, _ in REMOTE])
def test_meters_are_written_to_where_the_settings_allow_it(tmp_path: Path, verb: str, body: dict[str, object]) -> None:
    (tmp_path / "off").mkdir()
    with serving(tmp_path / "off") as closed:
        closed.store.meters.add(wish(), "test")
        refused = closed.call("POST", f"/api/meters/sim-1/{verb}", json=body)
        assert (refused.status_code, document(refused)["kind"]) == (403, "remote_actions_off")
        assert closed.store.commands.pending() == []
    (tmp_path / "on").mkdir()
    with serving(tmp_path / "on", {"DLMS_BRIDGE_API_REMOTE_ACTIONS": "true"}) as api:
        api.store.meters.add(wish(), "test")
        assert api.call("POST", f"/api/meters/sim-1/{verb}", json=body, role=Role.VIEWER).status_code == 403
        assert api.call("POST", f"/api/meters/sim-1/{verb}", json=body, role=Role.OPERATOR).status_code == 202
        (row,) = api.store.commands.pending()
        assert (row.verb, row.actor) == (verb, "token 2 operator")
        assert api.store.audit.list(limit=1)[0].action == f"command.{verb}"
        secret = {"class": 15, "obis": "0-0:40.0.0", "attribute": 7, "method": 2, "value": "octet-string:3232"}
        kept = {name: value for name, value in secret.items() if name in body}
        if verb != "relay":
            found = document(api.call("POST", f"/api/meters/sim-1/{verb}", json=kept))
            assert (found["status"], found["field"]) == (422, "attribute" if verb == "set" else "method")
            assert len(api.store.commands.pending()) == 1


def test_hsts_is_told_over_tls_alone(api: Api) -> None:
    client = api.app.test_client()
    assert "Strict-Transport-Security" not in client.get("/health").headers
    assert "max-age" in client.get("/health", base_url="https://localhost").headers["Strict-Transport-Security"]
