"""Writing, to a meter that answers from a script."""

from collections.abc import Callable, Sequence

import pytest

from common.errors import BridgeError
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import Selection
from poller.dlms.errors import (
    AccessDenied,
    BadParameter,
    BlockUnavailable,
    ExceptionResponse,
    NotNegotiated,
    ObjectUndefined,
    TemporaryFailure,
    UnexpectedReply,
)
from poller.dlms.set_service import SetRequest, decode_set_request
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import run_against
from tests.support.scripted_meter import FIVE, FULL, NOTHING, SCALER, SIX, VOLTAGE, Meter, granting, opened, script

LONG = Data(DataType.OCTET_STRING, bytes(range(256)) * 6)
BLOCKS_OF_SET = Conformance.BLOCK_TRANSFER_WITH_SET


class Store:
    """Takes what is written, in any form; ``results`` are given out in turn, then success."""

    def __init__(self, *results: int) -> None:
        self.results = list(results)
        self.written: list[bytes] = []
        self._first: SetRequest | None = None
        self._content = b""

    def __call__(self, apdu: bytes) -> str:
        request = decode_set_request(apdu)
        head = f"{apdu[2]:02x}"
        if isinstance(request, SetRequest) and request.part is None:
            self.written.append(apdu)
            listed = f"c505{head}{len(request.items):02x}" if request.with_list else f"c501{head}"
            return listed + self._outcome(len(request.items))
        part = request.part
        assert part is not None
        if isinstance(request, SetRequest):
            self._first, self._content = request, b""
        self._content += part.content
        if not part.last:
            return f"c502{head}{part.number:08x}"
        assert self._first is not None
        self.written.append(self._content)
        count = len(self._first.items)
        kind = f"c504{head}{count:02x}" if self._first.with_list else f"c503{head}"
        return f"{kind}{self._outcome(count)}{part.number:08x}"

    def _outcome(self, count: int) -> str:
        return "".join(f"{self.results.pop(0) if self.results else 0:02x}" for _ in range(count))


def write(answer: Callable[[bytes], str], data: Data = FIVE, terms: str = granting(0x1900)) -> None:
    meter = Meter(answer, terms)
    run_against(opened(meter, FULL).set(VOLTAGE, data), meter)


def write_many(answer: Callable[[bytes], str], data: Sequence[Data], terms: str) -> tuple[list[object], Meter]:
    meter = Meter(answer, terms)
    refs = (VOLTAGE, NOTHING, SCALER) * len(data)
    items = list(zip(refs, data, strict=False))
    return list(run_against(opened(meter, FULL).set_many(items), meter)), meter


def test_a_value() -> None:
    store = Store()
    write(store)
    assert store.written == [bytes.fromhex("c101c100030101200700ff02001105")]


def test_a_selected_part() -> None:
    store = Store()
    meter = Meter(store, granting(0x1900))
    run_against(opened(meter, FULL).set(VOLTAGE, FIVE, Selection(2, SIX)), meter)
    assert store.written == [bytes.fromhex("c101c100030101200700ff020102110611 05")]


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (3, AccessDenied, "read-write-denied (3): 3/1-1:32.7.0.255/2"),
        (4, ObjectUndefined, "object-undefined (4): 3/1-1:32.7.0.255/2"),
        (2, TemporaryFailure, "temporary-failure (2): 3/1-1:32.7.0.255/2"),
    ],
)
def test_a_refusal_names_the_object_and_the_right(result: int, error: type[BridgeError], text: str) -> None:
    with pytest.raises(error) as refusal:
        write(Store(result))
    assert refusal.value.detail == text


def test_an_exception_names_the_object() -> None:
    with pytest.raises(ExceptionResponse, match=r"service-not-supported \(2\): 3/1-1:32"):
        write(script("d80102"))


@pytest.mark.parametrize(("services", "data"), [(Conformance.SET, FIVE), (Conformance.BLOCK_TRANSFER_WITH_SET, LONG)])
def test_what_was_not_negotiated_is_not_asked_for(services: Conformance, data: Data) -> None:
    store = Store()
    with pytest.raises(NotNegotiated, match="did not grant"):
        write(store, data, granting(0x80, without=services))
    assert store.written == []


@pytest.mark.parametrize("size", [64, 65, 100, 128, 1000, 1551, 1552])
def test_1536_octets_go_in_blocks_that_fit(size: int) -> None:
    store = Store()
    meter = Meter(store, granting(size))
    run_against(opened(meter, FULL).set(VOLTAGE, LONG), meter)
    assert store.written == [bytes.fromhex("09820600") + bytes(range(256)) * 6]
    assert max(map(len, meter.asked[1:])) <= size
    assert len({apdu[2] for apdu in meter.asked[1:]}) == 1


def test_what_fits_exactly_needs_no_block() -> None:
    store = Store()
    write(store, LONG, granting(1553))
    assert len(store.written[0]) == 1553


def test_a_value_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.sending.MAX_VALUE", 1500)
    with pytest.raises(BadParameter, match="1540 octets, 1500 at most"):
        write(Store(), LONG)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["c502II 00000002"], UnexpectedReply),
        (["c501II 03"], AccessDenied),
        (["c501II 00"], UnexpectedReply),
        (["c502II 00000001", "c503II 11 00000002"], BlockUnavailable),
        (["c502II 00000001", "c502II 00000002", "c502II 00000003"], UnexpectedReply),
        (["c502II 00000001", "c504II 01 00 00000002"], UnexpectedReply),
        (["c502II 00000001", "d80102"], ExceptionResponse),
    ],
)
def test_blocks_that_go_wrong(answers: list[str], error: type[BridgeError]) -> None:
    with pytest.raises(error):
        write(script(*answers), Data(DataType.OCTET_STRING, bytes(80)), granting(0x40))


@pytest.mark.parametrize("answer", ["c505II 01 00", "c502II 00000001", "c505II 02 00 00"])
def test_what_is_no_answer(answer: str) -> None:
    with pytest.raises(UnexpectedReply):
        write(script(answer))


# Many


def test_a_list_is_one_round_trip() -> None:
    store = Store(0, 4, 0)
    (first, second, third), meter = write_many(store, [FIVE, SIX, FIVE], granting(0x1900))
    assert first is third is None
    assert isinstance(second, ObjectUndefined)
    assert second.detail == "object-undefined (4): 3/1-1:99.7.0.255/2"
    assert [apdu[1] for apdu in meter.asked[1:]] == [4]


def test_without_lists_each_is_written() -> None:
    store = Store(0, 4, 2)
    (first, second, third), meter = write_many(
        store, [FIVE, SIX, FIVE], granting(0x1900, without=Conformance.MULTIPLE_REFERENCES)
    )
    assert first is None
    assert isinstance(second, ObjectUndefined)
    assert isinstance(third, TemporaryFailure)
    assert [apdu[1] for apdu in meter.asked[1:]] == [1, 1, 1]


def test_a_list_without_blocks_is_split() -> None:
    store = Store()
    results, meter = write_many(store, [FIVE] * 7, granting(42, without=BLOCKS_OF_SET))
    assert results == [None] * 7
    assert [(apdu[1], apdu[3]) for apdu in meter.asked[1:3]] == [(4, 3), (4, 3)]
    assert meter.asked[3][1] == 1
    assert max(map(len, meter.asked[1:])) <= 42


def test_a_long_list_goes_in_blocks() -> None:
    store = Store(0, 3)
    (first, second), meter = write_many(store, [LONG, FIVE], granting(100))
    assert first is None
    assert isinstance(second, AccessDenied)
    assert [apdu[1] for apdu in meter.asked[1:3]] == [5, 3]
    assert store.written == [bytes.fromhex("0209820600") + bytes(range(256)) * 6 + bytes.fromhex("1105")]
    assert max(map(len, meter.asked[1:])) <= 100


def test_the_values_of_a_list_are_together_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.dlms.sending.MAX_VALUE", 2000)
    with pytest.raises(BadParameter, match="2000 at most"):
        write_many(Store(), [LONG, LONG], granting(100))


def test_a_list_answered_wrongly_is_not_written_again() -> None:
    with pytest.raises(UnexpectedReply, match="2 results"):
        write_many(script("c505II 01 00"), [FIVE, SIX], granting(0x1900))


def test_nothing_is_written_for_nothing() -> None:
    results, meter = write_many(Store(), [], granting(0x1900))
    assert results == []
    assert len(meter.asked) == 1


def test_of_many_too_none_is_asked_for_that_was_not_negotiated() -> None:
    meter = Meter(lambda _: None, granting(0x1900, without=Conformance.SET))
    results = run_against(opened(meter, FULL).set_many([(VOLTAGE, FIVE), (SCALER, SIX)]), meter)
    assert [type(result) for result in results] == [NotNegotiated, NotNegotiated]
    assert len(meter.asked) == 1
