"""What was missed while the meter was away is read from its load profile, between two polls.

In: that a reading was published, that there is a moment until the next poll, ranges that people ask for. Out: readings
of rows with source=profile, counters, progress and results of commands. Live readings always go first; a window costs
no more than the time there is, or one window a minute where there is none. What a meter does about it never fails a
cycle: without a clock or a profile there is no backfill, and the heartbeat says so.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from common.backoff import Backoff
from common.clock import Clock
from common.command import BACKFILL, Command, CommandResult
from common.errors import BridgeError, Skip
from common.reading import Reading
from common.worker_file import WorkerFile
from poller import backfill
from poller.backfill import SECOND_MS, Intent, Order, Pace, Span, State, Window
from poller.backfill_file import FARTHEST_MS, BackfillFile
from poller.dlms.cosem import AttributeRef
from poller.dlms.errors import BadData
from poller.errors import WindowOverrun, Withdrawn
from poller.link import MeterLink
from poller.meter_time import MeterTime
from poller.recovery import Step, step_after
from poller.session import WAITS
from poller.vitals import Vitals

if TYPE_CHECKING:
    from poller.backfill_rows import ProfileSource, WindowRows

STARVED_S: Final = 60.0  # one window in this time, though it does not fit between two polls
SELDOM_S: Final = 2.0  # such a window may cost as much, though the polls leave less: a tick or two are missed
WINDOW_S: Final = 10.0  # after it no further request of a window is begun; a meter is stale after 20 s
MAX_WINDOW_S: Final = 120.0  # as far as that grows for a window that cannot be made smaller: a whole buffer
RETRY: Final = Backoff(5.0, 600.0)
CLOCK_RETRY_S: Final = 60.0
LEFT_OUT_S: Final = 3600.0  # for a window that costs the association, and a meter without clock or profile
BLAMES: Final = 2  # times that a window may cost the association
COSTS: Final = 4  # windows in a row that cost the association: then the whole profile is left alone for a while
ORDER_FAILURES: Final = 5  # in a row, then a window of an order is given up: a person waits
MAX_WAITING: Final = 1000  # readings in the journal that nobody has taken: no rows are added to so many
PROGRESS_S: Final = 1.0
OFF: Final = "off: "

log = logging.getLogger(__name__)


class BadRange(Skip):
    """The range asked for is none, or is too long."""


class TooManyRanges(Skip):
    """More ranges than a worker keeps wait already."""


class Unwritable(Skip):
    """The disk does not take the range that was asked for."""


class Outlet(Protocol):
    """The part of the feed that is used here."""

    def publish(self, reading: Reading, ts_ms: int | None = None, boot_ms: int | None = None) -> bool:
        """Take a reading; return False when the disk did not take it."""

    def answer(self, command: Command, result: CommandResult) -> None:
        """Send a command's result."""

    def position(self) -> tuple[bytes, int]:
        """Return the epoch that is being written, and its last number."""

    def last_of(self, epoch: bytes) -> int | None:
        """Return an epoch's last number; None when nothing is known of it."""

    def waiting(self) -> int:
        """Return how many readings nobody has taken."""


class Backfiller:
    """One meter's backfill."""

    def __init__(self, link: MeterLink, out: Outlet, clock: Clock, vitals: Vitals, record: BackfillFile) -> None:
        self._link, self._out, self._clock, self._vitals, self._record = link, out, clock, vitals, record
        found = record.load()
        self._state = backfill.resumed(found, out.last_of)
        self._is_saved = found.intent is None or record.save(self._state)  # before another number is given away
        self._seen = record.seen()
        self._last_boot = 0  # of the last good reading, CLOCK_BOOTTIME
        self._returned = 0  # of the first one after what may be a gap, as long as its moment is not known
        self._time = MeterTime(clock)
        self._not_before = self._window_at = self._told_at = float("-inf")
        self._source: ProfileSource | None = None
        self._off_until: dict[str, float] = {}
        self._pace, self._patience_s, self._failures = Pace(), WINDOW_S, 0
        self._limit, self._costs = 0.0, 0
        self._blames: dict[int, int] = {}
        self._left_out: dict[Span, float] = {}
        self._wished, self._profile, self._order, self._threshold_ms = False, "", "", 0
        self._names: Mapping[AttributeRef, str] = {}

    def configure(self, file: WorkerFile, interval_s: float) -> None:
        """Take settings. Where no backfill is wished nothing is missed, then or later; ranges by hand are read."""
        self._wished = file.backfill
        self._threshold_ms = backfill.threshold_ms(interval_s)
        if file.load_profile != self._profile:
            self._profile = file.load_profile
            self._off_until.clear()
        self._file, self._source = file, None
        self._names = {}
        if not self._wished:
            self._vitals.facts.pop("backfill", None)
            if self._seen:
                self._record.note(0)
            self._seen = self._returned = 0
            if self._state.gaps:
                self._keep(replace(self._state, gaps=()))
        self._tell()

    # What is missed

    def read(self, boot_ms: int) -> None:
        """A live reading was published; ``boot_ms``: when it was read."""
        if not self._wished:
            return
        if boot_ms - self._last_boot > self._threshold_ms or not self._last_boot:
            self._returned = boot_ms
        self._last_boot = boot_ms
        if self._time.is_known and not self._returned:
            self._note_seen()

    def _note_seen(self) -> None:
        if self._last_boot:
            self._seen = self._time.at(self._last_boot)
            self._record.note(self._seen)

    def _meet(self) -> None:
        """The meter is back and its clock known: what lies between is missed."""
        serial = self._vitals.facts.get("serial_number", "")
        state = self._state
        if serial and state.serial and serial != state.serial:
            log.warning("another meter serial=%s: what was missed of %s is not asked of it", serial, state.serial)
            state, self._seen, self._source = State(orders=state.orders), 0, None
        state = replace(state, serial=serial or state.serial)
        state = backfill.cut(state, self._time.now())
        if self._wished and self._returned:
            end = self._time.at(self._returned)
            state = backfill.missed(state, self._seen, end, self._threshold_ms)
        if len(state.gaps) and state.gaps != self._state.gaps:
            log.info("missed %.0f s in all, read from %s", state.pending_ms / SECOND_MS, self._profile)
        if state != self._state and not self._keep(state):
            return  # the time of the last good reading stays as it is: the gap is found again
        self._returned = 0
        self._note_seen()

    def _keep(self, state: State) -> bool:
        """Take a state when the disk has it."""
        if not self._record.save(state):
            self._retry_later()
            return False
        self._state, self._is_saved = state, True
        self._tell()
        return True

    def _tell(self) -> None:
        self._vitals.gauges["backfill_pending_s"] = self._state.pending_ms / SECOND_MS
        self._vitals.gauges["backfill_pending"] = float(len(self._state.gaps) + len(self._state.orders))

    # By hand

    def order(self, command: Command) -> None:
        """Take a range that a person asks for; raise BadRange, TooManyRanges or Unwritable."""
        begin, end = (command.arguments.get(name) for name in ("from_ms", "to_ms"))
        if not isinstance(begin, int) or not isinstance(end, int) or not 0 < begin <= end < FARTHEST_MS:
            raise BadRange("from_ms and to_ms: milliseconds were expected, the end not before the beginning")
        if end - begin > backfill.MAX_ORDER_MS:
            raise BadRange(f"a range of more than {backfill.MAX_ORDER_MS // backfill.DAY_MS} days")
        if not self._profile:
            raise BadRange("the meter has no load profile that is known: name one with --load-profile")
        if command.id in {order.id for order in self._state.orders}:
            return
        if len(self._state.orders) >= backfill.MAX_ORDERS:
            raise TooManyRanges(f"{backfill.MAX_ORDERS} ranges wait already")
        span = Span(begin - 1, end)
        order = Order(command.id, span, span)
        if not self._keep(replace(self._state, orders=(*self._state.orders, order))):
            raise Unwritable("the disk does not take it")
        self._off_until.clear()
        self._not_before = float("-inf")

    def cancel(self, order_id: str) -> Mapping[str, object] | None:
        """End a range that a person asked for; return what was done of it, None when there is no such range."""
        order = next((each for each in self._state.orders if each.id == order_id), None)
        if order is None:
            return None
        self._state = replace(self._state, orders=tuple(each for each in self._state.orders if each != order))
        self._is_saved = False
        self._keep(self._state)
        return order.result()

    def _report(self, order_id: str) -> None:
        """Tell a person how far it is; the end always, the rest now and then."""
        for order in self._state.orders:
            if order.id != order_id:
                continue
            now = self._clock.monotonic()
            if not order.is_done and now - self._told_at >= PROGRESS_S:
                self._told_at = now
                self._out.answer(Command(order.id, BACKFILL), CommandResult(True, progress=str(order.progress())))

    def _end_orders(self) -> None:
        """Answer what is done; what was answered and is still there after a crash is answered again."""
        for order in [each for each in self._state.orders if each.is_done]:
            self._out.answer(Command(order.id, BACKFILL), CommandResult(True, order.result()))
            self._keep(replace(self._state, orders=tuple(each for each in self._state.orders if each != order)))

    def _fail_orders(self, kind: str, detail: str) -> None:
        for order in self._state.orders:
            self._out.answer(Command(order.id, BACKFILL), CommandResult(False, {"rows": order.rows}, kind, detail))
        if self._state.orders:
            self._keep(replace(self._state, orders=()))

    # Between two polls

    def turn(self, next_due: float) -> None:
        """Use the time until the next poll, if there is something to do; the link is up."""
        now = self._clock.monotonic()
        if now < self._not_before or not (self._is_saved or self._keep(self._state)):
            return
        if not self._profile or not (self._wished or self._state.orders):
            return
        if max(self._off_until.values(), default=now) > now:
            return
        if not self._time.is_known or self._returned or self._time.is_old:
            self._look_at_clock()
        elif self._state.pending_ms:
            self._fill_what_fits(now, next_due - now)
        else:
            self._source = None
            self._end_orders()

    def _fill_what_fits(self, now: float, room_s: float) -> None:
        self._end_orders()
        window = self._next()
        if window is None or self._out.waiting() > MAX_WAITING:
            return
        if self._pace.expected_s > room_s and now - self._window_at < STARVED_S:
            return
        self._window_at = now
        self._fill(window, room_s)

    def _next(self) -> Window | None:
        now = self._clock.monotonic()
        self._left_out = {span: until for span, until in self._left_out.items() if until > now}
        self._state = backfill.bounded(self._state, self._time.now())
        return backfill.next_window(self._state, self._time.now(), self._size(), self._left_out.__contains__)

    def _size(self) -> int:
        """Return how large a window may be; small ones do not pay where each means a search or the whole buffer."""
        habits = self._state.habits
        if habits is None or habits.profile != self._profile:
            return self._pace.size
        if habits.access == "whole":
            return backfill.MAX_ORDER_MS
        return backfill.MAX_WINDOW_MS if habits.access == "entry" else self._pace.size

    # The meter's clock

    def _look_at_clock(self) -> None:
        try:
            self._time.look(self._link.session)
        except BridgeError as error:
            self._clock_failed(error)
            return
        self._off_until.pop("clock", None)
        self._vitals.facts["backfill"] = "on"
        self._meet()

    def _clock_failed(self, error: BridgeError) -> None:
        if step_after(error) is Step.DROP or isinstance(error, BadData):
            self._switch_off("clock", f"no clock: {error.detail}")
        else:
            self._not_before = self._clock.monotonic() + CLOCK_RETRY_S
            if step_after(error) is not Step.RETRY:
                self._link.recover(error)

    def _switch_off(self, what: str, why: str) -> None:
        """The meter cannot do it: said once, looked at again in an hour, never a failed poll."""
        self._off_until[what] = self._clock.monotonic() + LEFT_OUT_S
        text = f"{OFF}{why}"[:200]
        if self._vitals.facts.get("backfill") != text:
            log.warning("no backfill: %s", why)
            self._vitals.facts["backfill"] = text
        self._fail_orders("no_load_profile", why)

    # One window

    def _fill(self, window: Window, room_s: float) -> None:
        """Read a window, say what is to come, publish it, say that it is done."""
        self._order = window.order
        try:
            source = self._prepared()
            started = self._clock.monotonic()
            found = source.read(window.span, self._state.habits, self._names)
        except Withdrawn:
            return
        except BridgeError as error:
            self._failed(window, error)
            return
        self._pace = self._pace.after(window.span.length, self._clock.monotonic() - started, room_s, SELDOM_S)
        self._failures, self._costs, self._patience_s = 0, 0, WINDOW_S
        self._blames.clear()
        self._publish(window, found)
        self._report(window.order)

    def _prepared(self) -> "ProfileSource":
        """Return the profile, known by its columns; its classes are loaded here and not before."""
        from poller.backfill_rows import ProfileSource, names_of

        self._limit = self._clock.monotonic() + self._patience_s
        self._names = self._names or names_of((*self._file.measurements, *self._file.row_names))
        if self._source is None:
            requests = max(1, round(MAX_WINDOW_S / (WAITS * self._file.limits.reply_timeout_s)))
            self._source = ProfileSource(self._link.session, self._profile, self._go_on, requests)
        self._source.prepare()
        return self._source

    def _go_on(self) -> None:
        """Between two requests of a window: there is time for one more, and it is still wanted; else raise why not."""
        if self._order and all(order.id != self._order for order in self._state.orders):
            raise Withdrawn("the range was cancelled")
        if self._clock.monotonic() > self._limit:
            raise WindowOverrun(f"the window was not read within {self._patience_s:.0f} s")

    def _publish(self, window: Window, found: "WindowRows") -> None:
        """B1: the rows are on disk by name before the first of them is published; then one after the other."""
        counters, boot_ms = self._vitals.counters, self._clock.boottime_ms()
        epoch, last = self._out.position()
        stamps = tuple(stamp for stamp, _ in found.readings)
        span = Span(window.span.begin, found.end)
        intent = Intent(epoch, last + 1, stamps, span, window.order, found.skipped)
        state = replace(self._state, habits=found.habits)
        if stamps and not self._keep(replace(state, intent=intent)):
            return
        taken = 0
        for stamp, reading in found.readings:
            if not self._out.publish(reading, stamp, boot_ms):
                break
            taken += 1
        counters["backfilled"] += taken
        counters["backfill_windows"] += 1
        counters["backfill_skipped"] += found.skipped
        self._state = backfill.settled(state, intent, taken)
        self._is_saved = False
        if not self._keep(self._state) or taken < len(stamps):
            self._retry_later()

    def _retry_later(self) -> None:
        self._not_before = self._clock.monotonic() + RETRY.delay(self._failures, 0.5)

    def _failed(self, window: Window, error: BridgeError) -> None:
        """A window did not come: the meter has no profile, the association broke, or it is tried again."""
        self._vitals.counters["backfill_failed"] += 1
        self._failures += 1
        step = step_after(error)
        log.info("a window from %d was not read: %s: %s", window.span.begin, error.kind, error.detail)
        if step is Step.DROP:
            self._switch_off("profile", f"no load profile at {self._profile}: {error.detail}")
            return
        self._retry_later()
        if isinstance(error, WindowOverrun):
            self._patience_s = min(MAX_WINDOW_S, 2 * self._patience_s)
            self._pace = self._pace.smaller()
        if step is not Step.RETRY:
            self._blames[window.span.begin] = self._blames.get(window.span.begin, 0) + 1
            self._costs += 1
            self._source = None
        if self._costs >= COSTS:
            self._switch_off("profile", f"the load profile costs the association: {error.detail}")
        elif self._blames.get(window.span.begin, 0) >= BLAMES or (window.order and self._failures >= ORDER_FAILURES):
            self._leave_out(window, error)
        if step is not Step.RETRY:
            self._link.recover(error)

    def _leave_out(self, window: Window, error: BridgeError) -> None:
        """Go on without a window: for an hour, or where a person waits, for good."""
        log.warning("the window from %d is left out: %s: %s", window.span.begin, error.kind, error.detail)
        self._blames.pop(window.span.begin, None)
        self._failures = 0
        if window.order:
            self._keep(backfill.given_up(self._state, window))
            return
        self._left_out[window.span] = self._clock.monotonic() + LEFT_OUT_S
        self._state = replace(self._state, gaps=backfill.put_off(self._state.gaps, window.span))
