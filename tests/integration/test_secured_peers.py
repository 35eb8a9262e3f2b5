"""Secured associations with pydlms-client's simulated meter: every mechanism, level and form, over both transports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from pydlms import simulator as peer
from pydlms.security.hls import Mechanism as PeerMechanism
from pydlms.security.suites import SecurityPolicy

from common.obis import Obis
from poller.dlms.ciphering import LEVEL_BITS
from poller.dlms.conversation import Conversation, Mechanism, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import AssociationRefused, AuthenticationFailed
from poller.dlms.opening import public_profile, resynchronise
from poller.dlms.profile import Referencing
from poller.dlms.security import Security, SecuritySettings
from poller.invocation import MemorySource
from tests.support.dlms_drive import SocketDriver
from tests.support.keyring import AUTHENTICATION_KEY, CLIENT, ENCRYPTION_KEY

SECRET: Final = b"sixteen letters!"
SAP: Final = 1
ENERGY: Final = AttributeRef(3, Obis.parse("1-0:1.8.0"), 2)
RAW: Final = 12345678
PEER_MECHANISMS: Final = {mechanism: PeerMechanism[mechanism.name] for mechanism in Mechanism}
PROTECTING: Final = [level for level in Security if level is not Security.NONE]


@dataclass
class PeerMeter:
    """A simulated meter and where it listens."""

    meter: Any
    port: int

    def run(self, profile: Profile, source: MemorySource | None = None) -> Conversation:
        """Open, read one value and a list, close; return the conversation."""
        conversation = Conversation(profile, source or MemorySource())
        with SocketDriver("127.0.0.1", self.port) as driver:
            driver.run(conversation.open())
            assert driver.run(conversation.get(ENERGY)) == Data(DataType.UINT32, RAW)
            values = driver.run(conversation.get_many([ENERGY, replace(ENERGY, attribute=3)]))
            assert isinstance(values[0], Data)
            assert values[0].value == RAW
            driver.run(conversation.close())
        return conversation


@contextmanager
def meter_for(profile: Profile) -> Iterator[PeerMeter]:
    """Run a meter that takes what a profile asks for."""
    meter = peer.example_meter(encryption_key=ENCRYPTION_KEY, authentication_key=AUTHENTICATION_KEY)
    if meter.security is not None and profile.security.protects:
        meter.security.policy = SecurityPolicy(LEVEL_BITS[profile.security.level])
    mechanism = PEER_MECHANISMS[profile.mechanism]
    meter.clients[SAP] = peer.ClientProfile(mechanism, SECRET, ciphered=profile.security.protects)
    server = peer.serve(meter, hdlc=profile.transport is Transport.HDLC)
    try:
        yield PeerMeter(meter, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def profile_of(mechanism: Mechanism, level: Security, transport: Transport, **other: Any) -> Profile:
    security = SecuritySettings(
        level,
        client_title=CLIENT,
        encryption_key=ENCRYPTION_KEY,
        authentication_key=AUTHENTICATION_KEY,
        dedicated=other.pop("dedicated", False),
        general=other.pop("general", False),
    )
    return Profile(transport, SAP, 1, mechanism=mechanism, secret=SECRET, security=security, **other)


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("level", [Security.NONE, Security.BOTH])
def test_every_mechanism_plain_and_ciphered(transport: Transport, mechanism: Mechanism, level: Security) -> None:
    profile = profile_of(mechanism, level, transport)
    with meter_for(profile) as meter:
        conversation = meter.run(profile)
    assert conversation.counters.replayed == 0


@pytest.mark.parametrize("level", PROTECTING)
@pytest.mark.parametrize("dedicated", [False, True])
@pytest.mark.parametrize("general", [False, True])
def test_every_level_key_and_form(level: Security, *, dedicated: bool, general: bool) -> None:
    profile = profile_of(Mechanism.HLS_GMAC, level, Transport.WRAPPER, dedicated=dedicated, general=general)
    with meter_for(profile) as meter:
        meter.run(profile)


@pytest.mark.parametrize("mechanism", [mechanism for mechanism in Mechanism if mechanism.high_level])
@pytest.mark.parametrize("level", [Security.NONE, Security.BOTH])
def test_short_names(mechanism: Mechanism, level: Security) -> None:
    profile = profile_of(mechanism, level, Transport.WRAPPER, referencing=Referencing.SN)
    conversation = Conversation(profile, MemorySource())
    with meter_for(profile) as meter, SocketDriver("127.0.0.1", meter.port) as driver:
        terms = driver.run(conversation.open())
        assert not terms.authentication_pending
        driver.run(conversation.close())


def test_a_counter_that_the_meter_has_seen_is_raised_by_its_refusal() -> None:
    profile = profile_of(Mechanism.HLS_GMAC, Security.BOTH, Transport.HDLC)
    with meter_for(profile) as meter:
        meter.run(profile, MemorySource(1000))
        behind = MemorySource(3)
        meter.run(profile, behind)
    assert behind.take() > 1000


def test_a_counter_is_read_by_the_public_client_and_raised() -> None:
    profile = profile_of(Mechanism.HLS_GMAC, Security.BOTH, Transport.WRAPPER)
    with meter_for(profile) as meter:
        meter.run(profile, MemorySource(1000))
        source = MemorySource()
        with SocketDriver("127.0.0.1", meter.port) as driver:
            driver.run(resynchronise(Conversation(public_profile(profile)), source))
        meter.run(profile, source)
    assert source.take() > 1005


@pytest.mark.parametrize("mechanism", [mechanism for mechanism in Mechanism if mechanism.high_level])
def test_a_wrong_secret_is_refused(mechanism: Mechanism) -> None:
    right = profile_of(mechanism, Security.NONE, Transport.WRAPPER)
    wrong = replace(right, secret=b"another", security=replace(right.security, authentication_key=bytes(16)))
    with (
        meter_for(right) as meter,
        SocketDriver("127.0.0.1", meter.port) as driver,
        pytest.raises(AuthenticationFailed),
    ):
        driver.run(Conversation(wrong, MemorySource()).open())


def test_a_wrong_key_is_refused() -> None:
    right = profile_of(Mechanism.HLS_GMAC, Security.BOTH, Transport.WRAPPER)
    wrong = replace(right, security=replace(right.security, encryption_key=bytes(16)))
    with (
        meter_for(right) as meter,
        SocketDriver("127.0.0.1", meter.port) as driver,
        pytest.raises((AuthenticationFailed, AssociationRefused)),
    ):
        driver.run(Conversation(wrong, MemorySource()).open())
