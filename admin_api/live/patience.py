"""How long a client may keep a thread waiting: for the rest of its request, or until it takes what it asked for.

gunicorn gives a thread to whoever has sent one octet and waits for the rest for ever, so that a few dozen connections
that say nothing more keep everybody else out. In: what gunicorn's worker does with a connection, and when. Out:
connections that took too long are cut, by the worker's own loop, which comes round once a second.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import get_ident
from typing import Final, Protocol

from admin_api.live.peer import cut_connection
from common.clock import Clock

PATIENCE: Final = "dlms_bridge_patience"
"""Its name among the extensions of an application."""
HEAD_S: Final = 10.0  # handshake, headers, and a stranger's body, from when gunicorn took notice: a few kilobytes
LATE_S: Final = 2.0  # of those who waited so long for a thread: whoever means it has sent everything by then
STRANGER_S: Final = 30.0  # the answer to somebody who has shown no token
KNOWN_S: Final = 120.0  # of somebody who has: a file of 4 MiB over a slow line, a command that is waited for
_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What we know of gunicorn's connection."""

    @property
    def sock(self) -> object:
        """Return its socket, of TLS or not."""


class Worker(Protocol):
    """What we know of gunicorn's worker of threads."""

    enqueue_req: Callable[[Connection], None]
    handle: Callable[[Connection], object]
    handle_request: Callable[[object, Connection], object]
    notify: Callable[[], None]


@dataclass(slots=True)
class _Wait:
    connection: Connection
    noticed: float
    until: float


class Patience:
    """One process's threads, and until when each of them may be kept. ``cut``: connections that took too long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noticed: dict[int, float] = {}
        self._waits: dict[int, _Wait] = {}
        self.cut = 0

    def watch(self, worker: Worker) -> None:
        """Look on from now on: at the beginning and the end of each turn of a thread, and once a second."""
        enqueue, handle, request, notify = worker.enqueue_req, worker.handle, worker.handle_request, worker.notify

        def enqueued(connection: Connection) -> None:
            self.noticed(connection)
            enqueue(connection)

        def handled(connection: Connection) -> object:
            self.began(connection)
            try:
                return handle(connection)
            finally:
                self.ended()

        def requested(found: object, connection: Connection) -> object:
            self.lasts(STRANGER_S)
            return request(found, connection)

        def notified() -> None:
            notify()
            self.look()

        worker.enqueue_req, worker.handle, worker.handle_request, worker.notify = enqueued, handled, requested, notified

    def noticed(self, connection: Connection) -> None:
        """A connection waits for a thread."""
        self._noticed[id(connection)] = self._clock.monotonic()

    def began(self, connection: Connection) -> None:
        """A thread begins with a connection."""
        now = self._clock.monotonic()
        noticed = self._noticed.pop(id(connection), now)
        self._waits[get_ident()] = _Wait(connection, noticed, max(noticed + HEAD_S, now + LATE_S))

    def lasts(self, seconds: float = math.inf) -> None:
        """What this thread does may last so long from now on."""
        wait = self._waits.get(get_ident())
        if wait is not None:
            wait.until = self._clock.monotonic() + seconds

    def hurries(self) -> None:
        """What this thread waits for now is the rest of a stranger's request."""
        wait = self._waits.get(get_ident())
        if wait is not None:
            wait.until = max(wait.noticed + HEAD_S, self._clock.monotonic() + LATE_S)

    def ended(self) -> None:
        """A thread is done with its connection."""
        self._waits.pop(get_ident(), None)

    def look(self) -> None:
        """Cut what took too long. In the loop that closes connections, so that none of them is another one by now."""
        now, before = self._clock.monotonic(), self.cut
        for wait in list(self._waits.values()):
            if now >= wait.until:
                wait.until = now + HEAD_S  # should it not have been connected yet, or the thread not come back
                cut_connection(wait.connection.sock)
                self.cut += 1
        if self.cut > before:
            _log.warning("cut %d connections that kept a thread waiting, %d so far", self.cut - before, self.cut)
