"""From the bus to the outbox (skeleton of the interface; the engine follows)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from common.clock import Clock
from common.heartbeat import Delivery
from common.routes import Route
from publisher.outbox import Outbox


class WayBack(Protocol):
    """What the intake needs of a bus."""

    def to_worker(self, uid: bytes, octets: bytes) -> bool:
        """Send to one worker; return False when it cannot be reached."""


class Intake:
    """See the module's text."""

    def __init__(self, outbox: Outbox, bus: WayBack, clock: Clock, instance: bytes) -> None:
        raise NotImplementedError

    def set_routes(self, routes: Mapping[bytes, Route]) -> None:
        """Use these routes for what arrives from now on, and for rows that had none."""
        raise NotImplementedError

    def handle(self, messages: Sequence[bytes]) -> None:
        """Take in all envelopes of one turn as one group, then acknowledge; call it each turn, also with nothing."""
        raise NotImplementedError

    def deliveries(self) -> Mapping[bytes, Delivery]:
        """Return the meters that changed since the last call."""
        raise NotImplementedError

    def counters(self) -> Mapping[str, int]:
        """Return what was refused or repeated since the start, by name."""
        raise NotImplementedError
