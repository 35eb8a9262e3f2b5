"""Writing, invoking and pushes against pydlms-client's meter over real sockets, plain and protected.

Each over HDLC with windows of one and of seven frames, and over WRAPPER.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydlms import simulator as pydlms_simulator
from pydlms.security.hls import Mechanism as PeerMechanism

from common.obis import Obis
from poller.dlms.association import Mechanism
from poller.dlms.conversation import AttributeRef, Conversation, MethodRef, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import AccessDenied, NotNegotiated, ObjectUnavailable, ObjectUndefined
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, FULL_CONFORMANCE
from tests.support.dlms_drive import SocketDriver
from tests.support.keyring import AUTHENTICATION_KEY, CLIENT, ENCRYPTION_KEY, METER, FixedSource

SAP, PATIENCE_S = 17, 2.0
SECRET = b"Gx7!"
NAME = AttributeRef(1, Obis.parse("0-0:96.1.0"), 2)
ENERGY = AttributeRef(3, Obis.parse("1-0:1.8.0"), 2)
LOCKED = AttributeRef(3, Obis.parse("1-0:1.7.0"), 2)
NOWHERE = AttributeRef(3, Obis.parse("1-0:99.99.9"), 2)
ECHO = MethodRef(1, Obis.parse("0-0:96.1.0"), 1)
NO_METHOD = MethodRef(1, Obis.parse("0-0:96.9.9"), 1)
LONG = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
"""1536 octets."""
SEVEN = Data(DataType.UINT32, 7)
PROTECTED = SecuritySettings(Security.BOTH, 0, CLIENT, ENCRYPTION_KEY, AUTHENTICATION_KEY, server_title=METER)


@dataclass(frozen=True)
class Line:
    """What carries the APDUs, and what protects them."""

    transport: Transport
    window: int = 1
    ciphered: bool = False


overlines = pytest.mark.parametrize(
    "line",
    [
        pytest.param(Line(transport, window, ciphered), id=f"{transport}-{window}{'-ciphered' if ciphered else ''}")
        for transport, window in ((Transport.HDLC, 1), (Transport.HDLC, 7), (Transport.WRAPPER, 1))
        for ciphered in (False, True)
    ],
)


def meter_with(max_pdu: int) -> Any:
    """Return the example meter with a register that cannot be written, and a method that returns what it is given."""
    meter = pydlms_simulator.example_meter(
        max_pdu=max_pdu,
        system_title=METER,
        encryption_key=ENCRYPTION_KEY,
        authentication_key=AUTHENTICATION_KEY,
    )
    meter.set_access(3, "1.0.1.7.0.255", attribute=2, mode=1)
    meter.add_method(1, "0.0.96.1.0.255", 1, lambda _meter, given: given)
    return meter


@dataclass
class Call:
    """An open conversation with a meter."""

    conversation: Conversation
    driver: SocketDriver
    meter: Any


@contextmanager
def called(line: Line, max_pdu: int = 4096, conformance: int = FULL_CONFORMANCE) -> Iterator[Call]:
    meter = meter_with(max_pdu)
    mechanism = Mechanism.HLS_GMAC if line.ciphered else Mechanism.LLS
    peer = PeerMechanism.HLS_GMAC if line.ciphered else PeerMechanism.LLS
    meter.clients[SAP] = pydlms_simulator.ClientProfile(peer, SECRET, ciphered=line.ciphered)
    profile = Profile(
        line.transport,
        SAP,
        1,
        window=line.window,
        mechanism=mechanism,
        secret=SECRET,
        conformance=conformance,
        security=PROTECTED if line.ciphered else SecuritySettings(),
    )
    server = pydlms_simulator.serve(meter, hdlc=line.transport is Transport.HDLC, hdlc_window=line.window)
    conversation = Conversation(profile, FixedSource())
    try:
        with SocketDriver("127.0.0.1", server.server_address[1], PATIENCE_S) as driver:
            driver.run(conversation.open())
            yield Call(conversation, driver, meter)
            driver.run(conversation.close())
    finally:
        server.shutdown()
        server.server_close()


@overlines
def test_1536_octets_are_written_in_blocks_and_read_back(line: Line) -> None:
    with called(line, max_pdu=200) as call:
        call.driver.run(call.conversation.set(NAME, LONG))
        assert call.driver.run(call.conversation.get(NAME)) == LONG


@overlines
def test_a_write_in_one_piece_and_one_that_is_refused(line: Line) -> None:
    with called(line) as call:
        call.driver.run(call.conversation.set(ENERGY, SEVEN))
        assert call.driver.run(call.conversation.get(ENERGY)) == SEVEN
        with pytest.raises(AccessDenied, match=r"read-write-denied \(3\): 3/1-0:1.7.0.255/2"):
            call.driver.run(call.conversation.set(LOCKED, SEVEN))


@overlines
@pytest.mark.parametrize("max_pdu", [200, 4096])
def test_many_are_written_in_one_list(line: Line, max_pdu: int) -> None:
    """In blocks where the meter takes no APDU as long."""
    with called(line, max_pdu) as call:
        items = [(NAME, LONG), (ENERGY, SEVEN), (LOCKED, SEVEN), (NOWHERE, SEVEN)]
        first, second, third, fourth = call.driver.run(call.conversation.set_many(items))
        assert first is second is None
        assert isinstance(third, AccessDenied)
        assert isinstance(fourth, ObjectUndefined | ObjectUnavailable)
        assert call.driver.run(call.conversation.get_many([NAME, ENERGY])) == [LONG, SEVEN]


@overlines
@pytest.mark.parametrize("max_pdu", [200, 4096])
def test_a_method_gives_back_what_it_was_given(line: Line, max_pdu: int) -> None:
    with called(line, max_pdu) as call:
        assert call.driver.run(call.conversation.action(ECHO, SEVEN)) == SEVEN
        assert call.driver.run(call.conversation.action(ECHO, LONG)) == LONG


@overlines
@pytest.mark.parametrize("max_pdu", [200, 4096])
def test_many_methods_in_one_list(line: Line, max_pdu: int) -> None:
    with called(line, max_pdu) as call:
        items = [(ECHO, LONG), (NO_METHOD, None), (ECHO, SEVEN)]
        first, second, third = call.driver.run(call.conversation.action_many(items))
        assert (first, third) == (LONG, SEVEN)
        assert isinstance(second, ObjectUndefined | ObjectUnavailable)


@overlines
def test_what_is_too_long_without_blocks_is_not_asked_for(line: Line) -> None:
    with called(line, max_pdu=200, conformance=DEFAULT_CONFORMANCE) as call:
        before = len(call.meter.requests)
        for exchange in (call.conversation.set(NAME, LONG), call.conversation.action(ECHO, LONG)):
            with pytest.raises(NotNegotiated):
                call.driver.run(exchange)
        assert len(call.meter.requests) == before


@overlines
def test_a_push_meanwhile_is_kept(line: Line) -> None:
    push = bytes.fromhex("0f0000000100120201")
    with called(line) as call:
        call.meter.push_before_response(push, protection="general-glo" if line.ciphered else None, hdlc_frame="i")
        call.driver.run(call.conversation.get(ENERGY))
        assert [taken.data for taken in call.conversation.take_notifications()] == [Data(DataType.UINT16, 513)]
        assert call.conversation.counters.late_answers == 0


@overlines
def test_a_link_is_kept_alive(line: Line) -> None:
    with called(line) as call:
        for _ in range(3):
            call.driver.run(call.conversation.keep_alive())
        assert call.driver.run(call.conversation.get(ENERGY)) == Data(DataType.UINT32, 12345678)
