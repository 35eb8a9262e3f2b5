"""The worker's loop: what is due, ask, hand on, recover, beat.

In: a worker file under watch, a link, a feed. Out: readings and heartbeats through the feed. No wait is longer than
PUMP_S or the transport's slice without passing ``pulse``: heartbeats go out, the worker file is looked at, commands are
taken, and a stop breaks the wait off.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from common.clock import Clock
from common.command import Command, CommandResult
from common.diagnostic import Diagnostic
from common.heartbeat import WorkerBeat
from common.meter_state import DesiredState, MeterState
from common.reading import Quality, Reading
from common.worker_file import Measurement, WorkerFile
from poller.backfill_file import BackfillFile
from poller.backfiller import Backfiller
from poller.commands import Desk, NotReadable
from poller.cycle import Cycle
from poller.errors import Interrupted
from poller.link import MeterLink, Parts
from poller.plausibility import Plausibility
from poller.recovery import HOUR_S
from poller.schedule import Schedule, phase
from poller.watch import CONNECTION, Watch, changed

if TYPE_CHECKING:
    from poller.discovering import Discoverer

TIDY_BEATS: Final = 12  # a minute, where nothing changes
PUMP_S: Final = 0.5  # the longest wait of the loop itself
HDLC_ERRORS_PER_HOUR: Final = 5  # the target of SPEC section 8; as many in an hour are worth an alarm
SHARED_PAUSE_S: Final = 0.3  # for others of a shared line, at each poll of a discovery: they ask for it each 0.1 s
SHARED_WAIT_S: Final = 30.0  # for the line to be ours again
QUIET_S: Final = 300.0  # a line that damages nothing for so long is well again

log = logging.getLogger(__name__)


class Out(Protocol):
    """The part of the feed that the loop uses."""

    def publish(self, reading: Reading, ts_ms: int | None = None, boot_ms: int | None = None) -> bool:
        """Take a reading; return False when the disk did not take it."""

    def beat(self, beat: WorkerBeat) -> None:
        """Send a heartbeat."""

    def pump(self, timeout_s: float) -> list[Command]:
        """Wait at most ``timeout_s``, see to the hand-over, return commands."""

    def answer(self, command: Command, result: CommandResult) -> None:
        """Send a command's result."""

    def diagnose(self, diagnostic: Diagnostic) -> None:
        """Send what went wrong on the line."""

    def position(self) -> tuple[bytes, int]:
        """Return the epoch that is being written, and its last number."""

    def last_of(self, epoch: bytes) -> int | None:
        """Return an epoch's last number; None when nothing is known of it."""

    def waiting(self) -> int:
        """Return how many readings nobody has taken."""


class Stop(Protocol):
    """Whether to end."""

    is_set: bool

    def orphaned(self) -> bool:
        """Return whether the process that started us is gone."""


class Loop:
    """One worker's life between start and stop."""

    def __init__(self, watch: Watch, feed: Out, stop: Stop, clock: Clock, missed: BackfillFile) -> None:
        self._watch = watch
        self._feed = feed
        self._missed = missed
        self._stop = stop
        self._clock = clock
        self._file = watch.current
        self._news: WorkerFile | None = None
        self._plausibility = Plausibility()
        self._discoverer: Discoverer | None = None
        self._steps = self._beats = 0
        self._damage: deque[float] = deque(maxlen=HDLC_ERRORS_PER_HOUR)

    def run(self, parts: Parts) -> None:
        """Poll until told to stop; the link is closed in order then. Raises LineHeld from the first attempt."""
        self._vitals, self._tidy = parts.vitals, parts.tidy
        self.link = MeterLink(self._file, parts)
        self._desk = Desk(self, self._feed, self._clock, self._vitals)
        self._backfiller = Backfiller(self.link, self._feed, self._clock, self._vitals, self._missed)
        self._take_wish()
        self._beat()
        try:
            while not self._must_stop():
                self._turn()
        finally:
            self.link.let_go()
        self._beat()

    def pulse(self) -> None:
        """Called from within every wait for the meter; raises Interrupted when the loop has to come out of it."""
        self._attend(0.0)
        if self.link.session.steps != self._steps:
            self._steps = self.link.session.steps  # slow, but not stuck: an opening or a window may outlast many turns
            self._vitals.progress()
        if self.link.session.closing:
            return
        broken_off = self._discoverer is not None and self._discoverer.broken_off
        if self._must_stop() or broken_off or self._is_news_of_the_link():
            raise Interrupted

    def _must_stop(self) -> bool:
        return self._stop.is_set or self._stop.orphaned()

    def _turn(self) -> None:
        """Come round once: settings, commands, link, what is due, then wait for the next thing."""
        self._vitals.progress()
        try:
            if self._news is not None:
                self._obey(self._news)
            self._desk.work_off()
            if self._file.desired_state is DesiredState.RUNNING:
                self._serve()
        except Interrupted:
            self.link.let_go()
            return
        self._attend(self._pause())

    def _serve(self) -> None:
        now = self._clock.monotonic()
        shared = self._file.line_mode == "shared"
        tick_due = self._schedule.next_due() <= now
        if not self.link.up and now >= self.link.next_attempt and (tick_due or not shared):
            self.link.attempt()
        if self.link.up:
            self._poll()
        if self.link.up:
            self._backfiller.turn(self._schedule.next_due())
        if self.link.up and self._discoverer is not None:
            self._discoverer.turn()
        if self.link.up and shared:
            self.link.let_go()

    def _poll(self) -> None:
        due = self._schedule.due(self._clock.monotonic())
        self._vitals.counters["missed_ticks"] += due.missed
        wanted = self.link.reader.wanted([item for item in self._file.measurements if item.key in due.keys])
        if wanted:
            self._cycle(wanted)
        if self.link.up:
            self.link.keep_alive()
        if self.link.up:
            self.link.check(self._interval())

    def _cycle(self, wanted: Sequence[Measurement]) -> Cycle:
        before = self.link.damage()
        cycle = self.link.reader.read(wanted)
        damage = self.link.damage() - before
        self._hand_on(cycle, wanted)
        self._damage.extend([self._clock.monotonic()] * min(damage, HDLC_ERRORS_PER_HOUR))
        self.link.cycle_ended(cycle, damage)
        return cycle

    def _hand_on(self, cycle: Cycle, wanted: Sequence[Measurement]) -> None:
        """Publish what a cycle brought, and count it."""
        counters = self._vitals.counters
        counters["reads_ok"] += len(cycle.quantities)
        counters["reads_failed"] += len(cycle.errors)
        if not cycle.quantities:
            counters["cycles_failed"] += 1
            log.debug("a cycle brought nothing: %s", {key: error.kind for key, error in cycle.errors.items()})
            self._judge_failures(cycle)
            return
        counters["cycles_partial" if cycle.errors else "cycles_ok"] += 1
        self._vitals.cycle(cycle.duration_ms)
        self._vitals.read_succeeded()
        if self._vitals.state is MeterState.ERROR:
            self._vitals.enter(MeterState.ACTIVE)
        self._judge_duration(cycle, wanted)
        reading = Reading(
            tuple(cycle.quantities), cycle.failures(), self._quality(cycle), duration_ms=cycle.duration_ms
        )
        if self._feed.publish(reading, cycle.ts_ms, cycle.boot_ms):
            self._backfiller.read(cycle.boot_ms)

    def _judge_failures(self, cycle: Cycle) -> None:
        """Say so when the meter has nothing of what is wished: more asking does not help, other wishes do."""
        if cycle.lost or self.link.reader.wanted(self._file.measurements):
            return
        error = next(iter(cycle.errors.values()))
        self._vitals.enter(MeterState.ERROR, error.kind, f"the meter has nothing of what is to be read: {error.detail}")

    def _quality(self, cycle: Cycle) -> tuple[Quality, ...]:
        problems = self._plausibility.check(cycle.quantities, self._vitals.facts.get("serial_number", ""))
        self._vitals.condition("plausibility", "; ".join(problems))
        if problems:
            self.link.diagnosing.event("plausibility", "implausible", "; ".join(problems))
        marks = (
            (Quality.CLOCK_UNSYNCED, not self._file.clock_synchronised),
            (Quality.IMPLAUSIBLE, bool(problems)),
            (Quality.PARTIAL, bool(cycle.errors)),
        )
        return tuple(mark for mark, holds in marks if holds)

    def _judge_duration(self, cycle: Cycle, wanted: Sequence[Measurement]) -> None:
        """Hold a warning while a cycle lasts longer than its interval; it names what to drop."""
        interval_ms = 1000 * min(item.interval_s or self._file.interval_s for item in wanted)
        if cycle.duration_ms <= interval_ms:
            self._vitals.condition("performance", "")
            return
        fitting = max(1, int(len(wanted) * interval_ms / cycle.duration_ms))
        drop = ", ".join(item.key for item in wanted[fitting:]) or "nothing"
        text = f"a cycle of {len(wanted)} quantities takes longer than its interval; raise it or drop {drop}"
        self._vitals.condition("performance", text)

    # Settings

    def _is_news_of_the_link(self) -> bool:
        return self._news is not None and bool(changed(self._file, self._news) & {*CONNECTION, "desired_state"})

    def _obey(self, new: WorkerFile) -> None:
        """Take new settings into force: only what changed is touched."""
        names = changed(self._file, new)
        log.info("new settings revision=%d: %s", new.revision, ", ".join(sorted(names)))
        self._file, self._news = new, None
        if names & {*CONNECTION, "desired_state"}:
            self._take_wish()
        elif names & {"measurements", "interval_s"}:
            self._reschedule()
        if names & {"measurements", "interval_s", "backfill", "load_profile", "row_names"}:
            self._backfiller.configure(new, self._interval())

    def _take_wish(self) -> None:
        """Begin anew with the settings in force: let go of the meter, be ready for it or rest."""
        self.link.retire()
        self.link.configure(self._file)
        self._plausibility = Plausibility()
        self._reschedule()
        self._backfiller.configure(self._file, self._interval())
        if self._file.desired_state is not DesiredState.RUNNING:
            self._vitals.conditions.clear()
            self._vitals.enter(MeterState.PAUSED, "paused")

    def _reschedule(self) -> None:
        intervals = {item.key: item.interval_s or self._file.interval_s for item in self._file.measurements}
        self._schedule = Schedule(intervals, self._clock.monotonic(), phase(self._file.uid))

    def _interval(self) -> float:
        return min((item.interval_s or self._file.interval_s for item in self._file.measurements), default=0.0)

    # Commands

    def cycle_now(self, keys: Sequence[str] | None) -> Cycle:
        """Read, publish and return one cycle of all measurements, or of those named; raise NotReadable for none."""
        wanted = [item for item in self._file.measurements if keys is None or item.key in keys]
        if not wanted:
            raise NotReadable("none of the quantities asked for is configured")
        return self._cycle(wanted)

    def connect_now(self) -> None:
        """Make the link, unless it stands or must not be made."""
        if self._file.desired_state is DesiredState.RUNNING and not self.link.up and self.link.hurry():
            self.link.attempt()
        if not self.link.up:
            raise NotReadable(f"the meter is {self._vitals.state}: {self._vitals.cause} {self._vitals.detail}".strip())

    def reconnect_now(self) -> None:
        """Close the link in order and make it anew."""
        if self.link.up:
            self.link.let_go()
        self.connect_now()

    def backfill(self, command: Command) -> None:
        """Take a range to be read from the load profile; it is answered when it is done."""
        if self._file.desired_state is not DesiredState.RUNNING:
            raise NotReadable(f"the meter is {self._file.desired_state}: resume it first")
        self._backfiller.order(command)

    def discover(self, command: Command) -> None:
        """Take a discovery; it is answered when it is done. Most workers never load what it takes."""
        from poller.discovering import Discoverer

        self._discoverer = self._discoverer or Discoverer(self.link, self._feed, self._clock, self._give_way)
        self._discoverer.order(command)

    def cancel(self, job: str) -> Mapping[str, object]:
        """End a backfill by hand or a discovery; return what was done of it."""
        if self._discoverer is not None:
            self._discoverer.cancel(job)
        return self._backfiller.cancel(job) or {}

    def _give_way(self, expected_s: float) -> None:
        """Between two requests of a discovery: do what is due, or would be meanwhile; raise what bars it from going on.

        After each poll there is time for one request, however short the interval.
        """
        self._vitals.progress()
        due = self._schedule.next_due()
        if due - self._clock.monotonic() < expected_s:
            self._wait_until(due)
            if self._file.line_mode == "shared":
                self._share_line()
            if self.link.up:
                self._poll()
        self._attend(0.0)
        self._desk.work_off()
        if self._must_stop() or self._is_news_of_the_link():
            raise Interrupted
        if self._news is not None:
            self._obey(self._news)
        if not self.link.up:
            raise NotReadable(f"the link was lost: {self._vitals.cause} {self._vitals.detail}".strip())

    def _share_line(self) -> None:
        """Let others of a shared line have their turn, then take it again."""
        self.link.let_go()
        limit = self._clock.monotonic() + SHARED_WAIT_S
        self._wait_until(self._clock.monotonic() + SHARED_PAUSE_S)
        while not self.link.up and self._clock.monotonic() < limit:
            self._wait_until(min(limit, self.link.next_attempt))
            self.link.attempt()

    def _wait_until(self, moment: float) -> None:
        while (left := moment - self._clock.monotonic()) > 0 and not self._must_stop():
            self._attend(min(PUMP_S, left))

    # Waiting

    def _pause(self) -> float:
        """Return how long nothing has to be done, in seconds; at most PUMP_S."""
        now = self._clock.monotonic()
        until = now + PUMP_S
        if self._file.desired_state is DesiredState.RUNNING:
            if self.link.up:
                until = min(until, self._schedule.next_due())
            elif self._file.line_mode == "shared":
                until = min(until, max(self.link.next_attempt, self._schedule.next_due()))
            else:
                until = min(until, self.link.next_attempt)
        return max(0.0, until - now)

    def _attend(self, timeout_s: float) -> None:
        """See to everything but the meter for ``timeout_s``: heartbeat, hand-over, commands, the worker file."""
        self._hold_conditions()
        if self._vitals.is_due():
            self._beat()
        for diagnostic in self.link.diagnosing.take() if self.link.diagnosing.waiting else ():
            self._feed.diagnose(diagnostic)
        self._desk.take(self._feed.pump(timeout_s))
        self._news = self._watch.look() or self._news

    def _hold_conditions(self) -> None:
        refused = self._watch.problem and f"worker file refused: {self._watch.problem}"
        lacking = self._vitals.detail if self._vitals.state is MeterState.ERROR else ""
        self._vitals.condition("process", refused or lacking)
        damaged = f"{HDLC_ERRORS_PER_HOUR} damaged frames or more within an hour" if self._damages() else ""
        self._vitals.condition("hdlc", damaged)

    def _damages(self) -> bool:
        """Return whether the line damages frames: as many as the target within an hour, until it is quiet again."""
        now = self._clock.monotonic()
        if "hdlc" not in self._vitals.conditions:
            return len(self._damage) == HDLC_ERRORS_PER_HOUR and self._damage[0] > now - HOUR_S
        if not self._damage or now - self._damage[-1] >= QUIET_S:
            self._damage.clear()
        return bool(self._damage)

    def _beat(self) -> None:
        wait = self.link.next_attempt - self._clock.monotonic()
        beat = self._vitals.beat(
            revision=self._file.revision,
            interval_s=self._file.interval_s,
            next_attempt_s=wait if 0 < wait < HOUR_S else 0.0,
            counters=self.link.counters(),
        )
        self._feed.beat(beat)
        self._beats += 1
        if self._beats % TIDY_BEATS == 0:
            self._tidy()
