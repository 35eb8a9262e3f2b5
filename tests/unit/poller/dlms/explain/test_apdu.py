"""APDUs by their first octet, within each other, and in general blocks."""

from tests.support.explaining import faults, lines

GBT_ACK = "e0010002000100"


def test_an_unknown_tag_and_nothing_at_all_are_told() -> None:
    assert lines("ff00") == ["APDU", "!unreadable: an APDU with unknown tag ff"]
    assert faults("e6e600") == ["an empty APDU"]


def test_apdus_within_each_other_are_bounded() -> None:
    apdu = b"\xc0\x02\xc1\0\0\0\1"
    for _ in range(6):
        apdu = b"\xe0\x81\0\1\0\0" + bytes((len(apdu),)) + apdu
    assert faults(apdu) == ["more than 4 APDUs within each other"]


def test_a_block_that_only_acknowledges_has_nothing_to_join() -> None:
    found = lines(GBT_ACK)
    assert "block-control: last=False, window 1" in found
    assert "block-number-ack: 1" in found
    assert not [line for line in found if line.startswith("joined")]


def test_a_streamed_block_says_so() -> None:
    assert "block-control: last=False, streaming, window 3" in lines("e0430001000001c0")


def test_blocks_are_joined_at_the_last_one() -> None:
    found = lines("e08000010000" + "07" + "c002c100000005")
    assert "joined APDU: 7 octets" in found
    assert "block-number: 5" in found
