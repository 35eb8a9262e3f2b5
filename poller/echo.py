"""Our own octets, read back from a line that echoes: two-wire RS-485, optical heads.

In: what is sent, what is received. Out: what the meter said. Addresses cannot tell: client 1 and server 1 make the
poll of one the answer of the other. What is sent first on a connection (SNRM, a sign-on) no meter says itself: if it
comes back, the line echoes, and else it never does.
"""

from typing import Final

MAX_PENDING: Final = 65_536
"""Octets sent whose echo has not come: beyond a full window of the longest frames."""


class Echo:
    """What was sent and may still be read back on one connection."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._held = bytearray()
        self.heard: bool | None = None
        """Whether the line echoes; None until it is known."""

    def sent(self, octets: bytes) -> None:
        """Expect octets to be read back."""
        if self.heard is not False and len(self._pending) + len(octets) <= MAX_PENDING:
            self._pending += octets

    def received(self, octets: bytes) -> bytes:
        """Return what is no echo; what may be the beginning of one is held until more has come."""
        if not self._pending:
            return octets
        self._held += octets
        size = min(len(self._held), len(self._pending))
        if self._held[:size] != self._pending[:size]:  # no echo, or one that met something else on the line
            self.heard = bool(self.heard)
            self._pending.clear()
        elif size == len(self._pending):
            self.heard = True
            self._pending.clear()
            del self._held[:size]
        elif self.heard:
            del self._pending[:size], self._held[:size]
            return b""
        else:
            return b""
        said = bytes(self._held)
        self._held.clear()
        return said
