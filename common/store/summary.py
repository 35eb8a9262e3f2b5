"""A meter's readings within one period: what is kept of them, put together, and packed for a column. Pure.

In: summaries of parts of a period. Out: one of the whole, and its octets. Putting together is exact in lowest, highest,
last and counts, in any order; a mean is rounded to GUARD digits beyond those of the values themselves each time that it
is packed. Of texts and truths only the last is kept.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

from common.store.errors import StoreDamaged

RESOLUTIONS_S: Final = (60, 900, 86_400)
"""Lengths of periods, the finest first; each is a multiple of the one before."""
MAX_KEYS: Final = 256  # of one period, as many as one reading may have
MAX_TEXT: Final = 64  # characters of a text; longer ones are names of things, not measurements
GUARD: Final = 4  # digits of a mean beyond the values'
MAX_DIGITS: Final = 15  # decimals that a float can tell apart
WORDS: Final = (
    b'"serial_number":"firmware_version":"reactive_energy_export":[],"reactive_energy":[],"active_energy_export":[],'
    b'"active_energy":[],"current_l3":[],"current_l2":[],"voltage_l3":[],"voltage_l2":[],"power_factor":[0.9'
    b'"apparent_power":[],"reactive_power":[],"active_power":[],"frequency":[49.9,50.0,"current_l1":[],"voltage_l1":[230.'
)
"""What zlib knows beforehand, the most frequent last. Never changed: what is packed needs it; another FORMAT may."""
FORMAT: Final = b"\x01"
MAX_UNPACKED: Final = 4 << 20  # octets; MAX_KEYS keys of the longest kind, with five numbers each, are less
Text = str | bool
Number = int | float


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of one key within a period: ``count`` of them, the last by the time of its reading."""

    lowest: float
    mean: float
    highest: float
    last: float
    count: int


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What is kept of ``readings`` of a meter in the period that begins at ``at_ms``, the last of them at ``last_ms``.

    ``read_ms``: how long the cycles took, in milliseconds; None where that is not known.
    """

    uid: bytes
    resolution_s: int
    at_ms: int
    last_ms: int
    readings: int
    values: Mapping[str, Summary] = field(default_factory=dict)
    texts: Mapping[str, Text] = field(default_factory=dict)
    read_ms: Summary | None = None


def begin_ms(at_ms: int, resolution_s: int) -> int:
    """Return where the period begins that a time lies in."""
    return at_ms - at_ms % (1000 * resolution_s)


def coarser(row: HistoryRow, resolution_s: int) -> HistoryRow:
    """Return the same readings as a part of a longer period."""
    return replace(row, resolution_s=resolution_s, at_ms=begin_ms(row.at_ms, resolution_s))


def together(one: HistoryRow, other: HistoryRow) -> HistoryRow:
    """Return what is kept of both, which are of one meter and period."""
    first, second = (one, other) if one.last_ms <= other.last_ms else (other, one)
    values = dict(first.values)
    for key, summary in second.values.items():
        if key in values or len(values) < MAX_KEYS:
            values[key] = joined(values[key], summary) if key in values else summary
    early, late = first.read_ms, second.read_ms
    return replace(
        second,
        readings=first.readings + second.readings,
        values=values,
        texts=dict([*first.texts.items(), *second.texts.items()][-MAX_KEYS:]),
        read_ms=joined(early, late) if early and late else early or late,
    )


def joined(first: Summary, second: Summary) -> Summary:
    """Return what is kept of both; the last number is the second one's."""
    count = first.count + second.count
    mean = first.mean + (second.mean - first.mean) * (second.count / count)
    lowest, highest = min(first.lowest, second.lowest), max(first.highest, second.highest)
    return Summary(lowest, min(max(mean, lowest), highest), highest, second.last, count)


def pack(row: HistoryRow) -> bytes:
    """Return values, texts and times of a row as octets."""
    values = {key: _plain(summary, row.readings) for key, summary in row.values.items()}
    times = None if row.read_ms is None else _plain(row.read_ms, row.readings)
    plain = json.dumps([values, dict(row.texts), times], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    packer = zlib.compressobj(6, zlib.DEFLATED, -13, 7, zlib.Z_DEFAULT_STRATEGY, WORDS)
    return FORMAT + packer.compress(plain.encode("utf-8", "replace")) + packer.flush()


def unpack(row: HistoryRow, packed: bytes) -> HistoryRow:
    """Return a row with what was packed of it; raise StoreDamaged."""
    if packed[:1] != FORMAT:
        raise StoreDamaged(f"readings_history: packed in a way that this version does not know: {packed[:1].hex()}")
    try:
        plain = zlib.decompressobj(-13, WORDS).decompress(packed[1:], MAX_UNPACKED)
        values, texts, times = json.loads(plain)
        return replace(
            row,
            values={key: _summary(item, row.readings) for key, item in values.items()},
            texts=texts,
            read_ms=None if times is None else _summary(times, row.readings),
        )
    except (zlib.error, ValueError, TypeError, AttributeError) as error:
        raise StoreDamaged(f"readings_history: octets that are no packed row: {error}") from None


def _plain(summary: Summary, readings: int) -> Number | list[Number]:
    """Return the shortest form: one number where all are equal, no count where each reading had a value."""
    edges = (summary.lowest, summary.highest, summary.last)
    digits = max(map(_decimals, edges)) + GUARD
    mean = round(summary.mean, digits) if digits <= MAX_DIGITS else summary.mean
    numbers = [_short(number) for number in (summary.lowest, mean, summary.highest, summary.last)]
    if summary.count != readings:
        return [*numbers, summary.count]
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _summary(item: object, readings: int) -> Summary:
    if isinstance(item, int | float):
        return Summary(float(item), float(item), float(item), float(item), readings)
    lowest, mean, highest, last, *count = cast("list[Number]", item)
    return Summary(float(lowest), float(mean), float(highest), float(last), int(count[0]) if count else readings)


def _decimals(number: float) -> int:
    text = repr(number)
    return MAX_DIGITS if "e" in text else len(text.partition(".")[2])  # 1e-30: nothing is rounded


def _short(number: float) -> Number:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
