"""A new master key: whatever kills whoever changes it, everything opens at every moment, in the end with it alone."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary

from common.clock import SystemClock
from common.secret import Secret
from common.store.database import Database
from common.store.engine import Store, open_store
from common.store.resealing import STEPS, NotSealedAnew, Rotation
from common.store.safekeeping import copy_path
from common.store.tables import SEALED, metadata
from common.vault import Unsealable, Vault, previous_path, read_key
from tests.support.installation import StillClock, opened, unresolved, wish
from tests.support.stores import KEY, PASSWORD, TOKEN, secured

OPEN = {"packed"}  # octets that are no secret: readings
WANTED = {"password": PASSWORD, "tb_token": TOKEN, "encryption_key": KEY}


@pytest.fixture
def held(tmp_path: Path, clock: StillClock, store_url: str) -> "Held":
    """A store with a secured meter and its copy; loaded by a program that goes on."""
    with opened(tmp_path, clock, store_url) as store:
        store.meters.add(secured(), "test")
        store.meters.add(wish(port=5), "test")
        store.keep()
    return Held(tmp_path, store_url)


class Held:
    """A store and its key, looked at from outside."""

    def __init__(self, directory: Path, url: str) -> None:
        self.key, self.url = directory / "master.key", url

    def opened(self, vault: Vault | None = None) -> Store:
        """Open the store as a program that starts now."""
        return open_store(self.url, vault or Vault.load(self.key), clock=StillClock(), resolve_hosts=unresolved)

    def secrets(self, store: Store) -> dict[str, Secret]:
        """Return what a program reads of the secured meter."""
        found = store.meters.by_name("secured").wish
        return {name: getattr(found, name) for name in WANTED}

    def steps(self, until: int = len(STEPS), aside: Path | None = None) -> list[str]:
        """Change the key, up to a step."""
        database = Database(self.url)
        rotation = Rotation(database, self.key, SystemClock(), "test", aside)
        found = []
        try:
            for name, _ in rotation.steps():
                found.append(name)
                if len(found) == until:
                    break
        finally:
            database.close()
        return found

    def is_sound(self) -> bool:
        """Return whether everything opens with the key in force alone, and no other is left."""
        store = self.opened(Vault(read_key(self.key)[0]))
        try:
            return self.secrets(store) == WANTED and [path.name for path in self.key.parent.glob("master.key*")] == [
                "master.key"
            ]
        finally:
            store.close()


def test_every_column_of_octets_without_a_length_is_known_to_be_sealed() -> None:
    for name, table in metadata.tables.items():
        found = {column.name for column in table.c if isinstance(column.type, LargeBinary) and not column.type.length}
        assert found - OPEN == set(SEALED[name][1] if name in SEALED else ()), name


def test_a_new_key_opens_everything_alone_and_is_in_the_audit(held: Held) -> None:
    before = read_key(held.key)[0]
    assert held.steps() == list(STEPS)
    assert read_key(held.key)[0] != before
    assert held.key.stat().st_mode & 0o777 == 0o400
    assert held.is_sound()
    store = held.opened()
    line = store.audit.list()[0]
    assert (line.actor, line.action) == ("test", "key.rotate")
    assert line.details == {"secrets": 3, "key": Vault.load(held.key).key_id}
    store.close()
    store = held.opened(Vault(before))
    with pytest.raises(Unsealable):
        held.secrets(store)
    store.close()


@pytest.mark.parametrize("until", range(1, len(STEPS)))
def test_a_kill_between_any_two_steps_costs_nothing_and_is_made_good(held: Held, until: int) -> None:
    running = held.opened()
    assert held.secrets(running) == WANTED
    child = os.fork()
    if child == 0:
        held.steps(until)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert held.secrets(running) == WANTED, "a program that was running"
    starting = held.opened()
    assert held.secrets(starting) == WANTED, "a program that starts"
    added = starting.meters.add(replace(secured("late"), port=77), "test")
    assert running.meters.get(added.uid).wish.password == PASSWORD
    assert "ended" in held.steps()
    assert held.is_sound()
    for store in (running, starting):
        assert held.secrets(store) == WANTED
        assert store.meters.get(added.uid).wish.password == PASSWORD
        store.close()


def test_whoever_writes_meanwhile_is_found_or_seals_with_the_new_key(held: Held) -> None:
    running = held.opened()
    database = Database(held.url)
    rotation = Rotation(database, held.key, SystemClock(), "test")
    for number, _ in enumerate(rotation.steps()):
        running.meters.add(replace(secured(f"meanwhile {number}"), port=100 + number), "test")
    database.close()
    running.close()
    assert held.is_sound()
    store = held.opened(Vault(read_key(held.key)[0]))
    assert [meter.wish.password for meter in store.meters.list()].count(PASSWORD) == 1 + len(STEPS)
    store.close()


def test_the_old_key_is_kept_where_that_is_wished(held: Held, tmp_path: Path) -> None:
    before = read_key(held.key)[0]
    held.steps(aside=tmp_path / "old.key")
    assert read_key(tmp_path / "old.key")[0] == before
    assert held.is_sound()


def test_a_secret_that_no_key_opens_stops_the_change_before_it_begins(held: Held) -> None:
    store = held.opened(Vault(b"x" * 32))
    store.meters.add(replace(secured("foreign"), port=9), "test")
    store.close()
    before = read_key(held.key)[0]
    with pytest.raises(Unsealable):
        held.steps()
    assert read_key(held.key)[0] == before
    assert not previous_path(held.key).exists()


def test_the_copy_of_the_wishes_is_sealed_anew_too(
    tmp_path: Path, clock: StillClock, store_file: Path, store_url: str
) -> None:
    with opened(tmp_path, clock, store_url) as store:
        store.meters.add(secured(), "test")
        store.keep()
    held = Held(tmp_path, store_url)
    held.steps()
    store_file.write_bytes(b"garbage" * 999)
    store = held.opened(Vault(read_key(held.key)[0]))
    store.upgrade()
    assert held.secrets(store) == WANTED
    store.close()


def test_a_copy_that_the_new_key_does_not_open_keeps_the_old_one(
    tmp_path: Path, clock: StillClock, store_file: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, clock, store_url) as store:
        store.meters.add(secured(), "test")
        store.keep()
    held = Held(tmp_path, store_url)
    stale = copy_path(store_file).read_bytes()
    monkeypatch.setattr("common.store.resealing.copy", lambda path: copy_path(path).write_bytes(stale))
    with pytest.raises(NotSealedAnew, match="kept"):
        held.steps()
    assert previous_path(held.key).exists()
    monkeypatch.undo()
    assert held.steps() == ["checked", "sealed anew", "verified", "ended"]
    assert held.is_sound()
