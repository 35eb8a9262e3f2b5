"""What SNRM proposes and UA grants."""

import pytest

from poller.dlms.errors import BadFrame, BadParameter
from poller.dlms.hdlc_parameters import LinkParameters, decode_parameters, encode_parameters, proposal


def test_defaults_go_without_saying() -> None:
    assert encode_parameters(proposal(128, 1)) == b""
    assert decode_parameters(b"") == LinkParameters(128, 128, 1, 1)


def test_more_than_an_octet_takes_two() -> None:
    octets = encode_parameters(proposal(1024, 3))
    assert octets == bytes.fromhex("8180140502040006020400070400000003080400000003")
    assert decode_parameters(octets) == LinkParameters(1024, 1024, 3, 3)
    assert encode_parameters(proposal(200, 1)) == bytes.fromhex("8180120501c80601c807040000000108040000 0001")


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("818012050180060180070400000001080400000001", LinkParameters(128, 128, 1, 1)),
        ("8180140502008006020080070400000001080400000001", LinkParameters(128, 128, 1, 1)),
        ("81800c0501c806018c070101080101", LinkParameters(200, 140, 1, 1)),
        ("818003050140", LinkParameters(64, 128, 1, 1)),
        ("818000", LinkParameters()),
        ("81", LinkParameters()),
        ("81f0021234800306010a", LinkParameters(128, 10, 1, 1)),
        ("818003990101", LinkParameters()),
        ("8180070701080802 0100", LinkParameters(128, 128, 8, 256)),
        ("818003990100", LinkParameters()),
    ],
)
def test_meters_answer_with_any_size(octets: str, expected: LinkParameters) -> None:
    assert decode_parameters(bytes.fromhex(octets)) == expected


@pytest.mark.parametrize(
    "octets",
    [
        "82800305 0140",
        "818004050140",
        "8180",
        "81800105",
        "8180020500",
        "81800705050000000001",
        "818003050100",
        "818003080100",
    ],
)
def test_what_cannot_be_granted_is_refused(octets: str) -> None:
    with pytest.raises(BadFrame):
        decode_parameters(bytes.fromhex(octets))


def test_the_smaller_binds_and_transmission_is_the_others_reception() -> None:
    ours = LinkParameters(1024, 1024, 7, 7)
    assert ours.granted(LinkParameters(200, 140, 1, 3)) == LinkParameters(140, 200, 3, 1)
    assert LinkParameters().granted(ours) == LinkParameters()
    assert ours.granted(LinkParameters(4000, 4000, 127, 8)) == ours


@pytest.mark.parametrize(("info", "window"), [(127, 1), (2031, 1), (128, 0), (128, 8)])
def test_a_proposal_out_of_range_is_our_own_mistake(info: int, window: int) -> None:
    with pytest.raises(BadParameter):
        proposal(info, window)
