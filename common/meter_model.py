"""What is known of a family of meters: what to assume, what it can, how far that was seen to be true.

Frozen values and their words, nothing else: ``model_file`` makes them of files, ``catalogue`` finds them by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Ability(StrEnum):
    """Whether meters of a family can something, as far as it is known; what was negotiated decides, not this."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """How far a family is supported."""

    REPLAYED = "replayed"
    """Octets of such a meter, or of its maker's documents, become a payload in our tests."""
    FACTS_ONLY = "facts only"
    """Public facts, no octets."""
    NOT_KNOWN = "not known"
    """Not even facts."""


class Scope(StrEnum):
    """What evidence is about."""

    OPENING = "opening"
    READING = "reading"
    PUSH = "push"
    FRAMES = "frames"
    """Single frames and APDUs that are decoded, not a conversation."""


class Origin(StrEnum):
    """Where octets come from."""

    MAKER = "maker"
    """The maker's documents, and what was computed from them for values seen in the field."""
    PUBLISHED = "published"
    """A real meter; somebody published what it sent."""
    REFERENCE = "reference"
    """The reference server itself."""
    METER = "meter"
    """A meter that we asked."""
    SIMULATOR = "simulator"
    """Our own simulator: proves that we agree with ourselves, nothing about the meter."""


REAL: frozenset[Origin] = frozenset(Origin) - {Origin.SIMULATOR}
"""What can make a family ``replayed``."""


class QuirkWord(StrEnum):
    """Habits in which families differ from what the standard leads one to expect."""

    ADDRESS_FROM_SERIAL = "address-from-serial"
    CHANNEL_ONE = "channel-one"
    CLIENT_TITLE_IN_PLAIN = "client-title-in-plain"
    COUNTER_ELSEWHERE = "counter-elsewhere"
    ENCRYPTED_PUSH = "encrypted-push"
    GENERAL_BLOCK_PUSH = "general-block-push"
    LATE_VALUES = "late-values"
    LONG_FORM_LENGTHS = "long-form-lengths"
    MIXED_CHANNELS = "mixed-channels"
    MODE_E = "mode-e"
    NO_LISTS = "no-lists"
    ONE_CLIENT = "one-client"
    PUSH_IN_SESSION = "push-in-session"
    SCALE_OF_THOUSAND = "scale-of-thousand"
    SEGMENTED_PUSH = "segmented-push"
    SHORT_NAMES = "short-names"
    STRICT_NUMBERING = "strict-numbering"
    UNSCALED_PUSH = "unscaled-push"
    WRONG_CLASSES = "wrong-classes"

    @property
    def meaning(self) -> str:
        """What the word says of a meter."""
        return _MEANINGS[self]


_MEANINGS: Mapping[QuirkWord, str] = {
    QuirkWord.ADDRESS_FROM_SERIAL: "its HDLC address follows from its serial number",
    QuirkWord.CHANNEL_ONE: "value group B of measured quantities is 1 where most meters have 0",
    QuirkWord.CLIENT_TITLE_IN_PLAIN: "clients send a system title in an association without protection",
    QuirkWord.COUNTER_ELSEWHERE: "the invocation counter is not at 0-0:43.1.0",
    QuirkWord.ENCRYPTED_PUSH: "pushes may be protected; without the keys nothing can be told",
    QuirkWord.GENERAL_BLOCK_PUSH: "pushes come in general blocks",
    QuirkWord.LATE_VALUES: "answers take long for a while, in bursts",
    QuirkWord.LONG_FORM_LENGTHS: "BER lengths below 128 are written in the long form",
    QuirkWord.MIXED_CHANNELS: "value group B differs between quantities of one meter",
    QuirkWord.MODE_E: "the optical port begins with the sign-on of IEC 62056-21, mode E",
    QuirkWord.NO_LISTS: "GET-with-list is not granted: one round trip for each value",
    QuirkWord.ONE_CLIENT: "one physical line serves one client at a time",
    QuirkWord.PUSH_IN_SESSION: "pushes come in while a client is served",
    QuirkWord.SCALE_OF_THOUSAND: "a register and its scaler differ by a factor of 1000",
    QuirkWord.SEGMENTED_PUSH: "a push is segmented over several HDLC frames",
    QuirkWord.SHORT_NAMES: "some or all meters of the family know short names only",
    QuirkWord.STRICT_NUMBERING: "a frame with a wrong N(R) is rejected, or the last answer comes again",
    QuirkWord.UNSCALED_PUSH: "a push has values without scaler and unit",
    QuirkWord.WRONG_CLASSES: "the class that the document names is not the object's",
}


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One measurement: its key, where it is found and the unit it is expected in (the meter's own unit decides)."""

    key: str
    obis: str
    unit: str
    class_id: int = 3
    attribute: int = 2


@dataclass(frozen=True, slots=True)
class Sap:
    """A client that a meter knows: what it may do, and how it proves itself."""

    client: int
    name: str
    rights: str
    authentication: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What such meters negotiate, as far as it is known."""

    conformance: int | None = None
    max_pdu: int | None = None
    max_info: int | None = None
    window: int | None = None
    lists: Ability = Ability.UNKNOWN
    blocks: Ability = Ability.UNKNOWN
    selection: Ability = Ability.UNKNOWN


@dataclass(frozen=True, slots=True)
class Quirk:
    """A habit, and what exactly is known of it."""

    word: QuirkWord
    says: str


@dataclass(frozen=True, slots=True)
class PublicSource:
    """Where facts come from: everybody can look there."""

    title: str
    address: str
    says: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Octets that back what is said: a replay of ours, vectors, or both."""

    scope: Scope
    origin: Origin
    says: str
    replay: str = ""
    vectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """A profile that such meters have: class, code and attribute of each column."""

    obis: str
    period_s: int | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class About:
    """What is told of a family, beside what is assumed."""

    title: str
    makers: tuple[str, ...]
    meters: tuple[str, ...]
    carriers: tuple[str, ...]
    addressing: str
    security: str
    keys: str
    reading: Status
    push: Status
    expected: Expected = Expected()
    timing: tuple[tuple[str, str], ...] = ()
    saps: tuple[Sap, ...] = ()
    passwords: tuple[str, ...] = ()
    """What the public knows of passwords as delivered."""
    quirks: tuple[Quirk, ...] = ()
    sources: tuple[PublicSource, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    profiles: tuple[KnownProfile, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What to assume of a kind of meter when nobody says otherwise. ``channel`` is value group B."""

    name: str
    transport: str
    port: int
    client_id: int
    server_logical: int
    server_physical: int | None
    address_size: int | None
    authentication: str
    referencing: str
    channel: int
    measurements: Mapping[str, CatalogueEntry]
    about: About
