"""Commands and results: what comes out is what went in; what is no command is refused by name."""

import pytest

from common.command import MAX_DETAIL, READ, BadCommand, Command, CommandResult

COMMAND = Command("id-1", READ, {"n": 1}, 5000)


def test_a_command_comes_out_as_it_went_in() -> None:
    assert Command.from_body(COMMAND.to_body()) == COMMAND


def test_a_result_names_its_command() -> None:
    result = CommandResult(False, {"a": [1]}, "reply_timeout", "no answer")
    assert CommandResult.from_body(result.to_body("id-1")) == ("id-1", result)


def test_progress_is_told_and_a_result_of_an_earlier_version_has_none() -> None:
    result = CommandResult(True, progress="40 %")
    assert CommandResult.from_body(result.to_body("id-1")) == ("id-1", result)
    assert CommandResult.from_body(CommandResult(True).to_body("id-1")[:5]) == ("id-1", CommandResult(True))


def test_a_long_detail_is_cut_and_still_accepted() -> None:
    result = CommandResult(False, error_detail="x" * 10_000)
    assert CommandResult.from_body(result.to_body("id"))[1].error_detail == "x" * MAX_DETAIL


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "4 elements"),
        (["a", "read", {}], "4 elements"),
        ([1, "read", {}, 0], "id: a text"),
        (["x" * 65, "read", {}, 0], "id: a text"),
        (["a", b"read", {}, 0], "verb: a text"),
        (["a", "read", [], 0], "arguments: a map"),
        (["a", "read", {1: 2}, 0], "names must be texts"),
        (["a", "read", {str(n): n for n in range(300)}, 0], "at most 256"),
        (["a", "read", {}, -1], "deadline_boot_ms"),
        (["a", "read", {}, True], "deadline_boot_ms"),
    ],
)
def test_what_is_no_command_is_refused_by_name(body: object, words: str) -> None:
    with pytest.raises(BadCommand, match=words):
        Command.from_body(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "6 elements"),
        (["a", True, {}, "", "", None], "progress"),
        (["a", 1, {}, "", ""], "ok: true or false"),
        (["a", True, None, "", ""], "result: a map"),
        (["a", True, {}, None, ""], "error_kind"),
        (["a", True, {}, "", 7], "error_detail"),
        ([None, True, {}, "", ""], "id: a text"),
    ],
)
def test_what_is_no_result_is_refused_by_name(body: object, words: str) -> None:
    with pytest.raises(BadCommand, match=words):
        CommandResult.from_body(body)
