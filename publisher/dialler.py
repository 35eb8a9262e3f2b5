"""Connecting blocks (names, TCP, TLS), so it happens in threads of short life, a bounded number at a time.

In: sessions that are to connect. Out: the same sessions, connected or ended, collected by the loop when the descriptor
is readable. A session is touched by one thread at a time: by its helper until it comes back, by the loop afterwards.
"""

import os
import threading
from queue import Empty, SimpleQueue
from typing import Final

from publisher.mqtt import Session

MAX_DIALLING: Final = 8  # threads at a time; a host with many dead brokers must not fill up with them


class Dialler:
    """See the module's text."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._done: SimpleQueue[Session] = SimpleQueue()
        self._busy = 0

    def fileno(self) -> int:
        """Return the descriptor that is readable when a session has come back."""
        return self._wake

    def dial(self, session: Session) -> bool:
        """Start to connect; False: too many are at it, ask again later."""
        if self._busy >= MAX_DIALLING:
            return False
        self._busy += 1
        # a daemon: a resolver that hangs must not keep a stopping process alive
        threading.Thread(target=self._run, args=(session,), name="dial", daemon=True).start()
        return True

    def finished(self) -> list[Session]:
        """Return the sessions that came back since the last call."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        back: list[Session] = []
        while True:
            try:
                back.append(self._done.get_nowait())
            except Empty:
                break
        self._busy -= len(back)
        return back

    def close(self) -> None:
        """Let go of the descriptor, unless a thread will still write to it."""
        if not self._busy:
            os.close(self._wake)

    def _run(self, session: Session) -> None:
        try:
            session.dial()
        finally:
            self._done.put(session)
            os.eventfd_write(self._wake, 1)
