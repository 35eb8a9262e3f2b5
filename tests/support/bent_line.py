"""A simulated meter behind a real socket, and a line that a test bends: what goes wrong is a function.

In: how the line is bent, and from which request on. Out: a port on loopback. One connection at a time is served; the
meter outlives its connections, as on a real line.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from common.clock import SystemClock
from poller.simulator import MeterSpec
from poller.simulator.device import Device
from poller.simulator.session import Session, session
from poller.simulator.steps import Send

CLOCK = SystemClock()


class BentLine:
    """One meter; ``bend`` handles what is received while it is set, the meter alone otherwise."""

    def __init__(self, spec: MeterSpec | None = None) -> None:
        self.bend: Callable[[BentLine, bytes], None] | None = None
        self.struck = 0
        self._device = Device(spec or MeterSpec("sim-1"), 0, CLOCK)
        self.meter: Session = session(self._device)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.02)
        self.sock = self._server
        """The connection that is served; before the first, the listening socket."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def port(self) -> int:
        number: int = self._server.getsockname()[1]
        return number

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)
        self._server.close()

    def answer(self, octets: bytes) -> bytes:
        """Return what the meter says to octets."""
        steps = self.meter.receive(octets, CLOCK.monotonic())
        return b"".join(step.octets for step in steps if isinstance(step, Send))

    def say(self, octets: bytes) -> None:
        """Send octets to the client."""
        if octets:
            self.sock.sendall(octets)

    def reset(self) -> None:
        """Break the connection off."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                self.sock, _ = self._server.accept()
                self.sock.settimeout(0.02)
                self.meter = session(self._device)
                self._serve()

    def _serve(self) -> None:
        with self.sock:
            while not self._over.is_set():
                try:
                    octets = self.sock.recv(4096)
                except TimeoutError:
                    continue
                if not octets:
                    return
                if self.bend is not None:
                    self.struck += 1
                    self.bend(self, octets)
                else:
                    self.say(self.answer(octets))
