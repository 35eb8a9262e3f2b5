"""The whole product, a meter that is away for three hours of its clock: twelve rows of twelve at the broker.

Facts of one run, because a system costs seconds: what was missed comes by itself while live readings go on, a worker
killed in the middle of it loses and repeats nothing, and a range by hand is delivered when somebody asks for it.
"""

import signal
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

import pytest

from poller.simulator.profiles import load_row
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

STEP: Final = 900_000
HOURS_S: Final = 3 * 3600
DAYS_S: Final = 10 * 24 * 3600
AWAY_S: Final = 35.0  # longer than the least gap
BACK_S: Final = 90.0
INTERVAL_S: Final = 1.0
QUICK: Final = ("--limit", "reply_timeout_s=1", "--limit", "backoff_max_s=2")  # how long an outage lasts at the least
Span = tuple[int, int]


def rows(system: System, meter: str) -> list[dict[str, object]]:
    """Return the readings of a meter that came from its load profile, repeats included."""
    return [each for each in system.readings(meter) if each["source"] == "profile"]


def stamps(system: System, meter: str) -> list[int]:
    """Return their moments, each as often as a different reading has it."""
    named = {(each["epoch"], each["seq"]): int(str(each["ts"])) for each in rows(system, meter)}
    return sorted(named.values())


def away(system: System, moved: Mapping[str, float]) -> dict[str, Span]:
    """Let meters be away while their clocks move on by seconds.

    Return of each the last reading before and the first one after it, by our clock.
    """
    before = {meter: max(live(system, meter)) for meter in moved}
    for meter, seconds in moved.items():
        system.simulator.do("reboot", meter, seconds=AWAY_S, close=True)
        system.simulator.do("clock", meter, seconds=seconds)
    for meter in moved:
        system.wait_for_state(meter, "unreachable", 30)
    gone = time.time_ns() // 1_000_000

    def back(meter: str) -> int:
        return next((ts for ts in live(system, meter) if ts > gone), 0)

    return {meter: (before[meter], wait_until(partial(back, meter), BACK_S, f"{meter} to be back")) for meter in moved}


def live(system: System, meter: str) -> list[int]:
    """Return the times of a meter's live readings."""
    return [int(str(each["ts"])) for each in system.readings(meter) if each["source"] == "live"]


def due(begin_ms: int, end_ms: int) -> list[int]:
    """Return the moments of the rows of a span."""
    return list(range(begin_ms // STEP * STEP + STEP, end_ms + 1, STEP))


def values_of(index: int, stamp: int) -> dict[str, object]:
    """Return what a row of the simulated meter holds, under the keys of its measurements."""
    row = load_row(index, stamp)
    return {
        "0-0:96.10.1/2": float(row.status),
        "active_energy": float(row.imported),
        "active_energy_export": float(row.exported),
        "reactive_energy": float(row.reactive),
        "voltage_l1": row.voltage / 100,
    }


@pytest.mark.timeout(400)
def test_what_was_missed_comes_afterwards_and_once(tmp_path: Path) -> None:
    with System(tmp_path, meters=3, interval_s=INTERVAL_S, words=QUICK) as system:
        first, second, third = system.simulator.meters
        system.wait_for_readings(3)
        system.simulator.do("slow", second, milliseconds=0.2, lasting=600.0, on="get")
        spans = away(system, {first: HOURS_S, second: DAYS_S})
        _killed_in_the_middle(system, second, spans[second])
        _away_for_three_hours(system, first, spans[first])
        assert rows(system, third) == []
        _by_hand(system, third)


def _away_for_three_hours(system: System, meter: str, span: Span) -> None:
    begin, end = span
    expected = due(begin, end + HOURS_S * 1000)
    wait_until(lambda: set(expected) <= set(stamps(system, meter)), 30, "the missed rows")
    got = stamps(system, meter)
    assert len(got) == len(set(got)), Counter(got).most_common(3)
    assert set(got) - set(expected) <= {expected[0] - STEP, expected[-1] + STEP}  # within the slack of a gap
    assert len(due(begin, begin + HOURS_S * 1000)) == 12
    for each in rows(system, meter):
        assert each["values"] == pytest.approx(values_of(0, int(str(each["ts"]))))
    after = [ts for ts in live(system, meter) if ts >= end]
    assert len(after) > 5
    assert max(b - a for a, b in pairwise(after)) <= 2500
    state = cast("dict[str, dict[str, object]]", system.cli_json("status", meter))
    assert state["facts"]["backfill"] == "on"
    assert state["metrics"]["backfilled"] == len(got)


def _killed_in_the_middle(system: System, meter: str, span: Span) -> None:
    """Ten days of rows on a line that takes its time: workers are killed while they come."""
    begin, end = span
    expected = set(due(begin, end + DAYS_S * 1000))
    for share in (0.1, 0.4, 0.7):
        goal = share * len(expected)
        wait_until(partial(_has, system, meter, goal), 60, f"{goal:.0f} rows")
        system.kill(system.worker(meter), signal.SIGKILL)
    wait_until(lambda: expected <= set(stamps(system, meter)), 90, "the missed rows of a worker that was killed")
    got = stamps(system, meter)
    assert len(got) == len(set(got)), Counter(got).most_common(3)
    assert len(set(got) - expected) <= 2


def _has(system: System, meter: str, count: float) -> bool:
    return len(stamps(system, meter)) >= count


def _by_hand(system: System, meter: str) -> None:
    """A range is delivered when it is asked for, again too; a paused meter refuses."""
    now = time.time_ns() // 1_000_000
    start, stop = now - 7 * STEP, now - 2 * STEP
    span = ("--from", iso(start), "--to", iso(stop))
    done = cast("dict[str, dict[str, object]]", system.cli_json("backfill", meter, *span))
    assert done["result"]["rows"] == len(due(start - 1, stop)) == 5
    wait_until(lambda: stamps(system, meter) == due(start - 1, stop), 10, "the range by hand")
    told = system.cli("backfill", meter, *span)
    assert told.stdout == f"{meter}: 5 rows in {told.stdout.split()[4]} windows\n"
    wait_until(lambda: Counter(stamps(system, meter)) == dict.fromkeys(due(start - 1, stop), 2), 10, "it again")
    system.cli("pause", meter)
    system.wait_for_state(meter, "paused", 10)
    assert "paused: resume it first" in system.cli("backfill", meter, *span, code=1).stderr


def iso(moment_ms: int) -> str:
    """Return a moment as people write it."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat()
