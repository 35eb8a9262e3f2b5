"""What came of one row of the matrix: figures of its rounds, and what was wrong. Plain data, to JSON and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Final

PASSED: Final = "passed"
FAILED: Final = "FAILED"
NOT_RUN: Final = "not run"


@dataclass(slots=True)
class Outcome:
    """One row, played.

    ``recoveries``: seconds, one per round. ``lost``: readings that were taken and never arrived. ``untaken``: cycles
    that a meter answered while its worker was killed, before they were in the journal: nobody promised them.
    ``disturbed``: meters outside the fault that were late, and processes outside the fault that were touched.
    ``raised`` and ``cleared``: alarms by category. ``wrong``: everything that the row may not show, as sentences.
    """

    id: str
    fault: str
    bound_s: float = 0.0
    recoveries: list[float] = field(default_factory=list)
    lost: int = 0
    repeated: int = 0
    untaken: int = 0
    disturbed: int = 0
    raised: dict[str, int] = field(default_factory=dict)
    cleared: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, float | str] = field(default_factory=dict)
    not_run: str = ""
    took_s: float = 0.0

    @property
    def verdict(self) -> str:
        """Return whether it passed; a row that could not be played has done neither."""
        if self.not_run:
            return NOT_RUN
        return FAILED if self.wrong or self.lost or self.disturbed or not self.recoveries else PASSED

    @property
    def median_s(self) -> float:
        """Return the median time of recovery."""
        return median(self.recoveries) if self.recoveries else 0.0

    @property
    def max_s(self) -> float:
        """Return the longest recovery."""
        return max(self.recoveries, default=0.0)

    def to_json(self) -> dict[str, object]:
        """Return all of it as data."""
        return asdict(self)


def outcome_from(data: Mapping[str, object]) -> Outcome:
    """Return the outcome that a line of a result holds; what it does not know is passed over."""
    known = {item.name for item in fields(Outcome)}
    return Outcome(**{name: value for name, value in data.items() if name in known})  # type: ignore[arg-type]


def summed(outcomes: Sequence[Outcome]) -> str:
    """Return one line on all rows."""
    count = {word: sum(each.verdict == word for each in outcomes) for word in (PASSED, FAILED, NOT_RUN)}
    return f"{len(outcomes)} rows: " + ", ".join(f"{number} {word}" for word, number in count.items() if number)
