"""Whether a count rose lately: what keeps an alarm up for a while after each loss, and lets it end by itself.

In: counts by name, the time. Out: yes or no. The first value that is seen is where a count stood before, not a rise.
"""

from typing import Final

LATELY_S: Final = 60.0


class Rising:
    """Remembers of each name its last value and when it last rose, on a monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float | None]] = {}

    def rose(self, name: str, value: int, now: float) -> bool:
        """Take in a count; return whether it rose within the last LATELY_S seconds."""
        before, at = self._seen.get(name, (value, None))
        at = now if value > before else at
        self._seen[name] = (value, at)
        return at is not None and now - at < LATELY_S
