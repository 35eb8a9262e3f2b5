"""A host's name to its address, under a deadline.

In: a host as a person wrote it, a deadline. Out: a numeric address, or NameUnresolved. The system's resolver knows no
deadline, so it runs in a thread of its own and may outlive the question; there is never more than one such thread.
"""

import socket
import threading
from collections.abc import Callable
from typing import Final

from common.clock import Clock
from poller.errors import NameUnresolved

SLICE_S: Final = 0.25  # how often the caller's pulse is felt while the answer is awaited
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


def is_numeric(host: str) -> bool:
    """Return whether a host is an IPv4 or IPv6 address already."""
    return any(_is_address(family, host) for family in _FAMILIES)


def _is_address(family: socket.AddressFamily, host: str) -> bool:
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return False
    return True


class _Question(threading.Thread):
    """One call of the system's resolver."""

    def __init__(self, host: str) -> None:
        super().__init__(name="resolver", daemon=True)
        self.host = host
        self.address = ""
        self.problem = ""
        self.answered = threading.Event()

    def run(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
            self.address = str(found[0][4][0])
        except (OSError, UnicodeError) as error:
            self.problem = str(error)
        self.answered.set()


class Resolver:
    """Asks one question at a time; a numeric host is its own answer."""

    def __init__(self, clock: Clock, pulse: Callable[[], None]) -> None:
        self._clock = clock
        self._pulse = pulse
        self._question: _Question | None = None

    def resolve(self, host: str, deadline: float) -> str:
        """Return the first address of a host; raise NameUnresolved when there is none by ``deadline`` (monotonic)."""
        if is_numeric(host):
            return host
        question = self._ask(host)
        while not question.answered.wait(SLICE_S):
            self._pulse()
            if self._clock.monotonic() >= deadline:
                raise NameUnresolved(f"{host}: no answer from the resolver in time")
        self._question = None
        if question.host != host:
            return self.resolve(host, deadline)
        if not question.address:
            raise NameUnresolved(f"{host}: {question.problem}")
        return question.address

    def _ask(self, host: str) -> _Question:
        """Return the question that is open, whatever its host, else a new one: threads must not pile up."""
        if self._question is None:
            self._question = _Question(host)
            self._question.start()
        return self._question
