"""Rows that may be what kills sessions: who is to be sent alone, and who is convicted (SPEC section 7).

In: ends of sessions as seen by the rows that were unacknowledged. Out: whether a row is suspect, and which row is to be
set aside. Memory only: a restart acquits everybody, and the evidence is gathered again.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from publisher.delivery import DEATH_S, STRIKES, SUSPECT_AFTER, Death, is_strike

MAX_SUSPECTS: Final = 4096  # rows remembered; the oldest is forgotten first


class Suspects:
    """See the module's text."""

    def __init__(self) -> None:
        self._deaths: dict[int, int] = {}
        self._strikes: dict[int, int] = {}

    def is_suspect(self, row_id: int) -> bool:
        """Return whether a row must be sent alone."""
        return row_id in self._strikes or self._deaths.get(row_id, 0) >= SUSPECT_AFTER

    def witnessed(self, ids: Sequence[int], death: Death) -> int | None:
        """Note the end of a session that carried these rows; return the row that is convicted by it."""
        if len(ids) == 1 and is_strike(death):
            return self._strike(ids[0])
        if death.since_sent_s <= DEATH_S:
            for row_id in ids:
                self._deaths[row_id] = self._deaths.pop(row_id, 0) + 1
        while len(self._deaths) > MAX_SUSPECTS:
            del self._deaths[next(iter(self._deaths))]
        return None

    def _strike(self, row_id: int) -> int | None:
        self._strikes[row_id] = self._strikes.get(row_id, 0) + 1
        if self._strikes[row_id] < STRIKES:
            return None
        self.forget((row_id,))
        return row_id

    def forget(self, ids: Iterable[int]) -> None:
        """These rows were acknowledged or are gone."""
        if not self._deaths and not self._strikes:
            return
        for row_id in ids:
            self._deaths.pop(row_id, None)
            self._strikes.pop(row_id, None)
