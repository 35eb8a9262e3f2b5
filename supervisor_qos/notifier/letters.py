"""When which change of an alarm is told, and in which words. Pure.

In: alarms, what a channel was told, when it was told something, the operator's wishes. Out: changes that are due,
whether a letter may go now, title and text. Many changes at once become one letter; what does not fit in it is counted.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from common.store.model import AlarmRow, Severity

CLEARED: Final = "cleared"
AT: Final = "at_"  # and a severity: raised, or got worse, to this
RECENT_MS: Final = 600_000  # what came and went while nobody looked is told for so long
EXPIRED_MS: Final = 86_400_000  # what could not be told for a day is old news
HOUR_MS: Final = 3_600_000
FIRST_RETRY_MS: Final = 30_000
LAST_RETRY_MS: Final = HOUR_MS
MAX_DOUBLINGS: Final = 7  # from the first retry to the last
MAX_LINES: Final = 20  # changes that one letter spells out
MAX_MESSAGE: Final = 200  # characters of an alarm's text
_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator wants to hear of, and how often."""

    min_severity: Severity = Severity.ERROR
    resolved: bool = True
    hold_ms: int = 60_000
    per_hour: int = 12
    digest_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Item:
    """One change of an alarm; ``who``: the meter's name, or the component."""

    row: AlarmRow
    change: str
    who: str


def due(row: AlarmRow, told: Set[str], wishes: Wishes, now_ms: int) -> str:
    """Return the change of an alarm that a channel has to be told, nothing if none; ``told``: changes known already.

    An alarm of the future, which a clock that has been set back since dated, is not held back.
    """
    if _RANK[row.severity] < _RANK[wishes.min_severity]:
        return ""
    change = f"{AT}{row.severity}"
    if row.cleared_at is None:
        return change if change not in told and not 0 <= now_ms - row.raised_at < wishes.hold_ms else ""
    if any(each.startswith(AT) for each in told):
        return CLEARED if wishes.resolved and CLEARED not in told else ""
    lasted_ms, ago_ms = row.cleared_at - row.raised_at, now_ms - row.cleared_at
    return change if lasted_ms >= wishes.hold_ms and ago_ms <= RECENT_MS else ""


def may_send(times_ms: Sequence[int], wishes: Wishes, now_ms: int) -> bool:
    """Return whether a letter may go now; ``times_ms``: when the last ones went, ascending.

    Those of the future were dated by a clock that has been set back since: nobody waits for it to catch up.
    """
    recent = [at for at in times_ms if 0 <= now_ms - at < HOUR_MS]
    return len(recent) < wishes.per_hour and (not recent or now_ms - recent[-1] >= wishes.digest_ms)


def retry_ms(failures: int) -> int:
    """Return how long to wait after so many failures in a row."""
    return min(FIRST_RETRY_MS << min(failures - 1, MAX_DOUBLINGS), LAST_RETRY_MS)


def letter(items: Sequence[Item], place: str) -> tuple[str, str]:
    """Return title and text: the worst first, at most MAX_LINES of them."""
    ordered = sorted(items, key=lambda item: (item.change == CLEARED, -_RANK[item.row.severity], item.row.id))
    lines = [_line(item) for item in ordered[:MAX_LINES]]
    if len(ordered) > MAX_LINES:
        lines.append(f"… and {len(ordered) - MAX_LINES} more")
    return f"dlms-bridge {place}: {_summary(ordered)}", "\n".join(lines)


def _summary(items: Sequence[Item]) -> str:
    if len(items) == 1:
        item = items[0]
        word = "over" if item.change == CLEARED else str(item.row.severity)
        return f"{word}: {item.row.category} {item.who}"
    over = sum(item.change == CLEARED for item in items)
    parts = (f"{len(items) - over} alarms" if len(items) > over else "", f"{over} over" if over else "")
    return ", ".join(part for part in parts if part)


def _line(item: Item) -> str:
    row = item.row
    head = f"{row.category} {item.who}"
    if item.change == CLEARED and row.cleared_at is not None:
        minutes = (row.cleared_at - row.raised_at) / 60_000
        return f"OVER {head}: {_time(row.cleared_at)}, after {minutes:.0f} min"
    ended = f", over {_time(row.cleared_at)}" if row.cleared_at is not None else ""
    text = " ".join(row.message.split())[:MAX_MESSAGE]
    return f"{row.severity.upper()} {head}: since {_time(row.raised_at)}{ended}: {text}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def named(row: AlarmRow, names: Mapping[bytes, str]) -> str:
    """Return whom an alarm is about."""
    if row.meter_uid is None:
        return row.dedup_key.partition(":")[2] or "system"
    return names.get(row.meter_uid, row.meter_uid.hex())
