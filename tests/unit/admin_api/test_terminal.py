"""What a terminal gets and a pipe does not: drawn tables, bars, questions; and what both are spared."""

import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from admin_api.cli.flags import confirmed
from admin_api.cli.output import show_error, show_failure, show_table
from admin_api.cli.progress import progress
from common.errors import Hopeless
from common.hints import HINTS
from poller.errors import ConnectRefused

TITLES = ("name", "detail")
ROWS = [("sim-1", "a rather long text that does not fit into a narrow terminal " * 3), ("[red]sim-2", "x")]


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty columns, without a wish about colours."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_table_is_as_wide_as_the_terminal_and_reads_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stdout(Terminal()) as narrow:
        show_table(TITLES, ROWS)
    plain = re.sub("\x1b\\[[0-9;]*m", "", narrow.getvalue())
    assert max(map(len, plain.splitlines())) <= 40
    assert "[red]sim-2" in narrow.getvalue()
    assert "\x1b[3" not in narrow.getvalue(), "no colour"


def test_a_pipe_gets_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(TITLES, [("sim-1", "x"), ("a", "y")])
    assert capsys.readouterr().out == "name   detail\nsim-1  x\na      y\n"


def test_a_bar_goes_to_standard_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with redirect_stderr(Terminal()) as bar, progress("importing", 4) as tell:
        tell(2, "[bold]two rows")
        tell(4)
    assert capsys.readouterr().out == ""
    assert "importing" in bar.getvalue()
    assert "[bold]two rows" in bar.getvalue()


def test_elsewhere_a_new_word_is_a_line_and_numbers_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("importing", 4) as tell:
        tell(1)
        tell(2, "half")
        tell(3, "half")
        tell(4, "whole", total=4)
    assert capsys.readouterr() == ("", "half\nwhole\n")


def test_with_json_progress_is_silent() -> None:
    with redirect_stderr(Terminal()) as bar, progress("importing", 4, quiet=True) as tell:
        tell(1, "x")
    assert bar.getvalue() == ""


@pytest.mark.parametrize(("typed", "goes_on"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_before_something_is_removed(
    typed: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    assert confirmed("Remove it?", yes=False) is goes_on
    assert confirmed("Remove it?", yes=True)


def test_a_program_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert confirmed("Remove it?", yes=False)


def test_below_an_error_stands_what_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(ConnectRefused("connection refused by 192.0.2.7:3333"), as_json=False)
    first, hint = capsys.readouterr().err.splitlines()
    assert first == "meterctl: connect_refused: connection refused by 192.0.2.7:3333"
    assert hint.strip() == HINTS["connect_refused"]
    show_error(Hopeless("x"), as_json=False)
    assert capsys.readouterr().err == "meterctl: hopeless: x\n"
    show_failure("sim-1", "read", "failed", "authentication_failed", "refused")
    assert "meters lock" in capsys.readouterr().err.splitlines()[1]
