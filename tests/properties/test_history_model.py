"""The history against its model: readings at any times, clocks set back and forth, deaths; only an open minute is lost.

The model is the list of the readings that were written, looked at as a whole: lowest, mean, highest, last and number of
each period. The product folds, adds and packs piece by piece.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from common.reading import Quality, Quantity, Reading, Source
from common.store.summary import RESOLUTIONS_S, HistoryRow, Summary, begin_ms
from supervisor_qos.folding import AHEAD_MS, LATE_MS, Folding
from supervisor_qos.keeping import Keeping
from tests.support.installation import NOON_MS, StillClock, opened

SHM = Path("/dev/shm")
QUICK = settings(max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=100, stateful_step_count=60)
UIDS = (bytes(16), b"\x01" * 16)
DRIFT = 0.02  # of the last digit: a mean is rounded to four digits more at each of at most a hundred steps
numbers = st.integers(-(10**9), 10**9)


@dataclass(frozen=True, slots=True)
class Known:
    """One reading that is plausible."""

    uid: bytes
    at_ms: int
    raw: int
    source: Source


class History(RuleBasedStateMachine):
    """What may happen to the supervisor and its clock between readings."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.opened = opened(self.root, StillClock())
        self.store = self.opened.__enter__()
        self.keeping = Keeping(self.store.history, Folding())
        self.now_ms = NOON_MS
        self.open: list[Known] = []
        self.written: list[Known] = []

    @rule(raws=st.lists(numbers, min_size=1, max_size=12), uid=st.sampled_from(UIDS), apart_ms=st.integers(1, 20_000))
    def hear(self, raws: Sequence[int], uid: bytes, apart_ms: int) -> None:
        """Readings come, one after the other."""
        for raw in raws:
            self.now_ms += apart_ms
            self._take(Known(uid, self.now_ms, raw, Source.LIVE))

    @rule(raw=numbers, quarters_ago=st.integers(1, 300), uid=st.sampled_from(UIDS))
    def backfill(self, raw: int, quarters_ago: int, uid: bytes) -> None:
        """A row of the meter's load profile comes."""
        self._take(Known(uid, self.now_ms - 900_000 * quarters_ago, raw, Source.PROFILE))

    @rule(raw=numbers)
    def hear_what_is_not_plausible(self, raw: int) -> None:
        """It counts nowhere."""
        self.keeping.folding.take(UIDS[0], self.now_ms, _reading(raw, Source.LIVE, Quality.IMPLAUSIBLE))

    @rule(step_ms=st.integers(-3 * 3_600_000, 3 * 3_600_000))
    def set_clock(self, step_ms: int) -> None:
        """Somebody sets the clock."""
        self.now_ms += step_ms

    @rule()
    def turn(self) -> None:
        """The supervisor has its turn, as often as it takes."""
        while self.keeping.turn(self.now_ms, dict):
            pass
        over = [item for item in self.open if self._is_over(item)]
        self.written += over
        self.open = [item for item in self.open if item not in over]

    @rule()
    def stop(self) -> None:
        """It is told to stop, and another one starts."""
        self.keeping.finish({})
        self.written += self.open
        self.open = []
        self.keeping = Keeping(self.store.history, Folding())

    @rule()
    def kill(self) -> None:
        """It dies with what is not over; another one starts."""
        self.turn()
        self.open = []
        self.keeping = Keeping(self.store.history, Folding())

    def teardown(self) -> None:
        """Everything that was written is there, once, in each resolution."""
        try:
            self.turn()
            for uid in UIDS:
                for seconds in RESOLUTIONS_S:
                    self._compare(uid, seconds)
        finally:
            self.opened.__exit__(None, None, None)
            shutil.rmtree(self.root)

    def _take(self, known: Known) -> None:
        self.keeping.folding.take(known.uid, known.at_ms, _reading(known.raw, known.source))
        self.open.append(known)

    def _is_over(self, known: Known) -> bool:
        seconds = 60 if known.source is Source.LIVE else 900
        begin = begin_ms(known.at_ms, seconds)
        return begin + 1000 * seconds + LATE_MS <= self.now_ms or begin > self.now_ms + AHEAD_MS

    def _compare(self, uid: bytes, seconds: int) -> None:
        mine = [item for item in self.written if item.uid == uid and (item.source is Source.LIVE or seconds >= 900)]
        expected: dict[int, list[Known]] = {}
        for item in mine:
            expected.setdefault(begin_ms(item.at_ms, seconds), []).append(item)
        rows = self.store.history.between(uid, 0, 2 * NOON_MS, seconds)
        assert [row.at_ms for row in rows] == sorted(expected)
        for row in rows:
            _equal(row, expected[row.at_ms])


def _reading(raw: int, source: Source, *quality: Quality) -> Reading:
    return Reading((Quantity("active_power", "1.7.0", raw, -1, 27),), quality=quality, source=source)


def _equal(row: HistoryRow, readings: Sequence[Known]) -> None:
    raws = [item.raw for item in readings]
    summary = row.values["active_power"]
    latest = max(item.at_ms for item in readings)
    lasts = {_float(item.raw) for item in readings if item.at_ms == latest}
    exact = Summary(_float(min(raws)), summary.mean, _float(max(raws)), summary.last, len(raws))
    assert summary == exact
    assert summary.last in lasts
    assert summary.mean == pytest.approx(fmean(raws) / 10, abs=DRIFT / 10, rel=1e-12)
    assert (row.readings, row.last_ms) == (len(raws), latest)


def _float(raw: int) -> float:
    return float(Decimal(raw).scaleb(-1))


def test_the_history_is_what_was_written_however_it_came() -> None:
    run_state_machine_as_test(History, settings=QUICK)


@pytest.mark.slow
def test_it_is_so_in_long_lives_too() -> None:
    run_state_machine_as_test(History, settings=LONG)
