"""What is noted for the log, and the mood a request meets: which faults strike its answer.

Data only.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from common.obis import Obis
from poller.simulator.faults import FaultKind
from poller.simulator.objects import DataAccess, Raw

Mood = frozenset[FaultKind]
CALM: Final[Mood] = frozenset()
MAX_NAMES: Final = 4_096
"""Names kept as text: more than a meter has objects."""
LONGEST_RAW: Final = 256
"""Characters of a written value that are logged."""


class Note(NamedTuple):
    """One event for the log; ``obis`` empty where no object is meant."""

    event: str
    obis: str = ""
    attribute: int = 0
    raw: Raw = ""
    invoke: int = 0


Noting = Callable[[Note], None]


@lru_cache(maxsize=MAX_NAMES)
def _named(octets: bytes) -> str:
    return str(Obis.from_bytes(octets))


def noted(event: str, key: bytes, invoke: int, result: DataAccess, raw: Raw) -> Note:
    """Return the note of one attribute or method: the event, or that it was denied and why."""
    name = _named(key[2:8])
    if result is not DataAccess.SUCCESS:
        return Note("denied", name, key[8], int(result), invoke)
    return Note(event, name, key[8], raw[:LONGEST_RAW] if isinstance(raw, str) else raw, invoke)
