"""Initiate, errors and exceptions; their good forms are vectors."""

import pytest

from poller.dlms.errors import UnexpectedReply
from poller.dlms.xdlms import (
    DEFAULT_CONFORMANCE,
    Conformance,
    ExceptionApdu,
    InitiateRequest,
    ServiceError,
    decode_exception,
    decode_initiate_request,
    decode_initiate_response,
    decode_service_error,
    encode_initiate_request,
)

REQUEST = bytes.fromhex("01000000065f1f0400007e1f04b0")
RESPONSE = bytes.fromhex("0800065f1f040000501f01f40007")


def test_a_request_is_the_published_one() -> None:
    assert encode_initiate_request(InitiateRequest(Conformance(0x007E1F), 1200)) == REQUEST


def test_a_conformance_from_outside_leaves_nothing_behind() -> None:
    known = len(Conformance.__members__.values()), len(Conformance._value2member_map_)
    for number in range(0x155000, 0x155040):
        block = number.to_bytes(3, "big")
        assert decode_initiate_request(REQUEST.replace(b"\0\x7e\x1f", block)).conformance == number
        assert decode_initiate_response(RESPONSE.replace(b"\0\x50\x1f", block)).conformance == number
    assert known == (len(Conformance.__members__.values()), len(Conformance._value2member_map_))


def test_what_is_proposed_by_default() -> None:
    assert DEFAULT_CONFORMANCE == 0x00321D


def test_bits_of_the_standard() -> None:
    numbers = {bit: 23 - position for position in range(24) for bit in Conformance if bit == 1 << position}
    assert numbers[Conformance.GENERAL_PROTECTION] == 1
    assert numbers[Conformance.BLOCK_TRANSFER_WITH_GET] == 11
    assert numbers[Conformance.MULTIPLE_REFERENCES] == 14
    assert numbers[Conformance.GET] == 19
    assert numbers[Conformance.ACTION] == 23
    assert len(numbers) == 22


def test_a_request_with_everything() -> None:
    octets = bytes.fromhex("0101 02aabb 0100 0105 06 5f1f0400 00001d ffff".replace(" ", ""))
    expected = InitiateRequest(Conformance(0x1D), 0xFFFF, 6, False, b"\xaa\xbb", 5)
    assert decode_initiate_request(octets) == expected


@pytest.mark.parametrize("octets", [REQUEST, RESPONSE])
def test_every_cut_and_every_addition_is_refused(octets: bytes) -> None:
    decode = decode_initiate_request if octets[0] == 1 else decode_initiate_response
    for wrong in [octets[:length] for length in range(len(octets))] + [octets + b"\0"]:
        with pytest.raises(UnexpectedReply, match="initiate"):
            decode(wrong)


@pytest.mark.parametrize(("place", "value"), [(0, 9), (3, 0x5E), (4, 0x1E), (5, 3), (6, 1)])
def test_a_wrong_conformance_block_is_refused(place: int, value: int) -> None:
    octets = bytearray(RESPONSE)
    octets[place] = value
    with pytest.raises(UnexpectedReply):
        decode_initiate_response(bytes(octets))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ServiceError(1, 6, 1), "confirmed-service-error initiateError, initiate: dlms-version-too-low (6,1)"),
        (ServiceError(5, 3, 2), "confirmed-service-error read, service: service-unsupported (3,2)"),
        (ServiceError(9, 99, 1), "confirmed-service-error service 9, unknown: unknown (99,1)"),
        (ServiceError(6, 0, 77), "confirmed-service-error write, application-reference: unknown (0,77)"),
    ],
)
def test_service_errors_have_words(error: ServiceError, text: str) -> None:
    assert str(error) == text
    assert decode_service_error(bytes((0x0E, error.service, error.error_class, error.error))) == error


def test_exceptions_have_words() -> None:
    assert str(ExceptionApdu(1, 2)) == "exception-response service-not-allowed (1), service-not-supported (2)"
    assert str(ExceptionApdu(9, 9)) == "exception-response unknown (9), unknown (9)"


@pytest.mark.parametrize("octets", ["d8", "d801", "d8010600", "d8010200", "d70102", ""])
def test_malformed_exceptions_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_exception(bytes.fromhex(octets))


def test_a_dedicated_key_travels_in_the_initiate_and_does_not_print() -> None:
    request = InitiateRequest(Conformance(0x1E1D), 1200, dedicated_key=bytes(range(16)))
    octets = encode_initiate_request(request)
    assert octets.hex() == "010110000102030405060708090a0b0c0d0e0f0000065f1f0400001e1d04b0"
    assert decode_initiate_request(octets) == request
    assert "dedicated_key" not in repr(request)


def test_a_refused_counter_may_come_without_the_one_that_is_expected() -> None:
    assert decode_exception(bytes.fromhex("d80106")) == ExceptionApdu(1, 6)
    assert decode_exception(bytes.fromhex("d8010600000010")) == ExceptionApdu(1, 6, 16)
