"""What goes wrong between a client and its meter, over real sockets: each ends in time, and the next session succeeds.

A row names the fault, what comes of it (the value, or the errors that may be raised), and by when. Then the line is
as it was: a new session has to open and read.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from common.clock import SystemClock
from common.errors import BridgeError, Relink
from common.obis import Obis
from common.worker_file import Limits
from poller.dlms.conversation import AttributeRef, Mechanism, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import LinkDamaged, LinkReset, MeterBusy, OutOfSequence, PeerClosed, ReplyTimeout
from poller.errors import ExchangeOverrun, LinkLost, PeerReset
from poller.resolver import Resolver
from poller.session import Session
from poller.simulator import MeterSpec
from poller.simulator.personality import CONFORMANCE_BLOCK_SET, PERSONALITIES
from poller.transport import TcpWire
from tests.support.bent_line import BentLine
from tests.support.hdlc_secondary import encoded

REPLY_S = 0.15
LIMITS = Limits(connect_timeout_s=0.5, reply_timeout_s=REPLY_S, inter_octet_timeout_s=0.05)
AT_ONCE = 0.1
"""An end that needs no wait."""
RECOVERED = 3 * REPLY_S
GIVEN_UP = 4 * REPLY_S + 0.1
"""A request takes four reply times at most, whatever the meter sends."""
SLACK_S = 0.3
"""What a machine with other things to do may add."""
CLOCK = SystemClock()
ENERGY = AttributeRef(3, Obis.parse("1-1:1.8.0"), 2)
OBJECTS = AttributeRef(15, Obis.parse("0-0:40.0.0"), 2)
PROFILE = Profile(Transport.HDLC, 32, 1, mechanism=Mechanism.LLS, secret=b"11111111")
WRAPPER = replace(PROFILE, transport=Transport.WRAPPER)
METER = MeterSpec("sim-1", replace(PERSONALITIES["microstar"], block_octets=600))
WRITTEN = MeterSpec(
    "sim-1", replace(PERSONALITIES["microstar"], conformance=0x00301D | CONFORMANCE_BLOCK_SET, max_pdu=128)
)
WRITING = replace(PROFILE, conformance=PROFILE.conformance | CONFORMANCE_BLOCK_SET)
LONG = AttributeRef(1, Obis.parse("0-0:96.128.0"), 2)
TO_US, TO_OTHER, OF_OTHER = b"\x41\x03", b"\x21\x03", b"\x03\x21"
_SNRM, _DISC, _DM, _FRMR, _RNR, _POLL = 0x83, 0x43, 0x0F, 0x87, 0x05, 0x10
Bend = Callable[[BentLine, bytes], None]


# How a line is bent


def closes(line: BentLine, _: bytes) -> None:
    line.sock.close()


def resets(line: BentLine, _: bytes) -> None:
    line.reset()


def answers_and_closes(line: BentLine, octets: bytes) -> None:
    line.say(line.answer(octets))
    line.sock.shutdown(socket.SHUT_WR)


def closes_within_the_answer(line: BentLine, octets: bytes) -> None:
    answer = line.answer(octets)
    line.say(answer[: len(answer) // 2])
    line.sock.shutdown(socket.SHUT_WR)


def half(line: BentLine, octets: bytes) -> None:
    answer = line.answer(octets)
    line.say(answer[: len(answer) // 2])


def silent(line: BentLine, octets: bytes) -> None:
    line.answer(octets)


def deaf(_: BentLine, __: bytes) -> None:
    pass


def one_by_one(line: BentLine, octets: bytes) -> None:
    for octet in line.answer(octets):
        line.say(bytes((octet,)))
        time.sleep(0.001)


def between_frames_of_others(line: BentLine, octets: bytes) -> None:
    other = encoded(0x30, b"\xe6\xe7\x00\xc4\x01\xc1\x00\x06\x00\x00\x00\x07", addresses=TO_OTHER)
    asked = encoded(0x10, b"\xe6\xe6\x00\xc0\x01\xc1", addresses=OF_OTHER)
    line.say(asked + other + line.answer(octets) + asked)


def only_frames_of_others(line: BentLine, _octets: bytes) -> None:
    for _ in range(200):
        line.say(encoded(0x30, b"\xe6\xe7\x00other", addresses=TO_OTHER))
        time.sleep(0.005)


def noise(line: BentLine, _: bytes) -> None:
    for number in range(200):
        line.say(bytes((number * n * n) % 251 for n in range(100)))
        time.sleep(0.005)


def second_master(control: int, source: int) -> Bend:
    """Another client opens or closes the link on the same line; what the meter says to it is seen by us too."""

    def bend(line: BentLine, octets: bytes) -> None:
        other = encoded(control | _POLL, addresses=bytes((0x03, source)))
        line.say(line.answer(other) if line.struck == 1 else b"")
        line.say(line.answer(octets))

    return bend


def says(control: int) -> Bend:
    return lambda line, _: line.say(encoded(control | _POLL, addresses=TO_US))


def misnumbered(shift: int) -> Bend:
    """The right answer with another control octet: N(S) in bits 1 to 3, N(R) in 5 to 7."""

    def bend(line: BentLine, octets: bytes) -> None:
        answer = line.answer(octets)
        if len(answer) > 12:
            answer = encoded(answer[5] + shift & 0xFF, answer[8:-3], addresses=TO_US)
        line.say(answer)

    return bend


def reboots(line: BentLine, octets: bytes) -> None:
    if line.struck == 1:
        line.meter.reboot()
    line.say(line.answer(octets))


def reboots_for_long(line: BentLine, _: bytes) -> None:
    line.meter.reboot()


def swallows(count: int) -> Bend:
    return lambda line, octets: line.say(b"" if line.struck <= count else line.answer(octets))


def refuses_until_disc(line: BentLine, octets: bytes) -> None:
    if octets[5] & ~_POLL == _DISC:
        line.bend = None
    line.say(encoded(_DM | _POLL, addresses=TO_US))


def silent_until_disc(line: BentLine, octets: bytes) -> None:
    if octets[5] & ~_POLL == _DISC:
        line.bend = None


def wrong_version(line: BentLine, octets: bytes) -> None:
    line.say(b"\x00\x02" + line.answer(octets)[2:])


def between_messages_of_others(line: BentLine, octets: bytes) -> None:
    line.say(bytes.fromhex("0001000100110001ff") + line.answer(octets) + bytes.fromhex("00010002"))


def once(bend: Bend) -> Bend:
    """Bend the line for one transmission."""

    def bent(line: BentLine, octets: bytes) -> None:
        line.bend = None
        bend(line, octets)

    return bent


def at_the_next_block(bend: Bend) -> Bend:
    """Let everything pass until the second block of a value is read or written; ``struck`` counts from there."""

    def bent(line: BentLine, octets: bytes) -> None:
        if any(b"\xe6\xe6\x00" + head in octets for head in (b"\xc0\x02", b"\xc1\x03")):
            line.bend, line.struck = bend, 1
            bend(line, octets)
        else:
            line.say(line.answer(octets))

    return bent


# What comes of it


@dataclass(frozen=True)
class Row:
    """A fault in the middle of a session; no errors: the value is read in spite of it."""

    name: str
    bend: Bend
    errors: tuple[type[BridgeError], ...] = ()
    deadline: float = RECOVERED
    ref: AttributeRef = ENERGY
    profile: Profile = PROFILE


SILENCE = (LinkLost, ReplyTimeout)
ROWS = [
    Row("FIN", closes, (PeerClosed, PeerReset), AT_ONCE),
    Row("RST", resets, (PeerReset,), AT_ONCE),
    Row("FIN behind the answer", answers_and_closes, (), AT_ONCE),
    Row("FIN within the answer", closes_within_the_answer, (PeerClosed,), AT_ONCE),
    Row("half a frame once", once(half)),
    Row("half frames for ever", half, (LinkLost, LinkDamaged, ReplyTimeout), GIVEN_UP),
    Row("one answer lost", once(silent)),
    Row("one request unheard", once(deaf)),
    Row("silence", deaf, SILENCE, GIVEN_UP),
    Row("octet by octet", one_by_one),
    Row("frames of others around the answer", between_frames_of_others, (), AT_ONCE),
    Row("frames of others only", only_frames_of_others, (ExchangeOverrun, *SILENCE), GIVEN_UP),
    Row("noise", noise, (ExchangeOverrun, LinkDamaged, *SILENCE), GIVEN_UP),
    Row("another client opens the link", second_master(_SNRM, 0x21), (LinkReset,), AT_ONCE),
    Row("another client opens it in our name", second_master(_SNRM, 0x41), (LinkReset, OutOfSequence), GIVEN_UP),
    Row("another client closes the link", second_master(_DISC, 0x41), (LinkReset,), AT_ONCE),
    Row("DM", says(_DM), (LinkReset,), AT_ONCE),
    Row("FRMR", says(_FRMR), (LinkReset,), AT_ONCE),
    Row("RNR for ever", says(_RNR), (MeterBusy, ExchangeOverrun, OutOfSequence), GIVEN_UP),
    Row("N(S) wrong once", once(misnumbered(2))),
    Row("N(S) wrong for ever", misnumbered(2), (OutOfSequence, *SILENCE), GIVEN_UP),
    Row("N(R) wrong", misnumbered(0x60), (OutOfSequence,), AT_ONCE),
    Row("reboot between blocks", at_the_next_block(reboots), (LinkReset,), RECOVERED, OBJECTS),
    Row("long reboot between blocks", at_the_next_block(reboots_for_long), SILENCE, GIVEN_UP + 0.2, OBJECTS),
    Row("FIN between blocks", at_the_next_block(closes), (PeerClosed, PeerReset), RECOVERED, OBJECTS),
    Row("RST between blocks", at_the_next_block(resets), (PeerReset,), RECOVERED, OBJECTS),
    Row("an answer lost between blocks", at_the_next_block(once(silent)), (), RECOVERED + 0.3, OBJECTS),
    Row("WRAPPER: FIN", closes, (PeerClosed, PeerReset), AT_ONCE, ENERGY, WRAPPER),
    Row("WRAPPER: FIN behind the answer", answers_and_closes, (), AT_ONCE, ENERGY, WRAPPER),
    Row("WRAPPER: half a message", half, SILENCE, GIVEN_UP, ENERGY, WRAPPER),
    Row("WRAPPER: silence", deaf, SILENCE, GIVEN_UP, ENERGY, WRAPPER),
    Row("WRAPPER: octet by octet", one_by_one, (), RECOVERED, ENERGY, WRAPPER),
    Row("WRAPPER: another version", wrong_version, (LinkDamaged,), AT_ONCE, ENERGY, WRAPPER),
    Row("WRAPPER: messages of others", between_messages_of_others, (), AT_ONCE, ENERGY, WRAPPER),
]


def new_session(profile: Profile = PROFILE) -> Session:
    return Session(profile, TcpWire(CLOCK, lambda: None), Resolver(CLOCK, lambda: None), CLOCK, LIMITS)


def line_for(profile: Profile) -> BentLine:
    return BentLine(METER if profile.transport is Transport.HDLC else MeterSpec("sim-1", "wrapper"))


def reads_again(line: BentLine, profile: Profile = PROFILE) -> None:
    line.bend = None
    fresh = new_session(profile)
    fresh.open("127.0.0.1", line.port)
    assert isinstance(fresh.get(ENERGY if profile is PROFILE else GENERIC).value, int)
    fresh.close()


GENERIC = AttributeRef(3, Obis.parse("1-0:1.8.0"), 2)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_in_a_session_ends_in_time_and_the_next_session_succeeds(row: Row) -> None:
    ref = GENERIC if row.profile is WRAPPER else row.ref
    with line_for(row.profile) as line:
        session = new_session(row.profile)
        session.open("127.0.0.1", line.port)
        line.bend = row.bend
        started = time.monotonic()
        try:
            value = session.get(ref).value
        except row.errors as error:
            assert type(error) in row.errors  # noqa: PT017  the table says which
        else:
            assert not row.errors
            assert value
        assert time.monotonic() - started < row.deadline + SLACK_S
        assert ref is not OBJECTS or line.bend is not row.bend
        session.close()
        assert time.monotonic() - started < row.deadline + SLACK_S + 2 * REPLY_S
        reads_again(line, row.profile)


OPENINGS = [
    Row("one SNRM swallowed", swallows(1), (), 3 * REPLY_S),
    Row("two SNRMs swallowed", swallows(2), (), 4 * REPLY_S),
    Row("refused until a DISC comes", refuses_until_disc, (), AT_ONCE),
    Row("silent until a DISC comes", silent_until_disc, (LinkLost,), 5 * REPLY_S),
    Row("accepted and never answered", deaf, (LinkLost,), 5 * REPLY_S),
    Row("half a frame for ever", half, (Relink,), 8 * REPLY_S),
    Row("FIN at the first octet", closes, (PeerClosed, PeerReset), AT_ONCE),
    Row("DM for ever", says(_DM), (Relink,), AT_ONCE),
    Row("noise", noise, (Relink,), 8 * REPLY_S),
]


WRITES = [
    Row("no fault", at_the_next_block(lambda line, octets: line.say(line.answer(octets)))),
    Row("one answer lost", at_the_next_block(once(silent))),
    Row("one request unheard", at_the_next_block(once(deaf))),
    Row("reboot", at_the_next_block(reboots), (LinkReset,)),
    Row("long reboot", at_the_next_block(reboots_for_long), SILENCE, GIVEN_UP),
    Row("FIN", at_the_next_block(closes), (PeerClosed, PeerReset)),
    Row("RST", at_the_next_block(resets), (PeerReset,)),
]


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.name)
def test_a_fault_between_blocks_that_are_written_leaves_the_old_value_or_the_new(row: Row) -> None:
    text = Data(DataType.OCTET_STRING, bytes(index % 256 for index in range(400)))
    with BentLine(WRITTEN) as line:
        session = new_session(WRITING)
        session.open("127.0.0.1", line.port)
        line.bend = row.bend
        started = time.monotonic()
        if row.errors:
            with pytest.raises(row.errors):
                session.set(LONG, text)
        else:
            session.set(LONG, text)
        assert time.monotonic() - started < row.deadline + SLACK_S
        assert line.bend is not row.bend
        session.close()
        line.bend = None
        fresh = new_session()
        fresh.open("127.0.0.1", line.port)
        assert fresh.get(LONG).value == (b"" if row.errors else text.value)
        fresh.close()


@pytest.mark.parametrize("row", OPENINGS, ids=lambda row: row.name)
def test_a_fault_at_the_opening_ends_in_time_and_the_next_opening_succeeds(row: Row) -> None:
    with line_for(row.profile) as line:
        session = new_session()
        line.bend = row.bend
        started = time.monotonic()
        if row.errors:
            with pytest.raises(row.errors):
                session.open("127.0.0.1", line.port)
        else:
            session.open("127.0.0.1", line.port)
            assert isinstance(session.get(ENERGY).value, int)
            session.close()
        assert time.monotonic() - started < row.deadline + SLACK_S
        reads_again(line)


def test_a_link_is_kept_alive_and_one_that_is_gone_says_so() -> None:
    with line_for(PROFILE) as line:
        session = new_session()
        session.open("127.0.0.1", line.port)
        for _ in range(3):
            session.keep_alive()
        line.bend = once(deaf)
        session.keep_alive()
        assert isinstance(session.get(ENERGY).value, int)
        line.bend = reboots
        line.struck = 0
        with pytest.raises(LinkReset):
            session.keep_alive()
        session.close()
        reads_again(line)


def test_what_had_come_before_the_end_is_read_and_the_next_request_finds_the_connection_closed() -> None:
    with line_for(PROFILE) as line:
        session = new_session()
        session.open("127.0.0.1", line.port)
        line.bend = once(answers_and_closes)
        assert isinstance(session.get(ENERGY).value, int)
        started = time.monotonic()
        with pytest.raises((PeerClosed, PeerReset)):
            session.get(ENERGY)
        session.close()
        assert time.monotonic() - started < AT_ONCE + SLACK_S
        reads_again(line)
