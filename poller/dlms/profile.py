"""What a conversation needs to know of a meter before the first octet: transport, addresses, proof, what to propose.

Goes in: settings. Comes out: a checked, frozen Profile, and new links for it. Nothing is sent here.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poller.dlms.association import MIN_PDU, Mechanism
from poller.dlms.errors import BadAddress, BadParameter
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address, server_address
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import DEFAULT_INFO, DEFAULT_WINDOW, proposal
from poller.dlms.security import SecuritySettings
from poller.dlms.wrapper import MAX_PORT, WrapperLink
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, Conformance

MAX_SECRET: Final = 255
MAX_BLOCK_WINDOW: Final = 63
"""What block-control has bits for (IEC 62056-5-3, general-block-transfer)."""
_NO_SECURITY: Final = SecuritySettings()
_MAX_CLIENT: Final = 127
_WITH_SECRET: Final = {"lls", "hls-md5", "hls-sha1", "hls-sha256"}
_WITH_KEYS: Final = "hls-gmac"
_SHORT_NAMES: Final = (
    Conformance.READ | Conformance.WRITE | Conformance.PARAMETERIZED_ACCESS | Conformance.MULTIPLE_REFERENCES
)
_OF_BOTH: Final = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
)
"""Bits that mean the same with short names."""


class Transport(StrEnum):
    """What carries the APDUs."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"


class Referencing(StrEnum):
    """How attributes and methods are named (IEC 62056-5-3, 4.2.4)."""

    LN = "ln"
    SN = "sn"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a conversation needs to know of a meter; raises BadParameter or BadAddress when it cannot be.

    With HDLC, ``server_logical`` 0 and ``server_physical`` 1 in one octet are an alias of logical 1.
    """

    transport: Transport
    client_id: int
    """Client SAP, 1 to 127, or wPort."""
    server_logical: int
    """Upper HDLC address, or wPort."""
    server_physical: int | None = None
    address_size: int | None = None
    """Octets of the server's HDLC address, 1, 2 or 4; None: the smallest that fits."""
    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = field(default=b"", repr=False)
    max_info: int = DEFAULT_INFO
    window: int = DEFAULT_WINDOW
    max_pdu: int = 0xFFFF
    """Octets of the largest APDU that we take."""
    conformance: int = DEFAULT_CONFORMANCE
    use_with_list: bool = True
    security: SecuritySettings = _NO_SECURITY
    referencing: Referencing = Referencing.LN
    general_blocks: bool = False
    """Whether general block transfer is proposed, and used for what is too long."""
    block_window: int = 1
    """General blocks that we take in a row."""
    insists: bool = True
    """Whether a meter that refuses the link is told to leave the session that it may hold; else it is left alone."""

    def __post_init__(self) -> None:
        self._check_proof()
        if not MIN_PDU <= self.max_pdu <= 0xFFFF:
            raise BadParameter(f"the maximum PDU must be {MIN_PDU} to 65535 octets, not {self.max_pdu}")
        if not 0 <= self.conformance < 1 << 24:
            raise BadParameter(f"a conformance block has 24 bits, {self.conformance:#x} has more")
        if not 1 <= self.block_window <= MAX_BLOCK_WINDOW:
            raise BadParameter(f"the block window must be 1 to {MAX_BLOCK_WINDOW}, not {self.block_window}")
        self.make_link(Counters())

    @property
    def needs_source(self) -> bool:
        """Whether counters or randomness are needed: protected APDUs, or high-level security."""
        return self.security.protects or self.mechanism.startswith("hls")

    @property
    def proposed(self) -> int:
        """The conformance block to propose: the configured one, and what the other options cannot do without."""
        bits = self.conformance
        if self.referencing is Referencing.SN:
            bits = bits & _OF_BOTH | _SHORT_NAMES
        if self.general_blocks:
            bits |= Conformance.GENERAL_BLOCK_TRANSFER
        if self.security.general:
            bits |= Conformance.GENERAL_PROTECTION
        return int(bits)

    def make_link(self, counters: Counters) -> HdlcLink | WrapperLink:
        """Return a new link for this meter."""
        if self.transport is Transport.HDLC:
            if not 1 <= self.client_id <= _MAX_CLIENT:
                raise BadAddress(f"the client address must be 1 to {_MAX_CLIENT} with HDLC, not {self.client_id}")
            server = server_address(self.server_logical, self.server_physical, self.address_size)
            link = HdlcLink(Address(self.client_id), server, proposal(self.max_info, self.window), counters)
            link.insists = self.insists
            return link
        if not 1 <= self.client_id <= MAX_PORT or not 0 <= self.server_logical <= MAX_PORT:
            raise BadAddress(f"wPorts must be 1 to {MAX_PORT}, not {self.client_id} and {self.server_logical}")
        return WrapperLink(self.client_id, self.server_logical, counters)

    def _check_proof(self) -> None:
        """Refuse a mechanism without what it proves us with."""
        if self.mechanism in _WITH_SECRET and not 1 <= len(self.secret) <= MAX_SECRET:
            level = "low" if self.mechanism is Mechanism.LLS else "high"
            raise BadParameter(f"{level}-level security needs a password of 1 to {MAX_SECRET} octets")
        keys = self.security
        complete = keys.client_title and keys.encryption_key and keys.authentication_key
        if self.mechanism == _WITH_KEYS and not complete:
            raise BadParameter("GMAC needs a client system title, an encryption key and an authentication key")
