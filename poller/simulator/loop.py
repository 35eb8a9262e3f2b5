"""The one loop behind all simulated meters: sockets that are ready, and moments that have come.

Sockets and callables in; calls out, in one thread. It knows no meters. The only module here that waits.
"""

import heapq
import selectors
import socket
from collections.abc import Callable
from itertools import count
from typing import Final

from common.clock import Clock

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
_LONGEST_WAIT: Final = 1.0
"""Seconds: the loop looks around at least so often."""
Handler = Callable[[int], None]


class Timer:
    """A call to come; ``cancel`` keeps it from coming."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call."""
        self.call = None


class Loop:
    """Runs until it is stopped. Only ``wake`` and ``stop`` may be called from elsewhere."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._late: list[Callable[[], None]] = []
        self._stopping = False
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self.on_wake: Callable[[], None] = lambda: None
        """Called in the loop's thread after ``wake``."""
        self.watch(self._inner, READ, self._woken)

    def watch(self, sock: socket.socket, events: int, handler: Handler) -> None:
        """Call the handler with the events when the socket is ready."""
        self._selector.register(sock, events, handler)

    def change(self, sock: socket.socket, events: int, handler: Handler) -> None:
        """Watch for other events."""
        self._selector.modify(sock, events, handler)

    def forget(self, sock: socket.socket) -> None:
        """Watch no longer."""
        self._selector.unregister(sock)

    def at(self, moment: float, call: Callable[[], None]) -> Timer:
        """Call when the monotonic clock has reached the moment."""
        timer = Timer(call)
        heapq.heappush(self._timers, (moment, next(self._numbers), timer))
        return timer

    def later(self, call: Callable[[], None]) -> None:
        """Call after everything that is ready now was handled."""
        self._late.append(call)

    def run(self) -> None:
        """Go round until stopped."""
        while not self._stopping:
            self.turn()

    def turn(self) -> None:
        """Go round once."""
        for key, events in self._selector.select(self._patience()):
            handler: Handler = key.data
            handler(events)
        late, self._late = self._late, []
        for call in late:
            call()
        self._ring()

    def _patience(self) -> float:
        if not self._timers:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(0.0, self._timers[0][0] - self.clock.monotonic()))

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self.clock.monotonic():
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                timer.call()

    def wake(self) -> None:
        """Make the loop call ``on_wake`` soon; from any thread or a signal handler."""
        try:
            self._outer.send(b"\0")
        except (BlockingIOError, OSError):
            return  # a full pair wakes as well; a closed one has nobody to wake

    def stop(self) -> None:
        """Make ``run`` return soon; from any thread or a signal handler."""
        self._stopping = True
        self.wake()

    def _woken(self, _events: int) -> None:
        self._inner.recv(4096)
        self.on_wake()

    def close(self) -> None:
        """Let go of the loop's own descriptors."""
        self._selector.close()
        self._inner.close()
        self._outer.close()
