"""Drives exchanges of the protocol core in tests: over a blocking socket, or against a scripted peer."""

import socket
from collections.abc import Callable
from typing import Self, TypeVar

from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.dlms.exchange import Exchange

T = TypeVar("T")

RECEIVE_SIZE = 65536


class SocketDriver:
    """A connected socket with a deadline for every reply."""

    def __init__(self, host: str, port: int, timeout: float = 5.0) -> None:
        self.seen: Callable[[bytes], None] = lambda _: None
        """Called with everything that is received."""
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self, exchange: Exchange[T]) -> T:
        """Drive an exchange to its end; return its result."""
        try:
            out = next(exchange)
            while True:
                if out:
                    self._socket.sendall(out)
                try:
                    received = self._socket.recv(RECEIVE_SIZE)
                except TimeoutError:
                    out = exchange.throw(ReplyTimeout("no answer in time"))
                    continue
                if not received:
                    exchange.throw(PeerClosed("the peer closed the connection"))
                self.seen(received)
                out = exchange.send(received)
        except StopIteration as end:
            result: T = end.value
            return result


def run_against(exchange: Exchange[T], peer: Callable[[bytes], bytes | None], limit: int = 100_000) -> T:
    """Drive an exchange against a function from sent octets to received ones; None is silence until the deadline."""
    try:
        out = next(exchange)
        for _ in range(limit):
            received = peer(out)
            out = exchange.throw(ReplyTimeout("silence")) if received is None else exchange.send(received)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError(f"the exchange does not end within {limit} steps")
