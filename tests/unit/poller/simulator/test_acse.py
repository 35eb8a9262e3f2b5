import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.simulator import acse
from poller.simulator.acse import BadRequest, Diagnostic, InitiateError
from tests.support.simulated import AARQ_LLS

NONE = "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0"
DEDICATED = "602ea109060760857405080101be21041f01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0"


def test_an_aarq_without_mechanism() -> None:
    asked = acse.parse_aarq(bytes.fromhex(NONE))
    assert (asked.context, asked.mechanism, asked.secret) == (1, 0, None)
    assert (asked.conformance, asked.max_pdu, asked.version) == (0x007E1F, 1200, 6)


def test_an_aarq_with_a_password() -> None:
    asked = acse.parse_aarq(bytes.fromhex(AARQ_LLS))
    assert (asked.mechanism, asked.secret) == (1, b"22222222")
    assert "2222" not in repr(asked)


def test_a_dedicated_key_is_passed_over() -> None:
    assert acse.parse_aarq(bytes.fromhex(DEDICATED)).conformance == 0x007E1F


def test_the_aare_of_the_guide() -> None:
    answer = acse.aare(Diagnostic.NONE, acse.initiate_response(0x00301D, 0x1900))
    assert answer.hex() == "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000301d19000007"


def test_a_refusal_carries_its_diagnostic() -> None:
    answer = acse.aare(Diagnostic.AUTHENTICATION_FAILURE, acse.initiate_response(0x001E1D, 0x0200))
    assert answer.hex() == "6129a109060760857405080101a203020101a305a10302010dbe10040e0800065f1f0400001e1d02000007"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("0000065f1f", "0000055f1f", InitiateError.VERSION_TOO_LOW),
        ("007e1f04b0", "007e1f000b", InitiateError.PDU_TOO_SHORT),
        ("007e1f04b0", "007e1f0000", None),
    ],
)
def test_xdlms_refuses_what_it_cannot_do(old: str, new: str, error: InitiateError | None) -> None:
    asked = acse.parse_aarq(bytes.fromhex(NONE.replace(old, new)))
    assert asked.initiate_error(1) is error
    assert asked.initiate_error(0) is (
        error if error is InitiateError.VERSION_TOO_LOW else InitiateError.INCOMPATIBLE_CONFORMANCE
    )


@given(st.binary(max_size=80))
def test_noise_raises_nothing_but_bad_request(noise: bytes) -> None:
    for octets in (noise, bytes((0x60, len(noise))) + noise):
        try:
            acse.parse_aarq(octets)
        except BadRequest:
            continue


@given(st.data())
def test_a_changed_aarq_raises_nothing_but_bad_request(data: st.DataObject) -> None:
    octets = bytearray(bytes.fromhex(AARQ_LLS))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        acse.parse_aarq(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
    except BadRequest:
        return
