"""Every command speaks as the others do: help, --json with a schema, the same words for the same things."""

import contextlib
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Final

import click
import pytest
from jsonschema import Draft202012Validator

from admin_api.cli.main import answer
from tests.house.schemas import DIRECTORY, PRINTED, text
from tests.support.command_tree import commands, reads_its_own_arguments

ROOT: Final = Path(__file__).parents[2]
LEAVES: Final = dict(commands())
OPERATIONS: Final = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
WITHOUT_JSON: Final = {
    "run": "stays in the foreground and speaks to a person, or to systemd",
    "simulate": "stays in the foreground; --ready-file and --log are for programs",
    "completion": "what it prints is a shell's",
}
WORDS: Final = {  # what a thing is called, wherever it can be said
    "limit": {"-n", "--limit"},
    "since_ms": {"--since"},
    "until_ms": {"--until"},
    "timeout_s": {"--timeout"},
    "yes": {"-y", "--yes"},
    "as_json": {"--json"},
    "dry_run": {"--dry-run"},
    "output": {"-o", "--output"},
    "minutes": {"--minutes"},
    "state": {"--state"},
}


def _help(name: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert answer([*name.split(), "--help"]) == 0
    return out.getvalue()


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_has_json_or_a_reason_not_to(name: str) -> None:
    assert ("--json" in _help(name)) is (name not in WITHOUT_JSON)


@pytest.mark.parametrize("name", [name for name in LEAVES if name not in WITHOUT_JSON])
def test_what_json_says_has_a_schema(name: str) -> None:
    assert name.replace(" ", "-") in PRINTED


def test_no_schema_is_of_a_command_that_is_none() -> None:
    known = {name.replace(" ", "-") for name in LEAVES} | {"error", "read-host"}
    assert set(PRINTED) - known == set()


@pytest.mark.parametrize("name", PRINTED)
def test_the_schemas_are_those_that_the_forms_make(name: str) -> None:
    path = DIRECTORY / f"{name}.json"
    assert path.read_text(encoding="utf-8") == text(name), "python -m tests.house.schemas writes them anew"
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_no_file_lies_beside_the_schemas() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} == set(PRINTED)


@pytest.mark.parametrize("name", [name for name, leaf in LEAVES.items() if not reads_its_own_arguments(leaf)])
def test_a_command_and_each_option_say_what_they_do(name: str) -> None:
    leaf = LEAVES[name]
    assert (leaf.help or "").strip()
    options = [parameter for parameter in leaf.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", [name for name, leaf in LEAVES.items() if not reads_its_own_arguments(leaf)])
def test_one_thing_has_one_word(name: str) -> None:
    for parameter in LEAVES[name].params:
        if isinstance(parameter, click.Option) and parameter.name in WORDS and not parameter.multiple:
            assert set(parameter.opts) == WORDS[parameter.name]


@pytest.mark.parametrize("name", [name for name, leaf in LEAVES.items() if not reads_its_own_arguments(leaf)])
def test_a_meter_is_called_id(name: str) -> None:
    words = [parameter.make_metavar(click.Context(LEAVES[name])) for parameter in LEAVES[name].params]
    assert [word for word in words if re.search(r"METER_?ID|\bIDS?\b\]?\s", word)] == []


def test_flags_that_several_commands_have_are_in_one_table() -> None:
    counted = Counter(
        word
        for leaf in LEAVES.values()
        for parameter in leaf.params
        if isinstance(parameter, click.Option)
        for word in parameter.opts
        if word.startswith("--")
    )
    chapter = OPERATIONS.split("### Flags", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    meter_options = {"--host", "--port"}  # of add and edit: what a meter is
    shared = {word for word, count in counted.items() if count > 2} - meter_options
    assert [word for word in sorted(shared) if word not in chapter] == []


def test_every_schema_is_named_in_the_documents() -> None:
    assert "docs/schemas" in OPERATIONS or "(schemas" in OPERATIONS
