"""Results on disk: one JSON line per row, appended when the row is over; a later line of a row replaces the earlier.

So a run in the background can be ended at any time and taken up again (``--resume``): rows that passed already for the
same commit and the same plant are not played again, unless an alarm was left.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.outcome import NOT_RUN, PASSED, Outcome, outcome_from

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a result was made with; results of other conditions are others."""

    commit: str
    meters: int
    interval_s: float
    short: bool


def commit() -> str:
    """Return the commit of the tree; with a mark when files of it are changed."""
    words = ("git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*")
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30).stdout.strip()


class Results:
    """A file of results; without a file nothing is kept."""

    def __init__(self, path: Path | None, conditions: Conditions) -> None:
        self._path = path
        self._conditions = conditions

    def append(self, outcome: Outcome) -> None:
        """Write a row's outcome behind the others."""
        if self._path is None:
            return
        line = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **_plain(self._conditions)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, "verdict": outcome.verdict, **outcome.to_json()}) + "\n")

    def kept(self) -> dict[str, Outcome]:
        """Return what is known under these conditions, by row."""
        return {
            str(line["id"]): outcome_from(line)
            for line in lines(self._path)
            if all(line.get(name) == value for name, value in _plain(self._conditions).items())
        }

    def done(self) -> dict[str, Outcome]:
        """Return the rows that need not be played again."""
        return {
            name: outcome
            for name, outcome in self.kept().items()
            if outcome.verdict in {PASSED, NOT_RUN} and outcome.raised == outcome.cleared
        }


def lines(path: Path | None) -> list[dict[str, object]]:
    """Return all lines of a file of results; none when there is no file."""
    if path is None or not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text]


def latest(path: Path) -> list[tuple[Mapping[str, object], Outcome]]:
    """Return the last line of every row in a file, whatever its conditions, with its outcome."""
    found = {str(line["id"]): line for line in lines(path)}
    return [(line, outcome_from(line)) for line in found.values()]


def _plain(conditions: Conditions) -> dict[str, object]:
    return {name: getattr(conditions, name) for name in ("commit", "meters", "interval_s", "short")}
