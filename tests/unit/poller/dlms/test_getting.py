"""Reading with selections, lists that fit both ways, and meters whose lists are wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from common.obis import Obis
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import AccessDenied, BadData, BadParameter, ExceptionResponse, NotNegotiated, ObjectUndefined
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
