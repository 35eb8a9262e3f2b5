"""What the bench's meter holds and what every client is asked for: ten registers, their values, the keys.

The values never change, so that every answer can be checked. None puts 0x7E behind another octet of a checksum at the
end of a frame that answers dlms-cosem, which would wait for its timeout there.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Mode(StrEnum):
    """How a cycle of ten registers is read."""

    HDLC_VALUE = "HDLC, value by value"
    HDLC_LIST = "HDLC, with-list"
    HDLC_DOUBLE = "HDLC, scaler then value"
    WRAPPER_VALUE = "WRAPPER, value by value"
    WRAPPER_LIST = "WRAPPER, with-list"
    CIPHERED_VALUE = "WRAPPER, ciphered, value by value"

    @property
    def port(self) -> str:
        """The name of the meter's port that serves this mode."""
        if self is Mode.CIPHERED_VALUE:
            return "ciphered"
        return "hdlc" if self.name.startswith("HDLC") else "wrapper"

    @property
    def by_list(self) -> bool:
        """Whether all registers are asked for in one request."""
        return self in {Mode.HDLC_LIST, Mode.WRAPPER_LIST}


@dataclass(frozen=True, slots=True)
class Register:
    """One register: its logical name, and value and scaler_unit in A-XDR."""

    name: str
    value: int
    data: bytes
    scaler_unit: bytes

    @property
    def obis(self) -> bytes:
        """The logical name in six octets."""
        return bytes(map(int, self.name.split(".")))


def _register(code: str, tag: int, size: int, value: int, unit: int) -> Register:
    scaler_unit = bytes((2, 2, 15, 0, 22, unit))
    data = bytes((tag,)) + value.to_bytes(size, "big", signed=tag == _DOUBLE_LONG)
    return Register(f"1.0.{code}.255", value, data, scaler_unit)


_DOUBLE_LONG, _DOUBLE_LONG_UNSIGNED, _LONG_UNSIGNED = 5, 6, 18
REGISTERS: Final = (
    _register("32.7.0", _LONG_UNSIGNED, 2, 2301, 35),
    _register("52.7.0", _LONG_UNSIGNED, 2, 2304, 35),
    _register("72.7.0", _LONG_UNSIGNED, 2, 2298, 35),
    _register("31.7.0", _DOUBLE_LONG_UNSIGNED, 4, 5231, 33),
    _register("51.7.0", _DOUBLE_LONG_UNSIGNED, 4, 4988, 33),
    _register("71.7.0", _DOUBLE_LONG_UNSIGNED, 4, 5107, 33),
    _register("14.7.0", _LONG_UNSIGNED, 2, 4998, 44),
    _register("1.7.0", _DOUBLE_LONG, 4, -1520, 27),
    _register("1.8.0", _DOUBLE_LONG_UNSIGNED, 4, 12_345_678, 30),
    _register("2.8.0", _DOUBLE_LONG_UNSIGNED, 4, 4_321_000, 30),
)
VALUES: Final = [register.value for register in REGISTERS]

CLIENT_SAP: Final = 16
SERVER_SAP: Final = 1
CLIENT_TITLE: Final = b"BEN\0\0\0\0\1"
METER_TITLE: Final = b"MTR\0\0\0\0\2"
ENCRYPTION_KEY: Final = bytes(range(16))
AUTHENTICATION_KEY: Final = bytes(range(0xD0, 0xE0))
