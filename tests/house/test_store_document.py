"""docs/STORE.md says of every table what it holds, how long its rows are kept, and how many there may be."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from common.settings import StoreSettings
from common.store.retention import Rule, rules
from common.store.tables import metadata

TEXT = (Path(__file__).parents[2] / "docs" / "STORE.md").read_text(encoding="utf-8")
HELD, KEPT = (
    TEXT.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0] for name in ("What is in it", "How long it is kept")
)
LINES = [line.split("|")[1:-1] for line in KEPT.splitlines() if line.startswith("| `")]
BOUNDS = {name: cells for cells in LINES for name in re.findall(r"`(\w+)`", cells[0])}


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_every_table_has_its_content_and_its_bounds_in_the_document(table: str) -> None:
    assert f"`{table}`" in HELD
    _, kept, most = BOUNDS[table]
    assert kept.strip()
    assert most.strip()


def test_the_document_has_no_table_that_is_not_there() -> None:
    assert BOUNDS.keys() == metadata.tables.keys()


@pytest.mark.parametrize("rule", rules(StoreSettings()), ids=lambda rule: rule.table.name)
def test_the_bounds_of_the_document_are_those_of_the_rules(rule: Rule) -> None:
    _, kept, most = BOUNDS[rule.table.name]
    assert f"{rule.rows:,}".replace(",", " ") in most
    assert rule.table.name in {"notices", "tokens"} or f"{rule.days} days" in kept


@pytest.mark.parametrize("setting", [item.name for item in fields(StoreSettings) if item.name != "url"])
def test_every_setting_of_retention_is_in_the_document(setting: str) -> None:
    assert f"`{setting}`" in KEPT
