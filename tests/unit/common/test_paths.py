"""Where everything lies."""

from pathlib import Path

import pytest

from common.paths import MAX_SOCKET_PATH, Paths, UnsafeDirectory, make_private


def test_all_directories_are_private(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "state")
    paths.make()
    paths.make()
    for path in (
        paths.outbox,
        paths.journal,
        paths.counters,
        paths.log,
        paths.run,
        paths.workers,
        paths.programs,
        paths.locks,
    ):
        assert path.stat().st_mode & 0o777 == 0o700, path


def test_a_directory_that_was_open_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir(mode=0o755)
    make_private(path)
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_link_or_a_file_is_no_private_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeDirectory):
        make_private(tmp_path / "link")


def test_sockets_lie_in_the_run_directory_where_its_path_is_short() -> None:
    assert Paths(Path("/srv/state")).sockets == Path("/srv/state/run")


def test_a_long_path_has_its_sockets_elsewhere_always_at_the_same_place() -> None:
    one, other = Paths(Path("/srv") / ("x" * 90)), Paths(Path("/srv") / ("y" * 90))
    assert len(str(one.sockets)) + len("/supervisord.sock.12345") <= MAX_SOCKET_PATH
    assert one.sockets == Paths(one.root).sockets
    assert one.sockets != other.sockets


def test_a_state_directory_that_we_make_is_closed_to_others(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "state")
    paths.make()
    assert paths.root.stat().st_mode & 0o777 == 0o700
