"""Readings as they are heard, folded into what the history keeps of a minute. Pure.

In: readings with the time of their envelope. Out: rows of the periods that are over. Numbers are folded as the meter's
own integers and become floats once, at the end. A live reading belongs to its minute; one from the meter's memory to
its quarter of an hour: a load profile has no finer times. A reading that is marked implausible counts nowhere here.
A period is over when its time has passed, and also when it lies ahead of a clock that was set back: what is heard of it
later is another row, which the store puts together with this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Final

from common.reading import Quality, Quantity, Reading, Source
from common.store.summary import MAX_KEYS, MAX_TEXT, HistoryRow, Summary, Text, begin_ms, joined

LIVE_S: Final = 60
PROFILE_S: Final = 900
LATE_MS: Final = 5000  # a reading is heard when its cycle is over, and its time is that of the cycle's begin
AHEAD_MS: Final = 60_000  # a period that begins later than this is of a clock that was set back
MAX_PERIODS: Final = 128  # open at once, over all meters; a day of profile rows has 96
Names = Mapping[str, str]
Period = tuple[int, int]
_NO_NAMES: Final[Names] = {}


@dataclass(slots=True)
class _Slot:
    """Numbers of one key and scaler."""

    count: int
    lowest: int | float
    highest: int | float
    total: int | float
    last: int | float
    last_ms: int

    def take(self, number: float, at_ms: int) -> None:
        self.count += 1
        self.total += number
        if number < self.lowest:
            self.lowest = number
        elif number > self.highest:
            self.highest = number
        if at_ms >= self.last_ms:
            self.last, self.last_ms = number, at_ms


@dataclass(slots=True)
class _Bucket:
    """One meter's readings of one period."""

    readings: int = 0
    last_ms: int = 0
    numbers: dict[tuple[str, int | None], _Slot] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)
    read_ms: _Slot | None = None


@dataclass(slots=True)
class Folding:
    """See the module's text. ``left_out``: readings that were marked implausible, or would have been too much."""

    left_out: int = 0
    _periods: dict[Period, dict[bytes, _Bucket]] = field(default_factory=dict)

    def take(self, uid: bytes, ts_ms: int, reading: Reading) -> None:
        """Take in one reading."""
        live = reading.source is Source.LIVE
        resolution_s = LIVE_S if live else PROFILE_S
        period = resolution_s, begin_ms(ts_ms, resolution_s)
        is_full = period not in self._periods and len(self._periods) >= MAX_PERIODS
        if is_full or Quality.IMPLAUSIBLE in reading.quality:
            self.left_out += 1
            return
        if not reading.quantities:
            return
        bucket = self._periods.setdefault(period, {}).setdefault(uid, _Bucket())
        bucket.readings += 1
        bucket.last_ms = max(bucket.last_ms, ts_ms)
        for quantity in reading.quantities:
            _fold(bucket, quantity, ts_ms)
        if live and bucket.read_ms:
            bucket.read_ms.take(reading.duration_ms, ts_ms)
        elif live:
            bucket.read_ms = _slot(reading.duration_ms, ts_ms)

    def over(self, now_ms: int | None, names: Mapping[bytes, Names]) -> Iterator[HistoryRow]:
        """Give the rows of all periods that are over, or of all with no time; keys get the names they are sent by."""
        for period in [period for period in self._periods if now_ms is None or _is_over(period, now_ms)]:
            for uid, bucket in self._periods.pop(period).items():
                yield _row(uid, period, bucket, names.get(uid, _NO_NAMES))

    def is_over(self, now_ms: int) -> bool:
        """Return whether there is a period that is over."""
        return any(_is_over(period, now_ms) for period in self._periods)


def _is_over(period: Period, now_ms: int) -> bool:
    resolution_s, at_ms = period
    return at_ms + 1000 * resolution_s + LATE_MS <= now_ms or at_ms > now_ms + AHEAD_MS


def _slot(number: float, at_ms: int) -> _Slot:
    return _Slot(1, number, number, number, number, at_ms)


def _fold(bucket: _Bucket, quantity: Quantity, ts_ms: int) -> None:
    raw = quantity.raw
    if isinstance(raw, str | bool):
        if len(bucket.texts) < MAX_KEYS or quantity.key in bucket.texts:
            bucket.texts[quantity.key] = raw[:MAX_TEXT] if isinstance(raw, str) else raw
        return
    key = quantity.key, quantity.scaler
    slot = bucket.numbers.get(key)
    if slot is not None and isfinite(raw):
        slot.take(raw, ts_ms)
    elif len(bucket.numbers) < MAX_KEYS and isfinite(raw):
        bucket.numbers[key] = _slot(raw, ts_ms)


def _row(uid: bytes, period: Period, bucket: _Bucket, names: Names) -> HistoryRow:
    """Return what is kept of a bucket; numbers of one key that came with several scalers are put together."""
    resolution_s, at_ms = period
    values: dict[str, Summary] = {}
    for (key, scaler), slot in sorted(bucket.numbers.items(), key=lambda item: item[1].last_ms):
        name, summary = names.get(key, key), _summary(slot, scaler)
        if isfinite(summary.highest - summary.lowest):
            values[name] = joined(values[name], summary) if name in values else summary
    texts = {names.get(key, key): text for key, text in bucket.texts.items()}
    times = None if bucket.read_ms is None else _summary(bucket.read_ms, None)
    return HistoryRow(uid, resolution_s, at_ms, bucket.last_ms, bucket.readings, values, texts, times)


def _summary(slot: _Slot, scaler: int | None) -> Summary:
    lowest, highest, last = (_scaled(number, scaler) for number in (slot.lowest, slot.highest, slot.last))
    mean = slot.total / slot.count if scaler is None else float(Decimal(slot.total).scaleb(scaler) / slot.count)
    # Numbers of a meter that are finite may have a sum that is not.
    return Summary(lowest, min(max(mean, lowest), highest), highest, last, slot.count)


def _scaled(number: float, scaler: int | None) -> float:
    """Return the same float as a payload has."""
    return float(number) if scaler is None else float(Decimal(number).scaleb(scaler))
