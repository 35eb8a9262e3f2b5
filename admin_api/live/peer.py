"""The connection behind a stream, where the server lets us see it: whether the client is still there, and cutting it.

In: the WSGI environment of gunicorn, which hands on its socket. Out: facts about the socket; elsewhere nothing is
known, and a client that is gone is noticed when it is written to. A client's end is noticed within a second; one whose
host vanished without a word when the kernel gets no answer for VANISHED_S.
"""

import os
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

VANISHED_S: Final = 15  # a slot is free again within 20 s
_PROBES: Final = 3
_ENDS: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Peer:
    """The client of one request."""

    def __init__(self, environment: Mapping[str, object]) -> None:
        given = environment.get("gunicorn.socket")
        self._socket = given if isinstance(given, socket.socket) else None
        if self._socket is not None:
            _watch(self._socket)

    def is_gone(self) -> bool:
        """Return whether the client closed its side, or its host answers no more."""
        if self._socket is None:
            return False
        descriptor = self._socket.fileno()
        if descriptor < 0:
            return True
        found = select.poll()
        found.register(descriptor, _ENDS)
        return bool(found.poll(0))

    def cut(self) -> None:
        """End the connection."""
        cut_connection(self._socket)


def cut_connection(connection: object) -> None:
    """End a connection, so that whoever hangs in writing to it comes back with an error."""
    if not isinstance(connection, socket.socket) or connection.fileno() < 0:
        return
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:  # under TLS, too
        same.shutdown(socket.SHUT_RDWR)


def _watch(connection: socket.socket) -> None:
    with suppress(OSError):  # a unix socket has none of these, and its other end cannot vanish
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, VANISHED_S // _PROBES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, VANISHED_S // _PROBES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES - 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * VANISHED_S)
