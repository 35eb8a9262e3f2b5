"""Every service over every line with every mechanism, plain and protected, against pydlms-client's meter.

One conversation each: HDLC with windows of one and of seven frames, and WRAPPER.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from pydlms import simulator as peer
from pydlms.apdu.xdlms import Conformance as PeerConformance
from pydlms.security.hls import Mechanism as PeerMechanism

from common.obis import Obis
from poller.dlms.access_service import AccessAction, AccessGet, AccessItem, AccessSet
from poller.dlms.conversation import AttributeRef, Conversation, Mechanism, MethodRef, Profile, Referencing, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import ObjectUndefined
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.selection import by_entry
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, FULL_CONFORMANCE, Conformance
from tests.support.dlms_drive import SocketDriver
from tests.support.keyring import AUTHENTICATION_KEY, CLIENT, ENCRYPTION_KEY, METER, FixedSource

SAP: Final = 17
SECRET: Final = b"sixteen letters!"
PDU: Final = 512
"""Of the meter: a SET of 1536 octets takes four blocks, a profile of 96 rows many."""
PATIENCE_S: Final = 1.0
NAME = AttributeRef(1, Obis.parse("0-0:96.1.0"), 2)
ENERGY = AttributeRef(3, Obis.parse("1-0:1.8.0"), 2)
POWER = AttributeRef(3, Obis.parse("1-0:1.7.0"), 2)
PROFILE = AttributeRef(7, Obis.parse("1-0:99.1.0"), 2)
NOWHERE = AttributeRef(3, Obis.parse("1-0:99.99.9"), 2)
RELAY = AttributeRef(70, Obis.parse("0-0:96.3.10"), 2)
ECHO = MethodRef(1, Obis.parse("0-0:96.1.0"), 1)
OPEN_RELAY = MethodRef(70, Obis.parse("0-0:96.3.10"), 1)
LONG = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
"""1536 octets."""
SEVEN, RAW = Data(DataType.UINT32, 7), Data(DataType.UINT32, 12345678)
PUSH: Final = bytes.fromhex("0f0000000100120201")
"""A data-notification of one long-unsigned."""
ZERO = Data(DataType.INT8, 0)
PEER_MECHANISMS: Final = {mechanism: PeerMechanism[mechanism.name] for mechanism in Mechanism}

everywhere = pytest.mark.parametrize(
    ("transport", "window"), [(Transport.HDLC, 1), (Transport.HDLC, 7), (Transport.WRAPPER, 1)]
)
everyone = pytest.mark.parametrize("mechanism", Mechanism)
protected = pytest.mark.parametrize("level", [Security.NONE, Security.BOTH])


@contextmanager
def called(profile: Profile, **terms: Any) -> Iterator[tuple[Conversation, SocketDriver, Any]]:
    """Run a meter that takes what the profile asks for; yield an open conversation with it."""
    keys = {"system_title": METER, "encryption_key": ENCRYPTION_KEY, "authentication_key": AUTHENTICATION_KEY}
    meter = peer.example_meter(max_pdu=PDU, **keys, **terms)
    ciphered = profile.security.protects
    meter.clients[SAP] = peer.ClientProfile(PEER_MECHANISMS[profile.mechanism], SECRET, ciphered=ciphered)
    meter.add_method(1, "0.0.96.1.0.255", 1, lambda _meter, given: given)
    server = peer.serve(meter, hdlc=profile.transport is Transport.HDLC, hdlc_window=profile.window)
    conversation = Conversation(profile, FixedSource())
    try:
        with SocketDriver("127.0.0.1", server.server_address[1], PATIENCE_S) as driver:
            driver.run(conversation.open())
            yield conversation, driver, meter
            driver.run(conversation.close())
    finally:
        server.shutdown()
        server.server_close()


def profile_of(transport: Transport, window: int, mechanism: Mechanism, level: Security, **other: Any) -> Profile:
    security = SecuritySettings(level, 0, CLIENT, ENCRYPTION_KEY, AUTHENTICATION_KEY, server_title=METER)
    return Profile(transport, SAP, 1, window=window, mechanism=mechanism, secret=SECRET, security=security, **other)


def rows(answer: object) -> int:
    assert isinstance(answer, Data)
    assert isinstance(answer.value, tuple)
    return len(answer.value)


@everywhere
@everyone
@protected
def test_every_service_of_logical_names(
    transport: Transport, window: int, mechanism: Mechanism, level: Security
) -> None:
    profile = profile_of(transport, window, mechanism, level, conformance=FULL_CONFORMANCE)
    with called(profile) as (conversation, driver, meter):
        form = "general-glo" if level is Security.BOTH else None
        meter.push_before_response(PUSH, protection=form, hdlc_frame="i")
        assert driver.run(conversation.get(ENERGY)) == RAW
        assert [pushed.data for pushed in conversation.take_notifications()] == [Data(DataType.UINT16, 513)]
        energy, nowhere = driver.run(conversation.get_many([ENERGY, NOWHERE]))
        assert energy == RAW
        assert isinstance(nowhere, ObjectUndefined)
        assert rows(driver.run(conversation.get(PROFILE))) == 96
        assert rows(driver.run(conversation.get(PROFILE, by_entry(2, 5)))) == 4
        driver.run(conversation.set(NAME, LONG))
        assert driver.run(conversation.get(NAME)) == LONG
        done, refused = driver.run(conversation.set_many([(POWER, SEVEN), (NOWHERE, SEVEN)]))
        assert done is None
        assert isinstance(refused, ObjectUndefined)
        assert driver.run(conversation.get(POWER)) == SEVEN
        assert driver.run(conversation.action(ECHO, LONG)) == LONG
        echoed, opened = driver.run(conversation.action_many([(ECHO, SEVEN), (OPEN_RELAY, ZERO)]))
        assert (echoed, opened) == (SEVEN, None)
        items: list[AccessItem] = [AccessGet(RELAY), AccessSet(POWER, RAW), AccessGet(POWER), AccessAction(ECHO, SEVEN)]
        answers = driver.run(conversation.access(items))
        assert answers == [Data(DataType.BOOLEAN, False), None, RAW, SEVEN]
        driver.run(conversation.keep_alive())
    assert not any((conversation.counters.resent, conversation.counters.late_answers, conversation.counters.replayed))


@everywhere
@everyone
@protected
def test_general_blocks(transport: Transport, window: int, mechanism: Mechanism, level: Security) -> None:
    conformance = FULL_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER
    asked = profile_of(
        transport, window, mechanism, level, conformance=conformance, general_blocks=True, block_window=4
    )
    with called(asked, conformance=PeerConformance.default_ln() | PeerConformance.GENERAL_BLOCK_TRANSFER) as (
        conversation,
        driver,
        _,
    ):
        assert conversation.association is not None
        assert conversation.association.supports_general_block
        driver.run(conversation.set(NAME, LONG))
        assert driver.run(conversation.get(NAME)) == LONG
        assert rows(driver.run(conversation.get(PROFILE))) == 96
    assert conversation.counters.blocks_resent == 0


@everywhere
@everyone
def test_every_service_of_short_names(transport: Transport, window: int, mechanism: Mechanism) -> None:
    conformance = DEFAULT_CONFORMANCE | Conformance.BLOCK_TRANSFER_WITH_SET
    profile = profile_of(
        transport, window, mechanism, Security.NONE, conformance=conformance, referencing=Referencing.SN
    )
    with called(profile, conformance=PeerConformance.default_sn()) as (conversation, driver, _):
        assert driver.run(conversation.get(ENERGY)) == RAW
        energy, nowhere = driver.run(conversation.get_many([ENERGY, NOWHERE]))
        assert energy == RAW
        assert isinstance(nowhere, ObjectUndefined)
        assert rows(driver.run(conversation.get(PROFILE))) == 96
        driver.run(conversation.set(NAME, LONG))
        assert driver.run(conversation.get(NAME)) == LONG
        assert driver.run(conversation.set_many([(POWER, SEVEN)])) == [None]
        assert driver.run(conversation.get(POWER)) == SEVEN
        driver.run(conversation.action(OPEN_RELAY, ZERO))
        assert driver.run(conversation.get(RELAY)) == Data(DataType.BOOLEAN, False)
