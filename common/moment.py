"""How a person writes a point in time, wherever a command takes one.

In: ISO 8601 (UTC where it names no offset), ``now``, so long ago (``90s``, ``15m``, ``2h``, ``7d``), or milliseconds
since 1970; and what time it is. Out: milliseconds since 1970, or BadMoment. Pure.
"""

import re
from datetime import UTC, datetime
from typing import Final

from common.errors import Hopeless

SYNTAX: Final = "ISO 8601 (UTC without an offset), or how long ago: 15m, 2h, 7d"
FIRST_MS: Final = 31_536_000_000  # 1971: no meter is older than the clock of the machines that read it
LAST_MS: Final = 4_102_444_800_000  # 2100
_AGO: Final = re.compile(r"(?P<count>\d{1,9})(?P<unit>s|m|h|d)")
_MILLISECONDS: Final = re.compile(r"\d{11,13}")  # shorter ones are dates without hyphens: 20260228
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class BadMoment(Hopeless):
    """A text that is no point in time."""


def moment_ms(text: str, now_ms: int) -> int:
    """Return the point in time that a text means; raise BadMoment."""
    found = _meant(text.strip(), now_ms)
    if found is None:
        raise BadMoment(f"{text[:64]!r} is no point in time: {SYNTAX}")
    if not FIRST_MS <= found <= LAST_MS:
        raise BadMoment(f"{text[:64]!r} is not between 1971 and 2100")
    return found


def _meant(text: str, now_ms: int) -> int | None:
    if text == "now":
        return now_ms
    if ago := _AGO.fullmatch(text):
        return now_ms - int(ago["count"]) * _UNIT_MS[ago["unit"]]
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
