"""What was observed and judged, to the store: states, latest values, components, alarms. Once a second, in batches.

In: judgements, readings, alarms that hold. Out: rows, of which only those that changed are written. Times on the bus
are CLOCK_BOOTTIME; here they become UTC, by one offset that is kept until it is off by a clock step.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from common.clock import Clock
from common.diagnostic import Diagnostic
from common.heartbeat import PublisherBeat
from common.meter_state import MeterState
from common.store.engine import Store
from common.store.model import LAST_ERROR_MS, AlarmStep, Change, LatestRow, MeterStateRow
from common.units import unit_name
from supervisor_qos.alarms import Alarm
from supervisor_qos.episodes import Episodes, View
from supervisor_qos.judged import REASONS, Judged
from supervisor_qos.observer import Latest
from supervisor_qos.policy import History

STEP_MS: Final = 250  # a larger change of the offset is a step, a smaller one the reading of two clocks
NETWORK: Final = frozenset({
    *("frames_sent", "frames_received", "octets_sent", "octets_received"),
    *("bad_frames", "out_of_sequence", "resent"),
    *("connects", "connect_failures", "reconnects", "associations", "auth_refusals"),
})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recorder:
    """See the module's text."""

    store: Store
    clock: Clock
    _states: dict[bytes, MeterStateRow] = field(default_factory=dict)
    _episodes: Episodes = field(default_factory=Episodes)
    _offset_ms: int = 0

    def load(self) -> dict[bytes, MeterStateRow]:
        """Take over what an earlier supervisor wrote, alarms among it, and return its states."""
        self._states = {row.uid: row for row in self.store.states.list()}
        now_ms = self.clock.boottime_ms()
        for row in self.store.alarms.active():
            alarm = Alarm(row.category, row.message, row.severity, row.meter_uid)
            self._episodes.resume(row.dedup_key, alarm, row.count, now_ms)
        return dict(self._states)

    @property
    def active(self) -> Set[str]:
        """The keys of the alarms that last."""
        return self._episodes.raised

    def states(self, judged: Iterable[Judged]) -> None:
        """Write the states that changed."""
        self._follow_clock()
        rows = [row for item in judged if (row := self._row(item)) != self._states.get(row.uid)]
        if rows:
            now = self.clock.wall_ms()
            rows = [replace(row, updated_ms=now) for row in rows]
            self.store.states.write(rows)
            self._states |= {row.uid: row for row in rows}

    def latest(self, readings: Mapping[bytes, Latest], tb_keys: Mapping[bytes, Mapping[str, str]]) -> None:
        """Write the last reading of each meter that sent one."""
        if readings:
            self.store.states.write_latest([_latest(uid, item, tb_keys.get(uid, {})) for uid, item in readings.items()])

    def component(self, name: str, state: Mapping[str, object], at_boot_ms: int) -> None:
        """Write what a part of the system last said of itself, and when."""
        self._follow_clock()
        self.store.states.write_component(name, state, self._wall(at_boot_ms) or 0)

    def alarms(self, view: View) -> Sequence[AlarmStep]:
        """Raise, update and clear what changed; return that, once it is written."""
        steps = self._episodes.look(view)
        if steps:
            self.store.alarms.write(steps)
            self._episodes.done(steps, view.now_ms)
        for step in steps:
            level = logging.WARNING if step.change is Change.RAISED else logging.INFO
            text = (step.change, step.severity, step.dedup_key, step.count, step.message)
            _log.log(level, "alarm %s %s %s count=%d: %s", *text)
        return steps

    def diagnostics(self, batch: Sequence[tuple[bytes, Diagnostic]]) -> None:
        """Write what went wrong on meters' lines."""
        self.store.diagnostics.write(batch)

    def forget(self, uid: bytes) -> None:
        """A meter is gone."""
        self._states.pop(uid, None)

    def _follow_clock(self) -> None:
        offset = self.clock.wall_ms() - self.clock.boottime_ms()
        if abs(offset - self._offset_ms) > STEP_MS:
            self._offset_ms = offset

    def _wall(self, boot_ms: int) -> int | None:
        return boot_ms + self._offset_ms if boot_ms else None

    def _row(self, judged: Judged) -> MeterStateRow:
        worker, beat, uid = judged.worker, judged.worker.beat, judged.meter.uid
        old = self._states.get(uid, MeterStateRow(uid))
        reason = REASONS.get(judged.health)
        cause, detail = (reason, judged.process.error or judged.last_words) if reason else (beat.cause, beat.detail)
        error = "" if judged.state is MeterState.PAUSED else ": ".join(text for text in (cause, detail) if text)
        return MeterStateRow(
            uid=uid,
            status=judged.state,
            cause=cause,
            detail=detail,
            revision=beat.revision or old.revision,
            last_seen_ms=self._wall(worker.heard_ms) or old.last_seen_ms,
            last_error=error or old.last_error,
            error_count=beat.counters.get("cycles_failed", 0) + beat.counters.get("connect_failures", 0),
            process_id=judged.process.pid or None,
            serial_number=beat.facts.get("serial_number", "") or old.serial_number,
            firmware_version=beat.facts.get("firmware_version", "") or old.firmware_version,
            last_read_ms=self._wall(worker.read_ms) or old.last_read_ms,
            last_taken_ms=self._wall(worker.delivery.last_taken_boot_ms) or old.last_taken_ms,
            last_acknowledged_ms=self._wall(worker.delivery.last_acknowledged_boot_ms) or old.last_acknowledged_ms,
            metrics=_metrics(judged),
            network={name: float(count) for name, count in beat.counters.items() if name in NETWORK},
            facts={**beat.facts, "health": str(judged.health)} | self._error_time(error, old),
            updated_ms=old.updated_ms,
        )

    def _error_time(self, error: str, old: MeterStateRow) -> dict[str, str]:
        """Return when the last error began, as a fact: another text, or the same after the meter was well."""
        if error and (error != old.last_error or not old.cause):
            return {LAST_ERROR_MS: str(self.clock.wall_ms())}
        return {LAST_ERROR_MS: old.facts[LAST_ERROR_MS]} if LAST_ERROR_MS in old.facts else {}


def _metrics(judged: Judged) -> dict[str, float]:
    beat = judged.worker.beat
    own = {name: float(count) for name, count in beat.counters.items() if name not in NETWORK}
    told = asdict(judged.worker.delivery)
    dropped = {f"dropped_{reason}": count for reason, count in told.pop("reasons").items()}
    told = {name: count for name, count in told.items() if not name.endswith("_ms")} | dropped
    delivery = {f"delivery_{name}": float(count) for name, count in told.items()}
    return own | dict(beat.gauges) | delivery | _starts(judged.history)


def _starts(history: History) -> dict[str, float]:
    """Return how often a worker was started and nobody had planned it, in all and by reason."""
    ended = history.counted - history.replaced - history.refused
    counts = {"starts": history.counted, "starts_ended": ended}
    counts |= {"starts_replaced": history.replaced, "starts_refused": history.refused}
    return {name: float(count) for name, count in counts.items()}


def _latest(uid: bytes, latest: Latest, tb_keys: Mapping[str, str]) -> LatestRow:
    reading, envelope = latest.reading, latest.envelope
    units = {tb_keys.get(item.key, item.key): unit_name(item.unit) or "" for item in reading.quantities}
    return LatestRow(
        uid=uid,
        ts_ms=envelope.ts_ms,
        epoch=envelope.epoch,
        seq=envelope.seq,
        values={tb_keys.get(item.key, item.key): item.payload() for item in reading.quantities},
        units={key: unit for key, unit in units.items() if unit},
        quality=tuple(str(mark) for mark in reading.quality),
        failed={failure.key: failure.kind for failure in reading.failures},
    )


def publisher_state(beat: PublisherBeat) -> dict[str, object]:
    """Return the publisher's last words as plain JSON data."""
    return {
        "pid": beat.pid,
        "instance": beat.instance.hex(),
        "targets": {name: list(pair) for name, pair in beat.targets.items()},
        "counters": dict(beat.counters),
        "gauges": dict(beat.gauges),
        "conditions": dict(beat.conditions),
    }
