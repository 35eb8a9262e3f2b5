"""The rules of the house that no linter knows: sizes, names, who may read the time, who may catch everything."""

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "poller", "publisher", "supervisor_qos", "admin_api")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
MEDIAN_FUNCTION = 8
FEW = 5  # findings of a kind in the whole product, each with its reason on the line

TELLING_TIME = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "clock_gettime",
        "clock_gettime_ns",
        "sleep",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "misc", "tools"}
TIMEKEEPER = ROOT / "common" / "clock.py"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every function's name and its lines, from ``def`` to its end, its docstring not counted."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            text = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if text else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_a_module_opens_with_its_contract() -> None:
    assert [_name(path) for path in MODULES if not ast.get_docstring(_tree(path))] == []


def test_a_module_fits_in_a_head() -> None:
    lengths = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_a_function_is_one_thought() -> None:
    lengths = {f"{_name(path)}: {name}": lines for path in MODULES for name, lines in _functions(path)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_half_of_all_functions_have_at_most_eight_lines() -> None:
    lengths = [lines for path in MODULES for _, lines in _functions(path)]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler catches everything and keeps it: one that tidies up and raises on is none."""
    everything = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )
    last = handler.body[-1]
    return everything and not (isinstance(last, ast.Raise) and last.exc is None)


def test_only_the_end_of_a_process_catches_everything() -> None:
    broad = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        if path.name != "main.py"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    assert broad == [], "except Exception is for main.py"


def test_only_the_clock_reads_time_and_sleeps() -> None:
    told = [
        f"{_name(path)}:{node.lineno}: {node.value.id}.{node.attr}"
        for path in MODULES
        if path != TIMEKEEPER
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in TELLING_TIME.get(node.value.id, ())
    ]
    assert told == [], "time comes from common.clock, handed in as an argument"


def test_nobody_takes_functions_out_of_the_time_module() -> None:
    taken = [
        f"{_name(path)}:{node.lineno}: {alias.name}"
        for path in MODULES
        if path != TIMEKEEPER
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in TELLING_TIME["time"]
    ]
    assert taken == []


def test_modules_are_named_by_what_they_hold() -> None:
    assert [_name(path) for path in MODULES if path.stem in VAGUE] == []


@pytest.mark.parametrize(
    ("pattern", "most"),
    [(r"\bAny\b", FEW * 2), (r"#\s*type:\s*ignore", FEW), (r"#\s*noqa", FEW * 2)],  # each Any is imported, too
    ids=["Any", "type: ignore", "noqa"],
)
def test_exceptions_from_the_strict_types_are_few(pattern: str, most: int) -> None:
    found = [
        f"{_name(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert len(found) <= most, "\n".join(found)


def test_nothing_is_left_to_be_done() -> None:
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    found = [_name(path) for path in [*MODULES, *TESTS] if words.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_tests_are_no_package_and_mock_nothing_of_ours() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
    mocking = re.compile(r"^\s*(from|import) unittest" + r"(\.| import )mock", re.MULTILINE)
    assert [_name(path) for path in TESTS if mocking.search(path.read_text(encoding="utf-8"))] == []
