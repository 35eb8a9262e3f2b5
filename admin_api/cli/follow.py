"""meterctl follow: readings as they come, one line each, and what becomes of the meters meanwhile.

In: the latest values and states in the store, looked at several times a second. Out: lines, until Ctrl-C, a number of
readings or a time; a store that is away meanwhile, or made anew, does not end it. The store keeps a meter's latest
reading once a second: of faster meters not every one is shown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from admin_api.cli.access import looked_at, settings, shared_options
from admin_api.cli.named import any_meters_argument
from admin_api.cli.outcome import Outcome
from admin_api.cli.output import show_json, show_line, value_text
from admin_api.documents import latest_document
from common.clock import Clock, SystemClock
from common.meter_state import MeterState
from common.store.errors import StoreDamaged, StoreUnavailable

if TYPE_CHECKING:
    from admin_api.cli.access import Looked
    from common.store.model import LatestRow, Meter, MeterStateRow

LOOK_S: Final = 0.2  # between two looks at the store
RELIST_LOOKS: Final = 10  # a meter added meanwhile is followed within two seconds


class Follower:
    """What was shown already, so that only what is new is shown."""

    def __init__(self, store: "Looked", ids: Sequence[str], *, as_json: bool) -> None:
        self._store = store
        self._ids = ids
        self._as_json = as_json
        self._meters: Mapping[bytes, Meter] = {}
        self._readings: dict[bytes, tuple[bytes, int]] = {}
        self._states: dict[bytes, tuple[MeterState, str]] = {}

    def turn(self, looks: int) -> int:
        """Do what the n-th look is for; return how many readings were shown. Only the first needs the store."""
        try:
            if looks % RELIST_LOOKS == 0:
                self.find()
            return self.look()
        except (StoreDamaged, StoreUnavailable):
            if not looks:
                raise
            return 0

    def find(self) -> None:
        """Look up which meters are meant: those named, or all; raise NoSuchMeter."""
        meters = self._store.meters
        chosen = [meters.find(text) for text in self._ids] if self._ids else meters.list()
        self._meters = {meter.uid: meter for meter in chosen}

    def look(self) -> int:
        """Show what is new; return how many readings were."""
        for state in self._store.states.list():
            if state.uid in self._meters and self._states.get(state.uid) != (state.status, state.cause):
                self._state_changed(state)
        fresh = [row for row in self._store.states.list_latest() if self._is_new(row)]
        for row in sorted(fresh, key=lambda row: row.ts_ms):
            self._readings[row.uid] = (row.epoch, row.seq)
            self._show(row, self._meters[row.uid].wish.name)
        return len(fresh)

    def _is_new(self, row: "LatestRow") -> bool:
        return row.uid in self._meters and self._readings.get(row.uid) != (row.epoch, row.seq)

    def _state_changed(self, row: "MeterStateRow") -> None:
        """Show a meter's new state; at the beginning only one that keeps it from being read."""
        is_first = row.uid not in self._states
        self._states[row.uid] = (row.status, row.cause)
        name = self._meters[row.uid].wish.name
        if is_first and row.status is MeterState.ACTIVE and not row.cause:
            return
        if self._as_json:
            show_json({"meter": name, "state": row.status, "cause": row.cause, "detail": row.detail})
        else:
            show_line(f"{clock_text(row.updated_ms)}  {name}  is {row.status}: {row.detail or row.cause}".rstrip(": "))

    def _show(self, row: "LatestRow", name: str) -> None:
        if self._as_json:
            show_json({"meter": name, "uid": row.uid.hex(), **(latest_document(row) or {})})
            return
        values = [f"{key}={value_text(value)}{_unit(row.units.get(key))}" for key, value in row.values.items()]
        failed = [f"{key}: {kind}" for key, kind in row.failed.items()]
        marks = [f"[{mark}]" for mark in row.quality]
        show_line("  ".join([clock_text(row.ts_ms), name, f"#{row.seq}", *values, *marks, *failed]))


@click.command()
@any_meters_argument
@click.option("--count", type=click.IntRange(min=1), help="End after so many readings.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="End after so many seconds; 1 if nothing was read.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Write what the broker delivers there.")
@shared_options
def follow(ids: tuple[str, ...], count: int | None, seconds: float | None, record: Path | None, as_json: bool) -> int:
    """Print readings as they come: those of the meters named, or of all. Ctrl-C ends it."""
    clock = SystemClock()
    with looked_at() as store, _recorded(record, clock) as wait:
        follower = Follower(store, ids, as_json=as_json)
        limit = None if seconds is None else clock.monotonic() + seconds
        seen = looks = 0
        while True:
            if limit is not None and clock.monotonic() >= limit:
                return Outcome.DONE if seen and not count else Outcome.FAILED
            seen += follower.turn(looks)
            looks += 1
            if count and seen >= count:
                return Outcome.DONE
            wait(LOOK_S)


@contextmanager
def _recorded(path: Path | None, clock: Clock) -> Iterator[Callable[[float], None]]:
    """Give what passes the time: with a file to record to, it takes what the broker delivers meanwhile."""
    if path is None:
        yield clock.sleep
        return
    from admin_api.cli.recording import Recorder

    with Recorder(settings().mqtt, clock, path=path) as recorder:
        yield recorder.wait


def clock_text(at_ms: int) -> str:
    """Return the time of day of this machine's time zone, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _unit(sign: str | None) -> str:
    return f" {sign}" if sign else ""
