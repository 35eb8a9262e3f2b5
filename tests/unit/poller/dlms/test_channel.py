"""Invoke ids, late answers, pushes, general blocks and protection, under a service that the test plays."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from common.errors import BridgeError
from poller.dlms.block_service import GeneralBlock, decode_general_block, encode_general_block
from poller.dlms.channel import MAX_LATE, MAX_NOTIFICATIONS, Channel
from poller.dlms.conversation import Conversation
from poller.dlms.data import Data, DataType
from poller.dlms.errors import (
    AssociationLost,
    CounterRefused,
    DecipheringFailed,
    ExceptionResponse,
    NotNegotiated,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.xdlms import FULL_CONFORMANCE, Conformance
from tests.support.dlms_drive import run_against
from tests.support.keyring import FixedSource
from tests.support.scripted_meter import FIVE, FULL, VOLTAGE, WRAPPER, Answer, Meter, granting, normal, opened

PUSH = "0f 40000001 00 1105"
EVENT = "c2 00 0003 0101200700ff 02 1106"
GENERAL = replace(FULL, general_blocks=True, block_window=3)
GRANTED = f"{FULL_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER:06x}"


def channel_to(meter: Callable[[bytes], bytes | None]) -> Channel:
    return opened(meter, FULL)._channel


def test_invoke_ids_run_from_1_to_15() -> None:
    channel = channel_to(Meter(normal))
    assert [channel.next_invoke() for _ in range(17)] == [*range(1, 16), 1, 2]


def test_without_association_nothing_is_asked() -> None:
    channel = Channel(WRAPPER, WRAPPER.make_link(Counters()), Counters())
    with pytest.raises(AssociationLost):
        channel.require()
    with pytest.raises(AssociationLost):
        next(channel.call(b"\xc0", 0xC4, 1))


def test_what_is_missing_is_named() -> None:
    channel = channel_to(Meter(normal, granting(100, without=Conformance.ACCESS | Conformance.SET)))
    assert channel.require(Conformance.GET) is channel.terms
    with pytest.raises(NotNegotiated, match="access and set"):
        channel.require(Conformance.ACCESS | Conformance.SET | Conformance.GET)


def ask(channel: Channel, meter: Callable[[bytes], bytes | None], tag: int = 0xC4, invoke: int = 1) -> bytes:
    return run_against(channel.call(bytes((0xC0, 1, 0xC0 | invoke)), tag, invoke), meter)


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("late", "tag"),
    [("c401c2001105", 0xC4), ("c501c200", 0xC4), ("c701c20000", 0xC4), ("da00000002", 0xC4), ("c401c2001105", 0x0C)],
)
def test_answers_to_something_older_are_dropped_and_counted(late: str, tag: int) -> None:
    right = {0xC4: "c401c1001105", 0x0C: "0c0100 1105"}[tag]
    meter = Meter(lambda _: [octets(late), octets(right)])
    channel = channel_to(meter)
    assert ask(channel, meter, tag) == octets(right)
    assert channel.counters.late_answers == 1


def test_a_long_invoke_id_has_24_bits() -> None:
    meter = Meter(lambda _: ["da40000001" + "00", "da40012345" + "00"])
    channel = channel_to(meter)
    request = channel.call(b"\xd9", 0xDA, 0x012345)
    assert run_against(request, meter) == octets("da4001234500")


@pytest.mark.parametrize("answer", ["", "c401", "c501c100", "0c0100", "01", "da00", "6303800100"])
def test_what_is_no_answer(answer: str) -> None:
    meter = Meter(lambda _: answer)
    with pytest.raises(UnexpectedReply):
        ask(channel_to(meter), meter)


def test_only_so_many_late_answers_are_borne() -> None:
    meter = Meter(lambda _: ["c401c2001105"] * (MAX_LATE + 1))
    with pytest.raises(UnexpectedReply, match=f"{MAX_LATE} answers"):
        ask(channel_to(meter), meter)


@pytest.mark.parametrize("answer", ["d80102", "0e010601", "d8010600000008"])
def test_a_refused_service_is_an_exception(answer: str) -> None:
    meter = Meter(lambda _: answer)
    with pytest.raises(ExceptionResponse):
        ask(channel_to(meter), meter)


# Pushes


def test_pushes_are_kept_in_order_until_they_are_taken() -> None:
    meter = Meter(lambda apdu: [octets(PUSH), octets(EVENT), normal(apdu)])
    conversation = opened(meter, FULL)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE
    first, second = conversation.take_notifications()
    assert (first.data, second.data, second.ref) == (FIVE, Data(DataType.UINT8, 6), VOLTAGE)
    assert conversation.take_notifications() == []
    assert (conversation.counters.notifications, conversation.counters.late_answers) == (2, 0)


def test_the_oldest_push_makes_room() -> None:
    meter = Meter(lambda apdu: [octets(PUSH), normal(apdu)])
    conversation = opened(meter, FULL)
    for _ in range(MAX_NOTIFICATIONS + 3):
        run_against(conversation.get(VOLTAGE), meter)
    assert len(conversation.take_notifications()) == MAX_NOTIFICATIONS
    assert conversation.counters.notifications_dropped == 3


@pytest.mark.parametrize("push", ["0f 4000", "c2", "ca 05 3000000001", "db 00 05 3000000001"])
def test_a_push_that_cannot_be_read_is_counted(push: str) -> None:
    meter = Meter(lambda apdu: [octets(push), normal(apdu)])
    conversation = opened(meter, FULL)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE
    assert conversation.take_notifications() == []
    assert conversation.counters.notifications_dropped == 1


# General blocks


class InBlocks:
    """Takes a request in general blocks, and answers each so; ``before`` comes ahead of each last block."""

    def __init__(self, answer: Callable[[bytes], str], size: int, before: Sequence[Answer] = ()) -> None:
        self._answer, self._size, self._before = answer, size, before
        self._request = b""
        self._reply: list[bytes] = []
        self._sent = self._received = 0

    def __call__(self, apdu: bytes) -> list[Answer]:
        if apdu[0] != 0xE0:
            self._received = 0
            return self._begin(apdu)
        block = decode_general_block(apdu)
        assert block.number == self._received + 1
        self._received = block.number
        self._request += block.data
        if not block.data:
            assert block.acknowledged == self._sent
            return self._next()
        if not block.last:
            self._sent += 1
            ours = GeneralBlock(self._sent, last=False, window=1, acknowledged=block.number)
            return [] if block.streaming else [encode_general_block(ours)]
        return self._begin(self._request)

    def _begin(self, request: bytes) -> list[Answer]:
        reply, self._request = octets(self._answer(request)), b""
        if request[0] != 0xE0 and not self._received:
            self._sent = 0
        self._reply = [reply[at : at + self._size] for at in range(0, len(reply), self._size)]
        return self._next()

    def _next(self) -> list[Answer]:
        self._sent += 1
        part = self._reply.pop(0)
        block = GeneralBlock(self._sent, part, last=not self._reply, window=1, acknowledged=self._received)
        return [*(() if self._reply else self._before), encode_general_block(block)]


@pytest.mark.parametrize("size", [3, 7, 1000])
def test_an_answer_in_general_blocks(size: int) -> None:
    meter = Meter(InBlocks(normal, size), GRANTED + "0400")
    conversation = opened(meter, GENERAL)
    for _ in range(2):
        assert run_against(conversation.get(VOLTAGE), meter) == FIVE


def test_pushes_among_general_blocks() -> None:
    meter = Meter(InBlocks(normal, 3, [octets(PUSH)]), GRANTED + "0400")
    conversation = opened(meter, GENERAL)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE
    assert [push.data for push in conversation.take_notifications()] == [FIVE]


def test_what_is_too_long_goes_in_general_blocks() -> None:
    meter = Meter(InBlocks(lambda apdu: f"c501{apdu[2]:02x}00", 100), GRANTED + "0040")
    conversation = opened(meter, GENERAL)
    run_against(conversation.set(VOLTAGE, Data(DataType.OCTET_STRING, bytes(300))), meter)
    assert all(apdu[0] == 0xE0 for apdu in meter.asked[1:])
    assert max(map(len, meter.asked[1:])) <= 0x40


def test_a_late_answer_in_general_blocks_is_late() -> None:
    late = InBlocks(lambda _: "c401ce001106", 100)(b"\xc0")
    meter = Meter(lambda apdu: [*late, normal(apdu)], GRANTED + "0400")
    conversation = opened(meter, GENERAL)
    assert run_against(conversation.get(VOLTAGE), meter) == FIVE
    assert conversation.counters.late_answers == 1


def test_general_blocks_that_were_not_negotiated_are_unexpected() -> None:
    meter = Meter(InBlocks(normal, 3), granting(0x400))
    with pytest.raises(UnexpectedReply):
        ask(channel_to(meter), meter)


def test_what_is_too_long_without_blocks_is_not_sent() -> None:
    meter = Meter(normal, granting(20))
    channel = channel_to(meter)
    with pytest.raises(NotNegotiated, match="21 octets"):
        next(channel.call(bytes(21), 0xC4, 1))
    assert not channel.takes(21)
    assert channel.takes(20)


# Protection


CLIENT, SERVER = b"CLI00001", b"SRV00001"
KEYS = SecuritySettings(Security.BOTH, 0, CLIENT, bytes(16), bytes(range(16)), server_title=SERVER)


def protected(general: bool = False) -> tuple[Channel, Conversation]:
    """Return a channel as it is behind a ciphered association, and the other end's cipher."""
    conversation = Conversation(replace(FULL, security=replace(KEYS, general=general)), FixedSource())
    plain = opened(Meter(normal, granting(200)), FULL)
    conversation.association = plain.association
    other = replace(KEYS, client_title=SERVER, server_title=CLIENT, general=general)
    return conversation._channel, Conversation(replace(FULL, security=other), FixedSource())


@pytest.mark.parametrize(("general", "overhead"), [(False, 21), (True, 30)])
def test_protection_takes_room(general: bool, overhead: int) -> None:
    channel, _ = protected(general)
    assert (channel.room, channel.own_room) == (200 - overhead, 0xFFFF - overhead)
    assert channel.cipher
    sealed = channel.cipher.protect(bytes((0xC0,)) + bytes(channel.room - 1))
    assert overhead - 3 <= len(sealed) - channel.room <= overhead


def test_a_service_without_a_form_of_its_own_has_less_room() -> None:
    channel, _ = protected()
    assert channel.cipher
    most = next(octets for octets in range(200, 0, -1) if channel.takes(octets, general=True))
    assert most == protected(general=True)[0].room
    assert len(channel.cipher.protect(bytes((0xD9,)) + bytes(most - 1))) <= 200


def meter_of(other: Conversation, *answers: str) -> Meter:
    """Return a meter that protects its answers; with ``=`` before it one goes plain, with ``!`` the last again."""
    cipher = other._channel.cipher
    assert cipher
    sent: list[bytes] = []
    for answer in answers:
        if answer == "!":
            sent.append(sent[-1])
        else:
            sent.append(octets(answer[1:]) if answer[0] == "=" else cipher.protect(octets(answer)))
    return Meter(lambda _: sent)


def test_a_replay_and_pushes_of_either_kind() -> None:
    channel, other = protected()
    meter = meter_of(other, "c401c2001106", "!", EVENT, PUSH, "=" + PUSH, "c401c1001105")
    assert ask(channel, meter) == octets("c401c1001105")
    counters = channel.counters
    assert (counters.late_answers, counters.replayed) == (1, 1)
    assert (counters.notifications, counters.notifications_dropped) == (2, 1)


def test_a_push_without_protection_among_general_blocks_is_dropped() -> None:
    channel, _ = protected()
    assert channel._aside(octets(PUSH))
    assert channel.counters.notifications_dropped == 1
    assert not channel._aside(octets("c401c1001105"))
    assert not channel._aside(b"")


def test_an_unprotected_answer_is_refused() -> None:
    channel, other = protected()
    with pytest.raises(DecipheringFailed):
        ask(channel, meter_of(other, "=c401c1001105"))


@pytest.mark.parametrize(("answer", "error"), [("=d80102", ExceptionResponse), ("=d8010600000063", CounterRefused)])
def test_error_reports_may_come_plain(answer: str, error: type[BridgeError]) -> None:
    channel, other = protected()
    with pytest.raises(error):
        ask(channel, meter_of(other, answer))
    assert channel.cipher
    assert (channel.cipher.source.take() >= 99) == (error is CounterRefused)
