"""What was missed and in what order it is read afterwards: gaps, windows, paces, and what a crash leaves. Pure.

In: times of the meter's own clock (UTC, milliseconds), what a window cost. Out: the next window, or a new state. A span
holds the rows whose stamp is later than its begin and not later than its end. No socket, no file, no clock, no log.

Invariants, tested with a crash between any two steps (tests/properties/test_backfill_model.py):
 B1  A row is published only while an intent that names it is on disk.
 B2  A span leaves the state only when all its rows were published, or when a limit cuts it.
 B3  The rows of an intent have consecutive numbers of one epoch, in the order of its stamps: how many of them were
     taken is told by the epoch's last number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from common.progress import Progress

SECOND_MS: Final = 1000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
GAP_INTERVALS: Final = 3  # as many intervals without a reading are a gap …
LEAST_GAP_S: Final = 30.0  # … but nothing shorter than this: a reconnect or a new worker takes some seconds
SLACK_MS: Final = 2 * SECOND_MS  # either side of a gap: a meter tells its time in whole seconds, after a round trip
SETTLE_MS: Final = 5 * SECOND_MS  # a row is there some seconds after its moment, not at once
MAX_GAPS: Final = 64  # beyond it the nearest two become one
MAX_AGE_MS: Final = 60 * DAY_MS  # meters keep rows for some weeks; what is older would be refused or is worth nothing
MAX_ORDER_MS: Final = 400 * DAY_MS  # by hand: a year and a bit
MAX_ORDERS: Final = 4  # by hand, waiting; more are refused
MAX_WINDOW_MS: Final = DAY_MS
FIRST_WINDOW_MS: Final = HOUR_MS  # nothing is known of the line yet
LEAST_WINDOW_MS: Final = HOUR_MS // 4  # a smaller one has no row of most profiles


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Rows with begin < stamp <= end."""

    begin: int
    end: int

    @property
    def length(self) -> int:
        """Its milliseconds."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Order:
    """A span that a person asked for: what is left of it, and what was done; ``left_out`` in milliseconds."""

    id: str
    asked: Span
    left: Span
    rows: int = 0
    windows: int = 0
    skipped: int = 0
    left_out: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return self.left.length <= 0

    def progress(self) -> "Progress":
        """Return how far it is, in per cent of its time."""
        from common.progress import Progress  # few workers have a range by hand

        done = 100 * (self.left.begin - self.asked.begin) // max(1, self.asked.length)
        return Progress(done, 100, f"{self.rows} rows in {self.windows} windows")

    def result(self) -> dict[str, object]:
        """Return what was done of it."""
        done = {"rows": self.rows, "windows": self.windows, "skipped": self.skipped}
        return {**done, "left_out_s": self.left_out / SECOND_MS}


@dataclass(frozen=True, slots=True)
class Intent:
    """Rows that are about to be published: the first has the number ``first`` of ``epoch``."""

    epoch: bytes
    first: int
    stamps: tuple[int, ...]
    window: Span
    order: str = ""
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Habits:
    """How a meter lets one profile be read, in plain words: of ``ProfileHabits``, without the reasons."""

    profile: str
    access: str
    proven: bool
    bounds: int


@dataclass(frozen=True, slots=True)
class State:
    """All that outlives a worker. ``floor``: the end of the newest gap; nothing before it is missed once more."""

    serial: str = ""
    gaps: tuple[Span, ...] = ()
    orders: tuple[Order, ...] = ()
    floor: int = 0
    intent: Intent | None = None
    habits: Habits | None = None

    @property
    def pending_ms(self) -> int:
        """How much is still to be read."""
        return sum(gap.length for gap in self.gaps) + sum(order.left.length for order in self.orders)


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be read next; ``order`` is empty for what was missed."""

    span: Span
    order: str = ""


# Gaps


def threshold_ms(interval_s: float) -> int:
    """Return how long may pass between two readings before it is a gap."""
    return round(1000 * max(GAP_INTERVALS * interval_s, LEAST_GAP_S))


def missed(state: State, seen: int, end: int, least: int) -> State:
    """Return the state with the gap from the last good reading to the first one after it, if it is one.

    A clock that was set back in between (``end`` not after ``seen``) tells nothing of what was missed.
    """
    floor = state.floor if state.floor <= seen + SLACK_MS else 0  # the clock was set back behind an older gap
    begin = max(seen - SLACK_MS, floor)
    if not seen or end - seen <= least or end + SLACK_MS <= begin:
        return replace(state, floor=floor)
    gap = Span(max(begin, end - MAX_AGE_MS), end + SLACK_MS)
    return replace(state, gaps=merged([*state.gaps, gap]), floor=gap.end)


def merged(gaps: Sequence[Span], most: int = MAX_GAPS) -> tuple[Span, ...]:
    """Return gaps in order, those that touch as one, and the nearest ones as one while there are too many."""
    found: list[Span] = []
    for gap in sorted(gaps):
        if found and gap.begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, gap.end))
        else:
            found.append(gap)
    while len(found) > most:
        _, at = min((right.begin - left.end, place) for place, (left, right) in enumerate(pairwise(found)))
        found[at : at + 2] = [Span(found[at].begin, found[at + 1].end)]
    return tuple(found)


def without(gaps: Sequence[Span], done: Span) -> tuple[Span, ...]:
    """Return what is left of gaps when a span was read."""
    pieces = (
        piece
        for gap in gaps
        for piece in (Span(gap.begin, min(gap.end, done.begin)), Span(max(gap.begin, done.end), gap.end))
    )
    return tuple(sorted({piece for piece in pieces if piece.length > 0}))


def cut(state: State, now: int) -> State:
    """Return the state without what is older than MAX_AGE_MS."""
    oldest = now - MAX_AGE_MS
    if all(gap.begin >= oldest for gap in state.gaps):
        return state
    return replace(state, gaps=tuple(Span(max(gap.begin, oldest), gap.end) for gap in state.gaps if gap.end > oldest))


def bounded(state: State, now: int) -> State:
    """Return the state without what orders ask of the future."""
    if all(order.left.end <= now for order in state.orders):
        return state
    orders = (replace(order, left=Span(min(order.left.begin, now), min(order.left.end, now))) for order in state.orders)
    return replace(state, orders=tuple(orders))


# Windows


def next_window(state: State, now: int, size: int, left_out: Callable[[Span], bool] = lambda _: False) -> Window | None:
    """Return what is to be read next: what people wait for first, then the oldest; None when nothing is ready.

    ``left_out``: gaps that are not to be tried now. The newest rows have to settle before they are asked for.
    """
    for order in state.orders:
        if not order.is_done:
            return Window(_head(order.left, size), order.id)
    for gap in state.gaps:
        window = _head(gap, size)
        if not left_out(gap) and window.end + SETTLE_MS <= now + SLACK_MS:
            return Window(window)
    return None


def _head(span: Span, size: int) -> Span:
    return Span(span.begin, min(span.begin + size, span.end))


def put_off(gaps: Sequence[Span], window: Span) -> tuple[Span, ...]:
    """Return gaps with a window as one of its own, so that it can be left out; not more than twice MAX_GAPS."""
    found = tuple(sorted([*without(gaps, window), window]))
    return found if len(found) <= 2 * MAX_GAPS else merged(found)


def advanced(state: State, window: Window, done: Span, rows: int, skipped: int = 0) -> State:
    """Return the state after a window, or its first part, was published; what a person asked for is missed no more."""
    orders = [
        replace(
            order,
            left=Span(done.end, order.left.end),
            rows=order.rows + rows,
            windows=order.windows + 1,
            skipped=order.skipped + skipped,
        )
        if order.id == window.order
        else order
        for order in state.orders
    ]
    return replace(state, gaps=without(state.gaps, done), orders=tuple(orders), intent=None)


def given_up(state: State, window: Window) -> State:
    """Return the state of an order that goes on without a window."""
    orders = [
        replace(order, left=Span(window.span.end, order.left.end), left_out=order.left_out + window.span.length)
        if order.id == window.order
        else order
        for order in state.orders
    ]
    return replace(state, orders=tuple(orders), intent=None)


def resumed(state: State, last_of: Callable[[bytes], int | None]) -> State:
    """Return the state after a crash: an intent is settled by the last number of its epoch.

    An epoch that is gone tells nothing (a power cut, a lost journal): its window is read once more, rather twice than
    never.
    """
    intent = state.intent
    if intent is None:
        return state
    last = last_of(intent.epoch)
    taken = 0 if last is None else max(0, min(len(intent.stamps), last - intent.first + 1))
    return settled(state, intent, taken)


def settled(state: State, intent: Intent, taken: int) -> State:
    """Return the state when so many rows of an intent were taken."""
    whole = taken == len(intent.stamps)
    if not whole and not taken:
        return replace(state, intent=None)
    end = intent.window.end if whole else intent.stamps[taken - 1]
    window = Window(intent.window, intent.order)
    return advanced(state, window, Span(intent.window.begin, end), taken, intent.skipped if whole else 0)


# Paces


@dataclass(frozen=True, slots=True)
class Pace:
    """How large a window is, so that it fits between two polls. ``expected_s``: what the next one may cost.

    ``starved``: not even the smallest fits; then a window that comes seldom may cost more.
    """

    size: int = FIRST_WINDOW_MS
    expected_s: float = 0.0
    starved: bool = False

    def after(self, length: int, cost_s: float, room_s: float, seldom_s: float) -> "Pace":
        """Return the pace after a window of a length took its time, where there was so much room for it.

        ``seldom_s``: what a window may cost when the polls leave no room for any.
        """
        starved = cost_s > room_s and (self.starved or length <= LEAST_WINDOW_MS)
        allowed = max(room_s, seldom_s) if starved else room_s
        if cost_s > allowed:
            return Pace(max(LEAST_WINDOW_MS, min(self.size, length) // 2), cost_s / 2, starved)
        if 2 * cost_s <= allowed:
            return Pace(min(MAX_WINDOW_MS, 2 * self.size), 2 * cost_s, starved)
        return Pace(self.size, cost_s, starved)

    def smaller(self) -> "Pace":
        """Return the pace after a window did not come to its end in time."""
        return replace(self, size=max(LEAST_WINDOW_MS, self.size // 2))
