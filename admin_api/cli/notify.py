"""What `meterctl run` tells systemd (sd_notify(3)): ready, alive, stopping, and one line for `systemctl status`.

In: the address in NOTIFY_SOCKET. Out: datagrams to it; nothing where there is none, or nobody reads them: a service
must not fail for want of a listener.
"""

import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"
READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1"


class Notifier:
    """Tells; an empty address makes it dumb."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """Return one for this process alone: our programs shall not find the variable and speak for us."""
        return cls(environment.pop(VARIABLE, ""))

    def tell(self, *assignments: str) -> None:
        """Send assignments (``READY=1``) in one datagram."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, suppress(OSError):
            sender.sendto("\n".join(assignments).encode(), self._address)

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self.tell(f"STATUS={text}")
