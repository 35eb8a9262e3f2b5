"""All rows of the matrix, in the order in which they are played.

A module of rows is named ``rows_*.py`` and holds ``ROWS``: instances, each with an id of its own. Rows of one stage
stand together, so that one system serves them all.
"""

from importlib import import_module
from pathlib import Path
from typing import Final, cast

from tests.chaos.row import Listed

HERE: Final = Path(__file__).parent
ORDER: Final = "KHBXNDCTLP"
"""Letters of the matrix, in the order of play: what shares a system stands together."""


def rows() -> dict[str, Listed]:
    """Return all rows by id, in the order of play."""
    found: dict[str, Listed] = {}
    for path in sorted(HERE.glob("rows_*.py")):
        for row in cast("tuple[Listed, ...]", import_module(f"tests.chaos.{path.stem}").ROWS):
            assert row.id not in found, f"two rows are called {row.id}"
            found[row.id] = row
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(name: str) -> tuple[int, int, str]:
    number = "".join(letter for letter in name[1:] if letter.isdigit())
    return ORDER.index(name[0]), int(number), name
