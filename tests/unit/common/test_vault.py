"""Secrets at rest."""

import os
from pathlib import Path
from threading import Event, Thread

import pytest

from common.secret import Secret
from common.vault import KEY_SIZE, MAX_SECRET, BadKey, Unsealable, Vault, previous_path

UID, OTHER = bytes(16), bytes(15) + b"\x01"
VAULT = Vault(bytes(KEY_SIZE))


def test_a_sealed_secret_opens_again() -> None:
    sealed = VAULT.seal(UID, "password", Secret("päss"))
    assert VAULT.open(UID, "password", sealed) == Secret("päss")
    assert "päss".encode() not in sealed


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert VAULT.seal(UID, "password", Secret("x")) != VAULT.seal(UID, "password", Secret("x"))


@pytest.mark.parametrize(("uid", "field"), [(OTHER, "password"), (UID, "tb_token")])
def test_a_sealed_secret_opens_nowhere_else(uid: bytes, field: str) -> None:
    with pytest.raises(Unsealable):
        VAULT.open(uid, field, VAULT.seal(UID, "password", Secret("x")))


@pytest.mark.parametrize("place", range(0, 30, 3))
def test_a_changed_octet_is_noticed(place: int) -> None:
    sealed = bytearray(VAULT.seal(UID, "password", Secret("x")))
    sealed[place] ^= 1
    with pytest.raises(Unsealable):
        VAULT.open(UID, "password", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"\x01", b"\x01" + bytes(12), b"\x02" + bytes(40)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        VAULT.open(UID, "password", sealed)


def test_another_key_opens_nothing_and_names_the_meter() -> None:
    sealed = VAULT.seal(OTHER, "password", Secret("hush"))
    with pytest.raises(Unsealable, match=OTHER.hex()) as caught:
        Vault(b"\x01" * KEY_SIZE).open(OTHER, "password", sealed)
    assert "hush" not in caught.value.detail


def test_no_secret_is_no_octets() -> None:
    assert VAULT.seal(UID, "password", Secret("")) == b""
    assert VAULT.open(UID, "password", b"") == Secret("")


def test_a_secret_has_a_longest() -> None:
    with pytest.raises(Unsealable, match="longer than"):
        VAULT.seal(UID, "password", Secret("x" * (MAX_SECRET + 1)))


def test_the_key_is_made_once_for_our_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = Vault.create(path)
    key = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o400
    assert len(key) == KEY_SIZE
    second = Vault.create(path)
    assert path.read_bytes() == key
    assert second.open(UID, "f", first.seal(UID, "f", Secret("x"))) == Secret("x")
    assert [item.name for item in tmp_path.iterdir()] == ["master.key"]


def test_a_missing_key_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="meterctl init"):
        Vault.load(tmp_path / "master.key")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(os.urandom(KEY_SIZE))
    path.chmod(0o440)
    with pytest.raises(BadKey, match="chmod 0400"):
        Vault.load(path)


def test_a_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(BadKey, match="32 octets, not 31"):
        Vault(bytes(31))


def test_a_key_that_has_the_inode_of_one_that_was_destroyed_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sleeping = Vault.create(path)
    inode = path.stat().st_ino
    path.chmod(0o600)
    path.write_bytes(b"\x07" * KEY_SIZE)  # as ext4 does it at the second change
    os.utime(path, ns=(1, 1))
    assert path.stat().st_ino == inode
    sealed = sleeping.seal(UID, "password", Secret("x"))
    assert Vault.load(path).open(UID, "password", sealed) == Secret("x")


def test_a_change_that_ends_in_this_moment_keeps_nobody_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key, done = Vault.create(path).key_id, Event()

    def change() -> None:
        while not done.is_set():
            previous_path(path).hardlink_to(path)
            previous_path(path).unlink()

    changing = Thread(target=change)
    changing.start()
    try:
        assert {Vault.load(path).key_id for _ in range(2000)} == {key}
    finally:
        done.set()
        changing.join()
