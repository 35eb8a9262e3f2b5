"""The fast reader of protected conversations: when it has a plan, and what it leaves to the plain core."""

from contextlib import closing
from types import GeneratorType

import pytest

from common.obis import Obis
from poller.dlms.conversation import AttributeRef, Conversation, Mechanism, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import DecipheringFailed, ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.dlms.security import Security, SecuritySettings
from tests.bench.dlms.facts import AUTHENTICATION_KEY, CLIENT_TITLE, ENCRYPTION_KEY
from tests.bench.dlms.meter import Ciphered
from tests.support.keyring import FixedSource

VOLTAGE = AttributeRef(3, Obis(1, 0, 32, 7, 0), 2)
SCALER = AttributeRef(3, Obis(1, 0, 32, 7, 0), 3)
POWER = AttributeRef(3, Obis(1, 0, 1, 7, 0), 2)


class Reading:
    """A protected conversation with the bench's meter."""

    def __init__(self, *, general: bool = False) -> None:
        security = SecuritySettings(
            Security.BOTH,
            client_title=CLIENT_TITLE,
            encryption_key=ENCRYPTION_KEY,
            authentication_key=AUTHENTICATION_KEY,
            general=general,
        )
        profile = Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_GMAC, security=security)
        self.conversation = Conversation(profile, FixedSource())
        self.meter = Ciphered()
        self.was_fast = False
        self.run(self.conversation.open())

    def run(self, exchange: Exchange[object]) -> object:
        try:
            out = next(exchange)
            self.was_fast = isinstance(exchange, GeneratorType) and exchange.gi_yieldfrom is None
            while True:
                out = exchange.send(self.meter(out))
        except StopIteration as end:
            return end.value


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_the_second_reading_is_fast(reading: Reading) -> None:
    for fast in (False, True, True):
        assert reading.run(reading.conversation.get(VOLTAGE)) == Data(DataType.UINT16, 2301)
        assert reading.was_fast is fast


def test_lists_are_read_by_the_plain_core(reading: Reading) -> None:
    for _ in range(2):
        values = reading.run(reading.conversation.get_many([VOLTAGE, POWER]))
        assert values == [Data(DataType.UINT16, 2301), Data(DataType.INT32, -1520)]
        assert not reading.was_fast


def test_general_ciphering_and_structures_have_no_plan(reading: Reading) -> None:
    general = Reading(general=True)
    for _ in range(2):
        assert general.run(general.conversation.get(VOLTAGE)) == Data(DataType.UINT16, 2301)
        assert not general.was_fast
        reading.run(reading.conversation.get(SCALER))
        assert not reading.was_fast


def test_an_answer_in_parts_is_put_together_by_the_plain_core(reading: Reading) -> None:
    reading.run(reading.conversation.get(VOLTAGE))
    exchange = reading.conversation.get(VOLTAGE)
    answer = reading.meter(next(exchange))
    assert exchange.send(answer[:20]) == b""
    with pytest.raises(StopIteration):
        exchange.send(answer[20:])


def test_a_replay_is_dropped_and_another_value_judged_by_the_channel(reading: Reading) -> None:
    conversation = reading.conversation
    reading.run(conversation.get(VOLTAGE))
    exchange = conversation.get(VOLTAGE)
    old = reading.meter(next(exchange))
    with pytest.raises(StopIteration):
        exchange.send(old)
    exchange = conversation.get(VOLTAGE)
    new = reading.meter(next(exchange))
    assert exchange.send(old) == b""
    with pytest.raises(StopIteration):
        exchange.send(new)
    assert conversation.counters.replayed == 1


def test_damage_is_refused(reading: Reading) -> None:
    reading.run(reading.conversation.get(VOLTAGE))
    exchange = reading.conversation.get(VOLTAGE)
    answer = bytearray(reading.meter(next(exchange)))
    answer[-1] ^= 1
    with pytest.raises(DecipheringFailed):
        exchange.send(bytes(answer))


def test_silence_and_leaving_belong_to_the_plain_core(reading: Reading) -> None:
    reading.run(reading.conversation.get(VOLTAGE))
    exchange = reading.conversation.get(VOLTAGE)
    next(exchange)
    with pytest.raises(ReplyTimeout):
        exchange.throw(ReplyTimeout("silence"))
    assert reading.run(reading.conversation.get(VOLTAGE)) == Data(DataType.UINT16, 2301)
    before = reading.conversation.counters.frames_sent
    with closing(reading.conversation.get(VOLTAGE)) as left:
        next(left)
    assert reading.conversation.counters.frames_sent == before + 1
