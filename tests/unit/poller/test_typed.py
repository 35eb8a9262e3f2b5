"""Values as they are typed: every type there and back, and what is refused."""

import pytest

from poller.dlms.axdr import decode_whole, encode_data
from poller.dlms.data import BitString, Data, DataType
from poller.typed import BadValue, parse_value


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("null:", "00"),
        ("null-data:", "00"),
        ("dont-care:", "ff"),
        ("boolean:true", "0301"),
        ("boolean:0", "0300"),
        ("bit-string:101001011111", "040ca5f0"),
        ("bit-string:", "0400"),
        ("int8:-5", "0ffb"),
        ("integer:-5", "0ffb"),
        ("long-unsigned:5001", "121389"),
        ("uint32:5", "0600000005"),
        ("double-long-unsigned:5", "0600000005"),
        ("uint64:18446744073709551615", "15ffffffffffffffff"),
        ("enum:27", "161b"),
        ("bcd:66", "0d42"),
        ("float32:12.5", "1741480000"),
        ("float64:-0.1", "18bfb999999999999a"),
        ("octet-string:0000010000ff", "09060000010000ff"),
        ("obis:0-0:1.0.0", "09060000010000ff"),
        ("visible-string:a:b", "0a03613a62"),
        ("utf8-string:åäö", "0c06c3a5c3a4c3b6"),
        ("date-time:2020-01-06T00:03:00+01:00", "1907e401060100030000ffc400"),
        ("date-time:2018-02-12T00:00:00", "1907e2020c0100000000800000"),
        ("octet-date-time:2021-06-03T14:09:23+01:00", "090c07e50603040e091700ffc400"),
        ("date:2024-11-21", "1a07e80b1504"),
        ("time:08:30:15.23", "1b081e0f17"),
        ('structure:["int8:-2", "enum:35"]', "02020ffe1623"),
        ('array:[{"structure": ["uint8:1", "null:"]}, {"array": []}]', "01020202110100" + "0100"),
    ],
)
def test_a_value_is_what_its_text_says(text: str, octets: str) -> None:
    data = parse_value(text)
    assert encode_data(data).hex() == octets
    assert decode_whole(encode_data(data)) == data


def test_bits_keep_their_length() -> None:
    assert parse_value("bit-string:1") == Data(DataType.BIT_STRING, BitString(b"\x80", 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5", "'5' is not TYPE:VALUE"),
        ("word:5", "'word' is no type; there are null-data, "),
        ("uint8:256", "uint8: '256': "),
        ("uint8:x", "uint8: 'x': not such a value"),
        ("float32:1e39", "float32: '1e39': "),
        ("null:x", "null: 'x': not such a value"),
        ("boolean:yes", "boolean: 'yes': "),
        ("bit-string:12", "bit-string: '12': "),
        ("octet-string:0", "octet-string: '0': "),
        ("obis:1.8.0", "obis: '1.8.0': '1.8.0' is not an OBIS code"),
        ("visible-string:€", "visible-string: '€': "),
        ("date-time:yesterday", "date-time: 'yesterday': "),
        ("date-time:2020-01-01T00:00:00+00:00:30", "not of whole minutes"),
        ("structure:[", "structure: '[' is no JSON"),
        ("structure:5", "structure needs a JSON list"),
        ("array:[5]", "'5' is neither"),
        ('array:[{"set": []}]', "is neither"),
        ('array:[{"array": [], "structure": []}]', "is neither"),
        ("array:" + "[" * 100_000, "is no JSON"),
        ("octet-string:" + "00" * 70_000, "more than 131072 characters"),
        ("uint8:" + "9" * 5000, "uint8: '9999999999999999999999999999999999999999…': not such a value"),
    ],
)
def test_what_is_no_value_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadValue) as refusal:
        parse_value(text)
    assert reason in refusal.value.detail


def test_nesting_is_bounded() -> None:
    text = "array:[" + '{"array": [' * 8 + "]}" * 8 + "]"
    with pytest.raises(BadValue, match="nested deeper than 8"):
        parse_value(text)
