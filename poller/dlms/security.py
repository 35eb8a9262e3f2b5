"""What a secured association is made of: levels, keys, titles, and where counters and randomness come from.

Goes in: configured octets. Comes out: checked, frozen settings. No cipher here: that is ``ciphering``'s, which loads
``cryptography`` when the first protected APDU is made. No randomness and no disk either: a SecuritySource has both.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from poller.dlms.errors import BadParameter

TITLE_OCTETS: Final = 8
"""Of a system title (IEC 62056-5-3, 4.3.4)."""
KEY_OCTETS: Final = 16
"""Of AES-128, which suites 0 and 1 use."""
MAX_COUNTER: Final = 0xFFFF_FFFF
"""The last invocation counter: beyond it the key is used up."""
MAX_RESYNC: Final = 0xF000_0000
"""The highest counter that a meter's word makes us go to. Neither its refusals nor what the public client reads are
authenticated: a forged one must not be able to use up the key, which only a new key would cure."""
CHALLENGE_OCTETS: Final = 16
"""8 to 64 are allowed; meters that take only 8 are rare, and older than GMAC."""
SUITES: Final = (0, 1)


class Security(StrEnum):
    """How APDUs are protected (security-control, IEC 62056-5-3, 5.3.5)."""

    NONE = "none"
    AUTHENTICATED = "auth"
    ENCRYPTED = "encrypt"
    BOTH = "both"


class SecuritySource(Protocol):
    """What the driver gives a secured conversation: octets nobody can guess, and a counter that only ever rises."""

    def entropy(self, octets: int) -> bytes:
        """Return that many random octets."""

    def take(self) -> int:
        """Return the next invocation counter of our keys; never the same twice, over restarts too.

        Raises CounterExhausted beyond MAX_COUNTER.
        """

    def raise_to(self, counter: int) -> None:
        """Make the next ``take`` return at least ``counter``; a lower one than the present changes nothing."""


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Keys and titles of one client at one meter; raises BadParameter when they cannot be.

    With ``level`` NONE keys may still be given: HLS with GMAC needs them, the APDUs stay plain.
    """

    level: Security = Security.NONE
    suite: int = 0
    client_title: bytes = b""
    encryption_key: bytes = field(default=b"", repr=False)
    """Global unicast encryption key."""
    authentication_key: bytes = field(default=b"", repr=False)
    broadcast_key: bytes = field(default=b"", repr=False)
    """Global broadcast encryption key: of pushes to everybody; empty: none."""
    server_title: bytes = b""
    """The meter's system title where it does not tell it itself; empty: taken from the AARE."""
    dedicated: bool = False
    """Whether a dedicated key is made for each association and used for its services."""
    general: bool = False
    """Whether services travel in general-glo- or general-ded-ciphering instead of their own glo- and ded- forms."""

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise BadParameter(f"security suite {self.suite} is not supported; there are 0 and 1")
        _check("client system title", self.client_title, TITLE_OCTETS)
        _check("server system title", self.server_title, TITLE_OCTETS)
        _check("encryption key", self.encryption_key, KEY_OCTETS)
        _check("authentication key", self.authentication_key, KEY_OCTETS)
        _check("broadcast key", self.broadcast_key, KEY_OCTETS)
        if self.level is not Security.NONE and not (self.client_title and self.encryption_key):
            raise BadParameter(f"security {self.level} needs a client system title and an encryption key")
        if self.level in {Security.AUTHENTICATED, Security.BOTH} and not self.authentication_key:
            raise BadParameter(f"security {self.level} needs an authentication key")
        if self.level is Security.NONE and (self.dedicated or self.general):
            raise BadParameter("a dedicated key and general ciphering need protected APDUs")

    @property
    def protects(self) -> bool:
        """Whether APDUs are protected."""
        return self.level is not Security.NONE


def _check(name: str, octets: bytes, size: int) -> None:
    """Refuse what is there and of the wrong size; the octets themselves are never shown."""
    if octets and len(octets) != size:
        raise BadParameter(f"the {name} has {size} octets, not {len(octets)}")
