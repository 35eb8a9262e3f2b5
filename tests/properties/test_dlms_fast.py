"""The fast reader against the plain core: the same octets give the same octets, results, errors, counts and numbers.

Two conversations with the same peer: one reads by ``Conversation``, one by ``getting`` alone. The peer answers both by
the same script, which says for each answer what value it holds and what the line does to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError, Reassociate, Relink
from common.obis import Obis
from poller.dlms import getting
from poller.dlms.axdr import encode_data
from poller.dlms.conversation import AttributeRef, Conversation, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import PeerClosed, ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.security import Security, SecuritySettings
from poller.simulator import frames

REFS: Final = tuple(AttributeRef(3, Obis(1, 0, code, 7, 0), 2) for code in (32, 52, 72, 1))
AARE: Final = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000321d04000007")
INITIATE: Final = AARE[-14:]
PROTECTED_AARE: Final = bytes.fromhex(
    "6148a109060760857405080103a203020100a305a103020100a40a04084d54520000000002be230421"
)
KEY: Final = bytes(range(16))
CLIENT_TITLE, METER_TITLE = b"CLI\0\0\0\0\1", PROTECTED_AARE[-12:-4]
PROTECTION: Final = SecuritySettings(
    Security.BOTH, client_title=CLIENT_TITLE, encryption_key=KEY, authentication_key=KEY
)
RANGES: Final = {
    DataType.INT8: (-0x80, 0x7F),
    DataType.INT16: (-0x8000, 0x7FFF),
    DataType.INT32: (-0x8000_0000, 0x7FFF_FFFF),
    DataType.INT64: (-(1 << 63), (1 << 63) - 1),
    DataType.UINT8: (0, 0xFF),
    DataType.UINT16: (0, 0xFFFF),
    DataType.UINT32: (0, 0xFFFF_FFFF),
    DataType.UINT64: (0, (1 << 64) - 1),
    DataType.ENUM: (0, 0xFF),
}


def number(data_type: DataType) -> st.SearchStrategy[bytes]:
    return st.integers(*RANGES[data_type]).map(lambda value: b"\0" + encode_data(Data(data_type, value)))


RESULTS: Final = st.one_of(
    number(DataType.UINT16),
    number(DataType.UINT16),
    number(DataType.INT16),
    st.sampled_from(sorted(RANGES)).flatmap(number),
    st.sampled_from([
        b"\1\1",
        b"\1\2",
        b"\1\4",
        b"\0\0",
        b"\0\x09\x03abc",
        b"\0\x02\x01\x11\x05",
        b"\0\x17\x40\x49\x0f\xdb",
    ]),
    st.binary(max_size=6),
)
"""What may stand for one attribute: mostly numbers of the usual type, or of its size."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What the line does to one answer."""

    cut: int | None = None
    """It comes in two parts."""
    flip: tuple[int, int] | None = None
    """One octet is another."""
    before: bytes = b""
    behind: bytes = b""
    control: int = 0
    """Bits of the control field, or of the version of a message, that are changed before the checksums."""
    apdu: tuple[int, int] | None = None
    """One octet of the APDU is another, and the checksums are right."""
    silent: bool = False
    closed: bool = False
    abandoned: bool = False
    replayed: bool = False
    """Protected with the counter of the answer before."""


GOOD: Final = Fate()
PUSH: Final = frames.encode(frames.Frame(b"\x21", b"\3", 0x13, b"\xe6\xe7\0\x0f\0\0\0\1\0\x12\0\7"))
"""A data-notification in a frame that is not numbered; over WRAPPER, noise."""
OCTET: Final = st.tuples(st.sampled_from([*range(-8, 0), *range(24)]), st.integers(1, 255))
FATES: Final = st.one_of(
    st.just(GOOD),
    st.just(GOOD),
    st.builds(Fate, cut=st.integers(0, 40)),
    st.builds(Fate, flip=OCTET),
    st.builds(Fate, before=st.sampled_from([b"~", b"~~", b"\0", b"~\xa0"])),
    st.builds(Fate, behind=st.sampled_from([b"~", b"\0", b"~\xa0", b"\0\1\0\1"])),
    st.builds(Fate, before=st.just(PUSH)),
    st.builds(Fate, behind=st.just(PUSH)),
    st.builds(Fate, control=st.integers(1, 255)),
    st.builds(Fate, apdu=OCTET),
    st.builds(Fate, silent=st.just(True)),
    st.builds(Fate, closed=st.just(True)),
    st.builds(Fate, abandoned=st.just(True)),
    st.builds(Fate, replayed=st.just(True)),
)
SEVENS: Final = ((b"\0\x12\0\7",) * len(REFS), GOOD)
MAX_TURNS: Final = 200
Script = Sequence[tuple[Sequence[bytes], Fate]]
ANSWERS: Final = st.tuples(st.lists(RESULTS, min_size=len(REFS), max_size=len(REFS)), FATES)
ASKED: Final = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3, None]), st.lists(ANSWERS, min_size=1, max_size=4)), min_size=1, max_size=12
)
"""Reads in order: which attribute (None: all, in a list), and what answers each request that this makes."""
Asked = Sequence[tuple[int | None, Script]]


def damaged(octets: bytes, place: int, by: int) -> bytes:
    """Return octets of which one is another."""
    if not octets:
        return octets
    place %= len(octets)
    return octets[:place] + bytes((octets[place] ^ by,)) + octets[place + 1 :]


class Peer:
    """A meter that answers by its script, and remembers what it was sent."""

    def __init__(self, transport: Transport) -> None:
        self.hdlc = transport is Transport.HDLC
        self.sent: list[bytes] = []

    def answer(self, request: bytes, results: Sequence[bytes], fate: Fate) -> bytes:
        """Return the octets that come."""
        apdu, wrap = self._open(request)
        if apdu is None:
            return wrap(b"", fate)
        if apdu[0] == 0x60:
            return wrap(AARE, GOOD)
        kind, invoke = apdu[1], apdu[2]
        if kind == 3:
            count = apdu[3]
            body = bytes((0xC4, 3, invoke, count)) + b"".join(results[place % len(results)] for place in range(count))
        else:
            body = bytes((0xC4, 1, invoke)) + results[0]
        return fate.before + wrap(damaged(body, *fate.apdu) if fate.apdu else body, fate) + fate.behind

    def _open(self, request: bytes) -> tuple[bytes | None, Callable[[bytes, Fate], bytes]]:
        if not self.hdlc:
            ports = request[4:6] + request[2:4]
            return request[
                8:
            ], lambda apdu, fate: bytes((0, 1 ^ fate.control)) + ports + len(apdu).to_bytes(2, "big") + apdu
        (frame,) = frames.FrameReader(3600).feed(request, 0.0)
        ns, nr = frame.control >> 1 & 7, frame.control >> 5
        control, apdu = 0x73, None
        if frame.kind is frames.Kind.INFORMATION:
            control, apdu = (ns + 1 & 7) << 5 | 0x10 | nr << 1, frame.info[3:]
        elif frame.kind is frames.Kind.RR:
            control = nr << 5 | 0x11

        def wrap(apdu: bytes, fate: Fate) -> bytes:
            info = b"\xe6\xe7\0" + apdu if apdu else b""
            return frames.encode(frames.Frame(frame.source, frame.destination, control ^ fate.control, info))

        return apdu, wrap


class ProtectedPeer(Peer):
    """A meter whose APDUs are authenticated and encrypted under the global key."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._gcm = AESGCM(KEY)
        self._counter = 0

    def _open(self, request: bytes) -> tuple[bytes | None, Callable[[bytes, Fate], bytes]]:
        apdu, wrap = super()._open(request)
        if apdu is None:
            return None, wrap
        if apdu[0] == 0x60:
            return apdu, lambda _, fate: wrap(PROTECTED_AARE + self._sealed(0x28, INITIATE, fate), fate)
        plain = self._gcm.encrypt(CLIENT_TITLE + apdu[3:7], apdu[7:-12], None)[:-16]
        return plain, lambda answer, fate: wrap(self._sealed(0xCC, answer, fate), fate)

    def _sealed(self, tag: int, plain: bytes, fate: Fate) -> bytes:
        self._counter += not fate.replayed
        nonce = METER_TITLE + self._counter.to_bytes(4, "big")
        text = self._gcm.encrypt(nonce, plain, b"\x30" + KEY)[:-4]
        return bytes((tag, 5 + len(text), 0x30)) + nonce[8:] + text


class Counting:
    """A source of counters from 1 on, and of nothing random."""

    def __init__(self) -> None:
        self.counter = 0

    def entropy(self, octets: int) -> bytes:
        return bytes(octets)

    def take(self) -> int:
        self.counter += 1
        return self.counter

    def raise_to(self, counter: int) -> None:
        self.counter = max(self.counter, counter - 1)


class Driver:
    """Drives exchanges of one conversation against a peer; everything it sees is compared."""

    def __init__(self, transport: Transport, *, protected: bool) -> None:
        self.source = Counting()
        security = PROTECTION if protected else SecuritySettings()
        self.conversation = Conversation(Profile(transport, 16, 1, security=security), self.source)
        self.peer = ProtectedPeer(transport) if protected else Peer(transport)
        self.log: list[object] = []

    def open(self) -> None:
        """Open, and read everything once with usual answers: the fast one has plans for all of it then."""
        self.run(self.conversation.open(), [])
        for ref in REFS:
            self.run(self.conversation.get(ref), [])
        self.run(self.conversation.get_many(REFS), [])

    def run(self, exchange: Exchange[object], script: Script) -> None:
        """Run an exchange to its end, or leave it; answers beyond the script are good ones."""
        try:
            self._turns(exchange, script)
        except StopIteration as end:
            self.log.append(repr(end.value))
        except BridgeError as error:
            self.log.append(error)
        finally:
            exchange.close()

    def _turns(self, exchange: Exchange[object], script: Script) -> None:
        steps = iter(script)
        waiting: list[bytes] = []
        out = next(exchange)
        for _ in range(MAX_TURNS):
            self.log.append(out)
            results, fate = next(steps, SEVENS) if out else SEVENS
            if fate.abandoned:
                return
            if fate.closed:
                exchange.throw(PeerClosed("gone"))
            if out:
                waiting = self._arriving(out, results, fate)
            out = exchange.send(waiting.pop(0)) if waiting else exchange.throw(ReplyTimeout("silence"))
        self.log.append("without end")

    def _arriving(self, out: bytes, results: Sequence[bytes], fate: Fate) -> list[bytes]:
        """Return what comes, in the parts in which it comes."""
        octets = b"" if fate.silent else self.peer.answer(out, results, fate)
        octets = damaged(octets, *fate.flip) if fate.flip else octets
        cut = len(octets) if fate.cut is None else fate.cut
        return [part for part in (octets[:cut], octets[cut:]) if part]

    def state(self) -> list[object]:
        """Return everything that the next exchange may depend on."""
        conversation = self.conversation
        channel, link = conversation._channel, conversation._link
        found: list[object] = [
            list(channel.notifications),
            asdict(conversation.counters),
            channel.invoke,
            conversation.mid_frame,
        ]
        if isinstance(link, HdlcLink):
            port, window = link._port, link.window
            found += [
                link.state,
                link.expected,
                window.oldest,
                list(window._flight),
                list(window._queue),
                link._parts.begun,
            ]
            found += [link._stale, bytes(port._decoder._buffer), port._decoder._needed, list(port._inbox)]
            found += [port._outbox, port._noise, port._suspect, list(port.unnumbered), port._pushed.begun]
        else:
            found += [bytes(link._decoder._buffer), link._inbox]
        return [*found, repr(conversation._lists), self.source.counter]


def opened(transport: Transport, *, protected: bool) -> Driver:
    driver = Driver(transport, protected=protected)
    driver.open()
    assert driver.conversation.association is not None
    return driver


def read(driver: Driver, which: int | None, *, plain: bool) -> Exchange[object]:
    conversation = driver.conversation
    if not plain:
        return conversation.get(REFS[which]) if which is not None else conversation.get_many(REFS)
    if which is not None:
        return getting.get(conversation._channel, REFS[which])
    return getting.get_many(conversation._channel, conversation._lists, REFS)


def compare(transport: Transport, asked: Asked, *, protected: bool = False) -> None:
    """Read the same with both; compare after every exchange; open anew when the link or the association is gone."""
    fast, plain = opened(transport, protected=protected), opened(transport, protected=protected)
    for which, script in asked:
        fast.run(read(fast, which, plain=False), script)
        plain.run(read(plain, which, plain=True), script)
        same(fast, plain)
        if isinstance(fast.log[-1], Relink | Reassociate):
            fast.open()
            plain.open()
            same(fast, plain)


def same(fast: Driver, plain: Driver) -> None:
    """Assert that both have seen the same and are in the same state."""
    assert list(map(repr, fast.log)) == list(map(repr, plain.log))
    assert fast.state() == plain.state()


@given(ASKED)
def test_over_hdlc_nothing_but_the_time_differs(asked: Asked) -> None:
    compare(Transport.HDLC, asked)


@given(ASKED)
def test_over_wrapper_nothing_but_the_time_differs(asked: Asked) -> None:
    compare(Transport.WRAPPER, asked)


@given(st.sampled_from(Transport), ASKED)
def test_under_protection_nothing_but_the_time_differs(transport: Transport, asked: Asked) -> None:
    compare(transport, asked, protected=True)
