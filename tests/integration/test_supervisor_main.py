"""dlms-supervisor-qos as a program: how it refuses to start, and that it stops when told to."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from common.process import Exit
from common.settings import load
from common.store.engine import open_store
from common.vault import Vault
from supervisor_qos.main import check_packages
from tests.support.waiting import wait_until

PROGRAM: Final = str(Path(sys.executable).parent / "dlms-supervisor-qos")


def prepared(directory: Path, toml: str = "") -> str:
    """Return a state directory with key and store."""
    (directory / "bridge.toml").write_text(toml, encoding="ascii")
    settings = load(str(directory), {})
    settings.paths.make()
    open_store(settings.store_url, Vault.create(settings.paths.master_key)).upgrade()
    return str(directory)


def refused(words: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_wrong_usage_is_a_wrong_configuration() -> None:
    code, text = refused(["--stat", "x"])
    assert code == Exit.BAD_CONFIGURATION
    assert "usage: dlms-supervisor-qos [--state DIR]" in text


@pytest.mark.parametrize(("toml", "words"), [("[nonsense]\n", "[nonsense] is not a section"), ("", "master.key")])
def test_settings_or_key_that_are_missing_or_wrong_are_named(tmp_path: Path, toml: str, words: str) -> None:
    (tmp_path / "bridge.toml").write_text(toml, encoding="ascii")
    code, text = refused(["--state", str(tmp_path)])
    assert code == Exit.BAD_CONFIGURATION
    assert words in text


def test_one_supervisor_works_on_a_state_directory_and_stops_when_told_to(tmp_path: Path) -> None:
    state = prepared(tmp_path)
    log = tmp_path / "first.log"
    with log.open("wb") as stream:
        first = subprocess.Popen([PROGRAM, "--state", state], stderr=stream)
    try:
        wait_until(lambda: "started" in log.read_text(encoding="utf-8"), 20.0, "the first supervisor")
        code, text = refused(["--state", state])
        assert (code, "another supervisor" in text) == (Exit.LOCK_HELD, True)
        wait_until(lambda: "look failed, is tried again" in log.read_text(encoding="utf-8"), 10.0, "its complaint")
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(10.0) == Exit.OK


def test_our_packages_lie_in_one_place() -> None:
    check_packages()
