"""The documents keep up with the code: commands, settings, exit codes, versions, paths, links."""

import configparser
import re
import subprocess
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from admin_api.cli.main import COMMANDS
from admin_api.cli.outcome import Outcome
from common.meter_state import MeterState
from common.paths import Paths
from common.process import Exit
from common.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE", "docs/ARCHITECTURE.md", "docs/OPERATIONS.md", "docs/TESTING.md")
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SECTIONS = [item.name for item in fields(Settings) if item.name != "paths"]
SETTINGS = [f"[{section}] {key}" for section in SECTIONS for key in asdict(Settings(Paths(Path())))[section]]
EXIT_CODES = sorted({*map(int, Exit), *map(int, Outcome)})
CATEGORIES = (
    *("connection", "hdlc", "watchdog", "circuit_breaker", "auth", "performance", "publish", "process"),
    *("heartbeat", "clock", "disk", "session_takeover", "no_puback", "outbox", "plausibility"),
)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_exists(name: str) -> None:
    assert len(_text(name)) > 500


def test_the_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"```(?:sh|console|bash)?\n(.*?)```", _text("README.md"), re.DOTALL)
    assert re.findall(r"^make (\w+)", blocks[0], re.MULTILINE) == ["run", "test"]
    assert "meterctl add" in blocks[1]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_make_target_in_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", _text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^|\s)make ([a-z]+)\b(?=[`\s]|$)", _code(path))) <= targets


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_command_of_meterctl_in_a_document_exists(path: Path) -> None:
    assert set(re.findall(r"meterctl ([a-z][a-z-]+)", _code(path))) <= set(COMMANDS)


def _code(path: Path) -> str:
    """Return only what a document sets as code."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```[a-z]*\n.*?```|`[^`\n]+`", text, re.DOTALL))


@pytest.mark.parametrize("command", COMMANDS)
def test_operations_names_every_command(command: str) -> None:
    assert f"meterctl {command}" in _text("docs/OPERATIONS.md")


@pytest.mark.parametrize("setting", SETTINGS)
def test_operations_explains_every_setting(setting: str) -> None:
    section, key = setting.split()
    chapter = _text("docs/OPERATIONS.md").split(f"### `{section}`", 1)
    assert len(chapter) == 2, f"{section} has a chapter"
    assert f"`{key}`" in chapter[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


def test_operations_explains_how_variables_are_named() -> None:
    assert f"{PREFIX}<SECTION>_<KEY>" in _text("docs/OPERATIONS.md")


@pytest.mark.parametrize("code", EXIT_CODES)
def test_operations_explains_every_exit_code(code: int) -> None:
    assert re.search(rf"^\| {code} \|", _text("docs/OPERATIONS.md"), re.MULTILINE)


@pytest.mark.parametrize("word", [*MeterState, *CATEGORIES])
def test_operations_explains_every_state_and_alarm(word: str) -> None:
    assert re.search(rf"^\| `{word}` \|", _text("docs/OPERATIONS.md"), re.MULTILINE)


def test_the_change_log_knows_this_version() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    assert f"## {metadata['metadata']['version']}" in _text("CHANGELOG.md")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    names = listed.stdout.split() or [str(path.relative_to(ROOT)) for path in TEXTS]
    pattern = re.compile(r"(?<![\w.])/(?:root|home/\w+|work|Users/\w+)/")
    found = [name for name in names if (ROOT / name).is_file() and pattern.search(_lenient(ROOT / name))]
    assert found == []


def _lenient(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
