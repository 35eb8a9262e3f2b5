"""A socket on which meters push: TCP connections or UDP datagrams, each sender with a listener of its own.

In: octets of anybody who connects. Out: what the listeners hear, with the sender's address. Nothing is ever sent. What
may not happen: more than MAX_SENDERS at a time, or one sender who keeps the others waiting.
"""

import selectors
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Self

from common.clock import Clock
from common.errors import Hopeless
from poller.dlms.listening import Heard, PushListener

MAX_SENDERS: Final = 64
"""Connections, or remembered senders of datagrams: the oldest makes room."""
QUIET_S: Final = 0.5
"""After which what a sender has begun counts as cut: as long as the pause between the octets of a frame."""
IDLE_S: Final = 600.0
"""After which a connection that brings nothing is closed."""
_PULSE_S: Final = 0.2
_RECEIVE: Final = 65536
_BACKLOG: Final = 16


class PortTaken(Hopeless):
    """The address to listen on cannot be had."""


class _Sender:
    """One connection, or one address that sends datagrams."""

    def __init__(self, name: str, listener: PushListener, now: float) -> None:
        self.name = name
        self.listener = listener
        self.last = now
        self.quiet = True


class PushServer:
    """Listens until it is told to end; use it as a context, which closes what is open."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        udp: bool,
        make: Callable[[], PushListener],
        heard: Callable[[str, Heard], None],
        clock: Clock,
    ) -> None:
        self._make, self._heard, self._clock = make, heard, clock
        self._udp = udp
        self._senders: OrderedDict[object, _Sender] = OrderedDict()
        """By connection, or by the address of who sends datagrams; the one that was quiet longest is first."""
        self._selector = selectors.DefaultSelector()
        self._socket = _bound(address, udp=udp)
        self._selector.register(self._socket, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sender in list(self._senders):
            self._drop(sender)
        self._selector.close()
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._socket.getsockname()[1]
        return port

    def serve(self, ended: Callable[[], bool]) -> None:
        """Receive until ``ended`` says so; it is asked several times a second."""
        while not ended():
            for key, _ in self._selector.select(_PULSE_S):
                self._ready(key.fileobj)
                if ended():
                    return
            self._watch()

    def _ready(self, ready: object) -> None:
        if ready is not self._socket and isinstance(ready, socket.socket):
            self._receive(ready)
        elif self._udp:
            self._datagram()
        else:
            self._accept()

    def _accept(self) -> None:
        try:
            connection, address = self._socket.accept()
        except OSError:  # gone again before we came to it
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)
        self._add(connection, address)

    def _receive(self, connection: socket.socket) -> None:
        sender = self._senders[connection]
        try:
            octets = connection.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if octets:
            self._feed(connection, octets)
        else:
            self._tell(sender, sender.listener.expire())
            self._drop(connection)

    def _datagram(self) -> None:
        """Take one datagram: it is whole in itself, but with HDLC a push may have several."""
        try:
            octets, address = self._socket.recvfrom(_RECEIVE)
        except OSError:
            return
        sender = self._senders.get(address) or self._add(address, address)
        self._feed(address, octets)
        self._tell(sender, sender.listener.expire())
        sender.quiet = True

    def _feed(self, key: object, octets: bytes) -> None:
        sender = self._senders[key]
        self._senders.move_to_end(key)
        sender.last, sender.quiet = self._clock.monotonic(), False
        self._tell(sender, sender.listener.feed(octets))
        if sender.listener.broken:
            self._drop(key)

    def _watch(self) -> None:
        """Give up what senders have begun and not ended, and connections that bring nothing."""
        now = self._clock.monotonic()
        for key, sender in list(self._senders.items()):
            if not sender.quiet and now - sender.last > QUIET_S:
                sender.quiet = True
                self._tell(sender, sender.listener.expire())
            if now - sender.last > IDLE_S:
                self._drop(key)

    def _tell(self, sender: _Sender, heard: Iterable[Heard]) -> None:
        for each in heard:
            self._heard(sender.name, each)

    def _add(self, key: object, address: tuple[object, ...]) -> _Sender:
        if len(self._senders) == MAX_SENDERS:
            self._drop(next(iter(self._senders)))
        host, port = address[:2]
        sender = _Sender(f"{host}:{port}", self._make(), self._clock.monotonic())
        self._senders[key] = sender
        return sender

    def _drop(self, key: object) -> None:
        del self._senders[key]
        if isinstance(key, socket.socket):
            self._selector.unregister(key)
            key.close()


def _bound(address: tuple[str, int], *, udp: bool) -> socket.socket:
    """Return a socket that listens; raise PortTaken."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        if not udp:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        if not udp:
            made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise PortTaken(f"{address[0]}:{address[1]}: {error.strerror or error}") from None
    return made
