"""Services with short names by their octets."""

import pytest

from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData, ObjectUndefined, UnexpectedReply
from poller.dlms.short_service import (
    BlockNumber,
    DataBlock,
    InformationReport,
    Parameterized,
    ReadRequest,
    Specification,
    Variable,
    WriteBlock,
    WriteRequest,
    decode_information_report,
    decode_read_request,
    decode_read_response,
    decode_read_results,
    decode_write_request,
    decode_write_response,
    encode_read,
    encode_write,
)

FIVE = Data(DataType.UINT8, 5)
EVERY: tuple[Specification, ...] = (
    Variable(0xFA08),
    Parameterized(0x0010, 2, FIVE),
    BlockNumber(3),
    DataBlock(last=True, number=4, content=b"\xaa\xbb"),
    WriteBlock(last=False, number=5),
)


def test_a_read_with_every_kind_of_access_both_ways() -> None:
    octets = "05" + "05" + "02fa08" + "0400100211" + "05" + "050003" + "06010004" + "02aabb" + "07000005"
    assert encode_read(EVERY).hex() == octets
    assert decode_read_request(bytes.fromhex(octets)) == ReadRequest(EVERY)


def test_a_write_and_one_without_answer_both_ways() -> None:
    variables = (Variable(0x0100), Variable(0x0108))
    values = (FIVE, Data(DataType.NULL, None))
    assert encode_write(variables, values).hex() == "06" + "02" + "020100" + "020108" + "02" + "110500"
    assert decode_write_request(encode_write(variables, values)) == WriteRequest(variables, values)
    silent = encode_write(variables, values, confirmed=False)
    assert silent[0] == 0x16
    assert decode_write_request(silent) == WriteRequest(variables, values, confirmed=False)


def test_a_read_response_of_every_kind() -> None:
    response = decode_read_response(bytes.fromhex("0c" + "04" + "001105" + "0104" + "0200000102aabb" + "030007"))
    value, error, block, number = response.results
    assert value == FIVE
    assert isinstance(error, ObjectUndefined)
    assert block == DataBlock(last=False, number=1, content=b"\xaa\xbb")
    assert number == BlockNumber(7)
    assert decode_read_results(bytes.fromhex("01001105")) == (FIVE,)


def test_a_write_response_of_every_kind() -> None:
    written, error, number = decode_write_response(bytes.fromhex("0d" + "03" + "00" + "0104" + "020007")).results
    assert written is None
    assert isinstance(error, ObjectUndefined)
    assert number == BlockNumber(7)


def test_an_information_report_with_and_without_its_moment() -> None:
    octets = "18" + "00" + "01" + "020100" + "01" + "1105"
    assert decode_information_report(bytes.fromhex(octets)) == InformationReport((Variable(0x0100),), (FIVE,))
    octets = "18" + "01" + "0632303236" + "3031" + "00" + "00"
    assert decode_information_report(bytes.fromhex(octets)) == InformationReport((), (), "202601")


@pytest.mark.parametrize("octets", ["", "06", "0501", "050102fa", "05010100", "0500aa", "05010400100206"])
def test_malformed_reads_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_read_request(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets", ["", "05", "0601020100", "060102010000", "0601020100021105", "06010201000111" + "05aa"]
)
def test_malformed_writes_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_write_request(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["", "0d", "0c", "0c01", "0c0104", "0c0101", "0c010200", "0c01001105aa"])
def test_malformed_read_responses_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_read_response(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["", "0c", "0d01", "0d0103", "0d0101", "0d010200", "0d0100aa"])
def test_malformed_write_responses_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_write_response(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["", "0f", "1801", "1800010201", "1800" + "01020100" + "00"])
def test_malformed_reports_are_unexpected(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_information_report(bytes.fromhex(octets))


def test_a_value_that_cannot_be_read_is_bad_data() -> None:
    with pytest.raises(BadData):
        decode_read_response(bytes.fromhex("0c010006"))
    with pytest.raises(BadData):
        decode_write_request(bytes.fromhex("060102010001aa"))
