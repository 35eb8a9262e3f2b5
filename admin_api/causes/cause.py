"""What a cause of trouble is: a text for a person, how urgent it is, and what is to be done. Values only."""

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """What is done first; a lower number is more urgent."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


@dataclass(frozen=True, slots=True)
class Cause:
    """``minutes``: how long the actions take a person who is where they are to be done."""

    name: str
    priority: Priority
    problem: str
    diagnosis: str
    actions: tuple[str, ...]
    minutes: int
