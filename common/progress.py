"""How far a job is, in one line that people read and programs take apart: ``done/total text``.

In: numbers and a few words, or such a line. Out: the line, or the numbers; of a line of another form only its words.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_TEXT: Final = 200  # characters; a row of the store has room for the numbers beside it
_LINE: Final = re.compile(r"(\d{1,9})/(\d{1,9})(?: (.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``, whatever the unit; ``total`` 0: nobody knows how much there is."""

    done: int = 0
    total: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.done}/{self.total} {self.text[:MAX_TEXT]}".rstrip()

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None while nobody knows."""
        return min(1.0, self.done / self.total) if self.total else None


def parse(line: str) -> Progress:
    """Return what a line says; never raises."""
    found = _LINE.fullmatch(line)
    if found is None:
        return Progress(text=line)
    return Progress(int(found[1]), int(found[2]), found[3] or "")
