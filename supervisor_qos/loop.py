"""The four verbs in one thread: observe, judge, act, record; and wishes made true in between.

In: the parts, wired by main. Out: nothing; it goes on until told to stop. What fails for a reason outside (store
busy, supervisord not answering) is skipped and tried again at its next turn; an alarm says so as soon as it can.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from common.bus import SupervisorBus
from common.clock import Clock
from common.errors import Again
from common.heartbeat import PublisherBeat
from common.meter_state import MeterState
from common.notify_urls import is_configured
from common.process import StopFlag, usage
from common.process_state import Process, ProcessState
from common.settings import Settings
from common.store.engine import Store
from common.supervisord import Supervisord
from supervisor_qos import alarms, processes
from supervisor_qos.alarm_notes import AlarmNotes
from supervisor_qos.episodes import View
from supervisor_qos.health import Health
from supervisor_qos.judged import Judged
from supervisor_qos.keeping import Doubt, Keeping
from supervisor_qos.ledger import Ledger, Start
from supervisor_qos.measuring import Look, Measuring
from supervisor_qos.observer import Observer
from supervisor_qos.orders import Orders
from supervisor_qos.reconcile import Reconciler
from supervisor_qos.recorder import Recorder, publisher_state
from supervisor_qos.shares import Shares
from supervisor_qos.watch import PUBLISHER, Moment, Watch
from supervisor_qos.wishes import FACTS, SCANNER, program_name, uid_of

LISTEN_S: Final = 0.1
WISHES_MS: Final = 250
LOOK_MS: Final = 1000
GAP_MS: Final = 2000  # longer than this between two turns: we did not run, and judge nobody by it
GRACE_MS: Final = 15_000
REPORT_MS: Final = 60_000
TIDY_MS: Final = 60_000
RESTORED_MS: Final = 60_000  # so long it is told that the store was made anew; its alarm then stays in the history
MEASURED_MS: Final = 60_000  # between two writings of what was measured
TRIM_MS: Final = 3_600_000
HISTORY_MS: Final = 1000  # between two looks for minutes that are over
TRIM_HISTORY_MS: Final = 60_000  # as much goes then as came in a minute
RETRY_MS: Final = 10_000  # what failed is not left for an hour, or its alarm would last as long
CLOCK_MS: Final = 5000
BURY_AFTER_MS: Final = (
    60_000  # the publisher tells of changed meters only: what it has not told of by then is not waiting
)
NOTIFIER: Final = "notifier"
TOLD: Final = "notifier:channels"  # beside the alarm of a program that ends
_BROKEN: Final = frozenset({ProcessState.FATAL, ProcessState.BACKOFF, ProcessState.EXITED})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Parts:
    """Everything that the loop drives."""

    settings: Settings
    clock: Clock
    bus: SupervisorBus
    store: Store
    supervisord: Supervisord
    observer: Observer
    ledger: Ledger
    watch: Watch
    reconciler: Reconciler
    recorder: Recorder
    orders: Orders
    synchronised: Callable[[], bool]
    notes: AlarmNotes
    keeping: Keeping


@dataclass(slots=True)
class Loop:
    """See the module's text. ``due``: when each periodic part has its next turn, CLOCK_BOOTTIME in milliseconds."""

    parts: Parts
    table: dict[str, Process] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    troubles: dict[str, tuple[str, str]] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    due: dict[str, int] = field(default_factory=dict)
    started_ms: int = 0
    last_turn_ms: int = 0
    grace_until_ms: int = 0
    clock_synchronised: bool = False
    seeded: bool = False
    starts: list[tuple[Start, int]] = field(default_factory=list)
    restored: str = ""
    measuring: Measuring = field(default_factory=Measuring)
    doubt: Doubt = field(default_factory=Doubt)
    shares: Shares = field(default_factory=Shares)
    tidy: Callable[[], None] = lambda: None

    def run(self, stop: StopFlag) -> None:
        """Go on until told to stop or left alone."""
        self.started_ms = self.last_turn_ms = self.parts.clock.boottime_ms()
        self.grace_until_ms = self.started_ms + GRACE_MS
        while not stop.is_set and not stop.orphaned():
            self.turn()
        self._guard("measured", lambda: self.measuring.finish(self.parts.store.periods.add))
        self._guard("history", lambda: self.parts.keeping.finish(self._tb_keys()))

    def turn(self) -> None:
        """Listen for a moment, then do what is due."""
        self._notice_gap()
        self._listen()
        self._when_due("clock", CLOCK_MS, self._look_at_clock)
        self._when_due("store", LOOK_MS, self._keep_store)
        self._when_due("wishes", WISHES_MS, self._follow_wishes)
        self._when_due("look", LOOK_MS, self._look)
        self._when_due("notes", LOOK_MS, self._tell_alarms)
        self._when_due("notifier", CLOCK_MS, self._look_at_notifier)
        self._when_due("measured", MEASURED_MS, self._write_measured)
        self._when_due("report", REPORT_MS, self._report)
        self._when_due("tidy", TIDY_MS, self.tidy)
        self._when_due("history", HISTORY_MS, self._keep_history)
        self._when_due("trim", TRIM_MS, lambda: self._trim("trim", self.parts.store.trim))
        self._when_due("trim_history", TRIM_HISTORY_MS, lambda: self._trim("trim_history", self._trim_history))

    def _notice_gap(self) -> None:
        now = self.parts.clock.boottime_ms()
        gap, self.last_turn_ms = now - self.last_turn_ms, now
        if gap > GAP_MS:
            self.counters["own_gaps"] += 1
            self.grace_until_ms = now + GRACE_MS
            _log.warning("did not run for %.1f s; nobody is judged for %.0f s", gap / 1000, GRACE_MS / 1000)

    def _listen(self) -> None:
        for heard in self.parts.bus.receive(LISTEN_S):
            self.parts.observer.take(heard.octets, self.last_turn_ms)

    def _when_due(self, name: str, period_ms: int, do: Callable[[], None]) -> None:
        if self.last_turn_ms < self.due.get(name, 0):
            return
        self.due[name] = self.last_turn_ms + period_ms
        self._guard(name, do)

    def _guard(self, name: str, do: Callable[[], None]) -> None:
        trouble = f"supervisor:{name}"
        try:
            do()
        except (Again, OSError) as error:
            if trouble not in self.troubles:
                _log.warning("%s failed, is tried again: %s", name, error)
            self.troubles[trouble] = ("process", f"{name}: {error}")
            if name in self.due:
                self.due[name] = min(self.due[name], self.last_turn_ms + RETRY_MS)
            self.counters[f"{name}_failures"] += 1
        else:
            self.troubles.pop(trouble, None)

    def _look_at_clock(self) -> None:
        self.clock_synchronised = self.parts.settings.clock.trusted or self.parts.synchronised()
        text = "the system clock is not synchronised and not declared trusted: readings are marked clock_unsynced"
        self._trouble("system", None if self.clock_synchronised else ("clock", text))

    def _keep_store(self) -> None:
        """Keep the copy of the wishes; what is wrong with the store's file ends the loop: the next start mends it."""
        told = self.restored and self.last_turn_ms - self.started_ms < RESTORED_MS
        self._trouble("store", ("disk", f"the store was {self.restored}") if told else None)
        self.parts.store.keep()

    def _trouble(self, component: str, trouble: tuple[str, str] | None) -> None:
        if trouble is None:
            self.troubles.pop(component, None)
        else:
            self.troubles[component] = trouble

    def _follow_wishes(self) -> None:
        parts = self.parts
        first = parts.reconciler.version < 0
        changed = parts.reconciler.read_wishes()
        parts.reconciler.write_files(clock_synchronised=self.clock_synchronised, facts=parts.observer.facts(FACTS))
        for uid in () if first else changed:
            self._forgive(program_name(uid))
        parts.orders.finish(parts.observer.results)
        asked = parts.orders.dispatch(parts.reconciler.wanted(), self.table)
        parts.reconciler.scanning = parts.orders.jobs.wanted
        for name in asked:
            parts.ledger.trust(name)
            parts.ledger.expect(name)
        if changed or asked:
            self.due["look"] = 0

    def _forgive(self, name: str) -> None:
        """A person changed a wish: what was before does not count, and neither does a start that follows from it."""
        self.parts.ledger.trust(name)
        if self.table.get(name, Process(name)).state is not ProcessState.RUNNING:
            self.parts.ledger.expect(name)

    def _look(self) -> None:
        """Look at all processes, judge, act, record."""
        parts = self.parts
        self._look_at_processes()
        grace = self.last_turn_ms < self.grace_until_ms
        self._guard("orders", lambda: parts.orders.look(self.table))  # a store that is away blinds nobody
        moment = Moment(self.last_turn_ms, grace, self.table, parts.orders.restarts.keys())
        self.judged = parts.watch.judge(parts.reconciler.meters, moment)
        self._measure(grace=grace)
        decisions = parts.watch.decide(self.judged, moment)
        self.counters.update(f"decided_{decision.act}" for decision in decisions)
        self._guard(
            "act", lambda: processes.carry_out(decisions, parts.supervisord, parts.ledger, moment.now_ms / 1000)
        )
        self._guard("record", self._record)
        self._guard("bury", self._bury)

    def _measure(self, *, grace: bool) -> None:
        now, wall = self.last_turn_ms, self.parts.clock.wall_ms()
        starts, silent = self.counters["unplanned_starts"], self.parts.watch.publisher_silent
        self.measuring.look(self.judged, self.parts.observer.publisher, Look(now, wall, grace, starts, silent))

    def _write_measured(self) -> None:
        if self.measuring.write(self.parts.store.periods.add):
            self.due["measured"] = 0  # the rest at the next turns, a batch at each
        self.counters["periods_forgotten"] = self.measuring.forgotten

    def _keep_history(self) -> None:
        if self.parts.keeping.turn(self.parts.clock.wall_ms(), self._tb_keys):
            self.due["history"] = 0  # the rest at the next turns, a batch at each

    def _trim_history(self) -> bool:
        return self.parts.store.history.trim(self.parts.clock.wall_ms())

    def _trim(self, name: str, forget: Callable[[], bool]) -> None:
        boot_ms = self.parts.clock.boottime_ms()
        if self.doubt.was_set(self.parts.clock.wall_ms(), boot_ms):
            self._look_at_clock()
        if self.doubt.may_forget(boot_ms, synchronised=self.clock_synchronised) and forget():
            self.due[name] = 0  # a batch at each turn: nobody waits long for the store

    def _look_at_processes(self) -> None:
        parts, now_s = self.parts, self.last_turn_ms / 1000
        self.table = parts.supervisord.processes()
        if not self.seeded:
            self._seed()
        for start in parts.ledger.look(self.table, now_s):
            self.counters["unplanned_starts"] += 1
            _log.warning("started anew program=%s pid=%d", start.name, start.pid)
            self.starts.append((start, parts.clock.wall_ms()))
        self._guard("programs", self._sync)
        self._remember_last_words()

    def _sync(self) -> None:
        added = self.parts.reconciler.sync(self.table)
        for name in added:
            self.parts.ledger.expect(name)
        if added:
            self.due["look"] = 0  # there may be more

    def _record_starts(self) -> None:
        for start, at_ms in self.starts[:]:
            uid = uid_of(start.name)
            if uid is not None:
                self.parts.store.starts.record(uid, start.pid, at_ms, "unplanned")
            self.starts.remove((start, at_ms))

    def _seed(self) -> None:
        """Take over the history that an earlier supervisor left in the store, for the programs that are still there."""
        parts = self.parts
        states = parts.recorder.load()
        self.measuring.seen = frozenset(states)
        now_ms = parts.clock.wall_ms()
        offset_ms = now_ms - parts.clock.boottime_ms()
        starts = parts.store.starts.recent(now_ms - round(parts.ledger.budget.window_s * 1000))
        for name in self.table:
            uid = uid_of(name)
            if uid is not None:
                known = states[uid].process_id if uid in states else None
                # a start of the future was dated by a clock that has been set back since: it would never grow old
                past = [(at - offset_ms) / 1000 for at in starts.get(uid, ()) if at <= now_ms]
                parts.ledger.seed(name, past, known or 0)
        self.seeded = True

    def _remember_last_words(self) -> None:
        """Keep the last line of a worker that is broken or blocked, until one runs again that is neither."""
        known = self.parts.watch.last_words
        ours = {name: process.state for name, process in self.table.items() if uid_of(name)}
        blocked = {name for name in ours if self.parts.ledger.history(name).blocked is not None}
        for name in blocked | {name for name, state in ours.items() if state in _BROKEN}:
            known[name] = known.get(name) or self.parts.supervisord.last_words(name)
        running = {name for name, state in ours.items() if state is ProcessState.RUNNING}
        for name in known.keys() - ours.keys() | (running - blocked):
            known.pop(name, None)

    def _record(self) -> None:
        parts, observer = self.parts, self.parts.observer
        self._record_starts()
        for name, process in self.table.items():
            if uid_of(name) is None:
                broken = process.state in _BROKEN
                self._trouble(name, ("process", f"{name} {process.state}: {process.error}") if broken else None)
        if SCANNER not in self.table:
            self._trouble(SCANNER, None)
        parts.recorder.states(self.judged)
        parts.recorder.latest(observer.take_latest(), self._tb_keys())
        parts.recorder.alarms(self._view())
        parts.recorder.diagnostics(observer.diagnostics)
        observer.diagnostics.clear()
        parts.recorder.component("supervisor", self._own_state(), self.last_turn_ms)
        if observer.publisher_heard_ms:
            parts.recorder.component(PUBLISHER, publisher_state(observer.publisher), observer.publisher_heard_ms)

    def _view(self) -> View:
        """Return which alarms hold, and of whom nobody can speak."""
        parts, now_ms = self.parts, self.last_turn_ms
        figures = self.shares.look(self.judged, now_ms)
        publisher, silent = parts.observer.publisher, parts.watch.publisher_silent
        limit_s = parts.settings.supervision.silent_s
        if not silent and parts.observer.publisher_silent_s(publisher.pid, 0, now_ms) > limit_s:
            publisher = PublisherBeat()  # it does not run: what it said last is not so any more
        delivered = self.shares.delivered
        others = [
            *alarms.of_publisher(publisher, silent=silent, limit_s=limit_s, delivered=delivered),
            *alarms.of_system(self.troubles),
        ]
        holding = alarms.all_that_hold(
            self.judged, others, parts.recorder.active, together=parts.watch.together, figures=figures
        )
        speaking = {item.meter.uid for item in self.judged if item.health not in {Health.OFF, Health.PAUSED}}
        known = parts.reconciler.version >= 0
        unheard = now_ms < self.grace_until_ms
        return View(now_ms, holding, unheard=unheard, is_gone=lambda uid: known and uid not in speaking)

    def _tell_alarms(self) -> None:
        """Say at the broker what changed of the alarms, once the meters' names are known."""
        if self.parts.reconciler.version >= 0:
            names = {uid: meter.wish.name for uid, meter in self.parts.reconciler.meters.items()}
            self.parts.notes.look(names, self.parts.observer.publisher.instance)

    def _look_at_notifier(self) -> None:
        """Make an alarm of it when people cannot be told; where nobody is to be told there is no notifier."""
        if is_configured(self.parts.settings):
            notifier = self.parts.store.states.components().get(NOTIFIER)
            text = str(notifier.state.get("trouble", "")) if notifier else ""
            self._trouble(TOLD, ("process", f"people are not told of alarms: {text}") if text else None)

    def _tb_keys(self) -> Mapping[bytes, Mapping[str, str]]:
        meters = self.parts.reconciler.meters.items()
        return {
            uid: {item.measurement_name: item.tb_key for item in meter.wish.measurements if item.tb_key}
            for uid, meter in meters
        }

    def _own_state(self) -> dict[str, object]:
        refused = {f"refused_{kind}": count for kind, count in self.parts.observer.refused.items()}
        return {
            "pid": os.getpid(),
            "grace": self.last_turn_ms < self.grace_until_ms,
            "together": self.parts.watch.together,
            "clock_synchronised": self.clock_synchronised,
            "programs": {name: [str(item.state), item.pid] for name, item in self.table.items() if not uid_of(name)},
            "meters": dict(self._by_state()),
            "counters": {**self.counters, **refused, **self.measuring.took, **self.parts.keeping.counters},
            "gauges": usage(),
        }

    def _by_state(self) -> Counter[str]:
        return Counter(str(item.state) for item in self.judged)

    def _bury(self) -> None:
        parts = self.parts
        publisher = parts.observer.publisher_heard_ms
        heard = publisher and self.last_turn_ms - publisher < GAP_MS
        if not heard or self.last_turn_ms - self.started_ms < BURY_AFTER_MS:
            return
        waiting = {uid: worker.delivery.waiting for uid, worker in parts.observer.workers.items()}
        for uid in parts.reconciler.bury(self.table, waiting):
            parts.observer.forget(uid)
            parts.recorder.forget(uid)

    def _report(self) -> None:
        counters, gauges = self.parts.observer.publisher.counters, self.parts.observer.publisher.gauges
        by_state = self._by_state()
        states = " ".join(f"{state}={by_state[state]}" for state in MeterState if by_state[state])
        _log.info(
            "SYSTEM STATUS REPORT meters=%d %s taken=%d delivered=%d waiting=%d starts=%d alarms=%d",
            len(self.judged),
            states,
            counters.get("taken", 0),
            counters.get("delivered", 0),
            gauges.get("outbox_rows", 0),
            self.counters["unplanned_starts"],
            len(self.parts.recorder.active),
        )
