"""One simulated meter without its sockets: what all its connections share.

A specification in; objects, faults, counters and the memory of a session that was not closed, out. Time and randomness
are handed in. No socket, no log.
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Final

from common.clock import Clock
from poller.simulator import current_association, image, measured, profiles, stores, switching
from poller.simulator.faults import Fault, FaultBook
from poller.simulator.frames import ReaderCounters
from poller.simulator.link import LinkCounters
from poller.simulator.meter_clock import MeterClock
from poller.simulator.objects import ObjectBook
from poller.simulator.personality import BadSpecification, LingerHow, Personality, personality
from poller.simulator.quantities import Registers, first_energy
from poller.simulator.secrecy import KeyRing

_LONGEST_DELAY: Final = 600.0
"""Seconds a meter may take to answer: more is a mistake in a scenario."""


MAX_PUSHES: Final = 16
"""Notifications that wait for an answer to go with; older ones are lost."""


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """What meter to simulate; raises BadSpecification when it makes no sense. Port 0: any free one."""

    name: str
    personality: Personality | str = "microstar"
    host: str = "127.0.0.1"
    port: int = 0
    delay: tuple[float, float] = (0.0, 0.0)
    """Seconds before each answer, least and most."""
    seed: int = 0
    poison: bool = False
    faults: tuple[Fault, ...] = ()
    """Armed from the start."""

    def __post_init__(self) -> None:
        least, most = self.delay
        if not 0 <= least <= most <= _LONGEST_DELAY:
            raise BadSpecification(f"delay {least}-{most} s: need 0 <= least <= most <= {_LONGEST_DELAY:g}")
        if not 0 <= self.port <= 0xFFFF:
            raise BadSpecification(f"port {self.port}: need 0 to 65535")
        if not self.name or self.name == "*":
            raise BadSpecification(f"{self.name!r} cannot be the name of a meter")
        if isinstance(self.personality, str):
            personality(self.personality)

    @property
    def kind(self) -> Personality:
        """The personality itself."""
        return personality(self.personality) if isinstance(self.personality, str) else self.personality


@dataclass(slots=True)
class Counters:
    """What happened to a meter since it began."""

    connections: int = 0
    connected: int = 0
    connected_max: int = 0
    second_clients: int = 0
    """Connections that came while another was served, and were not served at once."""
    associations: int = 0
    associated: int = 0
    associated_max: int = 0
    refused: int = 0
    gets: int = 0
    """Attributes answered with data, in lists or alone."""
    sets: int = 0
    """Attributes written."""
    actions: int = 0
    """Methods carried out."""
    undeciphered: int = 0
    """Protected requests that were refused."""
    lists: int = 0
    """Attributes of these answered in lists."""
    denied: int = 0
    requests: int = 0
    """Frames or wrapped APDUs that were addressed to the meter."""
    foreign: int = 0
    """The same, addressed to somebody else."""
    discs: int = 0
    unclean: int = 0
    """Connections that ended while link or association was up."""
    expired: int = 0
    """Links or associations dropped because nobody spoke."""
    flooded: int = 0
    """Requests thrown away because too many came at once."""
    octets_in: int = 0
    octets_out: int = 0


@dataclass(slots=True)
class Device:
    """The state of one meter."""

    spec: MeterSpec
    index: int
    clock: Clock
    kind: Personality = field(init=False)
    counters: Counters = field(default_factory=Counters)
    reading: ReaderCounters = field(default_factory=ReaderCounters)
    linking: LinkCounters = field(default_factory=LinkCounters)
    registers: Registers = field(init=False)
    objects: ObjectBook = field(init=False)
    faults: FaultBook = field(init=False)
    ring: KeyRing | None = field(init=False)
    time: MeterClock = field(init=False)
    random: Random = field(init=False)
    pushes: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_PUSHES))
    """Data-notifications to be sent before the next answer."""
    pushed: int = 0
    """Data-notifications made so far."""
    _hold: tuple[float, LingerHow] = (0.0, LingerHow.DM)
    _lingering_until: float = -1.0
    _lingering_how: LingerHow = LingerHow.DM

    def __post_init__(self) -> None:
        spec = self.spec
        self.kind = spec.kind
        self._hold = (self.kind.linger, self.kind.linger_how)
        self.random = Random(f"{spec.seed}/{spec.name}")  # noqa: S311 - a repeatable scenario, no secret
        self.registers = Registers(energy=first_energy(self.index))
        self.ring = self._ring()
        self.time = MeterClock(self.clock, self.kind.clock)
        self.objects = self._book()
        self.faults = FaultBook(self.random)
        for fault in spec.faults:
            self.faults.arm(fault, self.clock.monotonic())

    def _ring(self) -> KeyRing | None:
        keys = self.kind.keys
        return None if keys is None else KeyRing(keys, keys.title or b"SIM" + (self.index + 1).to_bytes(5, "big"))

    def _book(self) -> ObjectBook:
        """Return all objects of the meter, in the order of its object list."""
        kind, book = self.kind, ObjectBook(poison=self.spec.poison)
        period = kind.profile.period
        measured.install(book, self.registers, kind.channel)
        measured.install_names(book, self.serial, self.ring.title if self.ring else b"")
        self.time.install(book, period)
        current_association.install(book, kind, self.ring)
        stores.install(book, self.time, kind.channel, period)
        switching.Relay().install(book)
        switching.install_limiter(book, kind.channel)
        image.Image().install(book)
        profiles.install(book, self.time, kind.profile, kind.channel, self.index)
        return book

    @property
    def serial(self) -> str:
        """The meter's serial number."""
        return f"SIM{self.index + 1:08d}"

    def linger(self, seconds: float, how: LingerHow, now: float) -> None:
        """Hold a session that is gone: refuse clients in that way for so long."""
        self._lingering_until = now + seconds
        self._lingering_how = how

    def lingering(self, now: float) -> LingerHow | None:
        """Return how clients are refused now, None when they are not."""
        return self._lingering_how if now < self._lingering_until else None

    def hold_unclean(self, seconds: float, how: LingerHow) -> None:
        """From each unclean end on, refuse clients in that way for so long."""
        self._hold = (seconds, how)

    def stop_lingering(self) -> None:
        """Let clients in again."""
        self._lingering_until = -1.0

    def ended(self, *, clean: bool, now: float) -> None:
        """Note that a served connection ended; an unclean end is held against the next client."""
        if clean:
            return
        self.counters.unclean += 1
        seconds, how = self._hold
        if seconds > 0:
            self.linger(seconds, how, now)

    def associated(self, change: int) -> None:
        """Note that one association more or less is held."""
        counters = self.counters
        counters.associated += change
        counters.associated_max = max(counters.associated_max, counters.associated)

    def status(self) -> dict[str, object]:
        """Return all counters, the faults armed and struck, and the next energy value."""
        return {
            **asdict(self.counters),
            **asdict(self.reading),
            **asdict(self.linking),
            "energy": self.registers.energy,
            "armed": self.faults.armed,
            "struck": dict(self.faults.struck),
        }
