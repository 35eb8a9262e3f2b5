"""Octets that passed on a line, and what was under way then: what is kept until something goes wrong. Pure.

In: octets. Out: values, and the kind of APDU that octets begin. What of them may be shown is for ``withholding``,
which is loaded when there is something to show and not before: most workers never need it.
"""

from dataclasses import dataclass
from typing import Final

OUT: Final = "out"
UNKNOWN: Final = -1
LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
LLC_BY: Final = 16
"""Octets of a frame before which its LLC header stands: flag, format, two addresses of four, control, HCS."""
WRAPPER_VERSION: Final = b"\x00\x01"
WRAPPER_HEADER: Final = 8


@dataclass(frozen=True, slots=True)
class Passed:
    """Octets that passed at once. ``associated``: while the meter had let us in; ``cut``: there were more of them.

    ``request``: the tag of the last APDU that we had sent or begun to send by then.
    """

    at: float
    way: str
    octets: bytes
    associated: bool
    request: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Secrecy:
    """What is to be kept: ``secrets`` are octets that appear nowhere; ``encrypted``: requests are.

    ``bare_key``: an AARQ holds a dedicated key that is not encrypted.
    """

    hdlc: bool = True
    secrets: tuple[bytes, ...] = ()
    encrypted: bool = False
    bare_key: bool = False


def tag_of(octets: bytes, *, hdlc: bool) -> int:
    """Return the tag of the APDU that octets begin, UNKNOWN where they begin none."""
    if not hdlc:
        at = WRAPPER_HEADER if octets[:2] == WRAPPER_VERSION else len(octets)
    else:
        found = max(octets.find(llc, 0, LLC_BY) for llc in LLC)
        at = found + 3 if found >= 0 else len(octets)
    return octets[at] if at < len(octets) else UNKNOWN
