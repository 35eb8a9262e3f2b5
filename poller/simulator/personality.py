"""What kinds of meters the simulator can be, as data.

Names in, frozen descriptions out. A personality says how a meter is addressed, whom it lets in, what it negotiates and
which of the habits of real meters it has; what goes wrong on request is in ``faults``. No behaviour may enter here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from common.errors import Hopeless


class BadSpecification(Hopeless):
    """A meter was asked for that cannot be simulated."""


class Transport(StrEnum):
    """How APDUs travel over TCP."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"


class OnWrongNumber(StrEnum):
    """What a strict meter does with N(S) or N(R) that it did not expect."""

    REPEAT = "repeat"
    """REJ to a wrong N(S); its unacknowledged frame again to a stale N(R); FRMR to an impossible N(R)."""
    FRMR = "frmr"
    IGNORE = "ignore"


class EarlyRr(StrEnum):
    """Whether RR goes out before the answer."""

    NEVER = "never"
    THEN_ANSWER = "then_answer"
    """RR, final bit clear, and the answer right behind it."""
    AWAIT_POLL = "await_poll"
    """RR, final bit set; the answer when the client polls with RR."""


class SecondClient(StrEnum):
    """What happens to a connection while another is served."""

    REFUSE = "refuse"
    SILENT = "silent"
    """Accepted, never answered."""
    QUEUE = "queue"
    """Accepted, served when the first has gone."""
    SERVE = "serve"
    """Served at the same time, as a concentrator does."""


class LingerHow(StrEnum):
    """What a meter does while it still holds a session that was not closed."""

    DM = "dm"
    """DM to SNRM (WRAPPER: the connection is closed)."""
    SILENCE = "silence"
    DISC = "disc"
    """DM to SNRM until a DISC has been seen (WRAPPER: as DM)."""


CONFORMANCE_ATTRIBUTE_0: Final = 1 << (23 - 10)
CONFORMANCE_BLOCK_GET: Final = 1 << (23 - 11)
CONFORMANCE_LIST: Final = 1 << (23 - 14)
CONFORMANCE_GET: Final = 1 << (23 - 19)
CONFORMANCE_SET: Final = 1 << (23 - 20)
CONFORMANCE_ACTION: Final = 1 << 0

_LARGEST_ADDRESS: Final = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}
_LONGEST_INFO: Final = 2030
"""The length field of a frame ends at 2047."""
_LARGEST_WINDOW: Final = 7
_SAPS: Final = MappingProxyType({1: b"22222222", 16: None, 17: b"00000000", 32: b"11111111"})


@dataclass(frozen=True, slots=True)
class Personality:
    """One kind of meter. Times in seconds, sizes in octets."""

    name: str
    transport: Transport = Transport.HDLC
    logical: int = 1
    physical: int = 17
    sizes: tuple[int, ...] = (1, 2, 4)
    """Server address forms that are answered."""
    preferred_size: int = 1
    """The address form that clients are told to use."""
    saps: Mapping[int, bytes | None] = field(default_factory=lambda: _SAPS, repr=False)
    """Client SAP to its low-level password; None where no password is asked for."""
    conformance: int = 0x00301D
    max_pdu: int = 0x1900
    max_info: int = 128
    window: int = 1
    channel: int = 1
    """Value group B of the measured quantities."""
    block_octets: int | None = None
    """Upper limit of a block in block transfer; None: what the PDU size allows."""
    inactivity: float = 180.0
    inter_octet: float = 0.5
    second_client: SecondClient = SecondClient.REFUSE
    linger: float = 0.0
    """How long a session that was not closed is still held."""
    linger_how: LingerHow = LingerHow.DM
    on_wrong_number: OnWrongNumber = OnWrongNumber.REPEAT
    early_rr: EarlyRr = EarlyRr.NEVER
    dm_to_disc: bool = False
    bare_ua: bool = False
    """UA without parameters."""
    close_after_refusal: bool = False
    """TCP is closed after an association was refused."""

    def __post_init__(self) -> None:
        sizes = {*self.sizes, self.preferred_size}
        if not sizes <= {1, 2, 4} or self.preferred_size not in self.sizes:
            raise BadSpecification(f"{self.name}: addresses have 1, 2 or 4 octets, not {sorted(sizes)}")
        most = _LARGEST_ADDRESS[min(sizes)]
        if not 0 < self.logical <= most or not 0 <= self.physical <= _LARGEST_ADDRESS[max(sizes)]:
            raise BadSpecification(f"{self.name}: server address {self.logical}/{self.physical} does not fit {sizes}")
        if not 1 <= self.max_info <= _LONGEST_INFO or not 1 <= self.window <= _LARGEST_WINDOW:
            raise BadSpecification(f"{self.name}: information length {self.max_info}, window {self.window}")
        if self.linger < 0 or self.inactivity <= 0:
            raise BadSpecification(f"{self.name}: linger {self.linger:g} s, inactivity {self.inactivity:g} s")


PERSONALITIES: Final[Mapping[str, Personality]] = MappingProxyType({
    kind.name: kind
    for kind in (
        Personality("microstar"),
        Personality("generic-list", sizes=(4,), preferred_size=4, conformance=0x00321D, channel=0),
        Personality("wrapper", transport=Transport.WRAPPER, conformance=0x00321D, channel=0),
    )
})


def personality(name: str) -> Personality:
    """Return the personality of that name; raise BadSpecification when there is none."""
    try:
        return PERSONALITIES[name]
    except KeyError:
        raise BadSpecification(f"no personality {name!r}: there are {', '.join(PERSONALITIES)}") from None
