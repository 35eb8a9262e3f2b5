"""What a simulated meter does on a connection, step by step.

A session returns steps, a connection carries them out in order. No socket and no decision may enter here.
"""

from typing import NamedTuple

from poller.simulator.notes import Note


class Send(NamedTuple):
    """Put these octets on the line."""

    octets: bytes


class Wait(NamedTuple):
    """Do nothing for so many seconds; later steps wait too."""

    seconds: float


class Record(NamedTuple):
    """Write to the log what is answered now: the event, the association's number, the faults that bent the answer."""

    note: Note
    association: int
    fault: str = ""
    answered: bool = True
    """False when no undamaged answer ever went out."""


class Finish(NamedTuple):
    """Close the connection (FIN) after what was sent."""


class Reset(NamedTuple):
    """Close the connection at once (RST)."""


Step = Send | Wait | Record | Finish | Reset
