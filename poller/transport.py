"""The TCP socket to a meter, and only the socket.

In: an address, octets to send, absolute deadlines on the monotonic clock. Out: octets received, or a typed error. No
wait is longer than SLICE_S without passing ``pulse``, through which the loop keeps its heartbeat and may raise to break
the wait off. What the octets mean may not enter.
"""

import errno
import math
import select
import socket
from collections.abc import Callable
from typing import Final, Protocol

from common.clock import Clock
from common.errors import BridgeError
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.errors import ConnectFailed, ConnectRefused, ConnectTimeout, HostUnreachable, PeerReset

SLICE_S: Final = 0.5
_SLICE_MS: Final = int(SLICE_S * 1000)
MAX_RECEIVE: Final = 65_536  # octets taken at once; the protocol bounds what it keeps
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class Wire(Protocol):
    """A way to a meter and back, as the session sees it."""

    def connect(self, address: str, port: int, deadline: float) -> None:
        """Connect; raise ConnectTimeout, ConnectRefused, HostUnreachable or ConnectFailed."""

    def send(self, octets: bytes, deadline: float) -> None:
        """Send all octets; raise ReplyTimeout, PeerClosed or PeerReset."""

    def receive(self, deadline: float) -> bytes:
        """Return at least one octet; raise ReplyTimeout when none came by ``deadline``, PeerClosed or PeerReset."""

    def close(self) -> None:
        """Close, if open."""


class TcpWire:
    """One TCP connection at a time."""

    def __init__(self, clock: Clock, pulse: Callable[[], None]) -> None:
        self._clock = clock
        self._pulse = pulse
        self._next_pulse = clock.monotonic() + SLICE_S
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._event = 0
        """What the socket is polled for; 0: it is not registered."""

    def connect(self, address: str, port: int, deadline: float) -> None:
        """Connect to a numeric address."""
        self.close()
        where = f"{address}:{port}"
        try:
            self._socket = _stream(address)
            self._poll, self._event = select.poll(), 0
            status = self._socket.connect_ex((address, port))
        except OSError as error:
            self.close()
            raise ConnectFailed(f"{where}: {error.strerror or error}") from None
        if status == errno.EINPROGRESS:
            status = self._connected(where, deadline)
        if status:
            self.close()
            raise _connect_error(status, where)

    def _connected(self, where: str, deadline: float) -> int:
        """Wait for the connection's end; return its errno, 0 for success."""
        sock = self._open()
        if not self._ready(select.POLLOUT, deadline):
            self.close()
            raise ConnectTimeout(f"{where}: no connection in time")
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def send(self, octets: bytes, deadline: float) -> None:
        """Send all octets."""
        view = memoryview(octets)
        while view:
            try:
                view = view[self._open().send(view) :]
            except BlockingIOError:
                if not self._ready(select.POLLOUT, deadline):
                    raise ReplyTimeout(f"{len(view)} octets could not be sent in time") from None
            except OSError as error:
                raise self._broken(error) from None

    def receive(self, deadline: float) -> bytes:
        """Return what has come, at most MAX_RECEIVE octets."""
        if not self._ready(select.POLLIN, deadline):
            raise ReplyTimeout("no octet came in time")
        try:
            octets = self._open().recv(MAX_RECEIVE)
        except OSError as error:
            raise self._broken(error) from None
        if not octets:
            self.close()
            raise PeerClosed("the meter closed the connection")
        return octets

    def close(self) -> None:
        """Close the connection; the socket is gone at once, queued octets still leave."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise PeerClosed("there is no connection")
        return self._socket

    def _broken(self, error: OSError) -> BridgeError:
        self.close()
        return PeerReset(f"the connection broke: {error.strerror or error}")

    def _ready(self, event: int, deadline: float) -> bool:
        """Wait for an event of the socket until ``deadline``; return whether it came. Passes the pulse as it waits."""
        if self._event != event or self._socket is None:
            self._poll.register(self._open(), event)
            self._event = event
        while True:
            now = self._clock.monotonic()
            if now >= self._next_pulse:
                self._next_pulse = now + SLICE_S
                self._pulse()
            wait = deadline - now
            if self._poll.poll(_SLICE_MS if wait >= SLICE_S else max(0, math.ceil(wait * 1000))):
                return True
            if wait <= 0:
                return False


def _stream(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _connect_error(status: int, where: str) -> BridgeError:
    if status == errno.ECONNREFUSED:
        return ConnectRefused(f"connection refused by {where}")
    if status == errno.ETIMEDOUT:
        return ConnectTimeout(f"{where}: no connection in time")
    if status in _UNREACHABLE:
        return HostUnreachable(f"{where}: no way to the host")
    return ConnectFailed(f"{where}: errno {errno.errorcode.get(status, str(status))}")
