"""A-XDR: values and their limits."""

import pytest

from poller.dlms.axdr import MAX_DEPTH, MAX_ELEMENTS, decode_data, decode_whole, encode_data, encode_length
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time, Value
from poller.dlms.errors import BadData, BadParameter

NUMBERS = [
    (DataType.INT8, -128, "0f80"),
    (DataType.INT16, -32768, "108000"),
    (DataType.INT32, -(2**31), "0580000000"),
    (DataType.INT64, -(2**63), "148000000000000000"),
    (DataType.UINT8, 255, "11ff"),
    (DataType.UINT16, 65535, "12ffff"),
    (DataType.UINT32, 2**32 - 1, "06ffffffff"),
    (DataType.UINT64, 2**64 - 1, "15ffffffffffffffff"),
    (DataType.ENUM, 255, "16ff"),
    (DataType.BCD, 0x42, "0d42"),
    (DataType.FLOAT32, 12.5, "1741480000"),
    (DataType.FLOAT64, -0.1, "18bfb999999999999a"),
]
OTHERS: list[tuple[DataType, Value, str]] = [
    (DataType.NULL, None, "00"),
    (DataType.DONT_CARE, None, "ff"),
    (DataType.BOOLEAN, True, "0301"),
    (DataType.BOOLEAN, False, "0300"),
    (DataType.BIT_STRING, BitString(b"\xa5\xf0", 12), "040ca5f0"),
    (DataType.BIT_STRING, BitString(b"\xa5", 8), "0408a5"),
    (DataType.OCTET_STRING, b"", "0900"),
    (DataType.OCTET_STRING, b"\x01\x02", "09020102"),
    (DataType.VISIBLE_STRING, "ab", "0a026162"),
    (DataType.UTF8_STRING, "å", "0c02c3a5"),
    (DataType.DATE, Date(2024, 11, 21, None), "1a07e80b15ff"),
    (DataType.TIME, Time(8, 30, 15, 23), "1b081e0f17"),
    (DataType.DATE_TIME, DateTime(Date(2020, 1, 1, None), Time(0, 3, 0, 0), -120, 0), "1907e40101ff00030000ff8800"),
    (DataType.ARRAY, (), "0100"),
    (DataType.STRUCTURE, (Data(DataType.INT8, -2), Data(DataType.ENUM, 35)), "02020ffe1623"),
]


@pytest.mark.parametrize(("data_type", "value", "octets"), [*NUMBERS, *OTHERS])
def test_every_type_both_ways(data_type: DataType, value: Value, octets: str) -> None:
    data = Data(data_type, value)
    assert decode_whole(bytes.fromhex(octets)) == data
    assert encode_data(data) == bytes.fromhex(octets)


@pytest.mark.parametrize(("data_type", "value", "octets"), [*NUMBERS, *OTHERS])
def test_every_cut_is_bad_data(data_type: DataType, value: Value, octets: str) -> None:
    whole = bytes.fromhex(octets)
    for length in range(len(whole)):
        with pytest.raises(BadData):
            decode_data(whole[:length])


FIVE = Data(DataType.UINT8, 5)


def test_octets_behind_a_value_are_refused_where_it_must_be_whole() -> None:
    assert decode_data(b"\x11\x05\x06") == (Data(DataType.UINT8, 5), 2)
    with pytest.raises(BadData, match="1 octets follow"):
        decode_whole(b"\x11\x05\x06")


def test_a_true_is_anything_but_zero() -> None:
    assert decode_whole(b"\x03\xff").value is True


def test_padding_of_a_bit_string_reads_as_zero() -> None:
    assert decode_whole(b"\x04\x04\xff").value == BitString(b"\xf0", 4)


@pytest.mark.parametrize("tag", [7, 8, 11, 14, 28, 100, 254])
def test_unknown_types_are_bad_data(tag: int) -> None:
    with pytest.raises(BadData, match=f"type {tag}"):
        decode_whole(bytes((tag, 0, 0, 0)))


@pytest.mark.parametrize("octets", ["0980", "0985000000000101", "09820001", "0984ffffffff"])
def test_lengths_that_cannot_be_are_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        decode_whole(bytes.fromhex(octets))


def test_lengths_both_ways() -> None:
    for length, octets in [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (70000, "83011170")]:
        assert encode_length(length).hex() == octets


def test_a_count_without_octets_allocates_nothing() -> None:
    with pytest.raises(BadData, match="announced"):
        decode_whole(bytes.fromhex("0184ffffffff"))


def test_nesting_ends_at_its_limit() -> None:
    assert decode_whole(b"\x01\x01" * MAX_DEPTH + b"\x00")
    with pytest.raises(BadData, match="nested"):
        decode_whole(b"\x01\x01" * (MAX_DEPTH + 1) + b"\x00")
    with pytest.raises(BadData, match="nested"):
        decode_whole(b"\x02\x01" * 100_000 + b"\x00")
    value = Data(DataType.NULL, None)
    for _ in range(MAX_DEPTH):
        value = Data(DataType.STRUCTURE, (value,))
    assert decode_whole(encode_data(value)) == value
    for beyond in range(5000):
        value = Data(DataType.STRUCTURE, (value,))
        if beyond in {0, 4999}:
            with pytest.raises(BadParameter, match="nested"):
                encode_data(value)


def test_elements_end_at_their_limit() -> None:
    with pytest.raises(BadData, match="elements"):
        decode_whole(b"\x01\x83\x03\x0d\x41" + bytes(MAX_ELEMENTS + 1))


def test_values_without_content_are_as_few_as_the_octets() -> None:
    columns = bytes.fromhex("13020b11" + "00" * 10 + "03000102")  # a number and ten columns of null-data
    rows = decode_whole(columns).value
    assert isinstance(rows, tuple)
    assert len(rows) == 3
    # A number and an array of 65535 null-data, three times.
    with pytest.raises(BadData, match=r"more than 1\d\d elements"):
        decode_whole(bytes.fromhex("1302021101ffff0003000102"))


def test_text_that_is_none_is_bad_data() -> None:
    with pytest.raises(BadData, match="utf-8"):
        decode_whole(b"\x0c\x01\xff")


# compact-array


def test_a_compact_array_of_arrays_in_structures() -> None:
    octets = bytes.fromhex("13 02 02 01 0002 11 03 06 0102 ff 0304 00".replace(" ", ""))
    pair = DataType.ARRAY
    first = Data(
        DataType.STRUCTURE,
        (Data(pair, (Data(DataType.UINT8, 1), Data(DataType.UINT8, 2))), Data(DataType.BOOLEAN, True)),
    )
    second = Data(
        DataType.STRUCTURE,
        (Data(pair, (Data(DataType.UINT8, 3), Data(DataType.UINT8, 4))), Data(DataType.BOOLEAN, False)),
    )
    compact = Data(DataType.COMPACT_ARRAY, (first, second))
    assert decode_whole(octets) == compact
    assert encode_data(compact) == octets.replace(b"\xff", b"\x01")


@pytest.mark.parametrize(
    "octets",
    [
        "13",
        "1312",
        "131206000100",
        "1312050001000200",
        "13000 1aa".replace(" ", ""),
        "1301ffff000 100".replace(" ", ""),
        "1307 00".replace(" ", ""),
        "1313 00".replace(" ", ""),
        "1302ff11",
        "13020511",
        "13120300010002",
        "13" + "0101" * 20,
        "13" + "010001" * 20 + "1101aa",
        "13" + "01ffff01ffff01ffff00" + "0101",
    ],
)
def test_compact_arrays_that_cannot_be_are_bad_data(octets: str) -> None:
    with pytest.raises(BadData):
        decode_whole(bytes.fromhex(octets))


def test_an_empty_compact_array() -> None:
    nothing = Data(DataType.COMPACT_ARRAY, ())
    assert decode_whole(bytes.fromhex("131200")) == nothing
    assert encode_data(nothing) == bytes.fromhex("130000")
    assert decode_whole(encode_data(nothing)) == nothing


def test_an_empty_array_in_a_compact_array() -> None:
    element = Data(DataType.STRUCTURE, (Data(DataType.ARRAY, ()), FIVE))
    compact = Data(DataType.COMPACT_ARRAY, (element, element))
    assert decode_whole(encode_data(compact)) == compact


# what cannot be encoded is our own mistake


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.UINT8, 256),
        Data(DataType.INT8, -129),
        Data(DataType.UINT8, "a"),
        Data(DataType.FLOAT32, 1e300),
        Data(DataType.BOOLEAN, None),
        Data(DataType.OCTET_STRING, "text"),
        Data(DataType.VISIBLE_STRING, "€"),
        Data(DataType.COMPACT_ARRAY, (FIVE, Data(DataType.UINT16, 5))),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.NULL, None),)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.COMPACT_ARRAY, ()),)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.ARRAY, (FIVE, Data(DataType.BOOLEAN, True))),)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.UINT8, 256),)),
        Data(DataType.COMPACT_ARRAY, (Data(DataType.ARRAY, None),)),
        Data(DataType.COMPACT_ARRAY, None),
        Data(DataType.NULL, 1),
        Data(DataType.BIT_STRING, BitString(b"\0", 9)),
        Data(DataType.DATE, Date(0x10000, 1, 1, 1)),
    ],
)
def test_what_does_not_fit_its_type_is_refused(data: Data) -> None:
    with pytest.raises(BadParameter):
        encode_data(data)
