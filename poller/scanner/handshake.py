"""One attempt at whatever listens at a port: is it a DLMS meter, how is it addressed, what may everybody read of it.

In: received octets and ReplyTimeout, as every exchange takes them; PeerClosed when the connection ends. Out: octets to
send, and at the end a Finding. The public client (SAP 16) asks; no password is ever tried, nothing is written, and a
meter that answers DM is left alone: a DISC might end somebody else's session. The ways to address a server are few and
named; WRAPPER comes first, because a meter that speaks it closes at the first HDLC frame, while one that speaks HDLC
passes over what comes before a flag. No octet of our AARQ is a flag.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar, cast

from common.errors import Barred, BridgeError, Skip
from common.obis import Obis
from poller.dlms.conversation import AttributeRef, Conversation, Exchange
from poller.dlms.errors import LinkRefused, PeerClosed, ReplyTimeout
from poller.dlms.profile import Profile, Transport
from poller.dlms.xdlms import Conformance
from poller.scanner.makers import manufacturer, model_guess

PUBLIC_CLIENT: Final = 16
CONFORMANCE: Final = int(Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.GET | Conformance.SELECTIVE_ACCESS)
SERVERS: Final = ((1, None, 1), (1, 17, 2), (1, 17, 4), (1, 16, 2))
"""Server addresses that HDLC meters have as delivered: logical, physical, octets. The first is the commonest."""
FIRST_SILENCES: Final = 3  # some meters swallow the first SNRMs after noise: the link sends it three times
SILENCES: Final = 1  # of the other addresses: who did not answer the first has been asked enough
MAX_TEXT: Final = 64  # characters of a name that a meter tells
MAX_DETAIL: Final = 200  # characters of what went wrong: a thousand hosts fit into one message of the bus
_T = TypeVar("_T")


class Answers(StrEnum):
    """How far a host came; the last is best."""

    OPEN_NO_DLMS = "open_no_dlms"  # the port is open, and nothing that came is DLMS
    DM = "dm"  # an HDLC station that does not let us in: it may hold a session
    UA = "ua"  # an HDLC station that opens a link, and answers no AARQ
    AARE_REFUSED = "aare_refused"  # a meter that does not want the public client
    AARE = "aare"  # a meter that let us in


@dataclass(frozen=True, slots=True)
class Finding:
    """What listens at a port."""

    answers: Answers = Answers.OPEN_NO_DLMS
    transport: Transport | None = None
    server_logical: int = 0
    server_physical: int | None = None
    address_size: int | None = None
    logical_device_name: str = ""
    serial_number: str = ""
    detail: str = ""

    def to_plain(self) -> dict[str, object]:
        """Return plain data; what is not known is left out."""
        found: dict[str, object] = {"answers": str(self.answers)}
        if self.transport is not None:
            found["transport"] = str(self.transport)
            found["server_logical"] = self.server_logical
            letters = manufacturer(self.logical_device_name)
            found |= {"manufacturer": letters} if letters else {}
            found["model"] = model_guess(letters, self.transport)
        optional = {
            "server_physical": self.server_physical,
            "address_size": self.address_size,
            "logical_device_name": self.logical_device_name,
            "serial_number": self.serial_number,
            "detail": self.detail[:MAX_DETAIL],
        }
        return found | {name: value for name, value in optional.items() if value not in {None, ""}}


_NAME: Final = Obis(0, 0, 42, 0, 0)
_SERIALS: Final = (Obis(0, 0, 96, 1, 0), Obis(1, 0, 0, 0, 0))
_DATA_CLASS: Final = 1


def handshake() -> Exchange[Finding]:
    """Ask in one way after the other until one is answered; return what was found."""
    found = Finding()
    for profile, silences in _profiles():
        try:
            found = yield from _attempt(profile, silences)
        except PeerClosed:
            return found
        if found.answers is not Answers.OPEN_NO_DLMS:
            break
    return found


def _profiles() -> Iterator[tuple[Profile, int]]:
    """Yield the ways, and how many silences each may cost."""
    yield Profile(Transport.WRAPPER, PUBLIC_CLIENT, 1, conformance=CONFORMANCE, insists=False), SILENCES
    for place, (logical, physical, size) in enumerate(SERVERS):
        profile = Profile(
            Transport.HDLC, PUBLIC_CLIENT, logical, physical, size, conformance=CONFORMANCE, insists=False
        )
        yield profile, SILENCES if place else FIRST_SILENCES


def _attempt(profile: Profile, silences: int) -> Exchange[Finding]:
    """Try one way; raise PeerClosed only when nothing was heard before."""
    conversation = Conversation(profile)
    reached = Finding(Answers.AARE, profile.transport, profile.server_logical, profile.server_physical)
    reached = replace(reached, address_size=profile.address_size)
    try:
        yield from _impatient(conversation.open(), silences)
    except BridgeError as error:
        return (yield from _failed(conversation, reached, error))
    found = yield from _identity(conversation, reached)
    with suppress(BridgeError):
        yield from _impatient(conversation.close(), SILENCES)
    return found


def _failed(conversation: Conversation, reached: Finding, error: BridgeError) -> Exchange[Finding]:
    """Return how far it came, after leaving in order what was opened."""
    heard = conversation.counters.frames_received > 0
    if isinstance(error, LinkRefused):
        return replace(reached, answers=Answers.DM, detail=error.detail)
    if isinstance(error, PeerClosed) and not heard:
        raise error
    if isinstance(error, Barred):
        answers = Answers.AARE_REFUSED
    elif heard:
        answers = Answers.UA
    else:
        return Finding()
    if conversation.profile.transport is Transport.WRAPPER and answers is Answers.UA:
        return Finding()  # a message of the right form is no meter yet
    if not isinstance(error, PeerClosed):
        with suppress(BridgeError):
            yield from _impatient(conversation.close(), SILENCES)
    return replace(reached, answers=answers, detail=error.detail)


def _identity(conversation: Conversation, found: Finding) -> Exchange[Finding]:
    """Return what everybody may read: the logical device name, and a serial number; as far as it comes."""
    try:
        name = yield from _text(conversation, _NAME)
        found = replace(found, logical_device_name=name)
        for obis in _SERIALS:
            if not found.serial_number:
                found = replace(found, serial_number=(yield from _text(conversation, obis)))
    except BridgeError as error:
        return replace(found, detail=error.detail)
    return found


def _text(conversation: Conversation, obis: Obis) -> Exchange[str]:
    """Return a text, empty where the meter does not give it; raise what ends the association."""
    try:
        data = yield from _impatient(conversation.get(AttributeRef(_DATA_CLASS, obis, 2)), SILENCES)
    except Skip:
        return ""
    value = data.value
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
        value = text if text.isascii() and text.isprintable() else value.hex()
    return str(value)[:MAX_TEXT] if isinstance(value, str | int) else ""


def _impatient(exchange: Exchange[_T], silences: int) -> Exchange[_T]:
    """Drive an exchange until it ends, or as many waits were in vain."""
    with closing(exchange):
        return (yield from _relayed(exchange, silences))


def _relayed(exchange: Exchange[_T], silences: int) -> Exchange[_T]:
    try:
        out = next(exchange)
        while True:
            received, trouble = yield from _heard(out)
            silences -= isinstance(trouble, ReplyTimeout)
            if trouble is not None and silences <= 0:
                raise trouble
            out = exchange.send(received) if trouble is None else exchange.throw(trouble)
    except StopIteration as end:
        return cast("_T", end.value)


def _heard(out: bytes) -> Exchange[tuple[bytes, BridgeError | None]]:
    """Hand out octets; return what came back, or what was thrown instead."""
    try:
        return (yield out), None
    except (ReplyTimeout, PeerClosed) as trouble:
        return b"", trouble
