"""What kinds of meters the simulator can be, as data.

Names in, frozen descriptions out. A personality says how a meter is addressed, whom it lets in, what it negotiates and
which of the habits of real meters it has; what goes wrong on request is in ``faults``. No behaviour may enter here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


CONFORMANCE_PROTECTION: Final = 1 << (23 - 1)
CONFORMANCE_GENERAL_BLOCKS: Final = 1 << (23 - 2)
CONFORMANCE_READ: Final = 1 << (23 - 3)
CONFORMANCE_WRITE: Final = 1 << (23 - 4)
CONFORMANCE_ATTRIBUTE_0: Final = 1 << (23 - 10)
CONFORMANCE_BLOCK_GET: Final = 1 << (23 - 11)
CONFORMANCE_BLOCK_SET: Final = 1 << (23 - 12)
CONFORMANCE_BLOCK_ACTION: Final = 1 << (23 - 13)
CONFORMANCE_LIST: Final = 1 << (23 - 14)
CONFORMANCE_NOTIFICATION: Final = 1 << (23 - 16)
CONFORMANCE_ACCESS: Final = 1 << (23 - 17)
CONFORMANCE_PARAMETERIZED: Final = 1 << (23 - 18)
CONFORMANCE_GET: Final = 1 << (23 - 19)
CONFORMANCE_SET: Final = 1 << (23 - 20)
CONFORMANCE_SELECTION: Final = 1 << (23 - 21)
CONFORMANCE_ACTION: Final = 1 << 0
EVERYTHING: Final = (
    CONFORMANCE_PROTECTION
    | CONFORMANCE_GENERAL_BLOCKS
    | CONFORMANCE_ATTRIBUTE_0
    | CONFORMANCE_BLOCK_GET
    | CONFORMANCE_BLOCK_SET
    | CONFORMANCE_BLOCK_ACTION
    | CONFORMANCE_LIST
    | CONFORMANCE_NOTIFICATION
    | CONFORMANCE_ACCESS
    | CONFORMANCE_GET
    | CONFORMANCE_SET
    | CONFORMANCE_SELECTION
    | CONFORMANCE_ACTION
)
"""All that a meter with logical names can here."""
SHORT_NAMES: Final = (
    CONFORMANCE_READ | CONFORMANCE_WRITE | CONFORMANCE_LIST | CONFORMANCE_PARAMETERIZED | CONFORMANCE_ATTRIBUTE_0
)
"""All that a meter with short names can here."""

_LARGEST_ADDRESS: Final = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}
_LONGEST_INFO: Final = 2030
"""The length field of a frame ends at 2047."""
_LARGEST_WINDOW: Final = 7
_LARGEST_BLOCK_WINDOW: Final = 63
_SAPS: Final = MappingProxyType({1: b"22222222", 16: None, 17: b"00000000", 32: b"11111111"})


_TITLE: Final = 8
_KEY: Final = 16
_SUITES: Final = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class Keys:
    """What a meter that ciphers knows. Both suites use keys of sixteen octets."""

    encryption: bytes = field(default=bytes(range(16)), repr=False)
    authentication: bytes = field(default=bytes(range(0xD0, 0xE0)), repr=False)
    title: bytes = b""
    """Its system title; empty: SIM and the number of the meter in five octets."""
    suite: int = 0
    policy: int = 0
    """Bits of the security control that each request and answer needs: 0x10 authenticated, 0x20 encrypted."""
    counter: int = 0
    """Least invocation counter that is accepted at the start."""

    def __post_init__(self) -> None:
        if {len(self.encryption), len(self.authentication)} != {_KEY} or len(self.title) not in {0, _TITLE}:
            raise BadSpecification(f"keys have {_KEY} octets, a system title {_TITLE}")
        if self.suite not in _SUITES or self.policy & ~0x30 or not 0 <= self.counter <= 0xFFFFFFFF:
            raise BadSpecification(f"suite {self.suite}, policy {self.policy:#x}, counter {self.counter}")


@dataclass(frozen=True, slots=True)
class SignOn:
    """How a client proves itself by HLS: mechanism (3 MD5, 4 SHA-1, 5 GMAC, 6 SHA-256) and secret (GMAC: the keys)."""

    mechanism: int
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """How a meter's clock is at the start."""

    offset: float = 0.0
    """Seconds ahead of our clock."""
    drift_ppm: float = 0.0
    """Millionths that it gains on our clock."""
    zone: int = 0
    """Deviation of standard time, in minutes: UTC minus local time."""
    summer: bool = False
    """Whether daylight saving is active: one hour more, and its bit in the status."""
    status: int = 0
    """The other bits of the clock status."""


class ProfileHabit(StrEnum):
    """How some real meters differ about selective access to a profile."""

    RANGE_LAST_ROW = "range-last-row"
    """Any range is answered with the last row."""
    NO_RANGE = "no-range"
    NO_ENTRY = "no-entry"
    CLOCK_SECOND = "clock-second"
    """The clock is the second capture object."""
    NULL_DATA = "null-data"
    """What did not change since the row before is null-data; the clock too, where it went on by the period."""


@dataclass(frozen=True, slots=True)
class ProfileSetting:
    """How the load profile of a meter is."""

    period: int = 900
    """Seconds between two rows."""
    depth: int = 3_360
    """Rows it holds: 35 days of quarters of an hour."""
    habits: frozenset[ProfileHabit] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.period <= 86_400 or not 1 <= self.depth <= 100_000:
            raise BadSpecification(f"profile of {self.depth} rows, one each {self.period} s")


_CLOCK: Final = ClockSetting()
_PROFILE: Final = ProfileSetting()


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
    strict_release: bool = False
    """A plain RLRQ in a ciphered association is answered with an exception-response."""
    general_blocks: bool = False
    """Long answers go by general block transfer where that was negotiated, whatever else was."""
    block_window: int = 4
    """Blocks that are taken at a time in general block transfer; 1: each is acknowledged."""
    short_names: bool = False
    """Short name referencing instead of logical names."""
    sign_on: Mapping[int, SignOn] = field(default_factory=dict, repr=False)
    """Client SAP to how it proves itself by HLS."""
    keys: Keys | None = field(default=None, repr=False)
    """None: this meter does not cipher."""
    clock: ClockSetting = _CLOCK
    profile: ProfileSetting = _PROFILE

    def __post_init__(self) -> None:
        sizes = {*self.sizes, self.preferred_size}
        if not sizes <= {1, 2, 4} or self.preferred_size not in self.sizes:
            raise BadSpecification(f"{self.name}: addresses have 1, 2 or 4 octets, not {sorted(sizes)}")
        most = _LARGEST_ADDRESS[min(sizes)]
        if not 0 < self.logical <= most or not 0 <= self.physical <= _LARGEST_ADDRESS[max(sizes)]:
            raise BadSpecification(f"{self.name}: server address {self.logical}/{self.physical} does not fit {sizes}")
        if not 1 <= self.max_info <= _LONGEST_INFO or not 1 <= self.window <= _LARGEST_WINDOW:
            raise BadSpecification(f"{self.name}: information length {self.max_info}, window {self.window}")
        if not 1 <= self.block_window <= _LARGEST_BLOCK_WINDOW:
            raise BadSpecification(f"{self.name}: window of {self.block_window} blocks")
        if self.linger < 0 or self.inactivity <= 0:
            raise BadSpecification(f"{self.name}: linger {self.linger:g} s, inactivity {self.inactivity:g} s")


_HLS_SECRET: Final = b"SimulatorSecret1"
_SIGN_ON: Final = MappingProxyType({
    33: SignOn(3, _HLS_SECRET),
    34: SignOn(4, _HLS_SECRET),
    35: SignOn(5),
    36: SignOn(6, _HLS_SECRET),
})
_SECURE: Final = Personality(
    "secure",
    sizes=(4,),
    preferred_size=4,
    conformance=EVERYTHING,
    channel=0,
    max_pdu=1_024,
    max_info=1_024,
    window=7,
    sign_on=_SIGN_ON,
    keys=Keys(),
)

PERSONALITIES: Final[Mapping[str, Personality]] = MappingProxyType({
    kind.name: kind
    for kind in (
        Personality("microstar"),
        Personality("generic-list", sizes=(4,), preferred_size=4, conformance=0x00321D, channel=0),
        Personality("wrapper", transport=Transport.WRAPPER, conformance=0x00321D, channel=0),
        _SECURE,
        replace(_SECURE, name="secure-wrapper", transport=Transport.WRAPPER),
        Personality("short-names", sizes=(4,), preferred_size=4, conformance=SHORT_NAMES, channel=0, short_names=True),
    )
})


def personality(name: str) -> Personality:
    """Return the personality of that name; raise BadSpecification when there is none."""
    try:
        return PERSONALITIES[name]
    except KeyError:
        raise BadSpecification(f"no personality {name!r}: there are {', '.join(PERSONALITIES)}") from None
