"""SET requests and responses; the normal forms are vectors as well."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.axdr import encode_data
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef, Selection
from poller.dlms.errors import AccessDenied, BadData, ObjectUndefined, UnexpectedReply
from poller.dlms.get_service import GetItem
from poller.dlms.parts import Part
from poller.dlms.set_service import (
    SetAcknowledged,
    SetBlock,
    SetRequest,
    SetResponse,
    decode_set_request,
    decode_set_response,
    encode_set,
    encode_set_block,
    encode_set_first,
    encode_set_list,
    encode_set_list_first,
    encode_values,
)

CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)
LIMIT = AttributeRef(71, Obis(0, 0, 17, 0, 0), 3)
FIVE, SIX = Data(DataType.UINT8, 5), Data(DataType.UINT8, 6)
RANGE = Selection(2, FIVE)


def test_requests_both_ways() -> None:
    assert encode_set(1, CLOCK, encode_data(FIVE)).hex() == "c101c100080000010000ff02001105"
    assert decode_set_request(encode_set(1, CLOCK, b"\x11\x05", RANGE)) == SetRequest(
        0xC1, (GetItem(CLOCK, RANGE),), (FIVE,)
    )
    listed = encode_set_list(2, [CLOCK, LIMIT], encode_values([FIVE, SIX]))
    assert listed[:4].hex() == "c104c202"
    assert decode_set_request(listed) == SetRequest(0xC2, (GetItem(CLOCK), GetItem(LIMIT)), (FIVE, SIX), True)


def test_blocks_both_ways() -> None:
    part = Part(False, 1, b"abc")
    first = encode_set_first(3, CLOCK, part, RANGE)
    assert decode_set_request(first) == SetRequest(0xC3, (GetItem(CLOCK, RANGE),), (), False, part)
    first = encode_set_list_first(4, [CLOCK, LIMIT], part)
    assert decode_set_request(first) == SetRequest(0xC4, (GetItem(CLOCK), GetItem(LIMIT)), (), True, part)
    last = Part(True, 2, b"")
    assert encode_set_block(5, last).hex() == "c103c5010000000200"
    assert decode_set_request(encode_set_block(5, last)) == SetBlock(0xC5, last)


def test_responses() -> None:
    assert decode_set_response(bytes.fromhex("c501c200")) == SetResponse(0xC2, (None,))
    assert decode_set_response(bytes.fromhex("c502c200000007")) == SetAcknowledged(0xC2, 7)
    assert decode_set_response(bytes.fromhex("c503c20000000008")) == SetResponse(0xC2, (None,), block=8)
    last = decode_set_response(bytes.fromhex("c504c202000300000009"))
    listed = decode_set_response(bytes.fromhex("c505c2020400"))
    assert isinstance(last, SetResponse)
    assert isinstance(listed, SetResponse)
    assert (last.with_list, last.block, listed.with_list, listed.block) == (True, 9, True, None)
    assert isinstance(last.results[1], AccessDenied)
    assert isinstance(listed.results[0], ObjectUndefined)
    assert last.results[0] is listed.results[1] is None


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", UnexpectedReply),
        ("c5", UnexpectedReply),
        ("c001c1", UnexpectedReply),
        ("c106c1", UnexpectedReply),
        ("c100c1", UnexpectedReply),
        ("c101c10008", UnexpectedReply),
        ("c103c1010000", UnexpectedReply),
        ("c103c10100000001 05aa", UnexpectedReply),
        ("c104c1ff", UnexpectedReply),
        ("c101c100080000010000ff0200", BadData),
        ("c101c100080000010000ff02001105aa", BadData),
        ("c101c100080000010000ff020064", BadData),
        ("c104c101 00080000010000ff0200 ff", BadData),
    ],
)
def test_malformed_requests_are_refused(octets: str, error: type[BridgeError]) -> None:
    with pytest.raises(error):
        decode_set_request(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets", ["", "c5", "c501", "c501c1", "c506c100", "c501c10000", "c502c1", "c505c105", "c401c100"]
)
def test_malformed_responses_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_set_response(bytes.fromhex(octets))
