"""ACCESS requests and responses by their octets."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.access_service import (
    AccessAction,
    AccessGet,
    AccessItem,
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessSet,
    decode_access_request,
    decode_access_response,
    encode_access,
    results_of,
)
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import BadData, ObjectUndefined, UnexpectedReply

CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)
RELAY = MethodRef(70, Obis(0, 0, 96, 3, 10), 1)
FIVE = Data(DataType.UINT8, 5)
CHOSEN = Selection(2, FIVE)
ALL: tuple[AccessItem, ...] = (
    AccessGet(CLOCK),
    AccessSet(CLOCK, FIVE),
    AccessAction(RELAY, Data(DataType.INT8, 0)),
    AccessAction(RELAY),
    AccessGet(CLOCK, CHOSEN),
    AccessSet(CLOCK, FIVE, CHOSEN),
)
OCTETS = (
    "d9c000000700"
    "06" + "0100080000010000ff02" + "0200080000010000ff02" + "03004600006003" + "0aff01" + "03004600006003" + "0aff01"
    "0400080000010000ff02021105" + "0500080000010000ff02021105"
    "06" + "00" + "1105" + "0f00" + "00" + "00" + "1105"
)


def test_a_request_of_every_kind_both_ways() -> None:
    assert encode_access(7, ALL).hex() == OCTETS
    assert decode_access_request(bytes.fromhex(OCTETS)) == AccessRequest(0xC0000007, ALL)


def test_a_request_with_a_moment() -> None:
    request = bytes.fromhex("d940000001" + "0c07e10a01ff000000ff800000" + "01" + "0100080000010000ff02" + "0100")
    assert decode_access_request(request).moment.hex() == "07e10a01ff000000ff800000"


def outcomes(octets: str) -> AccessResponse:
    return decode_access_response(bytes.fromhex(octets))


def test_a_response_of_every_kind() -> None:
    response = outcomes(
        "dac000000700" + "00" + "05" + "1105000000" + "1106" + "05" + "0100" + "0104" + "0200" + "0300" + "0300"
    )
    assert response.invoke == 0xC0000007
    kinds, results = zip(*response.outcomes, strict=True)
    assert kinds == (AccessKind.GET, AccessKind.GET, AccessKind.SET, AccessKind.ACTION, AccessKind.ACTION)
    assert isinstance(results[1], ObjectUndefined)
    assert (results[0], *results[2:]) == (FIVE, None, None, Data(DataType.UINT8, 6))


def test_a_response_may_repeat_what_was_asked() -> None:
    response = outcomes("da40000001" + "00" + "01" + "01" + "0100080000010000ff02" + "01" + "1105" + "01" + "0100")
    assert response.outcomes == ((AccessKind.GET, FIVE),)


def test_results_are_those_of_the_items() -> None:
    response = outcomes("dac000000700" + "00" + "02" + "110500" + "02" + "0100" + "020d")
    found, failed = results_of(response, [AccessGet(CLOCK), AccessSet(CLOCK, FIVE)])
    assert found == FIVE
    assert isinstance(failed, BridgeError)
    others: list[list[AccessItem]] = [
        [AccessGet(CLOCK)],
        [AccessGet(CLOCK), AccessGet(CLOCK)],
        [AccessAction(RELAY), AccessSet(CLOCK, FIVE)],
    ]
    for items in others:
        with pytest.raises(UnexpectedReply):
            results_of(response, items)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "c4",
        "d9c0000007",
        "d9c00000070005",
        "d9c000000700" + "01" + "0600080000010000ff02" + "0100",
        "d9c000000700" + "01" + "0100080000010000ff02" + "020000",
        "d9c000000700" + "01" + "0100080000010000ff02" + "010000",
    ],
)
def test_malformed_requests_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_access_request(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "d9",
        "da000000070001",
        "dac000000700" + "00" + "0200" + "00" + "010100",
        "dac000000700" + "00" + "0100" + "010400",
        "dac000000700" + "00" + "0100" + "01010000",
        "dac000000700" + "00" + "05",
    ],
)
def test_malformed_responses_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_access_response(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["dac000000700" + "00" + "0106", "dac000000700" + "00" + "01aa" + "010100"])
def test_a_value_that_cannot_be_read_is_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        decode_access_response(bytes.fromhex(octets))
