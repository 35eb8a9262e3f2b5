"""OBIS codes (IEC 62056-6-1): parse, print, order.

Accepted texts: ``A-B:C.D.E``, ``A-B:C.D.E*F`` (F is 255 if absent), ``A.B.C.D.E.F``, and the short ``C.D.E`` where
the caller gives A and B.
"""

import re
from dataclasses import dataclass
from typing import Final

from common.errors import Hopeless

_FULL: Final = re.compile(r"(\d+)-(\d+):(\d+)\.(\d+)\.(\d+)(?:\*(\d+))?")
_DOTTED: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)")
_SHORT: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MAX_TEXT: Final = 32


class BadObis(Hopeless):
    """The text or the octets do not name an OBIS code."""


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """Six value groups, each 0 to 255; raises BadObis when one is not."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    def __post_init__(self) -> None:
        for name in ("a", "b", "c", "d", "e", "f"):
            group = getattr(self, name)
            if not 0 <= group <= 255:
                raise BadObis(f"value group {name.upper()} of an OBIS code must be 0 to 255, not {group}")

    def __str__(self) -> str:
        text = f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}"
        return text if self.f == 255 else f"{text}*{self.f}"

    def to_bytes(self) -> bytes:
        """Return the six octets of a logical name."""
        return bytes((self.a, self.b, self.c, self.d, self.e, self.f))

    @classmethod
    def from_bytes(cls, octets: bytes) -> "Obis":
        """Return the code that six octets name; raise BadObis on any other length."""
        if len(octets) != 6:
            raise BadObis(f"a logical name has 6 octets, not {len(octets)}")
        return cls(*octets)

    @classmethod
    def parse(cls, text: str, *, a: int | None = None, b: int | None = None) -> "Obis":
        """Return the code that a text names; ``a`` and ``b`` complete the short form C.D.E."""
        if len(text) > _MAX_TEXT or not text.isascii():
            raise BadObis(f"{text[:_MAX_TEXT]!r} is not an OBIS code: too long, or not ASCII")
        if found := _FULL.fullmatch(text):
            return cls(*(255 if group is None else int(group) for group in found.groups()))
        if found := _DOTTED.fullmatch(text):
            return cls(*map(int, found.groups()))
        found = _SHORT.fullmatch(text)
        if found and a is not None and b is not None:
            return cls(a, b, *map(int, found.groups()))
        raise BadObis(f"{text!r} is not an OBIS code: expected A-B:C.D.E, A-B:C.D.E*F or A.B.C.D.E.F")
