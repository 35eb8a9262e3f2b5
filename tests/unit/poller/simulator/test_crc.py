from hypothesis import given
from hypothesis import strategies as st

from poller.simulator import crc


def bit_by_bit(octets: bytes) -> bytes:
    """FCS-16 as its standard defines it."""
    register = 0xFFFF
    for octet in octets:
        for bit in range(8):
            feedback = (register ^ octet >> bit) & 1
            register = register >> 1 ^ (0x8408 if feedback else 0)
    return (register ^ 0xFFFF).to_bytes(2, "little")


def test_the_published_check_value() -> None:
    assert crc.checksum(b"123456789") == bytes.fromhex("6e90")


@given(st.binary(max_size=200))
def test_the_table_agrees_with_the_definition(octets: bytes) -> None:
    assert crc.checksum(octets) == bit_by_bit(octets)


@given(st.binary(max_size=40))
def test_an_undamaged_stretch_leaves_the_good_residue(octets: bytes) -> None:
    assert crc.register(octets + crc.checksum(octets)) == crc.GOOD


@given(st.binary(max_size=40), st.binary(min_size=2, max_size=2))
def test_a_forged_tail_gives_the_wanted_checksum(prefix: bytes, wanted: bytes) -> None:
    assert bit_by_bit(prefix + crc.forge(prefix, wanted)) == wanted
