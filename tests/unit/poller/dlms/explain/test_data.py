"""The type Data octet by octet."""

import pytest

from poller.dlms.explain.stream import Kind
from tests.support.explaining import faults, lines


def test_nested_values_are_told_with_their_offsets() -> None:
    assert lines("0202110109024142", Kind.DATA) == [
        "structure: 2 elements",
        "type and count: 2",
        "unsigned: 1",
        "octet-string: 4142 'AB'",
    ]


def test_a_compact_array_is_told_without_tags() -> None:
    assert lines("13020212060c000100000002000300000004", Kind.DATA)[:5] == [
        "compact-array: 2 elements",
        "description and length",
        "structure",
        "long-unsigned: 1",
        "double-long-unsigned: 2",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("64", "unknown data type 100"),
        ("", ""),
        ("060000", "5 octets expected for double-long-unsigned, but only 3 are left"),
        ("02021101", "the structure ends after 1 of 2 elements"),
        ("1101ff", "1 octets follow that belong to nothing"),
        ("0c01ff", "ff is no utf-8 text"),
        ("1302", "the value ends at octet 2, where more was expected"),
        ("0101" * 18 + "00", "a value nested deeper than 16"),
    ],
)
def test_what_is_no_value_is_told(text: str, reason: str) -> None:
    assert faults(text, Kind.DATA) == [reason] * bool(reason)


def test_bits_and_lengths_in_their_long_form_are_read() -> None:
    assert lines("04810ca5f0", Kind.DATA) == ["bit-string: 101001011111"]
