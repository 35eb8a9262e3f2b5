"""One meter with all that is known of it and the judgement on it: what alarms and records come from. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from common.meter_state import MeterState
from common.process_state import Process
from common.store.model import Meter
from supervisor_qos.health import CONSEQUENCES, Health
from supervisor_qos.observer import Worker
from supervisor_qos.policy import History


@dataclass(frozen=True, slots=True)
class Judged:
    """``stale_s``: the age from which this meter's telemetry is stale. ``last_words``: of a worker that is down."""

    meter: Meter
    worker: Worker
    process: Process
    history: History
    health: Health
    stale_s: float
    last_words: str = ""

    @property
    def state(self) -> MeterState:
        """Return the meter's state: the supervisor's word where it has one, else the worker's."""
        if self.history.blocked is not None:
            return MeterState.BLOCKED
        return CONSEQUENCES[self.health].state or self.worker.beat.state


REASONS: Final[Mapping[Health, str]] = {
    Health.DOWN: "worker_down",
    Health.SILENT: "worker_silent",
    Health.STUCK: "worker_stuck",
    Health.STALE: "no_reading",
    Health.UNTAKEN: "not_taken",
    Health.UNDELIVERED: "not_acknowledged",
}
"""The cause that a meter's state is given when the supervisor, not the worker, has found it."""
