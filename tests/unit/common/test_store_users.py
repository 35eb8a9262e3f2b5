"""People: who may log in, what ends their sessions, and that somebody is left who can change things."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.secret import Secret
from common.store.engine import Store
from common.store.errors import BadWish, LastAdmin, NoSuchUser, TooManyUsers, UserTaken
from common.store.model import SECRETS, AuditFilter, MeterWish, Role
from common.store.sessions import IDLE_MS, LIFE_MS, MAX_OF_USER
from tests.support.installation import StillClock, wish

HASH = "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"


def test_a_user_is_found_by_name_and_by_number_and_never_with_the_hash(store: Store) -> None:
    made = store.users.add("Ann@Plant", Role.OPERATOR, HASH, "test")
    assert (made.name, made.role, made.disabled_at) == ("ann@plant", Role.OPERATOR, None)
    assert store.users.find("ANN@plant") == store.users.find(str(made.id)) == made
    assert store.users.hash_of("Ann@plant") == (made, HASH)
    assert "argon" not in repr(store.users.list())


@pytest.mark.parametrize("name", ["", " ann", "-ann", "ann smith", "a" * 65, "ann\n", "ünn", "ann/x"])
def test_a_name_that_none_is_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadWish, match="name"):
        store.users.add(name, Role.VIEWER, HASH, "test")


def test_a_name_is_given_once(store: Store) -> None:
    store.users.add("ann", Role.VIEWER, HASH, "test")
    with pytest.raises(UserTaken):
        store.users.add("ANN", Role.ADMIN, HASH, "test")


def test_there_is_an_end_to_users(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.store.users.MAX_USERS", 2)
    for number in range(2):
        store.users.add(f"u{number}", Role.VIEWER, HASH, "test")
    with pytest.raises(TooManyUsers):
        store.users.add("one-more", Role.VIEWER, HASH, "test")


def test_a_session_stands_for_its_user_until_it_is_idle_for_an_hour(store: Store, clock: StillClock) -> None:
    ann = store.users.add("ann", Role.OPERATOR, HASH, "test")
    session, text = store.sessions.create(ann, "test")
    assert session.expires_at == clock.wall_ms() + LIFE_MS
    for _ in range(3):
        clock.sleep(IDLE_MS / 1000 - 1)
        found = store.sessions.verify(text.reveal())
        assert found is not None
        assert found.user.role is Role.OPERATOR
    clock.sleep(IDLE_MS / 1000)
    assert store.sessions.verify(text.reveal()) is None


def test_a_session_ends_after_half_a_day_however_busy(store: Store, clock: StillClock) -> None:
    _, text = store.sessions.create(store.users.add("ann", Role.VIEWER, HASH, "test"), "test")
    for _ in range(23):
        clock.sleep(1800)
        assert store.sessions.verify(text.reveal()) is not None
    clock.sleep(1800)
    assert store.sessions.verify(text.reveal()) is None


@pytest.mark.parametrize("change", [{"password_hash": HASH + "x"}, {"role": Role.ADMIN}, {"disabled": True}])
def test_whatever_changes_a_person_ends_the_sessions(store: Store, change: dict[str, object]) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    _, text = store.sessions.create(ann, "test")
    store.users.change("ann", "test", **change)  # type: ignore[arg-type]  # one of several types
    assert store.sessions.verify(text.reveal()) is None


def test_who_is_shut_out_while_logging_in_gets_no_session(store: Store, clock: StillClock) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    clock.sleep(1)
    store.users.change("ann", "test", disabled=True)
    assert store.users.hash_of("ann") is None
    with pytest.raises(NoSuchUser):
        store.sessions.create(ann, "test")


def test_a_logout_and_a_removal_end_sessions_at_once(store: Store) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    first, text = store.sessions.create(ann, "test")
    _, other = store.sessions.create(ann, "test")
    store.sessions.end(first.id, "ann")
    store.sessions.end(first.id, "ann")
    assert store.sessions.verify(text.reveal()) is None
    assert store.sessions.verify(other.reveal()) is not None
    store.users.remove("ann", "test")
    assert store.sessions.verify(other.reveal()) is None
    with pytest.raises(NoSuchUser):
        store.users.find("ann")


def test_one_person_has_so_many_sessions_and_the_oldest_goes(store: Store) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    texts = [store.sessions.create(ann, "test")[1].reveal() for _ in range(MAX_OF_USER + 1)]
    assert [store.sessions.verify(text) is not None for text in texts] == [False, *[True] * MAX_OF_USER]


def test_sessions_that_are_over_are_forgotten(store: Store, clock: StillClock, tmp_path: Path) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    _, text = store.sessions.create(ann, "test")
    clock.sleep(IDLE_MS / 1000)
    store.trim()
    clock.sleep(-IDLE_MS / 1000)
    assert store.sessions.verify(text.reveal()) is None
    files = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert text.reveal()[4:].encode() not in files


@pytest.mark.parametrize("leave", ["remove", "disable", "demote"])
def test_the_last_admin_stays_until_a_token_of_an_admin_lives(store: Store, leave: str, clock: StillClock) -> None:
    def go(name: str) -> None:
        if leave == "remove":
            store.users.remove(name, "test")
        else:
            shut = leave == "disable"
            store.users.change(name, "test", disabled=shut or None, role=None if shut else Role.VIEWER)

    for name in ("ann", "bob"):
        store.users.add(name, Role.ADMIN, HASH, "test")
    go("bob")
    store.tokens.create(Role.OPERATOR, "no admin")
    number, _ = store.tokens.create(Role.ADMIN, "over", life_ms=1000)
    clock.sleep(1)
    with pytest.raises(LastAdmin):
        go("ann")
    store.tokens.create(Role.ADMIN, "living", life_ms=None)
    go("ann")
    assert number


def test_a_better_hash_replaces_only_the_one_that_was_compared(store: Store) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "test")
    store.users.rehash(ann.id, HASH, "better")
    store.users.rehash(ann.id, HASH, "late")
    found = store.users.hash_of("ann")
    assert found is not None
    assert found[1] == "better"


def test_every_change_of_people_stands_in_the_audit_without_a_hash(store: Store) -> None:
    ann = store.users.add("ann", Role.VIEWER, HASH, "t1")
    session, _ = store.sessions.create(ann, "ann")
    store.sessions.end(session.id, "ann")
    store.users.change("ann", "t2", role=Role.ADMIN, password_hash="secret-hash")
    store.tokens.create(Role.ADMIN, "x", "t3")
    store.users.remove("ann", "t4")
    rows, total = store.audit.page(AuditFilter())
    actions = ["user.remove", "token.create", "user.edit", "logout", "login", "user.add"]
    assert ([row.action for row in rows], total) == (actions, 6)
    assert rows[2].details == {"changed": ["password", "role"], "role": "admin"}
    assert "secret-hash" not in repr(rows)


def test_the_audit_of_a_meter_is_found_by_its_uid_and_by_its_whole_name(store: Store) -> None:
    meter = store.meters.add(wish("hall 2"), "t1")
    store.commands.insert(meter.uid, "restart", actor="t1")
    found = {word: store.audit.page(AuditFilter(subject=word))[1] for word in (meter.uid.hex(), "hall 2", "2", "hall")}
    assert found == {meter.uid.hex(): 2, "hall 2": 2, "2": 0, "hall": 0}


def test_the_audit_is_searched_by_who_what_and_when(store: Store, clock: StillClock) -> None:
    store.users.add("ann", Role.VIEWER, HASH, "t1")
    clock.sleep(60)
    store.users.change("ann", "t2", disabled=True)
    store.audit.record("t2", "userland", "ann", {"password": "never", "note": "mqtt://a:b@host"})

    def count(wanted: AuditFilter) -> int:
        return store.audit.page(wanted)[1]

    assert [count(AuditFilter(action=action)) for action in ("user", "user.add", "use")] == [2, 1, 0]
    assert (count(AuditFilter(actor="t2")), count(AuditFilter(subject="ann"))) == (2, 3)
    now = clock.wall_ms()
    assert (count(AuditFilter(since_ms=now)), count(AuditFilter(until_ms=now))) == (2, 1)
    rows, total = store.audit.page(AuditFilter(), limit=1, offset=1)
    assert ([row.action for row in rows], total) == (["user.edit"], 3)
    newest = store.audit.page(AuditFilter(), limit=1)[0][0]
    assert newest.details == {"password": "********", "note": "mqtt://********@host"}


@pytest.mark.parametrize("field", SECRETS)
def test_no_secret_of_a_wish_is_in_the_audit(store: Store, field: str) -> None:
    planted = Secret("0123456789abcdef0123456789ABCDEF")
    secured = replace(
        wish(), authentication="hls-gmac", security="both", client_title="4D4D4D0000BC614E",
        encryption_key=Secret("00" * 16), authentication_key=Secret("11" * 16),
    )  # fmt: skip
    meter = store.meters.add(_with(secured, field, planted), "test")
    store.meters.edit(meter.id, lambda _: _with(secured, field, Secret("ff" * 16)), "test")
    store.meters.edit(meter.id, lambda _: _with(secured, field, planted), "test")
    told = repr(store.audit.list())
    assert f"'{field}'" in told
    assert planted.reveal() not in told
    assert "ff" * 16 not in told


def _with(found: MeterWish, field: str, secret: Secret) -> MeterWish:
    return replace(found, **{field: secret})  # type: ignore[arg-type]  # a field of that type
