"""Which program ties a command to its parent: util-linux's setpriv, else we do it ourselves."""

from pathlib import Path

import pytest

from common.tether import tethered

SCRIPTS = Path("/opt/bridge/bin")
COMMAND = ["dlms-poller", "--config", "7.json"]
OURSELVES = ["/opt/bridge/bin/python", "-P", "-m", "common.tether", "TERM", "0", *COMMAND]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path) -> Path:
    path.touch(mode=0o755)
    return path


def test_setpriv_ties_where_it_is_there(programs: Path) -> None:
    setpriv = _program(programs / "setpriv")
    assert tethered(COMMAND, SCRIPTS) == [str(setpriv), "--pdeathsig", "TERM", "--", *COMMAND]


def test_without_setpriv_we_do_it_ourselves(programs: Path) -> None:
    assert not list(programs.iterdir())
    assert tethered(COMMAND, SCRIPTS) == OURSELVES


def test_busyboxs_setpriv_knows_no_signal_of_death(programs: Path) -> None:
    (programs / "setpriv").symlink_to(_program(programs / "busybox"))
    assert tethered(COMMAND, SCRIPTS) == OURSELVES
