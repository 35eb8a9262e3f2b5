"""What the history costs: folding what 1000 meters say, writing a minute, forgetting one, and how large the file gets.

``python -m tests.bench.history`` plays some minutes of 1000 meters with 12 quantities, read every five seconds, through
the parts that supervisor_qos has for it. ``python -m tests.bench.history DAYS METERS`` plays so many days of a store
whose resolutions are all kept for one day, and says whether its file still grows.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from common.process import usage
from common.reading import Quantity, Reading
from common.settings import StoreSettings
from common.store.engine import Store, open_store
from common.store.summary import HistoryRow, begin_ms, pack
from common.vault import Vault
from supervisor_qos.folding import LATE_MS, Folding
from supervisor_qos.keeping import BATCH, Keeping
from tests.bench.figures import percentile

METERS: Final = 1000
INTERVAL_S: Final = 5
MINUTES: Final = 4
BEGIN_MS: Final = begin_ms(1_795_262_400_000, 86_400)
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
MINUTES_OF_DAY: Final = 1440
QUANTITIES: Final = (
    *(("voltage_l1", 2300, -1), ("voltage_l2", 2310, -1), ("voltage_l3", 2290, -1)),
    *(("current_l1", 512, -2), ("current_l2", 480, -2), ("current_l3", 20, -2)),
    *(("frequency", 4998, -2), ("active_power", 2345, 0), ("reactive_power", 123, 0), ("apparent_power", 2400, 0)),
    *(("power_factor", 987, -3), ("active_energy", 12_345_678, 0)),
)
ONE_DAY: Final = StoreSettings(minutes_kept_h=24, quarters_kept_days=1, days_kept_days=1)
TARGET_FOLD_MS: Final = 20.0  # of processor time each second
TARGET_MINUTE_MS: Final = 1500.0  # of processor time each minute
TARGET_BATCH_MS: Final = 50.0  # of processor time
SHARE: Final = 0.9  # of the batches; the first one of each minute finishes the folding too
TARGET_GROWTH: Final = 0.05


@dataclass(slots=True)
class Figures:
    """What was found: processor time, of each batch too, which is longer than the write lock is held; octets."""

    fold_ms: float = 0.0
    minute_ms: float = 0.0
    written_ms: list[float] = field(default_factory=list)
    forgotten_ms: list[float] = field(default_factory=list)
    day_ms: float = 0.0
    packed_octets: float = 0.0
    grown_octets: float = 0.0

    @property
    def is_good(self) -> bool:
        """Return whether the targets are met."""
        most = max(percentile(self.written_ms, SHARE), percentile(self.forgotten_ms, SHARE))
        return self.fold_ms <= TARGET_FOLD_MS and self.minute_ms <= TARGET_MINUTE_MS and most <= TARGET_BATCH_MS


def _uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _readings(count: int) -> Sequence[Reading]:
    """Return readings that differ as those of meters do."""
    chance = random.Random(1)  # nothing secret
    return [
        Reading(
            tuple(
                Quantity(key, "1.0.0", round(chance.gauss(raw, abs(raw) / 100)), exp) for key, raw, exp in QUANTITIES
            ),
            duration_ms=chance.randrange(80, 200),
        )
        for _ in range(count)
    ]


def _rows(count: int) -> Sequence[HistoryRow]:
    """Return what is kept of a minute of so many meters."""
    folding, readings = Folding(), _readings(997)
    for number in range(count * MINUTE_MS // 1000 // INTERVAL_S):
        folding.take(_uid(number % count), BEGIN_MS, readings[number % len(readings)])
    return list(folding.over(None, {}))


def _timed(calls: list[float], do: Callable[[], bool]) -> bool:
    begin = time.process_time()
    done = do()
    calls.append(1000 * (time.process_time() - begin))
    return done


def costs(store: Store) -> Figures:
    """Play some minutes of METERS meters."""
    found, readings = Figures(), _readings(997)
    keeping, rss = Keeping(store.history, Folding()), usage()["rss_bytes"]
    for minute in range(MINUTES):
        at_ms, begin = BEGIN_MS + minute * MINUTE_MS, time.process_time()
        for second in range(0, 60, INTERVAL_S):
            for meter in range(METERS):
                reading = readings[(minute * 7 + second + meter) % len(readings)]
                keeping.folding.take(_uid(meter), at_ms + 1000 * second, reading)
        found.fold_ms += 1000 * (time.process_time() - begin) / 60 / MINUTES
        now_ms, begin = at_ms + MINUTE_MS + LATE_MS, time.process_time()
        while _timed(found.written_ms, lambda now_ms=now_ms: keeping.turn(now_ms, dict)):  # type: ignore[misc]
            pass
        found.minute_ms += 1000 * (time.process_time() - begin) / MINUTES
    found.grown_octets = usage()["rss_bytes"] - rss
    while _timed(found.forgotten_ms, lambda: store.history.trim(BEGIN_MS + DAY_MS + 2 * MINUTE_MS)):
        pass
    rows = _rows(100)
    found.packed_octets = sum(len(pack(row)) for row in rows) / len(rows)
    return found


def _day(store: Store, rows: Sequence[HistoryRow], day: int) -> None:
    """Play a day: a minute is added, a minute is forgotten."""
    for minute in range(MINUTES_OF_DAY):
        at_ms = BEGIN_MS + day * DAY_MS + minute * MINUTE_MS
        for start in range(0, len(rows), BATCH):
            store.history.add([replace(row, at_ms=at_ms, last_ms=at_ms) for row in rows[start : start + BATCH]])
        while store.history.trim(at_ms):
            pass


def days(store: Store, path: Path, count: int, meters: int) -> bool:
    """Play days, tell the file's size after each; return whether it stays what it was after the second."""
    rows, sizes = _rows(meters), list[int]()
    for day in range(count):
        begin = time.process_time()
        _day(store, rows, day)
        sizes.append(path.stat().st_size)
        took = time.process_time() - begin
        print(f"  after day {day + 1}: {sizes[-1] / 1e6:.1f} MB, {took:.0f} s of processor time", flush=True)
    begin = time.perf_counter()
    found = store.history.between(_uid(1), BEGIN_MS + (count - 1) * DAY_MS, BEGIN_MS + count * DAY_MS, 60)
    print(f"  a day of minutes of one meter: {len(found)} rows in {1000 * (time.perf_counter() - begin):.0f} ms")
    return max(sizes[1:]) <= (1 + TARGET_GROWTH) * sizes[1]


def report(found: Figures) -> None:
    """Print what was found."""
    print(f"{METERS} meters, {len(QUANTITIES)} quantities, every {INTERVAL_S} s")
    print(f"  folding: {found.fold_ms:.1f} ms of processor time a second")
    print(f"  writing a minute: {found.minute_ms:.0f} ms of processor time, {len(found.written_ms) // MINUTES} turns")
    for name, calls in (("written", found.written_ms), ("forgotten", found.forgotten_ms)):
        median, most = percentile(calls, 0.5), percentile(calls, SHARE)
        print(f"  a batch is {name} in {median:.1f} ms of it, {100 * SHARE:.0f} % in {most:.1f} ms")
    print(f"  one row: {found.packed_octets:.0f} octets; memory grew by {found.grown_octets / 1e6:.1f} MB")
    print(f"  targets {'met' if found.is_good else 'MISSED'}")


def main(arguments: Sequence[str]) -> bool:
    """Play and report; return whether the targets are met."""
    with tempfile.TemporaryDirectory(prefix="dlms-history-") as scratch:
        path = Path(scratch) / "store.db"
        store = open_store(f"sqlite:///{path}", Vault(bytes(32)), bounds=ONE_DAY if arguments else StoreSettings())
        store.upgrade()
        if arguments:
            return days(store, path, int(arguments[0]), int(arguments[1]))
        found = costs(store)
        report(found)
        return found.is_good


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
