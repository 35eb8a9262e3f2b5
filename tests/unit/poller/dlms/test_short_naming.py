"""The services of a conversation under short names, against a scripted meter."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.association import Association
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import (
    AccessDenied,
    BadData,
    BadParameter,
    ExceptionResponse,
    MeterBusy,
    NotNegotiated,
    ObjectUndefined,
    ReplyTimeout,
    TemporaryFailure,
    UnexpectedReply,
)
from poller.dlms.short_naming import ShortNaming
from poller.dlms.xdlms import Conformance
from tests.support.short_meter import EVERYTHING, NOTHING, ShortMeter, channel, script

ENERGY = AttributeRef(3, Obis(1, 0, 1, 8, 0), 2)
UNIT = AttributeRef(3, Obis(1, 0, 1, 8, 0), 3)
NAME = AttributeRef(1, Obis(0, 0, 96, 1, 0), 2)
NOWHERE = AttributeRef(3, Obis(1, 0, 99, 99, 9), 2)
OPEN = MethodRef(70, Obis(0, 0, 96, 3, 10), 1)
UNKNOWN = MethodRef(1, Obis(0, 0, 96, 1, 0), 1)
FIVE, SIX = Data(DataType.UINT8, 5), Data(DataType.UINT8, 6)
CHOSEN = Selection(2, FIVE)


def naming(max_pdu: int = 1000, without: Conformance = NOTHING, *, lists: bool = True) -> ShortNaming:
    return ShortNaming(channel(max_pdu, without=without), use_lists=lists)


def test_the_object_list_is_read_once_per_association() -> None:
    to_meter = channel()
    short = ShortNaming(to_meter, use_lists=True)
    meter = ShortMeter(script("0c 01 0010 0064", "0c 01 001105", "0c 01 001105"))
    assert meter.run(short.get(ENERGY)) == Data(DataType.INT16, 100)
    assert meter.run(short.get(NAME)) == FIVE
    assert (meter.asked, meter.listed) == (["0501020108", "0501028008"], 1)
    to_meter.terms = Association(EVERYTHING, 1000, 0xFA00)
    meter.run(short.get(ENERGY))
    assert (meter.asked[2:], meter.listed) == (["0501020108"], 2)


def test_a_selection_is_a_parameterized_access() -> None:
    meter = ShortMeter(script("0c 01 001105"))
    assert meter.run(naming().get(ENERGY, CHOSEN)) == FIVE
    assert meter.asked == ["050104010802" + "1105"]
    with pytest.raises(NotNegotiated):
        meter.run(naming(without=Conformance.PARAMETERIZED_ACCESS).get(ENERGY, CHOSEN))


def test_errors_name_their_object() -> None:
    with pytest.raises(AccessDenied, match=r"1-0:1\.8\.0"):
        ShortMeter(script("0c 01 0103")).run(naming().get(ENERGY))
    with pytest.raises(ObjectUndefined, match=r"1-0:99\.99\.9"):
        ShortMeter(script()).run(naming().get(NOWHERE))
    with pytest.raises(ExceptionResponse, match=r"1-0:1\.8\.0"):
        ShortMeter(script("0e 05 05 01")).run(naming().set(ENERGY, FIVE))
    with pytest.raises(AccessDenied, match=r"0-0:96\.3\.10"):
        ShortMeter(script("0c 01 0103")).run(naming().action(OPEN))


def test_an_object_list_that_is_refused_is_the_error_of_what_was_asked() -> None:
    with pytest.raises(AccessDenied):
        ShortMeter(script(), object_list="0c010103").run(naming().get(ENERGY))


def test_many_are_one_read_and_what_is_unknown_is_not_asked_for() -> None:
    meter = ShortMeter(script("0c 03 001105 0103 001106"))
    five, nowhere, denied, six = meter.run(naming().get_many([ENERGY, NOWHERE, UNIT, NAME]))
    assert (five, six) == (FIVE, SIX)
    assert isinstance(nowhere, ObjectUndefined)
    assert isinstance(denied, AccessDenied)
    assert meter.asked == ["0503" + "020108" + "020110" + "028008"]
    assert meter.run(naming().get_many([])) == []


@pytest.mark.parametrize(
    "short",
    [naming(lists=False), naming(without=Conformance.MULTIPLE_REFERENCES), naming(max_pdu=10)],
    ids=["not wanted", "not granted", "no room"],
)
def test_without_lists_each_is_asked_by_itself(short: ShortNaming) -> None:
    meter = ShortMeter(script("0c 01 001105", "0c 01 0103", "0c 01 001106"))
    five, denied, six = meter.run(short.get_many([ENERGY, UNIT, NAME]))
    assert (five, six) == (FIVE, SIX)
    assert isinstance(denied, AccessDenied)
    assert len(meter.asked) == 3


def test_a_list_is_as_long_as_request_and_answer_may_be() -> None:
    def answers(asked: str) -> str:
        return "0c" + asked[2:4] + "001105" * int(asked[2:4], 16)

    meter = ShortMeter(answers)
    assert meter.run(naming(max_pdu=5 + 3 * 4).get_many([ENERGY] * 10)) == [FIVE] * 10
    assert [int(asked[2:4], 16) for asked in meter.asked] == [4, 4, 2]
    meter = ShortMeter(answers)
    small = ShortNaming(channel(own_pdu=5 + 14 * 3), use_lists=True)
    assert meter.run(small.get_many([ENERGY] * 4)) == [FIVE] * 4
    assert [int(asked[2:4], 16) for asked in meter.asked] == [3, 1]


@pytest.mark.parametrize("wrong", ["0c 01 001105", "0e 05 00 00", "0c 02 001105 00aa"])
def test_a_list_that_is_answered_wrongly_is_the_last_one(wrong: str) -> None:
    to_meter = channel()
    short = ShortNaming(to_meter, use_lists=True)
    meter = ShortMeter(script(wrong, *["0c 01 001105"] * 4))
    assert meter.run(short.get_many([ENERGY, NAME])) == [FIVE, FIVE]
    assert meter.run(short.get_many([ENERGY, NAME])) == [FIVE, FIVE]
    assert to_meter.counters.with_list_fallbacks == 1


def test_a_list_that_fails_for_now_is_not_held_against_the_meter() -> None:
    to_meter = channel()
    short = ShortNaming(to_meter, use_lists=True)
    meter = ShortMeter(script("0c 01 02 00 0001 01 11", "0c 01 0102", *["0c 01 001105"] * 2, "0c 02 001105 001106"))
    assert meter.run(short.get_many([ENERGY, NAME])) == [FIVE, FIVE]
    assert meter.run(short.get_many([ENERGY, NAME])) == [FIVE, SIX]
    assert to_meter.counters.with_list_fallbacks == 0


def reassociate(short: ShortNaming) -> None:
    short._channel.terms = Association(EVERYTHING, 1000, 0xFA00)


def test_a_first_list_that_is_never_answered_is_the_last_one() -> None:
    short = naming()
    with pytest.raises(ReplyTimeout):
        ShortMeter(script(None)).run(short.get_many([ENERGY, NAME]))
    reassociate(short)
    meter = ShortMeter(script("0c 01 001105", "0c 01 001106"))
    assert meter.run(short.get_many([ENERGY, NAME])) == [FIVE, SIX]
    assert len(meter.asked) == 2
    answered = naming()
    ShortMeter(script("0c 02 001105 001105")).run(answered.get_many([ENERGY, NAME]))
    with pytest.raises(ReplyTimeout):
        ShortMeter(script(None)).run(answered.get_many([ENERGY, NAME]))
    reassociate(answered)
    assert ShortMeter(script("0c 02 001105 001106")).run(answered.get_many([ENERGY, NAME])) == [FIVE, SIX]


def test_a_busy_meter_is_not_asked_for_the_others() -> None:
    busy = ShortMeter(script("0c 01 001105"))
    short = naming(lists=False)
    exchange = short.get_many([ENERGY, UNIT, NAME])
    out = next(exchange)
    while len(busy.asked) < 1:
        received = busy(out)
        assert received is not None
        out = exchange.send(received)
    with pytest.raises(StopIteration) as end:
        exchange.throw(MeterBusy("not ready"))
    five, *others = end.value.value
    assert five == FIVE
    assert [type(other) for other in others] == [MeterBusy, MeterBusy]


def test_one_is_written_whole() -> None:
    meter = ShortMeter(script("0d 01 00", "0d 01 0103"))
    short = naming()
    meter.run(short.set(ENERGY, FIVE))
    with pytest.raises(AccessDenied):
        meter.run(short.set(ENERGY, FIVE))
    assert meter.asked[0] == "0601020108011105"
    with pytest.raises(BadParameter):
        meter.run(short.set(ENERGY, FIVE, CHOSEN))
    with pytest.raises(NotNegotiated):
        meter.run(naming(without=Conformance.WRITE).set(ENERGY, FIVE))


def test_many_are_written_in_lists_as_long_as_fit_and_known() -> None:
    meter = ShortMeter(script("0d 02 00 0103", "0d 01 00"))
    items = [(ENERGY, FIVE), (UNIT, FIVE), (NOWHERE, FIVE), (NAME, SIX)]
    written, denied, nowhere, last = meter.run(naming().set_many(items))
    assert (written, last) == (None, None)
    assert isinstance(denied, AccessDenied)
    assert isinstance(nowhere, ObjectUndefined)
    assert meter.asked == ["0602" + "020108" + "020110" + "02" + "11051105", "0601" + "028008" + "01" + "1106"]
    meter = ShortMeter(script("0d 02 00 00", "0d 01 00"))
    assert meter.run(naming(max_pdu=5 + 2 * 5).set_many([(ENERGY, FIVE)] * 3)) == [None] * 3
    meter = ShortMeter(script("0d 01 00", "0d 01 0102"))
    written, failed = meter.run(naming(without=Conformance.MULTIPLE_REFERENCES).set_many([(ENERGY, FIVE)] * 2))
    assert written is None
    assert isinstance(failed, TemporaryFailure)


def test_a_written_list_that_is_answered_wrongly_is_not_written_again() -> None:
    meter = ShortMeter(script("0d 01 00"))
    with pytest.raises(UnexpectedReply):
        meter.run(naming().set_many([(ENERGY, FIVE)] * 2))
    assert len(meter.asked) == 1


def test_a_method_is_read_with_its_parameters() -> None:
    meter = ShortMeter(script("0c 01 0000", "0c 01 001105"))
    short = naming()
    assert meter.run(short.action(OPEN, FIVE)) is None
    assert meter.run(short.action(OPEN)) == FIVE
    assert meter.asked == ["050104022000" + "1105", "050104022000" + "00"]


def test_a_method_is_written_where_there_is_no_parameterized_access() -> None:
    meter = ShortMeter(script("0d 01 00", "0d 01 0103"))
    short = naming(without=Conformance.PARAMETERIZED_ACCESS)
    assert meter.run(short.action(OPEN, FIVE)) is None
    with pytest.raises(AccessDenied):
        meter.run(short.action(OPEN))
    assert meter.asked == ["0601020220011105", "06010202200100"]


def test_methods_are_invoked_in_order() -> None:
    meter = ShortMeter(script("0c 01 001105", "0c 01 0103"))
    five, unknown, denied = meter.run(naming().action_many([(OPEN, None), (UNKNOWN, None), (OPEN, SIX)]))
    assert five == FIVE
    assert isinstance(unknown, ObjectUndefined)
    assert isinstance(denied, BridgeError)


def test_a_value_that_cannot_be_read_is_an_error_in_its_place() -> None:
    bad, six = ShortMeter(script("0c 01 00aa", "0c 01 001106")).run(naming(lists=False).get_many([ENERGY, NAME]))
    assert isinstance(bad, BadData)
    assert six == SIX
