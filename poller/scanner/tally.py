"""What a scan has brought so far: findings and counts, bounded; and how it is told.

In: the outcome of each target. Out: plain data for a result, a line of progress. Pure.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from common.progress import Progress
from poller.scanner.handshake import Answers, Finding
from poller.scanner.targets import Target

MAX_FOUND: Final = 1000  # hosts that are listed: some 300 octets each, and a message of the bus has a million
MAX_OWNED: Final = 1000  # of ours that are listed
REFUSED, SILENT, UNREACHABLE, FAILED = "refused", "silent", "unreachable", "failed"


@dataclass(slots=True)
class Tally:
    """See the module's text. ``total``: targets of the scan."""

    total: int
    found: list[dict[str, object]] = field(default_factory=list)
    owned: list[dict[str, object]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    passed: int = 0
    """Targets that are done with, those left out included."""

    def leave_out(self, target: Target) -> None:
        """A target is owned."""
        self.passed += 1
        self.counts["owned"] += 1
        if len(self.owned) < MAX_OWNED:
            self.owned.append({"ip": target.address, "port": target.port})

    def miss(self, reason: str) -> None:
        """Nobody listens at a target, for one of the reasons above."""
        self.passed += 1
        self.counts[reason] += 1

    def add(self, target: Target, finding: Finding) -> None:
        """Something listens at a target."""
        self.passed += 1
        self.counts["open"] += 1
        self.counts["meters"] += finding.answers is not Answers.OPEN_NO_DLMS
        if len(self.found) < MAX_FOUND:
            self.found.append({"ip": target.address, "port": target.port, **finding.to_plain()})
        else:
            self.counts["not_listed"] += 1

    def progress(self) -> Progress:
        """Return how far it is."""
        text = f"asked, {self.counts['meters']} meters, {self.counts['open'] - self.counts['meters']} others"
        return Progress(self.passed, self.total, text)

    def to_plain(self) -> dict[str, object]:
        """Return the result: what was found, what was left out as ours, and how many of each kind there were."""
        names = (REFUSED, SILENT, UNREACHABLE, FAILED, "open", "meters", "owned", "not_listed")
        counts = {name: self.counts[name] for name in names}
        return {"targets": self.total, "asked": self.passed, **counts, "found": self.found, "left_out": self.owned}
