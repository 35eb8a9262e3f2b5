"""The files that an audit is made from: a simulator's log and a recording of a subscriber, read as they come.

In: paths. Out: answers and arrivals, one after the other. A log that was rotated begins in its FILE.1.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from admin_api.audit.facts import Answer, Copy, answer_from_line, copy_from_line
from common.errors import Hopeless


class Unreadable(Hopeless):
    """A file that was named cannot be read."""


def answers(log: Path) -> Iterator[Answer]:
    """Yield the answers that a simulator's log tells of (docs/SIMULATOR.md), those of the older file first."""
    older = log.with_name(f"{log.name}.1")
    for path in (older, log) if older.exists() else (log,):
        for line in _lines(path):
            answer = answer_from_line(line)
            if answer is not None:
                yield answer


def copies(recordings: Iterable[Path]) -> Iterator[Copy]:
    """Yield the readings of recordings, in their order."""
    for path in recordings:
        lines = ours = 0
        for line in _lines(path):
            copy = copy_from_line(line)
            lines += 1
            if copy is not None:
                ours += 1
                yield copy
        if lines and not ours:
            raise Unreadable(f"{path}: no line of it is of a recording")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
