"""Key material of tests: fixed keys, and a source of counters and challenges that is known beforehand."""

from dataclasses import dataclass, field
from typing import Final

from poller.dlms.ciphering import Cipher
from poller.dlms.errors import CounterExhausted
from poller.dlms.exchange import Counters
from poller.dlms.security import MAX_COUNTER, Security, SecuritySettings

ENCRYPTION_KEY: Final = bytes(range(16))
AUTHENTICATION_KEY: Final = bytes(range(0xD0, 0xE0))
BROADCAST_KEY: Final = bytes(range(0xB0, 0xC0))
CLIENT: Final = b"CLI\0\0\0\0\1"
METER: Final = b"MTR\0\0\0\0\2"


@dataclass
class FixedSource:
    """Counts from a given number; draws what is given, else octets that are all the same."""

    next: int = 1
    draws: list[bytes] = field(default_factory=list)
    raised: list[int] = field(default_factory=list)

    def entropy(self, octets: int) -> bytes:
        return self.draws.pop(0) if self.draws else b"\x5a" * octets

    def take(self) -> int:
        if self.next > MAX_COUNTER:
            raise CounterExhausted("used up")
        self.next += 1
        return self.next - 1

    def raise_to(self, counter: int) -> None:
        self.raised.append(counter)
        self.next = max(self.next, counter)


def settings(level: Security = Security.BOTH, suite: int = 0, /, **other: object) -> SecuritySettings:
    """Return what the client has; other fields as they are named."""
    fields: dict[str, object] = {
        "client_title": CLIENT,
        "server_title": METER,
        "encryption_key": ENCRYPTION_KEY,
        "authentication_key": AUTHENTICATION_KEY,
        "broadcast_key": BROADCAST_KEY,
    }
    return SecuritySettings(level, suite, **(fields | other))  # type: ignore[arg-type]


def mirrored(given: SecuritySettings) -> SecuritySettings:
    """Return what the meter has, when a client has these settings: the titles change sides."""
    return SecuritySettings(
        given.level,
        given.suite,
        given.server_title,
        given.encryption_key,
        given.authentication_key,
        given.broadcast_key,
        given.client_title,
        given.dedicated,
        given.general,
    )


def pair(given: SecuritySettings, first: int = 1) -> tuple[Cipher, Cipher]:
    """Return the ciphers of a client and its meter, an association begun."""
    client, meter = (Cipher(side, FixedSource(first), Counters()) for side in (given, mirrored(given)))
    client.begin()
    meter.begin()
    meter.dedicated_key = client.dedicated_key
    return client, meter
