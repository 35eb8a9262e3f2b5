"""Conversations to record and to break: with which meter, on which terms, and what is asked.

Goes in: nothing. Comes out: scenarios by name, operations by name, and what drives them without sockets or clock.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from common.errors import Skip
from common.obis import Obis
from poller.dlms.access_service import AccessAction, AccessGet, AccessSet
from poller.dlms.conversation import AttributeRef, Conversation, Mechanism, MethodRef, Profile, Referencing, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.dlms.objects.clock import read_clock
from poller.dlms.objects.profile_layout import read_layout
from poller.dlms.objects.profile_reading import read_last, read_profile
from poller.dlms.objects.registry import read_object
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.selection import by_entry
from poller.dlms.xdlms import FULL_CONFORMANCE
from poller.simulator.device import Device, MeterSpec
from poller.simulator.personality import Personality, personality
from poller.simulator.pushing import notification
from poller.simulator.session import session
from poller.simulator.steps import Send
from tests.support.keyring import AUTHENTICATION_KEY, CLIENT, ENCRYPTION_KEY, FixedSource
from tests.support.simulated import StillClock

T = TypeVar("T")

MAX_STEPS: Final = 4_000
"""Steps of one operation; the longest recorded takes some hundred. Whoever takes more does not end."""
ENERGY: Final = AttributeRef(3, Obis(1, 0, 1, 8, 0), 2)
VOLTAGE: Final = AttributeRef(3, Obis(1, 0, 32, 7, 0), 2)
UNKNOWN: Final = AttributeRef(3, Obis(1, 0, 99, 99, 9), 2)
MEMORY: Final = AttributeRef(1, Obis(0, 0, 96, 128, 0), 2)
LIMIT: Final = AttributeRef(3, Obis(1, 0, 12, 31, 0), 2)
ECHO: Final = MethodRef(8192, Obis(0, 0, 96, 128, 1), 1)
RELAY: Final = MethodRef(70, Obis(0, 0, 96, 3, 10), 1)
OBJECTS: Final = AttributeRef(15, Obis(0, 0, 40, 0, 0), 2)
PROFILE: Final = Obis(1, 0, 99, 1, 0)
LONG: Final = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
SHORTER: Final = Data(DataType.OCTET_STRING, bytes(700))
NOTHING: Final = Data(DataType.INT8, 0)
END: Final = datetime(2023, 11, 14, 20, tzinfo=UTC)
"""Some hours before the moment at which the clock of recorded meters stands."""

Operation = Callable[[Conversation], Exchange[object]]


class DoesNotEnd(AssertionError):
    """An exchange that takes more than MAX_STEPS."""


class Peer(Protocol):
    """What is at the other end of an exchange."""

    def answer(self, out: bytes) -> bytes | None:
        """Take what was sent, maybe nothing; return what came, None: silence until the deadline."""


def drive(exchange: Exchange[T], peer: Peer) -> T:
    """Drive an exchange to its end; raise DoesNotEnd."""
    try:
        out = next(exchange)
        for _ in range(MAX_STEPS):
            came = peer.answer(out)
            out = exchange.throw(ReplyTimeout("silence")) if came is None else exchange.send(came)
    except StopIteration as end:
        result: T = end.value
        return result
    exchange.close()
    raise DoesNotEnd(f"more than {MAX_STEPS} steps")


class SimulatedPeer:
    """A simulated meter on a clock that stands still; what it was asked and answered is in ``passed``."""

    def __init__(self, kind: Personality) -> None:
        self.device = Device(MeterSpec("sim-1", kind), 0, StillClock())
        self.passed: list[tuple[bytes, bytes]] = []
        self._session = session(self.device)

    def connect(self) -> None:
        """Begin a new connection."""
        self._session.end(0.0)
        self._session = session(self.device)

    def answer(self, out: bytes) -> bytes | None:
        if not out:
            return None
        steps = self._session.receive(out, self.device.clock.monotonic())
        said = b"".join(step.octets for step in steps if isinstance(step, Send))
        self.passed.append((out, said))
        return said or None


@dataclass(frozen=True)
class Scenario:
    """A meter and the terms on which it is spoken to."""

    kind: Personality
    profile: Profile
    operations: tuple[str, ...]

    def conversation(self) -> Conversation:
        """Return a new conversation that does the same each time."""
        return Conversation(self.profile, FixedSource())


def _profile(conversation: Conversation) -> Exchange[object]:
    layout = yield from read_layout(conversation, PROFILE)
    return (yield from read_last(conversation, layout, 3))


def _window(conversation: Conversation) -> Exchange[object]:
    return read_profile(conversation, PROFILE, END - timedelta(hours=1), END)


def _access(conversation: Conversation) -> Exchange[object]:
    return conversation.access((
        AccessGet(ENERGY),
        AccessSet(LIMIT, Data(DataType.UINT32, 9000)),
        AccessAction(RELAY, NOTHING),
        AccessGet(UNKNOWN),
    ))


def _writings(conversation: Conversation) -> Exchange[object]:
    return conversation.set_many(((LIMIT, Data(DataType.UINT32, 9000)), (MEMORY, LONG), (ENERGY, NOTHING)))


def _readings(conversation: Conversation) -> Exchange[object]:
    scalers = [replace(ref, attribute=3) for ref in (ENERGY, VOLTAGE)]
    first = yield from conversation.get_many([ENERGY, VOLTAGE, *scalers, UNKNOWN, ENERGY])
    return first, (yield from conversation.get_many([ENERGY, VOLTAGE]))


OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({
    "get": lambda conversation: conversation.get(ENERGY),
    "get-many": _readings,
    "get-unknown": lambda conversation: conversation.get(UNKNOWN),
    "get-list": lambda conversation: conversation.get(OBJECTS),
    "get-selected": lambda conversation: conversation.get(AttributeRef(7, PROFILE, 2), by_entry(1, 4)),
    "clock": read_clock,
    "register": lambda conversation: read_object(conversation, 3, ENERGY.obis),
    "association": lambda conversation: read_object(conversation, 15, OBJECTS.obis),
    "profile": _profile,
    "window": _window,
    "set": lambda conversation: conversation.set(LIMIT, Data(DataType.UINT32, 9000)),
    "set-long": lambda conversation: conversation.set(MEMORY, LONG),
    "set-many": _writings,
    "action": lambda conversation: conversation.action(RELAY, NOTHING),
    "action-long": lambda conversation: conversation.action(ECHO, LONG),
    "action-many": lambda conversation: conversation.action_many([(RELAY, NOTHING), (ECHO, SHORTER), (RELAY, None)]),
    "access": _access,
    "keep-alive": lambda conversation: conversation.keep_alive(),
})
"""What is asked between opening and closing."""
_READ: Final = (
    "get", "get-many", "get-unknown", "get-selected", "clock", "register", "profile", "association", "keep-alive",
)  # fmt: skip
_ALL: Final = tuple(OPERATIONS)
_SHORT: Final = ("get-many", "get-selected", "set-long", "action-many", "keep-alive")
_SECRET: Final = b"SimulatorSecret1"
_TITLED: Final = SecuritySettings(client_title=CLIENT)


def _secured(level: Security = Security.BOTH, *, dedicated: bool = False, general: bool = False) -> SecuritySettings:
    return SecuritySettings(level, 0, CLIENT, ENCRYPTION_KEY, AUTHENTICATION_KEY, dedicated=dedicated, general=general)


def _hdlc(client: int, *, far: bool = True, **habits: Any) -> Profile:
    """Return terms over HDLC, ``far`` with an address of four octets; low-level security unless others are named."""
    proof: dict[str, Any] = {"mechanism": Mechanism.LLS, "secret": b"22222222"} if client == 1 else {}
    place = (17, 4) if far else (None, None)
    return Profile(Transport.HDLC, client, 1, *place, **{**proof, **habits})


def _wrapper(client: int, **habits: Any) -> Profile:
    proof = {"mechanism": Mechanism.LLS, "secret": b"22222222"} if client == 1 else {}
    return Profile(Transport.WRAPPER, client, 1, **{**proof, **habits})


def _scenarios() -> dict[str, Scenario]:
    plain, wrapped = personality("generic-list"), personality("wrapper")
    microstar = replace(personality("microstar"), channel=0)
    secure, secure_wrapped = personality("secure"), personality("secure-wrapper")
    full: dict[str, Any] = {"conformance": int(FULL_CONFORMANCE)}
    gmac = full | {"mechanism": Mechanism.HLS_GMAC}
    blocks = full | {"general_blocks": True, "max_pdu": 256}
    small: dict[str, Any] = {"general_blocks": True, "max_pdu": 256}
    cut = ("get-list", "get-many", "set-long", "action-long", "action-many", "access", "profile")
    sha256: dict[str, Any] = {"mechanism": Mechanism.HLS_SHA256, "secret": _SECRET}
    md5 = sha256 | {"mechanism": Mechanism.HLS_MD5}
    signed = _secured(Security.AUTHENTICATED)
    return {
        "hdlc": Scenario(microstar, _hdlc(1, far=False), (*_READ, "get-list")),
        "hdlc-list": Scenario(plain, _hdlc(1), _READ),
        "hdlc-public": Scenario(plain, _hdlc(16), ("get", "get-many")),
        "hdlc-window": Scenario(secure, _hdlc(1, window=7, max_info=128, **full), _ALL),
        "hdlc-blocks": Scenario(replace(secure, **small), _hdlc(1, **blocks), ("get-list", "set-long", "action-long")),
        "wrapper": Scenario(wrapped, _wrapper(1), _READ),
        "wrapper-all": Scenario(secure_wrapped, _wrapper(1, **full), _ALL),
        "wrapper-blocks": Scenario(replace(secure_wrapped, **small), _wrapper(1, block_window=3, **blocks), cut),
        "sha256": Scenario(secure, _hdlc(36, security=_TITLED, **sha256), ("get",)),
        "md5": Scenario(secure_wrapped, _wrapper(33, **md5), ("get",)),
        "gmac-hdlc": Scenario(secure, _hdlc(35, security=_secured(), **gmac), _ALL),
        "gmac-wrapper": Scenario(secure_wrapped, _wrapper(35, security=_secured(), **gmac), _ALL),
        "dedicated": Scenario(secure_wrapped, _wrapper(35, security=_secured(dedicated=True), **gmac), _READ),
        "general": Scenario(secure_wrapped, _wrapper(35, security=_secured(general=True), **gmac), (*_READ, "access")),
        "authenticated": Scenario(secure, _hdlc(1, security=signed, **full), ("get", "get-many", "set-long")),
        "short": Scenario(personality("short-names"), _hdlc(1, referencing=Referencing.SN), _SHORT),
    }


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(_scenarios())


def recorded(scenario: Scenario, operation: str) -> list[tuple[bytes, bytes]]:
    """Return what passes when a conversation is opened, used and closed; a push comes along the way."""
    peer = SimulatedPeer(scenario.kind)
    conversation = scenario.conversation()
    drive(conversation.open(), peer)
    if operation == "get-many":
        peer.device.pushes.append(notification(peer.device))
    with suppress(Skip):
        drive(OPERATIONS[operation](conversation), peer)
    drive(conversation.close(), peer)
    return peer.passed
