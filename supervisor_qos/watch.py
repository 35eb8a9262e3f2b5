"""Judge every meter and decide about every program: facts of all parts brought together, once a second. No I/O.

In: supervisord's table, the observer's words, the ledger, the wishes, the time. Out: judgements and decisions.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from common import worker_file
from common.meter_state import MeterState
from common.process_state import Process, ProcessState
from common.settings import SupervisionSettings
from common.store.model import Meter
from supervisor_qos.health import ALIVE, Ages, Facts, Health, Limits, judge, went_stale_together
from supervisor_qos.judged import Judged
from supervisor_qos.ledger import Ledger
from supervisor_qos.observer import Observer, Worker
from supervisor_qos.policy import Case, Decision, plan
from supervisor_qos.wishes import EXPECTED_EXITS, has_process, program_name, uid_of

PUBLISHER: Final = "publisher"
OURSELVES: Final = "supervisor_qos"
DEFAULT_REPLY_S: Final = worker_file.Limits().reply_timeout_s


@dataclass(frozen=True, slots=True)
class Moment:
    """What is so just now. ``now_ms``: CLOCK_BOOTTIME. ``grace``: ages count for nobody, because we did not listen."""

    now_ms: int
    grace: bool
    table: Mapping[str, Process]
    planned: Set[str] = frozenset()


@dataclass(slots=True)
class Watch:
    """See the module's text."""

    observer: Observer
    ledger: Ledger
    supervision: SupervisionSettings
    last_words: dict[str, str] = field(default_factory=dict)
    together: bool = False
    publisher_silent: bool = False

    def judge(self, meters: Mapping[bytes, Meter], moment: Moment) -> list[Judged]:
        """Return a judgement on every living meter."""
        judged = [self._judge(meter, moment) for meter in meters.values() if meter.deleted_at is None]
        healths = {item.meter.uid: item.health for item in judged}
        ratio, floor = self.supervision.mass_ratio, self.supervision.mass_floor
        self.together = not moment.grace and went_stale_together(healths, ratio, floor)
        return judged

    def _judge(self, meter: Meter, moment: Moment) -> Judged:
        name, worker = program_name(meter.uid), self.observer.workers.get(meter.uid, Worker())
        process = moment.table.get(name, Process(name))
        limits = self._limits()
        facts = self._facts(meter, worker, process, moment)
        return Judged(
            meter=meter,
            worker=worker,
            process=process,
            history=self.ledger.history(name),
            health=judge(facts, limits),
            stale_s=limits.stale_s(meter.wish.interval_s),
            last_words=self.last_words.get(name, ""),
        )

    def _facts(self, meter: Meter, worker: Worker, process: Process, moment: Moment) -> Facts:
        alive = process.state in ALIVE
        started_ms = round(self.ledger.history(process.name).started * 1000) or moment.now_ms
        blank = moment.grace or not alive
        own = worker.beat.pid == process.pid
        return Facts(
            wanted=has_process(meter),
            process=ProcessState.ABSENT if not alive and process.name in moment.planned else process.state,
            said=worker.beat.state if own else MeterState.STARTING,
            breaker_open=own and worker.beat.facts.get("breaker") == "open",
            answers=own and self.observer.answers(meter.uid),
            interval_s=meter.wish.interval_s,
            reply_s=meter.wish.limits.get("reply_timeout_s", DEFAULT_REPLY_S),
            spoken=own and worker.heard_ms > 0,
            ages=Ages() if blank else self.observer.ages(meter.uid, process.pid, started_ms, moment.now_ms),
        )

    def _limits(self) -> Limits:
        given = self.supervision
        return Limits(given.silent_s, given.stale_floor_s, given.stale_intervals)

    def decide(self, judged: list[Judged], moment: Moment) -> list[Decision]:
        """Return what is to be done about the workers and the static programs."""
        cases = [self._worker_case(item, moment) for item in judged if item.health is not Health.OFF]
        for name, process in moment.table.items():
            if uid_of(name) is None and name != OURSELVES:
                cases.append(self._static_case(process, moment))
        now_s = moment.now_ms / 1000
        replaced = len(self.ledger.replacements)
        return plan(cases, self.ledger.budget, now_s, together=self.together, replaced=replaced)

    def _worker_case(self, judged: Judged, moment: Moment) -> Case:
        name = judged.process.name
        return Case(
            name,
            judged.health,
            judged.process.state,
            judged.history,
            planned=name in moment.planned,
            expected_exit=judged.process.exit_status in EXPECTED_EXITS,
        )

    def _static_case(self, process: Process, moment: Moment) -> Case:
        history = self.ledger.history(process.name)
        silent = process.name == PUBLISHER and self._is_publisher_silent(process, moment)
        health = Health.SILENT if silent else Health.FINE
        return Case(process.name, health, process.state, history, worker=False, expected_exit=False)

    def _is_publisher_silent(self, process: Process, moment: Moment) -> bool:
        started_ms = round(self.ledger.history(PUBLISHER).started * 1000)
        silent_s = self.observer.publisher_silent_s(process.pid, started_ms, moment.now_ms)
        alive = process.state in ALIVE
        self.publisher_silent = alive and not moment.grace and silent_s > self.supervision.silent_s
        return self.publisher_silent
