import pytest

from poller.simulator.acse import BadRequest
from poller.simulator.values import MAX_DEPTH, read_length, read_value, value_list, whole_value


@pytest.mark.parametrize(
    ("octets", "number"),
    [
        ("0fff", -1),
        ("11ff", 255),
        ("10ff38", -200),
        ("1200c8", 200),
        ("05ffffff38", -200),
        ("0600000007", 7),
        ("14ffffffffffffffff", -1),
        ("150000000000000001", 1),
        ("1604", 4),
        ("0301", 1),
        ("0300", 0),
    ],
)
def test_numbers_are_read(octets: str, number: int) -> None:
    value = whole_value(bytes.fromhex(octets))
    assert (value.number, value.raw.hex()) == (number, octets)


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        ("0903616263", "616263"),
        ("0a0161", "61"),
        ("0c0161", "61"),
        ("1907e8010101000000000000ff", "07e8010101000000000000ff"),
        ("170000803f", "0000803f"),
        ("040aff80", "ff80"),
        ("1a07e8010101", "07e8010101"),
        ("1b00000000", "00000000"),
    ],
)
def test_octets_are_read(octets: str, content: str) -> None:
    assert whole_value(bytes.fromhex(octets)).octets.hex() == content


def test_structures_hold_their_parts() -> None:
    value = whole_value(bytes.fromhex("0203" + "1105" + "01021101110200"))
    assert [part.number for part in value.parts] == [5, 0, 0]
    assert [part.number for part in value.parts[1].parts] == [1, 2]


@pytest.mark.parametrize(
    "octets", ["", "11", "0905ff", "0202110a", "13", "09", "0985", "098500000000", "1100ff", "01ff"]
)
def test_what_is_cut_or_unknown_is_refused(octets: str) -> None:
    with pytest.raises(BadRequest):
        whole_value(bytes.fromhex(octets))


def test_depth_is_bounded() -> None:
    read_value(b"\x01\x01" * MAX_DEPTH + b"\x00")
    with pytest.raises(BadRequest):
        read_value(b"\x01\x01" * (MAX_DEPTH + 1) + b"\x00")


def test_lists_are_read_whole_or_not_at_all() -> None:
    values, end = value_list(bytes.fromhex("02110700"))
    assert ([value.number for value in values], end) == ([7, 0], 4)
    with pytest.raises(BadRequest):
        value_list(bytes.fromhex("ff"))
    with pytest.raises(BadRequest):
        value_list(bytes.fromhex("8200ff1101"))


def test_long_lengths_are_read() -> None:
    assert read_length(b"\x82\x01\x00", 0) == (256, 3)


@pytest.mark.parametrize(
    ("octets", "good"), [("090c" + "07" * 12, True), ("19" + "07" * 12, True), ("090b" + "07" * 11, False)]
)
def test_a_date_time_is_twelve_octets(octets: str, good: bool) -> None:
    assert (whole_value(bytes.fromhex(octets)).date_time is not None) is good


def test_what_is_a_number() -> None:
    assert whole_value(b"\x0f\x00").is_number
    assert not whole_value(b"\x16\x00").is_number
    assert not whole_value(b"\x09\x00").is_number
