"""Invoking methods of a meter that answers from a script."""

from collections.abc import Callable, Sequence

import pytest

from common.errors import BridgeError
from poller.dlms.action_service import ActionBlock, ActionNext, ActionRequest, decode_action_request
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import MethodRef
from poller.dlms.errors import (
    AccessDenied,
    BadData,
    BlockUnavailable,
    ExceptionResponse,
    NotNegotiated,
    ObjectUndefined,
    OtherReason,
    TemporaryFailure,
    UnexpectedReply,
)
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import run_against
from tests.support.scripted_meter import FIVE, FULL, RESET, SIX, Meter, granting, opened, script

LONG = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
OTHER = MethodRef(70, RESET.obis, 2)


def act(answer: Callable[[bytes], str], given: Data | None = FIVE, terms: str = granting(0x1900)) -> Data | None:
    meter = Meter(answer, terms)
    return run_against(opened(meter, FULL).action(RESET, given), meter)


def act_many(
    answer: Callable[[bytes], str], items: Sequence[tuple[MethodRef, Data | None]], terms: str
) -> tuple[list[Data | BridgeError | None], Meter]:
    meter = Meter(answer, terms)
    return run_against(opened(meter, FULL).action_many(items), meter), meter


class Echo:
    """Takes parameters in any form, and returns them in blocks of ``size`` octets, or whole."""

    def __init__(self, size: int = 0, *, bare: bool = False) -> None:
        self._size, self._bare = size, bare
        self._content = self._reply = b""
        self._listed = False

    def __call__(self, apdu: bytes) -> str:
        request = decode_action_request(apdu)
        head = f"{apdu[2]:02x}"
        if isinstance(request, ActionNext):
            return self._block(head, request.block + 1)
        if isinstance(request, ActionBlock) or request.part:
            part = request.part
            assert part
            if isinstance(request, ActionRequest):
                self._content, self._listed = b"", request.with_list
            self._content += part.content
            return self._answer(head) if part.last else f"c704{head}{part.number:08x}"
        assert isinstance(request, ActionRequest)
        self._listed = request.with_list
        self._content = apdu[13:] if not self._listed else apdu[4 + 9 * apdu[3] :]
        return self._answer(head)

    def _answer(self, head: str) -> str:
        result = b"" if self._bare else b"\0\1\0"
        self._reply = b"\2\0\0" + result + self._content[2:] if self._listed else result + self._content
        if self._size:
            return self._block(head, 1)
        return f"c7{3 if self._listed else 1:02x}{head}{self._reply.hex()}"

    def _block(self, head: str, number: int) -> str:
        content = self._reply[(number - 1) * self._size : number * self._size]
        last = int(number * self._size >= len(self._reply))
        return f"c702{head}{last:02x}{number:08x}{len(content):02x}{content.hex()}"


def test_a_method_that_returns_nothing() -> None:
    meter = Meter(script("c701II 00 00"), granting(0x1900))
    assert run_against(opened(meter, FULL).action(RESET), meter) is None
    assert meter.asked[1].hex() == "c301c100030101200700ff0100"


def test_a_method_that_returns_something() -> None:
    assert act(Echo()) == FIVE


@pytest.mark.parametrize("room", [40, 100, 1000])
@pytest.mark.parametrize("size", [0, 1, 7, 100])
@pytest.mark.parametrize("bare", [False, True])
def test_1536_octets_go_in_blocks_and_come_back(room: int, size: int, bare: bool) -> None:
    meter = Meter(Echo(size, bare=bare and size > 0), granting(room))
    assert run_against(opened(meter, FULL).action(RESET, LONG), meter) == LONG
    assert max(map(len, meter.asked[1:])) <= room
    assert len({apdu[2] for apdu in meter.asked[1:]}) == 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ("c701II 03 00", AccessDenied, "read-write-denied (3): 3/1-1:32.7.0.255/method 1"),
        ("c701II 0f 00", BlockUnavailable, "long-action-aborted (15)"),
        ("c701II 02 00", TemporaryFailure, "method 1"),
        ("c701II 00 01 01 fa", OtherReason, "other-reason (250): 3/1-1:32.7.0.255/method 1"),
        ("c701II 00 01 00 64", BadData, "unknown data type"),
        ("d80102", ExceptionResponse, "method 1"),
        ("c704II 00000001", UnexpectedReply, "1 results"),
        ("c703II 01 00 00", UnexpectedReply, "1 results"),
    ],
)
def test_refusals(answer: str, error: type[BridgeError], text: str) -> None:
    with pytest.raises(error) as refusal:
        act(script(answer))
    assert text in refusal.value.detail


@pytest.mark.parametrize("services", [Conformance.ACTION, Conformance.BLOCK_TRANSFER_WITH_ACTION])
def test_what_was_not_negotiated_is_not_asked_for(services: Conformance) -> None:
    meter = Meter(script(), granting(0x80, without=services))
    conversation = opened(meter, FULL)
    with pytest.raises(NotNegotiated):
        run_against(conversation.action(RESET, LONG), meter)
    assert len(meter.asked) == 1


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c704II 00000002"], UnexpectedReply),
        (["c701II 03 00"], AccessDenied),
        (["c701II 00 00"], UnexpectedReply),
        (["c702II 01 00000001 00"], UnexpectedReply),
        (["c704II 00000001", "c704II 00000002", "c704II 00000003"], UnexpectedReply),
        (["c704II 00000001", "c701II 10 00"], BlockUnavailable),
    ],
)
def test_blocks_of_parameters_that_go_wrong(answers: list[str], error: type[BridgeError]) -> None:
    with pytest.raises(error):
        act(script(*answers), Data(DataType.OCTET_STRING, bytes(80)), granting(0x40))


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c702II 00 00000001 02 0001", "c702II 01 00000003 03 001105"], UnexpectedReply),
        (["c702II 00 00000001 02 0001", "c701II 00 00"], UnexpectedReply),
        (["c702II 00 00000001 02 0001", "c701II 0f 00"], BlockUnavailable),
        (["c702II 00 00000001 00"], UnexpectedReply),
        (["c702II 00 00000001 02 0001", "c702II 01 00000002 01 00"], BadData),
    ],
)
def test_blocks_of_the_answer_that_go_wrong(answers: list[str], error: type[BridgeError]) -> None:
    with pytest.raises(error):
        act(script(*answers))


def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.acting.MAX_VALUE", 300)
    with pytest.raises(BadData, match="300"):
        act(Echo(100), LONG)


# Many


def test_a_list_is_one_round_trip() -> None:
    answer = script("c703II 03 0000 0400 0001001105")
    (first, second, third), meter = act_many(answer, [(RESET, None), (OTHER, FIVE), (RESET, SIX)], granting(0x1900))
    assert (first, third) == (None, FIVE)
    assert isinstance(second, ObjectUndefined)
    assert second.detail == "object-undefined (4): 70/1-1:32.7.0.255/method 2"
    assert meter.asked[1][-6:].hex() == "030011051106"[:12]


def test_without_lists_each_is_invoked() -> None:
    answer = script("c701II 0000", "c701II 0400", "c701II 0200")
    results, meter = act_many(
        answer, [(RESET, None), (OTHER, FIVE), (RESET, SIX)], granting(0x1900, Conformance.MULTIPLE_REFERENCES)
    )
    assert [type(result) for result in results] == [type(None), ObjectUndefined, TemporaryFailure]
    assert [apdu[1] for apdu in meter.asked[1:]] == [1, 1, 1]


@pytest.mark.parametrize("size", [0, 5, 100])
def test_a_long_list_goes_in_blocks(size: int) -> None:
    results, meter = act_many(Echo(size), [(RESET, None), (OTHER, LONG)], granting(100))
    assert results == [None, LONG]
    assert [apdu[1] for apdu in meter.asked[1:3]] == [5, 6]
    assert max(map(len, meter.asked[1:])) <= 100


@pytest.mark.parametrize("answer", ["c703II 01 0000", "c701II 0000", "c702II 01 00000001 03 010000"])
def test_a_list_answered_wrongly_is_not_done_again(answer: str) -> None:
    with pytest.raises(UnexpectedReply):
        act_many(script(answer), [(RESET, None), (OTHER, FIVE)], granting(0x1900))


def test_of_many_too_none_is_asked_for_that_was_not_negotiated() -> None:
    meter = Meter(lambda _: None, granting(0x1900, without=Conformance.ACTION))
    results = run_against(opened(meter, FULL).action_many([(RESET, None), (OTHER, FIVE)]), meter)
    assert [type(result) for result in results] == [NotNegotiated, NotNegotiated]
    assert len(meter.asked) == 1
