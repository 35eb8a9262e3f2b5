"""API tokens: shown once, kept as a digest, worthless when revoked."""

from pathlib import Path

import pytest
from sqlalchemy import update

from common.store.database import Database, Way
from common.store.engine import Store
from common.store.errors import NoSuchToken, TooManyTokens
from common.store.model import Role
from common.store.tables import tokens
from tests.support.installation import StillClock


def test_a_token_is_verified_until_it_is_revoked(store: Store) -> None:
    number, text = store.tokens.create(Role.OPERATOR, "night shift")
    found = store.tokens.verify(text.reveal())
    assert found is not None
    assert (found.id, found.role, found.label) == (number, Role.OPERATOR, "night shift")
    store.tokens.revoke(number)
    assert store.tokens.verify(text.reveal()) is None
    assert [row.revoked_at is None for row in store.tokens.list()] == [False]
    with pytest.raises(NoSuchToken):
        store.tokens.revoke(number)


def test_a_token_is_long_random_and_nowhere_in_the_files(store: Store, store_file: Path) -> None:
    texts = {store.tokens.create(Role.ADMIN, "x")[1].reveal() for _ in range(3)}
    assert len(texts) == 3
    files = b"".join(path.read_bytes() for path in store_file.parent.glob("store.db*"))
    for text in texts:
        assert text.startswith("dbt_")
        assert len(text) == 47
        assert text[4:].encode() not in files


def test_the_store_forgets_what_is_older_than_its_retention(store: Store, clock: StillClock) -> None:
    store.audit.record("ann", "backup", "store")
    store.trim()
    assert [row.action for row in store.audit.list()] == ["backup"]
    clock.sleep(401 * 86_400)
    store.audit.record("ann", "restore", "store")
    store.trim()
    assert [row.action for row in store.audit.list()] == ["restore"]
    assert store.audit.list(before_id=1) == []


@pytest.mark.parametrize("text", ["", "dbt_", "dbt_" + "x" * 43, "x" * 47, "dbt_" + "x" * 10_000, "dbt_\ud800"])
def test_nobodys_token_is_nobodys(store: Store, text: str) -> None:
    store.tokens.create(Role.ADMIN, "x")
    assert store.tokens.verify(text) is None


def test_a_token_ends_after_a_year_unless_said_otherwise(store: Store, clock: StillClock) -> None:
    texts = [
        store.tokens.create(Role.VIEWER, "a year")[1].reveal(),
        store.tokens.create(Role.VIEWER, "a day", life_ms=86_400_000)[1].reveal(),
        store.tokens.create(Role.VIEWER, "for ever", life_ms=None)[1].reveal(),
    ]
    assert [store.tokens.verify(text) is not None for text in texts] == [True, True, True]
    clock.sleep(86_400)
    assert [store.tokens.verify(text) is not None for text in texts] == [True, False, True]
    clock.sleep(364 * 86_400)
    assert [store.tokens.verify(text) is not None for text in texts] == [False, False, True]
    assert [row.state(clock.wall_ms()) for row in store.tokens.list()] == ["expired", "expired", "active"]


def test_the_last_use_is_written_once_a_minute(store: Store, clock: StillClock) -> None:
    number, text = store.tokens.create(Role.VIEWER, "x")
    assert store.tokens.get(number).last_used_at is None
    seen = []
    for _ in range(7):
        store.tokens.verify(text.reveal())
        seen.append(store.tokens.get(number).last_used_at)
        clock.sleep(20)
    assert len(set(seen)) == 3
    store.tokens.revoke(number)
    assert store.tokens.get(number).state(clock.wall_ms()) == "revoked"


def test_a_process_remembers_the_uses_of_so_many_tokens_and_no_more(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.store.tokens.MAX_TRIED", 2)
    made = [store.tokens.create(Role.VIEWER, str(number)) for number in range(3)]
    first = made[0][1].reveal()
    writes = []
    for _, text in made:
        store.tokens.verify(text.reveal())
        _forget_uses(store_url)
        store.tokens.verify(first)
        writes.append(store.tokens.get(made[0][0]).last_used_at is not None)
    assert writes == [False, False, True]  # the third made this process forget the first


def _forget_uses(url: str) -> None:
    """As if the store had taken none of the writes."""
    database = Database(url)
    with database.begin(Way.STATE) as connection:
        connection.execute(update(tokens).values(last_used_at=None))
    database.close()


def test_there_is_an_end_to_tokens_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.store.tokens.MAX_LIVING", 2)
    number, _ = store.tokens.create(Role.VIEWER, "1")
    store.tokens.create(Role.VIEWER, "2")
    with pytest.raises(TooManyTokens):
        store.tokens.create(Role.VIEWER, "3")
    store.tokens.revoke(number)
    store.tokens.create(Role.VIEWER, "3")
