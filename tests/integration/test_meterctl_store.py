"""meterctl backup, restore, migrate and rotate-key as a person types them, on an installation where nothing runs."""

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from common.master_key import KeyChange
from common.process import Exit
from common.store.schema import REVISION
from common.vault import Vault

METERCTL = Path(sys.executable).with_name("meterctl")
PASSWORD = "12345678"  # the simulator's kind
Document = dict[str, object]


def _call(state: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([METERCTL, "--state", state, *words], capture_output=True, check=False, timeout=60)
    assert done.returncode == code, (words, done)
    return done


def _json(state: Path, *words: str, code: int = 0) -> Document:
    done = _call(state, *words, "--json", code=code)
    return cast("Document", json.loads(done.stderr if code == 2 else done.stdout))


def _error(state: Path, *words: str) -> str:
    error = _json(state, *words, code=2)["error"]
    return str(cast("Document", error)["kind"])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with one meter that has a password."""
    directory = tmp_path_factory.mktemp("installed")
    (directory / "password").write_text(PASSWORD)
    (directory / "password").chmod(0o600)
    _call(directory / "state", "init")
    words = ("--host", "10.0.0.1", "--auth", "lls", "--password-file", str(directory / "password"))
    _call(directory / "state", "add", "one", *words)
    return directory / "state"


def test_a_backup_goes_to_another_directory_with_all_it_needs(state: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "made.tar", tmp_path / "other"
    told = _json(state, "backup", str(file), "--with-key")
    assert (told["verified"], told["with_key"], told["revision"]) == ("restored", True, REVISION)
    assert file.stat().st_mode & 0o777 == 0o600
    assert _error(state, "backup", str(file)) == "file_exists"
    assert _call(state, "backup", "-", "--quick").stdout[:7] == b"tables/"
    restored = _json(other, "restore", str(file))
    assert cast("Document", restored["rows"])["meters"] == 1
    assert restored["settings_restored"] is True
    assert _error(other, "restore", str(file)) == "store_not_empty"
    assert (other / "master.key").read_bytes() == (state / "master.key").read_bytes()
    found = json.loads(_call(other, "list", "--json").stdout)
    assert [meter["password_set"] for meter in found] == [True]
    assert not list(state.glob(".backup*"))
    good = file.read_bytes()
    trial = tmp_path / ".made.tar.trial"
    trial.mkdir()  # nothing can be restored there
    _call(state, "backup", str(file), "--force", code=Exit.BUG)
    trial.rmdir()
    assert file.read_bytes() == good, "what was not tried replaces nothing"
    assert not list(tmp_path.glob(".made*"))
    file.write_bytes(file.read_bytes()[:-4000])
    assert _error(other, "restore", str(file), "--force") == "bad_backup"


def test_a_new_key_is_said_and_the_old_backup_needs_the_old_one(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "made.tar"
    _call(state, "backup", str(file), "--quick")
    told = _json(state, "rotate-key", "--keep")
    assert (told["secrets"], told["finished_an_earlier_one"]) == (1, False)
    assert Path(str(told["kept"])).exists()
    assert _error(state, "restore", str(file), "--force") == "key_missing"
    done = _call(state, "rotate-key")
    assert b"is destroyed" in done.stdout
    audit = [b"checked", b"made", b"kept", b"in force", b"sealed anew", b"verified", b"ended"]
    assert done.stderr.split(b"\n")[:-1] == audit


def test_a_change_of_the_key_that_was_interrupted_keeps_the_old_key_under_its_own_name(state: Path) -> None:
    change, old = KeyChange(state / "master.key"), Vault.load(state / "master.key").key_id
    change.make()
    change.keep()
    change.switch()
    told = _json(state, "rotate-key", "--keep")
    assert (told["before"], told["finished_an_earlier_one"]) == (old, True)
    assert Vault.load(Path(str(told["kept"]))).key_id == old
    assert Path(str(told["kept"])).name == f"master.key.{old}"


def test_the_schema_goes_down_and_up_and_each_time_a_backup_is_made(state: Path) -> None:
    assert _json(state, "migrate", "--check")["steps"] == []
    would = _json(state, "migrate", "--to", "0001", "--dry-run")
    assert (would["way"], would["done"]) == ("down", False)
    told = _json(state, "migrate", "--to", "0001")
    assert Path(str(told["backup"])).stat().st_mode & 0o777 == 0o600
    assert _json(state, "migrate", "--check", code=1)["from"] == "0001"
    assert _error(state, "migrate", "--to", "0815") == "no_such_revision"
    done = _call(state, "init")
    (saved,) = (state / "backups").iterdir()
    assert (saved.name[:20], saved.stat().st_mode & 0o777) == ("before-upgrade-0001-", 0o600)
    assert str(saved).encode() in done.stderr
    assert _call(state, "init").stderr == b""
    _json(state, "migrate", "--to", "0003")
    saved.unlink()
    saved.parent.rmdir()
    saved.parent.write_text("in the way")
    assert b"upgraded without a backup" in _call(state, "init").stderr
    saved.parent.unlink()
    assert _json(state, "migrate", "--check")["steps"] == []
    assert len(json.loads(_call(state, "list", "--json").stdout)) == 1


def test_nothing_is_restored_or_migrated_while_the_product_runs(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "made.tar"
    handle = os.open(state / "run.lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        _call(state, "backup", str(file), "--quick", "--with-key")
        assert _error(state, "restore", str(file), "--force") == "already_running"
        assert _error(state, "migrate", "--to", "0002", "--yes") == "already_running"
        _call(state, "rotate-key")
    finally:
        os.close(handle)


def test_a_run_refuses_a_store_of_a_newer_version_and_leaves_it_alone(state: Path) -> None:
    def at(revision: str) -> None:
        with closing(sqlite3.connect(state / "store.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))

    at("9999")
    try:
        done = _call(state, "run", code=Exit.BAD_CONFIGURATION)
        assert b"store_too_new" in done.stderr
        assert b"9999" in done.stderr
        assert _error(state, "migrate") == "store_too_new"
    finally:
        at(REVISION)
