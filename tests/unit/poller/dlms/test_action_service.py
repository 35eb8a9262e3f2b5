"""ACTION requests and responses; the normal forms are vectors as well."""

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.action_service import (
    ActionAcknowledged,
    ActionAnswerBlock,
    ActionBlock,
    ActionNext,
    ActionRequest,
    ActionResponse,
    ActionResult,
    decode_action_request,
    decode_action_response,
    decode_action_result,
    decode_action_results,
    encode_action,
    encode_action_block,
    encode_action_first,
    encode_action_list,
    encode_action_list_first,
    encode_action_next,
)
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import AccessDenied, BadData, BlockUnavailable, OtherReason, UnexpectedReply
from poller.dlms.parts import Part

CLOSE = MethodRef(70, Obis(0, 0, 96, 3, 10), 2)
RESET = MethodRef(3, Obis(1, 0, 1, 8, 0), -1)
FIVE, NULL = Data(DataType.UINT8, 5), Data(DataType.NULL, None)


def test_requests_both_ways() -> None:
    assert encode_action(1, CLOSE, None).hex() == "c301c10046000060030aff0200"
    assert decode_action_request(encode_action(1, CLOSE, None)) == ActionRequest(0xC1, (CLOSE,), (None,))
    assert decode_action_request(encode_action(1, RESET, b"\x11\x05")) == ActionRequest(0xC1, (RESET,), (FIVE,))
    listed = encode_action_list(2, [CLOSE, RESET], bytes.fromhex("02001105"))
    assert decode_action_request(listed) == ActionRequest(0xC2, (CLOSE, RESET), (NULL, FIVE), True)
    assert decode_action_request(encode_action_next(3, 70000)) == ActionNext(0xC3, 70000)


def test_blocks_both_ways() -> None:
    part = Part(False, 1, b"abc")
    first = encode_action_first(3, CLOSE, part)
    assert decode_action_request(first) == ActionRequest(0xC3, (CLOSE,), (), False, part)
    first = encode_action_list_first(3, [CLOSE, RESET], part)
    assert decode_action_request(first) == ActionRequest(0xC3, (CLOSE, RESET), (), True, part)
    further = encode_action_block(4, Part(True, 2, b"d"))
    assert further.hex() == "c306c4010000000201 64".replace(" ", "")
    assert decode_action_request(further) == ActionBlock(0xC4, Part(True, 2, b"d"))


def test_responses() -> None:
    assert decode_action_response(bytes.fromhex("c701c20000")) == ActionResponse(0xC2, (ActionResult(),))
    returned = decode_action_response(bytes.fromhex("c701c20001001105"))
    assert returned == ActionResponse(0xC2, (ActionResult(None, FIVE),))
    assert decode_action_response(bytes.fromhex("c704c200000007")) == ActionAcknowledged(0xC2, 7)
    block = decode_action_response(bytes.fromhex("c702c20100000007 02aabb"))
    assert block == ActionAnswerBlock(0xC2, Part(True, 7, b"\xaa\xbb"))
    listed = decode_action_response(bytes.fromhex("c703c203 0000 0300 000101fa"))
    assert isinstance(listed, ActionResponse)
    done, denied, unfit = listed.results
    assert (done.outcome, listed.with_list) == (None, True)
    assert isinstance(denied.outcome, AccessDenied)
    assert unfit.error is None
    assert isinstance(unfit.outcome, OtherReason)


def test_an_aborted_action_has_its_own_name() -> None:
    answer = decode_action_response(bytes.fromhex("c701c20f00"))
    assert isinstance(answer, ActionResponse)
    assert isinstance(answer.results[0].error, BlockUnavailable)
    assert answer.results[0].error.detail == "long-action-aborted (15)"


def test_what_blocks_add_up_to() -> None:
    assert decode_action_result(bytes.fromhex("0001001105")) == ActionResult(None, FIVE)
    assert decode_action_result(bytes.fromhex("1105")) == ActionResult(None, FIVE)
    assert decode_action_results(bytes.fromhex("02 0000 0001001105")) == (ActionResult(), ActionResult(None, FIVE))
    for octets in ("", "00", "0000aa", "0001", "00010211", "1105aa"):
        with pytest.raises(BadData):
            decode_action_result(bytes.fromhex(octets))
    for octets in ("", "020000", "010000aa"):
        with pytest.raises(BadData):
            decode_action_results(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", UnexpectedReply),
        ("c701c1", UnexpectedReply),
        ("c307c1", UnexpectedReply),
        ("c300c1", UnexpectedReply),
        ("c301c100460000", UnexpectedReply),
        ("c303c1ff", UnexpectedReply),
        ("c302c1000001", UnexpectedReply),
        ("c304c10046000060030aff0200", UnexpectedReply),
        ("c301c10046000060030aff02", BadData),
        ("c301c10046000060030aff0201", BadData),
        ("c301c10046000060030aff020164", BadData),
        ("c301c10046000060030aff0200aa", BadData),
        ("c302c100000001aa", BadData),
        ("c303c1010046000060030aff02ff", BadData),
    ],
)
def test_malformed_requests_are_refused(octets: str, error: type[BridgeError]) -> None:
    with pytest.raises(error):
        decode_action_request(bytes.fromhex(octets.replace(" ", "")))


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", UnexpectedReply),
        ("c7", UnexpectedReply),
        ("c705c10000", UnexpectedReply),
        ("c502c1", UnexpectedReply),
        ("c702c101", UnexpectedReply),
        ("c704c1", UnexpectedReply),
        ("c701c1", BadData),
        ("c701c100", BadData),
        ("c701c10001", BadData),
        ("c701c1000102", BadData),
        ("c701c10000aa", BadData),
        ("c703c105", BadData),
    ],
)
def test_malformed_responses_are_refused(octets: str, error: type[BridgeError]) -> None:
    with pytest.raises(error):
        decode_action_response(bytes.fromhex(octets))
