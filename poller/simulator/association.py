"""What a simulated meter agreed on with a client.

Made by ``admission``; read by services and objects. No octets, no behaviour.
"""

from dataclasses import dataclass, field
from typing import Final

LN, SN, LN_CIPHERED, SN_CIPHERED = 1, 2, 3, 4
"""Last arcs of the application context names (IEC 62056-5-3)."""
NO_MECHANISM, LLS, HLS_MD5, HLS_SHA1, HLS_GMAC, HLS_SHA256 = 0, 1, 3, 4, 5, 6
"""Last arcs of the authentication mechanism names."""
HLS: Final = frozenset({HLS_MD5, HLS_SHA1, HLS_GMAC, HLS_SHA256})


@dataclass(slots=True)
class Granted:
    """One association. ``pending``: an HLS client that has not answered the challenge yet."""

    client: int
    conformance: int
    max_pdu: int
    trusted: bool
    """Whether the client gave a password or passed HLS."""
    room: int = 0
    """Longest plain APDU that is answered without blocks of its service."""
    context: int = LN
    mechanism: int = NO_MECHANISM
    pending: bool = False
    client_title: bytes = b""
    client_challenge: bytes = b""
    server_challenge: bytes = field(default=b"", repr=False)
    secret: bytes = field(default=b"", repr=False)

    @property
    def ciphered(self) -> bool:
        """Whether APDUs of this association are protected."""
        return self.context in {LN_CIPHERED, SN_CIPHERED}

    @property
    def short(self) -> bool:
        """Whether short names are used."""
        return self.context in {SN, SN_CIPHERED}
