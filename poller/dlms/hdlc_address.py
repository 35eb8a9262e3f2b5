"""HDLC addresses (IEC 62056-46, 6.4.2): numbers to octets and back.

Goes in: configured numbers, or the octets of a frame. Comes out: a checked Address. An address field is extended as
long as the lowest bit of its octets is 0; fields of 1, 2 and 4 octets exist, 3 do not.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from poller.dlms.errors import BadAddress, BadFrame

MAX_FIELD: Final = 4
"""Octets of the longest address field."""
_BITS: Final = {1: (7, 0), 2: (7, 7), 4: (14, 14)}
"""Bits of the upper and lower part, by size of the field."""
_ALIAS_OF_ONE: Final = (0, 1)
"""How a predecessor wrote the one-octet logical address 1."""
_CACHED_FIELDS: Final = 64
"""Decoded fields kept: a line carries a handful of addresses; noise must not fill memory."""


@dataclass(frozen=True, slots=True)
class Address:
    """Upper (logical) and lower (physical) address in a field of ``size`` octets; raises BadAddress if they do not fit.

    One octet carries no lower address; two and four octets always carry one.
    """

    logical: int
    physical: int | None = None
    size: int = 1

    def __post_init__(self) -> None:
        if self.size not in _BITS:
            raise BadAddress(f"an HDLC address has 1, 2 or 4 octets, not {self.size}")
        upper, lower = _BITS[self.size]
        _check("logical", self.logical, upper)
        if self.size == 1 and self.physical is not None:
            raise BadAddress(f"a one-octet HDLC address has no physical part, but {self.physical} is given")
        if self.size > 1:
            if self.physical is None:
                raise BadAddress(f"an HDLC address of {self.size} octets needs a physical part")
            _check("physical", self.physical, lower)

    def to_bytes(self) -> bytes:
        """Return the octets of the address field."""
        if self.size == 1:
            return bytes((self.logical << 1 | 1,))
        lower = self.physical or 0
        if self.size == 2:
            return bytes((self.logical << 1, lower << 1 | 1))
        return bytes((self.logical >> 6 & 0xFE, self.logical << 1 & 0xFE, lower >> 6 & 0xFE, lower << 1 & 0xFE | 1))


def server_address(logical: int, physical: int | None, size: int | None) -> Address:
    """Return the address of a meter; without a size, the smallest that fits. Raises BadAddress.

    Logical 0 with physical 1 in one octet is accepted as an alias of logical 1.
    """
    if (logical, physical) == _ALIAS_OF_ONE and size in {None, 1}:
        return Address(1)
    if size is None:
        size = _smallest(logical, physical)
    return Address(logical, physical, size)


@lru_cache(maxsize=_CACHED_FIELDS)
def address_from(field: bytes) -> Address:
    """Return the address that the octets of one complete address field name; raise BadFrame."""
    if len(field) not in _BITS or any(octet & 1 for octet in field[:-1]) or not field[-1] & 1:
        raise BadFrame(f"{field.hex()} is not an HDLC address field")
    if len(field) == 1:
        return Address(field[0] >> 1)
    if len(field) == 2:
        return Address(field[0] >> 1, field[1] >> 1, 2)
    return Address(field[0] >> 1 << 7 | field[1] >> 1, field[2] >> 1 << 7 | field[3] >> 1, 4)


def _smallest(logical: int, physical: int | None) -> int:
    if physical is None:
        return 1
    return 2 if max(logical, physical) < 128 else 4


def _check(name: str, number: int, bits: int) -> None:
    if not 0 <= number < 1 << bits:
        raise BadAddress(f"the {name} HDLC address must be 0 to {(1 << bits) - 1} in this form, not {number}")
