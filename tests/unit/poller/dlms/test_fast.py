"""The fast reader: when it has a plan, when it uses it, and when it leaves the reading to the plain core.

That nothing but the time differs is a property test; here, that the time does differ: an exchange that waits in a
generator of its own, and not in one of the plain core, is fast.
"""

from types import GeneratorType

import pytest

from common.obis import Obis
from poller.dlms.conversation import AttributeRef, Conversation, Profile, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import ReplyTimeout
from poller.dlms.exchange import Exchange
from poller.dlms.fast import MAX_LISTS, MAX_VALUES, FastReader
from poller.simulator import frames

REFS = [AttributeRef(3, Obis(1, 0, code, 7, 0), 2) for code in (32, 52)]
AARE = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000321d04000007")
WITHOUT_BLOCKS = AARE.replace(bytes.fromhex("321d"), bytes.fromhex("021d"))
BOTH = pytest.mark.parametrize("transport", Transport)


class Meter:
    """Answers every attribute with ``result``; a list with as many of them."""

    def __init__(self, transport: Transport, aare: bytes, grants: bytes) -> None:
        self.result = b"\0\x12\0\7"
        self._hdlc = transport is Transport.HDLC
        self._aare, self._grants = aare, grants

    def answer(self, request: bytes) -> bytes:
        if not self._hdlc:
            apdu = self._apdu(request[8:])
            return b"\0\1" + request[4:6] + request[2:4] + len(apdu).to_bytes(2, "big") + apdu
        (frame,) = frames.FrameReader(3600).feed(request, 0.0)
        control, info = 0x73, self._grants
        if frame.kind is frames.Kind.INFORMATION:
            control = ((frame.control >> 1 & 7) + 1 & 7) << 5 | 0x10 | frame.control >> 5 << 1
            info = b"\xe6\xe7\0" + self._apdu(frame.info[3:])
        return frames.encode(frames.Frame(frame.source, frame.destination, control, info))

    def _apdu(self, request: bytes) -> bytes:
        if request[0] == 0x60:
            return self._aare
        head = b"\xc4" + request[1:3]
        return head + request[3:4] + self.result * request[3] if request[1] == 3 else head + self.result


class Reading:
    """A conversation with such a meter, associated."""

    def __init__(self, transport: Transport, aare: bytes = AARE, grants: bytes = b"") -> None:
        self.meter = Meter(transport, aare, grants)
        self.conversation = Conversation(Profile(transport, 16, 1))
        self.was_fast = False
        self.run(self.conversation.open())

    @property
    def reader(self) -> FastReader:
        return self.conversation._fast

    def run(self, exchange: Exchange[object]) -> object:
        try:
            out = next(exchange)
            self.was_fast = isinstance(exchange, GeneratorType) and exchange.gi_yieldfrom is None
            while True:
                out = exchange.send(self.meter.answer(out))
        except StopIteration as end:
            return end.value

    def get(self, ref: AttributeRef = REFS[0]) -> Data:
        value = self.run(self.conversation.get(ref))
        assert isinstance(value, Data)
        return value

    def get_many(self) -> list[Data]:
        values = self.run(self.conversation.get_many(REFS))
        assert isinstance(values, list)
        return values


@BOTH
def test_the_second_reading_of_a_number_is_fast(transport: Transport) -> None:
    reading = Reading(transport)
    assert (reading.get(), reading.was_fast) == (Data(DataType.UINT16, 7), False)
    reading.meter.result = b"\0\x12\1\2"
    assert (reading.get(), reading.was_fast) == (Data(DataType.UINT16, 258), True)
    assert (reading.get(REFS[1]), reading.was_fast) == (Data(DataType.UINT16, 258), False)


@BOTH
def test_many_readings_stay_fast_and_numbered(transport: Transport) -> None:
    reading = Reading(transport)
    reading.get()
    for number in range(200):
        reading.meter.result = b"\0\x12" + number.to_bytes(2, "big")
        assert reading.get().value == number
        assert reading.was_fast
    counters = reading.conversation.counters
    assert counters.frames_sent == counters.frames_received == counters.round_trips
    assert not counters.polls


@BOTH
def test_the_second_list_is_fast(transport: Transport) -> None:
    reading = Reading(transport)
    assert reading.get_many() == [Data(DataType.UINT16, 7)] * 2
    assert not reading.was_fast
    assert reading.get_many() == [Data(DataType.UINT16, 7)] * 2
    assert reading.was_fast


@BOTH
def test_another_type_is_read_by_the_plain_core_and_fast_from_then_on(transport: Transport) -> None:
    reading = Reading(transport)
    reading.get(), reading.get_many()
    reading.meter.result = b"\0\5\0\0\0\1"
    assert reading.get() == Data(DataType.INT32, 1)
    assert reading.get_many() == [Data(DataType.INT32, 1)] * 2
    reading.get()
    assert reading.was_fast
    reading.get_many()
    assert reading.was_fast
    assert len(reading.reader._lists) == 1


@BOTH
def test_what_is_no_number_has_no_plan(transport: Transport) -> None:
    reading = Reading(transport)
    reading.meter.result = b"\0\x09\1a"
    reading.get(), reading.get_many()
    reading.get()
    assert not reading.was_fast
    reading.get_many()
    assert not reading.was_fast


@BOTH
def test_a_list_of_types_of_equal_size_is_told_by_its_marks(transport: Transport) -> None:
    reading = Reading(transport)
    reading.get_many()
    reading.meter.result = b"\0\x10\xff\xff"
    assert reading.get_many() == [Data(DataType.INT16, -1)] * 2


@BOTH
def test_other_terms_end_all_plans(transport: Transport) -> None:
    reading = Reading(transport)
    reading.get(), reading.get_many()
    reading.run(reading.conversation.open())
    reading.get()
    assert not reading.was_fast
    assert len(reading.reader._values) == 1
    assert not reading.reader._lists


@BOTH
@pytest.mark.parametrize("listed", [False, True])
def test_silence_belongs_to_the_plain_core(transport: Transport, *, listed: bool) -> None:
    reading = Reading(transport)
    reading.get(), reading.get_many()
    exchange: Exchange[object] = reading.conversation.get_many(REFS) if listed else reading.conversation.get(REFS[0])
    next(exchange)
    if transport is Transport.HDLC:
        assert exchange.throw(ReplyTimeout("silence"))[5] & 0x0F == 0x01  # RR
    else:
        with pytest.raises(ReplyTimeout):
            exchange.throw(ReplyTimeout("silence"))


@BOTH
def test_octets_behind_an_answer_leave_no_rest(transport: Transport) -> None:
    reading = Reading(transport)
    exchange = reading.conversation.get(REFS[0])
    answer = reading.meter.answer(next(exchange))
    with pytest.raises(StopIteration):
        exchange.send(answer + b"\0\1~\xa0")
    assert not reading.reader._values


@BOTH
@pytest.mark.parametrize("listed", [False, True])
def test_what_was_left_unanswered_counts_and_is_not_gone_on_with_fast(transport: Transport, *, listed: bool) -> None:
    reading = Reading(transport)
    reading.get(), reading.get_many()
    conversation = reading.conversation
    before = conversation.counters.frames_sent
    exchange: Exchange[object] = conversation.get_many(REFS) if listed else conversation.get(REFS[0])
    next(exchange)
    exchange.close()
    assert conversation.counters.frames_sent == before + 1
    assert not reading.reader._line.link.rested


@BOTH
def test_a_second_silence_is_recovered_too(transport: Transport) -> None:
    reading = Reading(transport)
    reading.get()
    exchange = reading.conversation.get(REFS[0])
    request = next(exchange)
    if transport is Transport.HDLC:
        exchange.throw(ReplyTimeout("silence"))
        assert exchange.throw(ReplyTimeout("silence")) == request


def test_a_list_whose_answer_might_not_fit_ours_is_measured_each_time() -> None:
    reading = Reading(Transport.WRAPPER, WITHOUT_BLOCKS)
    reading.get_many()
    assert not reading.reader._lists


def test_lists_that_are_given_up_are_not_asked_for() -> None:
    reading = Reading(Transport.WRAPPER)
    reading.get_many()
    reading.meter.result = b"\5"
    assert reading.conversation.counters.with_list_fallbacks == 0
    reading.get_many()
    assert reading.conversation.counters.with_list_fallbacks == 1
    reading.meter.result = b"\0\x12\0\7"
    assert reading.get_many() == [Data(DataType.UINT16, 7)] * 2
    assert not reading.was_fast


def test_plans_are_bounded() -> None:
    reading = Reading(Transport.WRAPPER)
    for code in range(MAX_VALUES + 1):
        reading.get(AttributeRef(3, Obis(1, 0, code % 256, 7, code // 256), 2))
    assert len(reading.reader._values) == 1
    for length in range(2, MAX_LISTS + 4):
        reading.run(reading.conversation.get_many(REFS[:1] * length))
    assert len(reading.reader._lists) == MAX_LISTS


def test_an_answer_of_several_frames_has_no_plan() -> None:
    reading = Reading(Transport.HDLC, grants=b"\x81\x80\3\5\1\x40")
    reading.meter.result = b"\0\x15" + bytes(8)
    for _ in range(2):
        reading.run(reading.conversation.get_many(REFS * 3))
        assert not reading.was_fast
    assert reading.conversation.counters.round_trips == 4
    narrow = Reading(Transport.HDLC, grants=b"\x81\x80\3\5\1\x08")
    narrow.get()
    assert not narrow.reader._values
