"""ACCESS, to a meter that answers from a script."""

from collections.abc import Callable, Sequence

import pytest

from poller.dlms.access_service import AccessAction, AccessGet, AccessItem, AccessSet, decode_access_request
from poller.dlms.errors import AccessDenied, NotNegotiated, ObjectUndefined, UnexpectedReply
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import run_against
from tests.support.scripted_meter import FIVE, FULL, NOTHING, RESET, VOLTAGE, Answer, Meter, granting, opened


def ask(
    answer: Callable[[bytes], Answer], items: Sequence[AccessItem], terms: str = granting(0x1900)
) -> tuple[list[object], Meter]:
    meter = Meter(answer, terms)
    return list(run_against(opened(meter, FULL).access(items), meter)), meter


def all_done(apdu: bytes) -> bytes:
    """Answer every get with five, and everything with success."""
    request = decode_access_request(apdu)
    count = bytes((len(request.items),))
    values = b"".join(b"\x11\x05" if isinstance(item, AccessGet) else b"\0" for item in request.items)
    kinds = {AccessGet: 1, AccessSet: 2, AccessAction: 3}
    outcomes = b"".join(bytes((kinds[type(item)], 0)) for item in request.items)
    return b"\xda" + apdu[1:5] + b"\0\0" + count + values + count + outcomes


def test_three_kinds_in_one_round_trip() -> None:
    results, meter = ask(all_done, [AccessGet(VOLTAGE), AccessSet(VOLTAGE, FIVE), AccessAction(RESET)])
    assert results == [FIVE, None, None]
    assert len(meter.asked) == 2


def test_errors_name_their_objects() -> None:
    def answer(apdu: bytes) -> bytes:
        return b"\xda" + apdu[1:5] + bytes.fromhex("00 00 02 00 00 02 01 04 03 03")

    (first, second), _ = ask(answer, [AccessGet(NOTHING), AccessAction(RESET)])
    assert isinstance(first, ObjectUndefined)
    assert first.detail == "object-undefined (4): 3/1-1:99.7.0.255/2"
    assert isinstance(second, AccessDenied)
    assert second.detail.endswith("3/1-1:32.7.0.255/method 1")


def test_requests_are_split_to_what_the_meter_takes() -> None:
    results, meter = ask(all_done, [AccessGet(VOLTAGE)] * 100, granting(80))
    assert results == [FIVE] * 100
    assert max(map(len, meter.asked[1:])) <= 80


def test_what_was_not_negotiated_is_not_asked_for() -> None:
    with pytest.raises(NotNegotiated, match="access"):
        ask(all_done, [AccessGet(VOLTAGE)], granting(0x1900, without=Conformance.ACCESS))


def test_results_of_something_else_are_unexpected() -> None:
    with pytest.raises(UnexpectedReply):
        ask(lambda apdu: b"\xda" + apdu[1:5] + bytes.fromhex("000001000102 00"), [AccessGet(VOLTAGE)])
