"""One Read or Write with its answer, at once and in blocks, against a scripted meter."""

import pytest

from poller.dlms.channel import MAX_VALUE
from poller.dlms.data import Data, DataType
from poller.dlms.errors import (
    AccessDenied,
    AssociationLost,
    BadData,
    BadParameter,
    BlockUnavailable,
    ExceptionResponse,
    NotNegotiated,
    ObjectUndefined,
    ReplyTimeout,
    UnexpectedReply,
)
from poller.dlms.short_calls import read, write
from poller.dlms.short_service import Parameterized, Variable
from poller.dlms.xdlms import Conformance
from tests.support.dlms_drive import run_against
from tests.support.short_meter import ShortMeter, channel, script

FIVE = Data(DataType.UINT8, 5)
TWO = [Variable(0x100), Variable(0x108)]
LONG = Data(DataType.OCTET_STRING, bytes(range(20)))
PDU = 20


def test_results_come_in_the_order_asked() -> None:
    meter = ShortMeter(script("0c 02 001105 0104"))
    value, error = meter.run(read(channel(), TWO))
    assert value == FIVE
    assert isinstance(error, ObjectUndefined)
    assert meter.asked == ["0502020100020108"]


def test_an_answer_in_blocks_is_a_list_of_results() -> None:
    meter = ShortMeter(script("0c 01 02 00 0001 03 020011", "0c 01 02 01 0002 04 05001106"))
    assert meter.run(read(channel(), TWO)) == [FIVE, Data(DataType.UINT8, 6)]
    assert meter.asked[1:] == ["0501050001"]


def test_an_answer_in_blocks_may_be_the_one_value_by_itself() -> None:
    meter = ShortMeter(script("0c 01 02 00 0001 02 0102", "0c 01 02 01 0002 04 11051105"))
    assert meter.run(read(channel(), TWO[:1])) == [Data(DataType.ARRAY, (FIVE, FIVE))]
    with pytest.raises((BadData, UnexpectedReply)):
        ShortMeter(script("0c 01 02 01 0001 04 11051105")).run(read(channel(), TWO))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("0c 01 010e", BlockUnavailable),
        ("0c 01 001105", UnexpectedReply),
        ("0c 02 001105 001105", UnexpectedReply),
        ("0c 01 02 01 0003 01 05", UnexpectedReply),
        ("0c 01 02 00 0002 00", UnexpectedReply),
    ],
)
def test_a_block_that_is_not_the_next_ends_the_read(answer: str, error: type[Exception]) -> None:
    meter = ShortMeter(script("0c 01 02 00 0001 01 11", answer))
    with pytest.raises(error):
        meter.run(read(channel(), TWO[:1]))


def test_blocks_without_end_are_bad_data() -> None:
    content = bytes(0xF000).hex()

    def block(asked: str) -> str:
        number = int(asked[-4:], 16) + 1 if asked.startswith("050105") else 1
        return f"0c010200{number:04x}82f000{content}"

    meter = ShortMeter(block)
    with pytest.raises(BadData):
        meter.run(read(channel(own_pdu=0xFFFF), TWO[:1]))
    assert len(meter.asked) == MAX_VALUE // 0xF000 + 1


def test_an_answer_that_is_overdue_is_never_taken_for_that_of_a_later_request() -> None:
    late = channel()
    meter = ShortMeter(script(None, "0c 01 001105"))
    with pytest.raises(ReplyTimeout):
        run_against(read(late, TWO[:1]), meter)
    with pytest.raises(AssociationLost, match="no number"):
        run_against(read(late, TWO[1:]), meter)
    assert late.terms is None
    assert len(meter.asked) == 1


def test_after_an_answer_of_any_kind_none_is_overdue() -> None:
    made = channel()
    meter = ShortMeter(script("d80102", "0c 01 0103", "0c 01 001105"))
    with pytest.raises(ExceptionResponse):
        run_against(read(made, TWO[:1]), meter)
    assert isinstance(run_against(read(made, TWO[:1]), meter)[0], AccessDenied)
    assert run_against(read(made, TWO[:1]), meter) == [FIVE]


def test_what_was_never_sent_is_not_overdue() -> None:
    made = channel(max_pdu=20, without=Conformance.BLOCK_TRANSFER_WITH_SET)
    with pytest.raises(NotNegotiated):
        next(made.call(bytes(21), 0x0D, 0))
    assert run_against(read(made, TWO[:1]), ShortMeter(script("0c 01 001105"))) == [FIVE]


@pytest.mark.parametrize(
    "answer", ["0c 01 001105", "0c 02 001105 030001", "0c 02 001105 02000001 00", "0c 03 001105 001105 001105"]
)
def test_results_that_do_not_fit_the_variables_are_unexpected(answer: str) -> None:
    with pytest.raises(UnexpectedReply):
        ShortMeter(script(answer)).run(read(channel(), TWO))


def test_a_write_returns_what_was_not_written() -> None:
    meter = ShortMeter(script("0d 02 00 0104"))
    written, error = meter.run(write(channel(), TWO, [FIVE, FIVE]))
    assert written is None
    assert isinstance(error, ObjectUndefined)
    assert meter.asked == ["06020201000201080211051105"]
    for answer in ("0d 01 00", "0d 02 00 020001"):
        with pytest.raises(UnexpectedReply):
            ShortMeter(script(answer)).run(write(channel(), TWO, [FIVE, FIVE]))


def test_a_long_write_goes_in_blocks_that_are_acknowledged() -> None:
    answers = [f"0d 01 02{number:04x}" for number in range(1, 4)]
    meter = ShortMeter(script(*answers, "0d 01 00"))
    assert meter.run(write(channel(PDU), TWO[:1], [LONG])) == [None]
    assert all(len(asked) // 2 <= PDU for asked in meter.asked)
    assert [asked[:12] for asked in meter.asked] == ["060107000001", "060107000002", "060107000003", "060107010004"]
    body = "".join(asked[18:] for asked in meter.asked)
    assert body == "01020100" + "01" + "0914" + bytes(range(20)).hex()


def test_a_long_read_goes_in_blocks_that_are_acknowledged() -> None:
    answers = [f"0c 01 03{number:04x}" for number in range(1, 4)]
    meter = ShortMeter(script(*answers, "0c 01 001105"))
    assert meter.run(read(channel(PDU), [Parameterized(0x100, 2, LONG)])) == [FIVE]
    body = "".join(asked[14:] for asked in meter.asked)
    assert body == "0104010002" + "0914" + bytes(range(20)).hex()


@pytest.mark.parametrize(("answer", "error"), [("0d 01 0113", BlockUnavailable), ("0d 01 020002", UnexpectedReply),
                                               ("0d 01 00", UnexpectedReply), ("0d 00", UnexpectedReply)])  # fmt: skip
def test_a_block_that_is_not_acknowledged_ends_the_write(answer: str, error: type[Exception]) -> None:
    meter = ShortMeter(script(answer))
    with pytest.raises(error):
        meter.run(write(channel(PDU), TWO[:1], [LONG]))
    assert len(meter.asked) == 1


def test_long_requests_need_block_transfer_and_room() -> None:
    meter = ShortMeter(script())
    with pytest.raises(NotNegotiated):
        meter.run(write(channel(PDU, without=Conformance.BLOCK_TRANSFER_WITH_SET), TWO[:1], [LONG]))
    with pytest.raises(NotNegotiated):
        meter.run(read(channel(PDU, without=Conformance.BLOCK_TRANSFER_WITH_GET), TWO * 4))
    with pytest.raises(BadParameter):
        meter.run(write(channel(12), TWO[:1], [LONG]))
    with pytest.raises(BadParameter):
        meter.run(write(channel(), TWO[:1], [Data(DataType.OCTET_STRING, bytes(MAX_VALUE))]))
