"""The lock on a line."""

from pathlib import Path

import pytest

from poller.errors import LineHeld
from poller.line import LineLock


def test_one_line_is_held_by_one(tmp_path: Path) -> None:
    first, second = LineLock(tmp_path), LineLock(tmp_path)
    first.take("10.0.0.1", 3333)
    first.take("10.0.0.1", 3333)
    with pytest.raises(LineHeld, match=r"10\.0\.0\.1:3333"):
        second.take("10.0.0.1", 3333)
    second.take("10.0.0.1", 3334)
    first.release()
    first.release()
    second.take("10.0.0.1", 3333)
    second.release()


def test_taking_another_line_lets_go_of_the_first(tmp_path: Path) -> None:
    first, second = LineLock(tmp_path), LineLock(tmp_path)
    first.take("10.0.0.1", 3333)
    first.take("10.0.0.2", 3333)
    second.take("10.0.0.1", 3333)
    first.release()
    second.release()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LineHeld, match="cannot be opened"):
        LineLock(tmp_path / "nowhere").take("::1", 3333)


def test_the_lock_is_private(tmp_path: Path) -> None:
    line = LineLock(tmp_path)
    line.take("fe80::1", 3333)
    (path,) = tmp_path.iterdir()
    assert path.name == "fe80::1_3333.lock"
    assert path.stat().st_mode & 0o777 == 0o600
    line.release()
