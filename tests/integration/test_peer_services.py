"""Services beyond reading, against pydlms-client's meter over real sockets: ACCESS, short names, general blocks.

Each over HDLC with windows of one and of seven frames, and over WRAPPER.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydlms import simulator as pydlms_simulator
from pydlms.apdu.xdlms import Conformance as PeerConformance

from common.obis import Obis
from poller.dlms.access_service import AccessAction, AccessGet, AccessItem, AccessSet
from poller.dlms.conversation import AttributeRef, Conversation, MethodRef, Profile, Referencing, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import ObjectUndefined
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.selection import by_entry
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, Conformance
from tests.support.dlms_drive import SocketDriver
from tests.support.keyring import FixedSource

PUBLIC = 16
PATIENCE_S = 0.5
"""For an answer: the peer is silent after a frame whose APDU it does not answer."""
NAME = AttributeRef(1, Obis.parse("0-0:96.1.0"), 2)
ENERGY = AttributeRef(3, Obis.parse("1-0:1.8.0"), 2)
POWER = AttributeRef(3, Obis.parse("1-0:1.7.0"), 2)
PROFILE = AttributeRef(7, Obis.parse("1-0:99.1.0"), 2)
NOWHERE = AttributeRef(3, Obis.parse("1-0:99.99.9"), 2)
RELAY = AttributeRef(70, Obis.parse("0-0:96.3.10"), 2)
OPEN_RELAY = MethodRef(70, Obis.parse("0-0:96.3.10"), 1)
LONG = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
"""1536 octets: many blocks of any kind."""


@dataclass(frozen=True)
class Line:
    """What carries the APDUs."""

    transport: Transport
    window: int = 1


LINES = [
    pytest.param(Line(Transport.HDLC, 1), id="hdlc-1"),
    pytest.param(Line(Transport.HDLC, 7), id="hdlc-7"),
    pytest.param(Line(Transport.WRAPPER), id="wrapper"),
]
overlines = pytest.mark.parametrize("line", LINES)


@dataclass
class Call:
    """A conversation that is open, and the meter at its other end."""

    conversation: Conversation
    driver: SocketDriver
    meter: Any

    def received(self, tag: int) -> int:
        """How many APDUs of a kind the meter has served."""
        return sum(request[:1] == bytes((tag,)) for request in self.meter.requests)


@contextmanager
def called(meter: Any, line: Line, **settings: Any) -> Iterator[Call]:
    profile = Profile(line.transport, PUBLIC, 1, window=line.window, **settings)
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


def rows(profile: Data) -> int:
    assert isinstance(profile.value, tuple)
    return len(profile.value)


# ACCESS


@overlines
def test_one_access_gets_sets_and_acts(line: Line) -> None:
    meter = pydlms_simulator.example_meter(max_pdu=4096)
    items: list[AccessItem] = [
        AccessGet(ENERGY),
        AccessGet(PROFILE, by_entry(1, 4)),
        AccessGet(NOWHERE),
        AccessSet(NAME, LONG),
        AccessAction(OPEN_RELAY, Data(DataType.INT8, 0)),
        AccessGet(RELAY),
        AccessGet(NAME),
    ]
    with called(meter, line, conformance=DEFAULT_CONFORMANCE | Conformance.ACCESS) as call:
        energy, profile, nowhere, written, acted, relay, name = call.driver.run(call.conversation.access(items))
        assert call.received(0xD9) == 1
    assert energy == Data(DataType.UINT32, 12345678)
    assert isinstance(profile, Data)
    assert rows(profile) == 4
    assert isinstance(nowhere, ObjectUndefined)
    assert (written, acted) == (None, None)
    assert relay == Data(DataType.BOOLEAN, False)
    assert name == LONG


# Short names

SHORT_CONFORMANCE = PeerConformance.default_sn()
SHORT_PDU = 300


@contextmanager
def called_by_short_names(line: Line, max_pdu: int = SHORT_PDU) -> Iterator[Call]:
    meter = pydlms_simulator.example_meter(max_pdu=max_pdu, conformance=SHORT_CONFORMANCE)
    conformance = DEFAULT_CONFORMANCE | Conformance.BLOCK_TRANSFER_WITH_SET
    with called(meter, line, referencing=Referencing.SN, conformance=conformance) as call:
        yield call


@overlines
def test_short_names_read_one_many_and_in_blocks(line: Line) -> None:
    with called_by_short_names(line) as call:
        run, conversation = call.driver.run, call.conversation
        assert run(conversation.get(ENERGY)) == Data(DataType.UINT32, 12345678)
        before = call.received(0x05)
        energy, nowhere, power = run(conversation.get_many([ENERGY, NOWHERE, POWER]))
        assert call.received(0x05) == before + 1
        assert rows(run(conversation.get(PROFILE))) == 96
        with pytest.raises(ObjectUndefined, match=r"1-0:99\.99\.9"):
            run(conversation.get(NOWHERE))
    assert (energy, power) == (Data(DataType.UINT32, 12345678), Data(DataType.UINT16, 1520))
    assert isinstance(nowhere, ObjectUndefined)
    assert conversation.counters.with_list_fallbacks == 0


@overlines
def test_short_names_write_one_many_and_in_blocks(line: Line) -> None:
    numbers = [Data(DataType.UINT32, 7), Data(DataType.UINT16, 8)]
    with called_by_short_names(line) as call:
        run, conversation = call.driver.run, call.conversation
        assert run(conversation.set_many([(ENERGY, numbers[0]), (POWER, numbers[1])])) == [None, None]
        assert call.received(0x06) == 1
        assert run(conversation.get_many([ENERGY, POWER])) == numbers
        run(conversation.set(NAME, LONG))
        assert call.received(0x06) > 1 + 1536 // SHORT_PDU
        assert run(conversation.get(NAME)) == LONG
        nowhere, again = run(conversation.set_many([(NOWHERE, LONG), (NAME, numbers[0])]))
        assert isinstance(nowhere, ObjectUndefined)
        assert again is None


@overlines
def test_short_names_invoke_methods(line: Line) -> None:
    with called_by_short_names(line) as call:
        run, conversation = call.driver.run, call.conversation
        assert run(conversation.get(RELAY)) == Data(DataType.BOOLEAN, True)
        assert run(conversation.action(OPEN_RELAY, Data(DataType.INT8, 0))) is None
        assert run(conversation.get(RELAY)) == Data(DataType.BOOLEAN, False)
        unknown = MethodRef(3, NOWHERE.obis, 1)
        opened, error = run(conversation.action_many([(OPEN_RELAY, None), (unknown, None)]))
    assert opened is None
    assert isinstance(error, ObjectUndefined)


# General blocks

BLOCK_PDU = 128
BLOCKS_ONLY = PeerConformance.default_ln() | PeerConformance.GENERAL_BLOCK_TRANSFER


def block_meter(window: int, *, streaming: bool = True) -> Any:
    meter = pydlms_simulator.example_meter(max_pdu=BLOCK_PDU, conformance=BLOCKS_ONLY)
    meter.gbt_window = window
    meter.gbt_streaming = streaming
    return meter


def in_blocks(window: int) -> dict[str, Any]:
    return {"general_blocks": True, "block_window": window, "max_pdu": BLOCK_PDU}


@overlines
@pytest.mark.parametrize(("window", "peer_window"), [(1, 1), (6, 1), (1, 6), (7, 5), (63, 63)])
def test_general_blocks_both_ways(line: Line, window: int, peer_window: int) -> None:
    meter = block_meter(peer_window)
    with called(meter, line, **in_blocks(window)) as call:
        run, conversation = call.driver.run, call.conversation
        run(conversation.set(NAME, LONG))
        assert run(conversation.get(NAME)) == LONG
        assert rows(run(conversation.get(PROFILE))) == 96
        assert run(conversation.get(ENERGY)) == Data(DataType.UINT32, 12345678)
    assert (conversation.counters.blocks_resent, conversation.counters.blocks_dropped) == (0, 0)


@overlines
def test_general_blocks_of_a_meter_that_sends_one_at_a_time(line: Line) -> None:
    with called(block_meter(1, streaming=False), line, **in_blocks(8)) as call:
        assert rows(call.driver.run(call.conversation.get(PROFILE))) == 96


@overlines
@pytest.mark.parametrize("lost", [2, 3, 5, 6])
def test_a_general_block_that_the_meter_loses_on_its_way_out_is_asked_for_again(line: Line, lost: int) -> None:
    """The first of a window, two of its middle, and one of the next."""
    meter = block_meter(4)
    with called(meter, line, **in_blocks(4)) as call:
        meter.drop_gbt_blocks = {lost}
        assert rows(call.driver.run(call.conversation.get(PROFILE))) == 96
        assert not meter.drop_gbt_blocks


@overlines
@pytest.mark.parametrize("lost", [2, 3, 5])
def test_a_general_block_that_the_meter_does_not_hear_is_sent_again(line: Line, lost: int) -> None:
    meter = block_meter(4)
    with called(meter, line, **in_blocks(4)) as call:
        meter.drop_gbt_requests = {lost}
        call.driver.run(call.conversation.set(NAME, LONG))
        assert not meter.drop_gbt_requests
        assert call.conversation.counters.blocks_resent
        assert call.driver.run(call.conversation.get(NAME)) == LONG


# Pushes in the middle of a session

PUSH = bytes.fromhex("0f000001db001105")


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (Line(Transport.HDLC), "ui"),
        (Line(Transport.HDLC), "i"),
        (Line(Transport.HDLC, 7), "ui"),
        (Line(Transport.WRAPPER), "ui"),
    ],
)
def test_a_push_before_an_answer_is_kept_and_the_answer_found(line: Line, frame: str) -> None:
    meter = pydlms_simulator.example_meter()
    with called(meter, line) as call:
        meter.push_before_response(PUSH, hdlc_frame=frame)
        assert call.driver.run(call.conversation.get(ENERGY)) == Data(DataType.UINT32, 12345678)
        (push,) = call.conversation.take_notifications()
        assert call.driver.run(call.conversation.get(POWER)) == Data(DataType.UINT16, 1520)
    assert (push.invoke, push.data) == (475, Data(DataType.UINT8, 5))


# All of it protected

KEY = bytes(range(16))
PROTECTED = SecuritySettings(
    Security.BOTH, client_title=b"CLIENT01", encryption_key=KEY, authentication_key=bytes(reversed(KEY))
)


def protected_meter(conformance: Any) -> Any:
    meter = pydlms_simulator.example_meter(
        max_pdu=BLOCK_PDU,
        conformance=conformance,
        encryption_key=PROTECTED.encryption_key,
        authentication_key=PROTECTED.authentication_key,
    )
    meter.clients[PUBLIC] = pydlms_simulator.ClientProfile(ciphered=True)
    meter.gbt_window = 4
    return meter


@overlines
def test_protected_apdus_in_general_blocks(line: Line) -> None:
    with called(protected_meter(BLOCKS_ONLY), line, security=PROTECTED, **in_blocks(4)) as call:
        call.driver.run(call.conversation.set(NAME, LONG))
        assert call.driver.run(call.conversation.get(NAME)) == LONG


@overlines
def test_protected_short_names(line: Line) -> None:
    meter = protected_meter(SHORT_CONFORMANCE)
    conformance = DEFAULT_CONFORMANCE | Conformance.BLOCK_TRANSFER_WITH_SET
    with called(meter, line, security=PROTECTED, referencing=Referencing.SN, conformance=conformance) as call:
        call.driver.run(call.conversation.set(NAME, LONG))
        assert call.driver.run(call.conversation.get(NAME)) == LONG
        assert call.driver.run(call.conversation.action(OPEN_RELAY)) is None
