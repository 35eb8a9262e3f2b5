"""What can break and what proves it: the table of docs/OPERATIONS.md and the rows of the matrix name each other."""

import re
from pathlib import Path

import pytest

from tests.chaos.registry import rows
from tests.chaos.table import as_list

ROOT = Path(__file__).parents[2]
ROWS = tuple(rows())


def _proofs() -> dict[str, list[str]]:
    """Return what each row of the table names as its proof."""
    text = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    chapter = text.split("\n## What can break\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("| ").split(" | ") for line in chapter.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[-1].split() for cells in lines[2:]}


PROOFS = _proofs()


@pytest.mark.parametrize("what", PROOFS)
def test_what_can_break_is_proved(what: str) -> None:
    assert PROOFS[what]
    for proof in PROOFS[what]:
        file = re.fullmatch(r"`(tests/[\w/]+\.py)`", proof)
        assert proof in ROWS or (file is not None and (ROOT / file[1]).is_file()), proof


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_matrix_is_told_to_the_operator(row: str) -> None:
    assert row in {proof for proofs in PROOFS.values() for proof in proofs}


def test_the_list_of_rows_is_the_present_one() -> None:
    """`python -m tests.chaos --list` prints it."""
    assert as_list(rows().values()) in (ROOT / "docs/RELIABILITY.md").read_text(encoding="utf-8")
