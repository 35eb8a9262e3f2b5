"""A log on disk: its last lines over rotations, what is added later, and a line's parts."""

from pathlib import Path

import pytest

from admin_api import log_file
from admin_api.log_file import Growth, last_lines, line_document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def _rotate(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.1"))


def test_no_log_has_no_lines(path: Path) -> None:
    assert last_lines(path, 10) == []
    assert list(Growth(path).lines()) == []


@pytest.mark.parametrize("count", [0, 1, 3, 7, 8, 100])
@pytest.mark.parametrize("block", [1, 5, 1 << 16])
def test_the_last_lines_come_oldest_first_from_the_file_before_too(
    path: Path, monkeypatch: pytest.MonkeyPatch, count: int, block: int
) -> None:
    monkeypatch.setattr(log_file, "BLOCK", block)
    path.with_name("worker.log.1").write_text("a\nb\nc\n", encoding="utf-8")
    path.write_text("d\ne\n\nf\x0b\u2028g\n", encoding="utf-8")
    lines = ["a", "b", "c", "d", "e", "", "f\x0b\u2028g"]
    assert last_lines(path, count) == (lines[-count:] if count else [])


def test_no_more_octets_are_read_than_the_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_OCTETS", 10)
    path.write_text("x" * 100, encoding="utf-8")
    path.with_name("worker.log.1").write_text("old\n", encoding="utf-8")
    assert last_lines(path, 5) == ["x" * 10]


def test_octets_that_are_no_text_are_replaced(path: Path) -> None:
    path.write_bytes(b"a\xffb\n")
    assert last_lines(path, 1) == ["a\ufffdb"]


def test_what_is_added_is_given_once_and_whole(path: Path) -> None:
    path.write_text("before\n", encoding="utf-8")
    growth = Growth(path)
    assert last_lines(path, 9, growth.position) == ["before"]
    with path.open("a", encoding="utf-8") as stream:
        stream.write("one\ntw")
        stream.flush()
        assert list(growth.lines()) == ["one"]
        assert last_lines(path, 9, len("before\n")) == ["before"]
        stream.write("o\n")
        stream.flush()
        assert list(growth.lines()) == ["two"]
    assert list(growth.lines()) == []


def test_a_rotation_loses_nothing(path: Path) -> None:
    path.write_text("before\n", encoding="utf-8")
    growth = Growth(path)
    with path.open("a", encoding="utf-8") as stream:
        stream.write("last words\n")
    _rotate(path)
    assert list(growth.lines()) == [], "between two files"
    path.write_text("first words\n", encoding="utf-8")
    assert list(growth.lines()) == ["last words", "first words"]


def test_a_log_emptied_in_place_is_read_from_its_beginning(path: Path) -> None:
    path.write_text("long before\n", encoding="utf-8")
    growth = Growth(path)
    path.write_text("new\n", encoding="utf-8")
    assert list(growth.lines()) == ["new"]


def test_an_event_has_parts_and_anything_else_is_text() -> None:
    assert line_document("2026-11-21T22:30:00.123Z INFO poller.loop connected host=x") == {
        "at": "2026-11-21T22:30:00.123Z",
        "level": "INFO",
        "logger": "poller.loop",
        "text": "connected host=x",
    }
    assert line_document("Traceback …") == {"at": None, "level": None, "logger": None, "text": "Traceback …"}
