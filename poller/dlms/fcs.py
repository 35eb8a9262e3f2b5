"""The frame check sequence of HDLC: CRC-16/X.25 (ISO/IEC 13239, 4.2.5.2). Octets in, two octets or a verdict out.

X.25 works from the low bit up, ``binascii.crc_hqx`` from the high bit down over the same polynomial. Mirroring the bits
of every octet first, and those of the result afterwards, makes one of the other, at the speed of C.
"""

from binascii import crc_hqx
from typing import Final

_MIRROR: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_MIRROR_INVERTED: Final = bytes(octet ^ 0xFF for octet in _MIRROR)
_START: Final = 0xFFFF
_RESIDUE: Final = 0x1D0F
"""What the register holds after octets and their own check sequence: the standard's 0xF0B8, mirrored."""


def check_sequence(octets: bytes) -> bytes:
    """Return the two octets to append, in the order of transmission."""
    register = crc_hqx(octets.translate(_MIRROR), _START)
    return bytes((_MIRROR_INVERTED[register >> 8], _MIRROR_INVERTED[register & 0xFF]))


def information_sequence(information: bytes) -> bytes:
    """Return the two octets behind an information field: they depend on it alone, for the header ends with its own."""
    register = crc_hqx(information.translate(_MIRROR), _RESIDUE)
    return bytes((_MIRROR_INVERTED[register >> 8], _MIRROR_INVERTED[register & 0xFF]))


def is_information_intact(octets: bytes) -> bool:
    """Say whether octets are an information field and the check sequence behind it, where the header was intact."""
    return crc_hqx(octets.translate(_MIRROR), _RESIDUE) == _RESIDUE


def is_intact(octets: bytes | bytearray) -> bool:
    """Say whether the last two octets are the check sequence of those before them."""
    return crc_hqx(octets.translate(_MIRROR), _START) == _RESIDUE
