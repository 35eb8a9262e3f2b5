"""Listeners on loopback addresses that are no meters: each takes connections, notes when, and answers by a function.

In: addresses, a port, what to answer to what came (None: nothing, and the connection stays). Out: who was dialled when.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from tests.support.hdlc_secondary import encoded

Answer = Callable[[bytes], bytes | None]
MAX_RECEIVE: Final = 4096
DM: Final = 0x1F


def silent(_received: bytes) -> bytes | None:
    """Say nothing."""
    return None


def garbage(_received: bytes) -> bytes | None:
    """Say what is no DLMS, and more of it each time."""
    return bytes(range(256)) * 8


def refuses(received: bytes) -> bytes | None:
    """Answer whatever is an HDLC frame with DM, from the one-octet address 1 to client 16."""
    return encoded(DM, addresses=b"\x21\x03") if received[:1] == b"\x7e" else None


def hangs_up(_received: bytes) -> bytes | None:
    """End the connection."""
    return b""


class Listeners:
    """One thread for all of them. ``endless``: addresses that go on sending for as long as somebody takes it."""

    def __init__(self, answers: Mapping[str, Answer], port: int, endless: frozenset[str] = frozenset()) -> None:
        self.dialled: list[tuple[str, float]] = []
        self._answers, self._endless = answers, endless
        self._selector = selectors.DefaultSelector()
        self._is_over = False
        for address in answers:
            listening = socket.create_server((address, port), backlog=16)
            listening.setblocking(False)
            self._selector.register(listening, selectors.EVENT_READ, (address, True))
        self._thread = threading.Thread(target=self._run, name="listeners", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._is_over = True
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            socket.socket.close(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
        self._selector.close()

    def times(self, address: str) -> list[float]:
        """Return when an address was dialled."""
        return [at for where, at in self.dialled if where == address]

    def _run(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select(0.05):
                address, listens = key.data
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if listens:
                    self._accept(sock, address)
                else:
                    self._serve(sock, address)

    def _accept(self, listening: socket.socket, address: str) -> None:
        sock, _ = listening.accept()
        self.dialled.append((address, time.monotonic()))
        sock.setblocking(False)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if address in self._endless else 0)
        self._selector.register(sock, events, (address, False))

    def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            received = b"" if address in self._endless else sock.recv(MAX_RECEIVE)
            answer = self._answers[address](received) if received or address in self._endless else b""
            if answer:
                sock.send(answer)
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if answer == b"":
            self._selector.unregister(sock)
            with suppress(OSError):
                sock.close()
