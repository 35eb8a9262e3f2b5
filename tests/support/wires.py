"""A way to a simulated meter without a socket, on a clock that moves only by waiting: a second kind of Wire.

In: a meter's specification or none (nobody there), faults. Out: what TcpWire would give: octets, ReplyTimeout, the
errors of a connection. As there, no wait is longer than a slice without passing the pulse.
"""

from collections import deque
from collections.abc import Callable

from common.clock import Clock
from common.errors import BridgeError
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.errors import ConnectRefused, PeerReset
from poller.simulator import MeterSpec
from poller.simulator.device import Device
from poller.simulator.session import Session
from poller.simulator.session import session as new_session
from poller.simulator.steps import Finish, Reset, Send, Wait
from poller.transport import SLICE_S

Event = tuple[float, bytes | BridgeError]


class SimulatedWire:
    """One meter at the other end; ``reachable`` False: nobody listens there."""

    def __init__(self, clock: Clock, spec: MeterSpec | None = None, pulse: Callable[[], None] = lambda: None) -> None:
        self.device = Device(spec or MeterSpec("sim-1"), 0, clock)
        self.reachable = True
        self.connects = 0
        self.pulse = pulse
        self._clock = clock
        self._session: Session | None = None
        self._coming: deque[Event] = deque()

    def connect(self, address: str, port: int, deadline: float) -> None:
        self.connects += 1
        if not self.reachable:
            raise ConnectRefused(f"{address}:{port}: nobody listens there")
        self._session = new_session(self.device)
        self._coming.clear()

    def send(self, octets: bytes, deadline: float) -> None:
        at = self._clock.monotonic()
        for step in self._open().receive(octets, at):
            if isinstance(step, Wait):
                at += step.seconds
            elif isinstance(step, Send):
                self._coming.append((at, step.octets))
            elif isinstance(step, Finish):
                self._coming.append((at, PeerClosed("the meter closed the connection")))
            elif isinstance(step, Reset):
                self._coming.append((at, PeerReset("the connection broke")))

    def receive(self, deadline: float) -> bytes:
        self._open()
        until = min(deadline, self._coming[0][0]) if self._coming else deadline
        while self._clock.monotonic() < until:
            self._clock.sleep(min(SLICE_S, until - self._clock.monotonic()))
            self.pulse()
        if not self._coming or self._coming[0][0] > deadline:
            raise ReplyTimeout("no octet came in time")
        _, what = self._coming.popleft()
        if isinstance(what, bytes):
            return what
        self.close()
        raise what

    def close(self) -> None:
        self._session = None

    def _open(self) -> Session:
        if self._session is None:
            raise PeerClosed("there is no connection")
        return self._session
