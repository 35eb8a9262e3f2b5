"""General blocks; those of a real push are vectors."""

import pytest

from poller.dlms.block_service import HEAD_OCTETS, GeneralBlock, decode_general_block, encode_general_block
from poller.dlms.errors import BadParameter, UnexpectedReply

FIRST = GeneralBlock(1, b"\x0f\x01", last=False, streaming=True, window=5, acknowledged=2)


def test_a_block_has_its_fields_where_the_standard_has_them() -> None:
    assert encode_general_block(FIRST).hex() == "e04500010002020f01"
    assert decode_general_block(bytes.fromhex("e04500010002020f01")) == FIRST


def test_an_acknowledgement_is_a_last_block_without_data() -> None:
    assert encode_general_block(GeneralBlock(2, acknowledged=7)).hex() == "e0810002000700"


def test_a_block_of_the_longest_apdu_has_the_head_that_is_reckoned_with() -> None:
    octets = encode_general_block(GeneralBlock(0xFFFF, bytes(0xFFFF - HEAD_OCTETS)))
    assert len(octets) == 0xFFFF
    assert decode_general_block(octets).number == 0xFFFF


def test_only_a_last_block_without_any_number_and_data_gives_the_transfer_up() -> None:
    assert decode_general_block(bytes.fromhex("e0800000000000")).aborts
    for octets in ("e0000000000000", "e0c00000000000", "e0800001000000", "e0800000000100", "e080000000000111"):
        assert not decode_general_block(bytes.fromhex(octets)).aborts


@pytest.mark.parametrize("octets", ["", "e0", "c4", "e0400001000002aa", "e0400001000001aabb", "e04000010000"])
def test_malformed_blocks_are_refused(octets: str) -> None:
    with pytest.raises(UnexpectedReply):
        decode_general_block(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "block",
    [GeneralBlock(0x10000), GeneralBlock(-1), GeneralBlock(1, acknowledged=0x10000), GeneralBlock(1, window=64)],
)
def test_numbers_that_do_not_fit_are_ours_to_avoid(block: GeneralBlock) -> None:
    with pytest.raises(BadParameter):
        encode_general_block(block)
