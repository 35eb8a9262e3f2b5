import pytest

from poller.simulator import axdr
from poller.simulator.axdr import Form


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (Form.INT32.encode(-1179), "05fffffb65"),
        (Form.UINT32.encode(23013), "06000059e5"),
        (Form.INT8.encode(-5), "0ffb"),
        (Form.INT16.encode(-950), "10fc4a"),
        (Form.UINT8.encode(200), "11c8"),
        (Form.UINT16.encode(5001), "121389"),
        (Form.INT64.encode(-9223372036854775807), "148000000000000001"),
        (Form.UINT64.encode(2**64 - 1), "15ffffffffffffffff"),
        (Form.ENUM.encode(27), "161b"),
        (axdr.octet_string(b""), "0900"),
        (axdr.octet_string(bytes.fromhex("0000010000ff")), "09060000010000ff"),
        (axdr.octet_string(b"\xab" * 128), "098180" + "ab" * 128),
        (axdr.octet_string(b"\xcd" * 256), "09820100" + "cd" * 256),
        (axdr.visible_string("Kamstrup_V0001"), "0a0e4b616d73747275705f5630303031"),
        (axdr.scaler_unit(-2, 35), "02020ffe1623"),
        (axdr.array([Form.UINT8.encode(1)] * 2), "010211011101"),
    ],
)
def test_data_is_written_as_published(octets: bytes, expected: str) -> None:
    assert octets.hex() == expected
