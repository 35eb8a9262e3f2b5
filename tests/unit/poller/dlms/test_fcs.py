"""The frame check sequence."""

from poller.dlms.fcs import check_sequence, information_sequence, is_information_intact, is_intact


def bitwise(octets: bytes) -> bytes:
    """Return the FCS as ISO/IEC 13239 defines it, bit by bit."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return (register ^ 0xFFFF).to_bytes(2, "little")


def test_the_standard_check_value() -> None:
    assert check_sequence(b"123456789") == bytes.fromhex("6e90")


def test_it_equals_the_bitwise_definition_on_every_length() -> None:
    octets = bytes(i * 37 % 256 for i in range(300))
    for length in range(300):
        assert check_sequence(octets[:length]) == bitwise(octets[:length])


def test_a_sequence_with_its_check_is_intact_and_any_changed_bit_breaks_it() -> None:
    whole = bytearray(b"\xa0\x07\x03\x03\x93" + check_sequence(b"\xa0\x07\x03\x03\x93"))
    assert is_intact(whole)
    for bit in range(len(whole) * 8):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        assert not is_intact(broken)


def test_behind_an_intact_header_the_check_depends_on_the_information_alone() -> None:
    for head in (b"\xa0\x15\x03\x21\x10", b"\xa8\x7e\x00\x02\x00\x23\x21\xfe"):
        header = head + check_sequence(head)
        for information in (b"\xe6\xe7\x00\xc4\x01\xc1\x00\x06\x00\x00\x34\x09", bytes(range(256)), b"\x7e"):
            assert information_sequence(information) == check_sequence(header + information)
            assert is_information_intact(information + information_sequence(information))
            assert not is_information_intact(information + check_sequence(information))
