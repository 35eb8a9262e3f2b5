"""docs/STORE.md says of every table what it holds, how long its rows are kept, and how many there may be."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from common.settings import StoreSettings
from common.store.model import MeterCounts
from common.store.periods import HOUR_MS
from common.store.retention import Rule, rules
from common.store.tables import metadata
from tests.support.installation import NOON_MS, StillClock, opened

TEXT = (Path(__file__).parents[2] / "docs" / "STORE.md").read_text(encoding="utf-8")
HELD, KEPT = (
    TEXT.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0] for name in ("What is in it", "How long it is kept")
)
LINES = [line.split("|")[1:-1] for line in KEPT.splitlines() if line.startswith("| `")]
BOUNDS = {name: cells for cells in LINES for name in re.findall(r"`(\w+)`", cells[0])}

EVERY_SECOND = {  # an hour of a meter that is asked for twelve quantities, each in a frame of its own
    **dict.fromkeys(("measured_ms", "up_ms"), 3_600_000),
    **dict.fromkeys(("cycles", "taken", "delivered"), 3600),
    **dict.fromkeys(("reads_ok", "frames_sent", "frames_received"), 12 * 3600),
    **dict.fromkeys(("octets_sent", "octets_received"), 40 * 12 * 3600),
    "cycle_ms": 200 * 3600,
    "cycles_slow": 36,
    "reads_failed": 36,
    "reconnects": 4,
    "hdlc_errors": 36,
}


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


def test_a_row_of_counts_takes_no_more_room_than_the_document_says(tmp_path: Path) -> None:
    most = int(TEXT.split("| a row of counts | at most ", 1)[1].split(" ", 1)[0])
    assert EVERY_SECOND.keys() <= {item.name for item in fields(MeterCounts)}
    with opened(tmp_path, StillClock()) as store:
        before = (tmp_path / "store.db").stat().st_size
        keys = [(NOON_MS + hour * HOUR_MS, number.to_bytes(16, "big")) for hour in range(100) for number in range(20)]
        store.periods.add(dict.fromkeys(keys, EVERY_SECOND), {})
    grown = (tmp_path / "store.db").stat().st_size - before
    assert most / 2 < grown / len(keys) / 2 <= most, "each has its five minutes and its hour"
