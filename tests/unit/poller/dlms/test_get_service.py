"""GET requests and responses; their good forms are vectors."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import encode_length
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import BadData, BadParameter, ObjectUndefined, UnexpectedReply
from poller.dlms.get_service import (
    GetBlock,
    GetItem,
    GetList,
    GetNext,
    GetNormal,
    GetRequest,
    decode_get_request,
    decode_get_response,
    decode_results,
    encode_get,
    encode_get_list,
    encode_get_next,
)

VOLTAGE = AttributeRef(3, Obis(1, 1, 32, 7, 0), 2)
CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0), -1)


def test_requests_both_ways() -> None:
    assert encode_get(1, VOLTAGE).hex() == "c001c100030101200700ff0200"
    assert decode_get_request(encode_get(15, CLOCK)) == GetRequest(0xCF, (GetItem(CLOCK),))
    assert decode_get_request(encode_get_next(3, 70000)) == GetNext(0xC3, 70000)
    refs = [VOLTAGE, CLOCK] * 70
    expected = GetRequest(0xC2, tuple(GetItem(ref) for ref in refs), with_list=True)
    assert decode_get_request(encode_get_list(2, refs)) == expected


def test_a_request_with_selective_access() -> None:
    item = GetItem(VOLTAGE, Selection(2, Data(DataType.UINT8, 5)))
    assert decode_get_request(bytes.fromhex("c001c100030101200700ff0201021105")) == GetRequest(0xC1, (item,))
    assert encode_get(1, VOLTAGE, item.selection).hex() == "c001c100030101200700ff0201021105"
    with pytest.raises(BadParameter, match="8 bits"):
        encode_get(1, VOLTAGE, Selection(256, Data(DataType.UINT8, 5)))


@pytest.mark.parametrize(
    "octets",
    ["", "c0", "c001", "c001c1", "c004c1", "c401c100", "c002c1000001", "c003c1ff", "c003c10500", "c001c10003010120070"],
)
def test_malformed_requests_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_get_request(bytes.fromhex(octets[: len(octets) // 2 * 2]))


@pytest.mark.parametrize("octets", ["", "c4", "c401", "c404c100", "c405c100", "c001c100", "c402c1", "c402c101000000"])
def test_malformed_responses_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_get_response(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets", ["c401c1", "c401c100", "c401c101", "c401c10206", "c401c1000600", "c401c100110500", "c403c105", "c403c101"]
)
def test_values_that_cannot_be_are_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        decode_get_response(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["c402c1010000000102", "c402c101000000010005aa", "c402c1010000000100000000"])
def test_blocks_that_cannot_be_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_get_response(bytes.fromhex(octets))


def test_responses() -> None:
    five = Data(DataType.UINT8, 5)
    assert decode_get_response(bytes.fromhex("c401c2001105")) == GetNormal(0xC2, five)
    block = decode_get_response(bytes.fromhex("c402c200000000070002aabb"))
    assert block == GetBlock(0xC2, False, 7, b"\xaa\xbb")
    mixed = decode_get_response(bytes.fromhex("c403c203001105010400 00".replace(" ", "")))
    assert isinstance(mixed, GetList)
    assert mixed.results[0] == five
    assert isinstance(mixed.results[1], ObjectUndefined)
    assert mixed.results[2] == Data(DataType.NULL, None)


def test_a_block_that_brings_an_error() -> None:
    block = decode_get_response(bytes.fromhex("c402c2010000000101 04".replace(" ", "")))
    assert isinstance(block, GetBlock)
    assert isinstance(block.content, ObjectUndefined)


def test_a_long_block() -> None:
    content = bytes(3000)
    octets = bytes.fromhex("c402c2010000000100") + encode_length(3000) + content
    assert decode_get_response(octets) == GetBlock(0xC2, True, 1, content)


def test_a_list_out_of_blocks() -> None:
    assert decode_results(bytes.fromhex("02001105001106"))[1] == Data(DataType.UINT8, 6)
    for octets in ("", "02001105", "010011 0500".replace(" ", ""), "84ffffffff"):
        with pytest.raises(BridgeError):
            decode_results(bytes.fromhex(octets))
