"""Who may import whom is written in setup.cfg; here: that the writing leaves nobody out."""

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "poller", "publisher", "supervisor_qos", "admin_api")
PROTOCOL = sorted((ROOT / "poller" / "dlms").rglob("*.py"))
PURE = {"__future__", "collections", "collections.abc", "dataclasses", "datetime", "decimal", "enum", "functools"}
PURE |= {"contextlib", "itertools", "operator", "re", "struct", "typing", "binascii", "types", "math"}
PURE |= {"hashlib", "hmac"}
OF_OURS = {"common.errors", "common.obis", "common.units"}
FOREIGN = {"gcm.py": {"cryptography.hazmat.primitives.ciphers.aead"}}
"""What one module may load besides; and only inside a function, when a meter needs it."""


def _contracts() -> dict[str, configparser.SectionProxy]:
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg", encoding="utf-8")
    return {name: configuration[name] for name in configuration.sections() if name.startswith("importlinter:contract:")}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("package", [*PACKAGES, "poller.dlms", "poller.dlms.objects", "common.store", "admin_api.cli"])
def test_every_module_of_a_package_has_a_layer(package: str) -> None:
    layered = {
        section["containers"].strip()
        for section in _contracts().values()
        if section["type"] == "layers" and section.getboolean("exhaustive", fallback=False)
    }
    assert package in layered


def test_the_four_parts_are_independent_and_above_common() -> None:
    parts = _contracts()["importlinter:contract:parts"]["layers"].strip().splitlines()
    assert [set(line.split(" | ")) for line in parts] == [set(PACKAGES) - {"common"}, {"common"}]


@pytest.mark.parametrize("path", PROTOCOL, ids=lambda path: path.name)
def test_the_protocol_needs_nothing_but_pure_modules(path: Path) -> None:
    allowed = PURE | OF_OURS | FOREIGN.get(path.name, set())
    foreign = {name for name in _imports(path) if name not in allowed and not name.startswith("poller.dlms")}
    assert not foreign


def test_the_protocol_loads_no_cipher_before_a_meter_needs_one() -> None:
    program = "import sys, poller.dlms.conversation, poller.dlms.ciphering; print('cryptography' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "False"


def test_pure_modules_are_of_the_standard_library() -> None:
    assert {name.split(".")[0] for name in PURE} <= sys.stdlib_module_names
