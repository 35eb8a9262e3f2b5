"""The clients of the bench, and what it asks of each."""

from typing import Final, Protocol

from tests.bench.dlms.facts import Mode

WHERE: Final = {
    "floor": "tests.bench.dlms.floor",
    "ours": "tests.bench.dlms.ours",
    "ours, as the worker": "tests.bench.dlms.ours_in_session",
    "gurux-dlms": "tests.bench.dlms.peer_gurux",
    "dlms-cosem": "tests.bench.dlms.peer_dlms_cosem",
    "pydlms-client": "tests.bench.dlms.peer_pydlms",
}
"""The clients, each in a module of its own, so that a process imports one of them alone."""


class Unable(Exception):
    """A client cannot read in this mode."""


class Reader(Protocol):
    """One client in one mode, associated; everything that can be prepared is."""

    def cycle(self) -> object:
        """Read the ten registers; the only thing that is measured."""

    def values(self, read: object) -> list[int]:
        """Return what a cycle has read."""


class Client(Protocol):
    """A module of ``WHERE``."""

    def connect(self, mode: Mode, port: int) -> Reader:
        """Connect, associate, prepare; raise Unable."""
