"""Reading with selections, lists that fit both ways, and meters whose lists are wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import (
    AccessDenied,
    BadData,
    BadParameter,
    BlockUnavailable,
    ExceptionResponse,
    MeterBusy,
    NotNegotiated,
    ObjectUndefined,
    ReplyTimeout,
    UnexpectedReply,
)
from poller.dlms.exchange import Exchange
from poller.dlms.get_service import GET_RESPONSE, encode_get
from poller.dlms.getting import ListHabits, get, get_by, get_many, is_one_list
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import run_against
from tests.support.scripted_meter import (
    FIVE,
    FULL,
    NOTHING,
    SCALER,
    SIX,
    VOLTAGE,
    Answer,
    Meter,
    granting,
    normal,
    opened,
    script,
)

NO_BLOCKS = granting(0x1900, without=Conformance.BLOCK_TRANSFER_WITH_GET)


def listed(apdu: bytes, results: list[str]) -> str:
    return f"c403{apdu[2]:02x}{len(results):02x}{''.join(results)}"


def each(apdu: bytes, result: str) -> str:
    return listed(apdu, [result] * apdu[3]) if apdu[1] == 3 else normal(apdu, result)


def test_a_selection_travels() -> None:
    meter = Meter(normal, granting(0x1900))
    assert run_against(opened(meter, FULL).get(VOLTAGE, Selection(2, FIVE)), meter) == FIVE
    assert meter.asked[1].hex() == "c001c100030101200700ff02" + "01021105"


def test_a_selector_has_eight_bits() -> None:
    meter = Meter(normal, granting(0x1900))
    with pytest.raises(BadParameter, match="access-selector"):
        run_against(opened(meter, FULL).get(VOLTAGE, Selection(256, FIVE)), meter)


@pytest.mark.parametrize("missing", [Conformance.SELECTIVE_ACCESS, Conformance.GET])
def test_what_was_not_negotiated_is_not_asked_for(missing: Conformance) -> None:
    meter = Meter(normal, granting(0x1900, without=missing))
    conversation = opened(meter, FULL)
    with pytest.raises(NotNegotiated, match=missing.name.lower().replace("_", "-") if missing.name else ""):
        run_against(conversation.get(VOLTAGE, Selection(2, FIVE)), meter)
    assert len(meter.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ("c401II 01 03", AccessDenied, "read-write-denied (3): 3/1-1:32.7.0.255/2"),
        ("c402II 01 00000001 01 03", AccessDenied, "read-write-denied (3): 3/1-1:32.7.0.255/2"),
        ("c401II 00 64", BadData, "unknown data type 100 at octet 4: 3/1-1:32.7.0.255/2"),
        ("d80102", ExceptionResponse, "3/1-1:32.7.0.255/2"),
    ],
)
def test_errors_name_the_object(answer: str, error: type[Exception], text: str) -> None:
    meter = Meter(script(answer), granting(0x1900))
    conversation = opened(meter, FULL)
    with pytest.raises(error) as refusal:
        run_against(conversation.get(VOLTAGE), meter)
    assert str(refusal.value).endswith(text)


def test_errors_in_a_list_name_their_objects() -> None:
    meter = Meter(lambda apdu: listed(apdu, ["001105", "0104"]), granting(0x1900))
    _, error = run_against(opened(meter, FULL).get_many([VOLTAGE, NOTHING]), meter)
    assert isinstance(error, ObjectUndefined)
    assert error.detail == "object-undefined (4): 3/1-1:99.7.0.255/2"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda apdu: listed(apdu, ["00001105", "00001106"]),
        lambda apdu: listed(apdu, ["0002011105", "0002011106"]),
        lambda apdu: listed(apdu, ["001105", "0002011106"]),
        lambda apdu: f"c402{apdu[2]:02x}010000000100 0a02 00001105 00001106".replace(" ", ""),
    ],
)
def test_members_wrapped_twice_are_asked_for_one_by_one(wrapped: Callable[[bytes], str]) -> None:
    def answer(apdu: bytes) -> str:
        return wrapped(apdu) if apdu[1] == 3 else normal(apdu, "001105" if apdu[11] == 2 else "001106")

    meter = Meter(answer, granting(0x1900))
    conversation = opened(meter, FULL)
    for _ in range(2):
        assert run_against(conversation.get_many([VOLTAGE, SCALER]), meter) == [FIVE, SIX]
    assert [apdu[1] for apdu in meter.asked[1:]] == [3, 1, 1, 1, 1]
    assert conversation.counters.with_list_fallbacks == 1


def test_without_blocks_the_answer_has_to_fit_ours() -> None:
    """Unknown results count as a clock's time; known ones as they were."""
    profile = replace(FULL, max_pdu=64)
    meter = Meter(lambda apdu: each(apdu, "001105"), NO_BLOCKS)
    conversation = opened(meter, profile)
    refs = [AttributeRef(3, Obis(1, 0, number, 7, 0), 2) for number in range(1, 13)]
    for _ in range(2):
        assert run_against(conversation.get_many(refs), meter) == [FIVE] * 12
    assert [apdu[3] for apdu in meter.asked[1:]] == [4, 4, 4, 12]


def test_a_long_result_goes_alone_when_it_is_known() -> None:
    profile = replace(FULL, max_pdu=64)
    long = "0009" + "28" + "00" * 40
    value = Data(DataType.OCTET_STRING, bytes(40))

    def answer(apdu: bytes) -> Answer:
        if apdu[1] == 1:
            return normal(apdu, long)
        return listed(apdu, [long, "0104"]) if apdu[3] == 2 else None

    meter = Meter(answer, NO_BLOCKS)
    conversation = opened(meter, profile)
    first = run_against(conversation.get_many([VOLTAGE, NOTHING]), meter)
    assert first[0] == value
    assert run_against(conversation.get_many([VOLTAGE, VOLTAGE]), meter) == [value, value]
    assert [apdu[1] for apdu in meter.asked[1:]] == [3, 1, 1]


def test_sizes_of_no_more_than_some_attributes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.getting.MAX_SIZES", 3)
    meter = Meter(lambda apdu: each(apdu, "001105"), NO_BLOCKS)
    conversation = opened(meter, FULL)
    refs = [AttributeRef(3, Obis(1, 0, number, 7, 0), 2) for number in range(1, 9)]
    run_against(conversation.get_many(refs), meter)
    assert len(conversation._lists.sizes) == 3
    run_against(conversation.get_many(refs), meter)
    assert len(conversation._lists.sizes) == 3


def test_with_blocks_only_the_request_has_to_fit() -> None:
    profile = replace(FULL, max_pdu=64)
    meter = Meter(lambda apdu: each(apdu, "001105"), granting(0x1900))
    run_against(opened(meter, profile).get_many([VOLTAGE] * 64), meter)
    assert [apdu[3] for apdu in meter.asked[1:]] == [64]


# The plain path, however often an attribute is read


def plainly(answer: Callable[[bytes], Answer], terms: str = granting(0x1900)) -> Data:
    meter = Meter(answer, terms)
    return run_against(get(opened(meter, FULL)._channel, VOLTAGE), meter)


def in_blocks(content: bytes, size: int, first: int = 1) -> Callable[[bytes], str]:
    def answer(apdu: bytes) -> str:
        number = first if apdu[1] != 2 else int.from_bytes(apdu[3:], "big") + 1
        part = content[(number - first) * size :][:size]
        last = int((number - first + 1) * size >= len(content))
        return f"c402{apdu[2]:02x}{last:02x}{number:08x}00{len(part):02x}{part.hex()}"

    return answer


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("first", [0, 1])
def test_a_value_in_blocks(size: int, first: int) -> None:
    content = bytes.fromhex("0903aabbcc")
    assert plainly(in_blocks(content, size, first)) == Data(DataType.OCTET_STRING, b"\xaa\xbb\xcc")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c403II 01 00 1105"], UnexpectedReply),
        (["c402II 00 00000001 00 01 11", "c402II 01 00000003 00 01 05"], UnexpectedReply),
        (["c402II 00 00000001 00 01 11", "c401II 00 1105"], UnexpectedReply),
        (["c402II 00 00000001 00 00", "c402II 01 00000002 00 02 1105"], UnexpectedReply),
        (["c402II 00 00000001 00 01 11", "c401II 01 0f"], BlockUnavailable),
        (["c402II 00 00000001 00 01 11", "c402II 01 00000002 01 13"], BlockUnavailable),
        (["c402II 01 00000001 00 01 11"], BadData),
    ],
)
def test_blocks_that_do_not_add_up(answers: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        plainly(script(*answers))


def test_a_value_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.getting.MAX_VALUE", 300)
    with pytest.raises(BadData, match="300"):
        plainly(in_blocks(bytes(1000), 100))


def many(answer: Callable[[bytes], Answer], habits: ListHabits, terms: str = granting(0x1900)) -> list[object]:
    meter = Meter(answer, terms)
    return list(run_against(get_many(opened(meter, FULL)._channel, habits, [VOLTAGE, SCALER]), meter))


@pytest.mark.parametrize("wrong", ["d80102", "c403II 01 00 1105", "c401II 00 1105", "c402II 01 00000001 01 0e"])
def test_a_list_answered_wrongly_falls_back_for_good(wrong: str) -> None:
    habits = ListHabits(wanted=True)
    assert many(script(wrong, "c401II 00 1105", "c401II 01 04"), habits)[0] == FIVE
    assert not habits.wanted


def test_a_temporary_failure_of_a_list_is_no_reason_to_give_lists_up() -> None:
    habits = ListHabits(wanted=True)
    answers = script("c402II 01 00000001 01 02", "c401II 00 1105", "c401II 00 1106")
    assert many(answers, habits) == [FIVE, SIX]
    assert habits.wanted


@pytest.mark.parametrize("answered", [False, True])
def test_a_first_list_that_is_never_answered_is_the_last(answered: bool) -> None:
    habits = ListHabits(wanted=True, answered=answered)
    with pytest.raises(ReplyTimeout):
        many(lambda _: None, habits)
    assert habits.wanted == answered


def test_a_busy_meter_is_not_asked_for_the_rest() -> None:
    def busy(_: AttributeRef) -> Exchange[Data]:
        yield b""
        raise MeterBusy("not ready")

    meter = Meter(normal, granting(0x1900))
    channel = opened(meter, FULL)._channel
    results = run_against(get_many(channel, ListHabits(wanted=False), [VOLTAGE, SCALER], busy), lambda _: b"")
    assert [type(result) for result in results] == [MeterBusy, MeterBusy]


def test_a_request_that_somebody_else_has_made() -> None:
    meter = Meter(normal, granting(0x1900))
    channel = opened(meter, FULL)._channel
    request = encode_get(7, VOLTAGE)
    assert run_against(get_by(channel, VOLTAGE, channel.call(request, GET_RESPONSE, 7)), meter) == FIVE
    meter = Meter(lambda apdu: normal(apdu, "0103"), granting(0x1900))
    with pytest.raises(AccessDenied, match="3/1-1:32"):
        run_against(get_by(channel, VOLTAGE, channel.call(request, GET_RESPONSE, 7)), meter)


def test_whether_it_is_one_list() -> None:
    channel = opened(Meter(normal, granting(100)), FULL)._channel
    habits = ListHabits(wanted=True)
    assert [is_one_list(channel, habits, [VOLTAGE] * count) for count in (1, 2, 9, 10)] == [False, True, True, False]
    assert not is_one_list(channel, ListHabits(wanted=False), [VOLTAGE] * 2)


def test_of_many_too_none_is_asked_for_that_was_not_negotiated() -> None:
    meter = Meter(lambda _: None, granting(0x1900, without=Conformance.GET))
    results = run_against(opened(meter, FULL).get_many([VOLTAGE, SCALER]), meter)
    assert [type(result) for result in results] == [NotNegotiated, NotNegotiated]
    assert len(meter.asked) == 1
