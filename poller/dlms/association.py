"""An association: how a client proves who it is, and the terms that a server granted (Green Book 9.3.2, 9.4.2).

Goes in: what ``proposing`` has read from an AARE. Comes out: frozen terms. How they come about is not known here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poller.dlms.xdlms import Conformance

MIN_PDU: Final = 12
"""Below it the standard's own answer is pdu-size-too-short."""


class Mechanism(StrEnum):
    """How a client proves who it is."""

    NONE = "none"
    LLS = "lls"
    HLS_MD5 = "hls-md5"
    HLS_SHA1 = "hls-sha1"
    HLS_GMAC = "hls-gmac"
    HLS_SHA256 = "hls-sha256"

    @property
    def high_level(self) -> bool:
        """Whether both sides prove themselves by answering a challenge (HLS)."""
        return self not in {Mechanism.NONE, Mechanism.LLS}


@dataclass(frozen=True, slots=True)
class Association:
    """The terms a server granted."""

    conformance: int
    max_pdu: int
    """Octets of the largest APDU that the server takes."""
    vaa_name: int
    ciphered: bool = False
    """Whether the application context is a ciphered one."""
    server_title: bytes = b""
    server_challenge: bytes = b""
    """What the server wants answered in pass 3 of HLS; empty: no HLS."""
    authentication_pending: bool = False
    """Whether nothing but passes 3 and 4 of HLS may be asked yet."""

    def _grants(self, bit: Conformance) -> bool:
        return bool(self.conformance & bit)

    @property
    def supports_with_list(self) -> bool:
        """Whether GET-with-list was negotiated (bit 14, multiple references)."""
        return self._grants(Conformance.MULTIPLE_REFERENCES)

    @property
    def supports_block_get(self) -> bool:
        """Whether block transfer with GET was negotiated (bit 11)."""
        return self._grants(Conformance.BLOCK_TRANSFER_WITH_GET)

    @property
    def supports_block_set(self) -> bool:
        """Whether block transfer with SET was negotiated (bit 12)."""
        return self._grants(Conformance.BLOCK_TRANSFER_WITH_SET)

    @property
    def supports_block_action(self) -> bool:
        """Whether block transfer with ACTION was negotiated (bit 13)."""
        return self._grants(Conformance.BLOCK_TRANSFER_WITH_ACTION)

    @property
    def supports_general_block(self) -> bool:
        """Whether general block transfer was negotiated (bit 2)."""
        return self._grants(Conformance.GENERAL_BLOCK_TRANSFER)

    @property
    def supports_general_protection(self) -> bool:
        """Whether general-glo- and general-ded-ciphering were negotiated (bit 1)."""
        return self._grants(Conformance.GENERAL_PROTECTION)

    @property
    def supports_set(self) -> bool:
        """Whether SET was negotiated (bit 20)."""
        return self._grants(Conformance.SET)

    @property
    def supports_action(self) -> bool:
        """Whether ACTION was negotiated (bit 23)."""
        return self._grants(Conformance.ACTION)

    @property
    def supports_access(self) -> bool:
        """Whether ACCESS was negotiated (bit 17)."""
        return self._grants(Conformance.ACCESS)

    @property
    def supports_selective_access(self) -> bool:
        """Whether selective access was negotiated (bit 21)."""
        return self._grants(Conformance.SELECTIVE_ACCESS)
