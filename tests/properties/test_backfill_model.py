"""Outages at random, a crash between any two steps: every row of every gap comes once, and none twice.

The whole loop runs against a simulated meter whose clock is moved on while it is away, so that hours pass in a moment.
A crash is raised out of the middle of a worker, before or after it published or wrote; the next worker goes on with
what is on disk. Numbers go on as in a journal that outlives its process.
"""

from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.reading import Reading, Source
from poller.backfill import SLACK_MS, State
from poller.backfill_file import BackfillFile
from poller.simulator import MeterSpec, personality
from poller.simulator.personality import ProfileHabit, ProfileSetting
from tests.support.nights import KeptFeed, Night
from tests.support.simulated import RunningClock

STEP: Final = 900_000
AWAY_S: Final = 40.0
BETWEEN_S: Final = 90.0
INTERVAL_S: Final = 5.0
HABITS: Final = [(), (ProfileHabit.NO_RANGE,), (ProfileHabit.RANGE_LAST_ROW,), (ProfileHabit.NULL_DATA,)]


class Crash(BaseException):
    """SIGKILL."""


@dataclass
class Fate:
    """At which of its steps a worker is killed."""

    steps_left: int = 1 << 30

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            self.steps_left = 1 << 30
            raise Crash


class KilledFile(BackfillFile):
    """A file whose worker dies before or after it is written."""

    fate = Fate()

    def save(self, state: State) -> bool:
        self.fate.step()
        done = super().save(state)
        self.fate.step()
        return done


class KilledFeed(KeptFeed):
    """An outlet whose worker dies before or after a row is taken."""

    fate = Fate()

    def publish(self, reading: Reading, ts_ms: int | None = None, boot_ms: int | None = None) -> bool:
        if reading.source is not Source.PROFILE:
            return super().publish(reading, ts_ms, boot_ms)
        self.fate.step()
        super().publish(reading, ts_ms, boot_ms)
        self.fate.step()
        return True


@dataclass
class Played:
    """A night, and the meter's time of its live readings."""

    night: Night
    offset_s: float = 0.0

    def away(self, at: float, hours: float) -> None:
        """Let the meter be away for a moment in which hours pass on its clock."""
        night = self.night
        night.at(at, self._unplug)
        night.at(at + AWAY_S / 2, lambda: night.wire.device.time.jump(3600 * hours))
        night.at(at + AWAY_S, lambda: setattr(night.wire, "reachable", True))

    def _unplug(self) -> None:
        self.night.wire.reachable = False
        self.night.wire.close()


def night_of(root: Path, habits: tuple[ProfileHabit, ...]) -> Night:
    """Return a night whose worker can be killed at any step."""
    profile = ProfileSetting(depth=2000, habits=frozenset(habits))
    spec = MeterSpec("sim-1", replace(personality("microstar"), profile=profile))
    night = Night(root, spec, RunningClock(), backfill=True, interval_s=INTERVAL_S)
    night.feed = KilledFeed(night.clock, night.feed.stop)
    night.files = KilledFile
    return night


def play(night: Night, until: float, fates: list[int]) -> int:
    """Play to an end; each fate kills a worker after so many steps, and the next one begins. Return how many died."""
    remaining, deaths = iter(fates), 0
    while night.clock.now < until:
        KilledFile.fate = KilledFeed.fate = Fate(next(remaining, 1 << 30))
        try:
            night.play(until - night.clock.now)
        except Crash:
            night.clock.sleep(1.0)
            deaths += 1
    return deaths


def rows_between(begin: int, end: int) -> set[int]:
    """Return the moments of the rows of a span."""
    return set(range(begin // STEP * STEP + STEP, end + 1, STEP))


@settings(max_examples=10, deadline=None)
@given(
    hours=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=3),
    fates=st.lists(st.integers(0, 60), max_size=6),
    habits=st.sampled_from(HABITS),
)
def test_every_row_of_every_gap_comes_exactly_once(
    hours: list[float], fates: list[int], habits: tuple[ProfileHabit, ...]
) -> None:
    with TemporaryDirectory() as root:
        night = night_of(Path(root), habits)
        played = Played(night)
        meter = night.wire.device.time
        times: list[int] = []
        for place, length in enumerate(hours, 1):
            begin = place * (BETWEEN_S + AWAY_S)
            night.at(begin - 0.001, lambda: times.append(meter.now_ms()))
            played.away(begin, length)
            night.at(begin + AWAY_S, lambda: times.append(meter.now_ms()))
        end = night.start + (len(hours) + 1) * (BETWEEN_S + AWAY_S) + 100
        play(night, end, fates)
        missed: set[int] = set()
        allowed: set[int] = set()
        margin = SLACK_MS + round(1000 * (2 * INTERVAL_S + AWAY_S))
        for begin_ms, end_ms in zip(times[::2], times[1::2], strict=True):
            missed |= rows_between(begin_ms, end_ms)
            allowed |= rows_between(begin_ms - margin, end_ms + margin)
        got = [stamp for stamp, _ in night.feed.rows]
        assert len(got) == len(set(got))
        assert missed <= set(got) <= allowed


@pytest.mark.slow
def test_a_worker_killed_at_each_step_in_turn_brings_every_row_once(tmp_path: Path) -> None:
    for step in count():
        root = tmp_path / str(step)
        root.mkdir()
        night = night_of(root, ())
        Played(night).away(150, 3)
        deaths = play(night, night.start + 250, [step])
        got = [stamp for stamp, _ in night.feed.rows]
        assert len(got) == len(set(got)) == 12, step
        if not deaths:
            break
    assert step > 30
