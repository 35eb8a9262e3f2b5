"""What a worker really does: the core driven by its session over its TCP wire, under deadlines and with the pulse."""

from collections.abc import Sequence

from common.clock import SystemClock
from common.worker_file import Limits
from poller.resolver import Resolver
from poller.session import Session
from poller.transport import TcpWire
from tests.bench.dlms import ours
from tests.bench.dlms.facts import Mode


def connect(mode: Mode, port: int) -> "Worker":
    """Connect and associate."""
    return Worker(mode, port)


class Worker:
    """A session of one meter."""

    def __init__(self, mode: Mode, port: int) -> None:
        clock = SystemClock()
        self._by_list = mode.by_list
        wire = TcpWire(clock, _pulse)
        self._session = Session(ours.profile(mode), wire, Resolver(clock, _pulse), clock, Limits(), ours.Source())
        self._session.open("127.0.0.1", port)

    def cycle(self) -> Sequence[object]:
        """Read the ten registers."""
        if self._by_list:
            return self._session.get_many(ours.REFS)
        get = self._session.get
        return [get(ref) for ref in ours.REFS]

    def values(self, read: object) -> list[int]:
        """Return the values."""
        return ours.values(read)


def _pulse() -> None:
    """Nothing else has to go on."""
