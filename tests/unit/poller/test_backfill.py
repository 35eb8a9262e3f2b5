"""What is missed and read next: tables of gaps, windows, paces, and what a crash leaves."""

from dataclasses import replace

import pytest

from poller.backfill import (
    DAY_MS,
    FIRST_WINDOW_MS,
    HOUR_MS,
    LEAST_WINDOW_MS,
    MAX_AGE_MS,
    MAX_GAPS,
    MAX_WINDOW_MS,
    SETTLE_MS,
    SLACK_MS,
    Intent,
    Order,
    Pace,
    Span,
    State,
    Window,
    advanced,
    bounded,
    cut,
    given_up,
    merged,
    missed,
    next_window,
    put_off,
    resumed,
    threshold_ms,
    without,
)

DAY = 100 * DAY_MS
EPOCH = b"e" * 8
HALF = Span(DAY, DAY + 12 * HOUR_MS)


@pytest.mark.parametrize(("interval", "least"), [(0.2, 30_000), (2.0, 30_000), (10.0, 30_000), (60.0, 180_000)])
def test_a_gap_is_longer_than_three_intervals_and_thirty_seconds(interval: float, least: int) -> None:
    assert threshold_ms(interval) == least


def test_a_gap_goes_from_the_last_good_reading_to_the_first_after_it_with_slack() -> None:
    state = missed(State(), DAY, DAY + HOUR_MS, 30_000)
    assert state.gaps == (Span(DAY - SLACK_MS, DAY + HOUR_MS + SLACK_MS),)
    assert state.floor == DAY + HOUR_MS + SLACK_MS


@pytest.mark.parametrize(
    ("seen", "end"),
    [(0, DAY), (DAY, DAY + 30_000), (DAY, DAY), (DAY, DAY - HOUR_MS)],
    ids=["never read before", "not longer than the least", "at once", "the clock was set back"],
)
def test_what_is_no_gap(seen: int, end: int) -> None:
    assert missed(State(), seen, end, 30_000).gaps == ()


def test_gaps_that_follow_at_once_share_no_row() -> None:
    first = missed(State(), DAY, DAY + HOUR_MS, 30_000)
    later = missed(replace(first, gaps=()), DAY + HOUR_MS, DAY + 2 * HOUR_MS, 30_000)
    assert later.gaps == (Span(DAY + HOUR_MS + SLACK_MS, DAY + 2 * HOUR_MS + SLACK_MS),)


def test_after_a_clock_was_set_back_older_gaps_bound_nothing() -> None:
    first = missed(State(), DAY, DAY + HOUR_MS, 30_000)
    later = missed(replace(first, gaps=()), DAY - 5 * HOUR_MS, DAY - 4 * HOUR_MS, 30_000)
    assert later.gaps == (Span(DAY - 5 * HOUR_MS - SLACK_MS, DAY - 4 * HOUR_MS + SLACK_MS),)


def test_a_gap_is_not_longer_than_sixty_days() -> None:
    state = missed(State(), DAY, DAY + 90 * DAY_MS, 30_000)
    assert state.gaps == (Span(DAY + 30 * DAY_MS, DAY + 90 * DAY_MS + SLACK_MS),)


def test_what_got_older_than_sixty_days_is_cut() -> None:
    state = State(gaps=(Span(0, 5), Span(10, 30), Span(40, 50)))
    assert cut(state, MAX_AGE_MS + 20).gaps == (Span(20, 30), Span(40, 50))
    assert cut(state, MAX_AGE_MS) is state


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        ([], ()),
        ([Span(5, 6), Span(1, 2)], (Span(1, 2), Span(5, 6))),
        ([Span(1, 3), Span(2, 5)], (Span(1, 5),)),
        ([Span(1, 3), Span(3, 5)], (Span(1, 5),)),
        ([Span(1, 9), Span(2, 5)], (Span(1, 9),)),
    ],
)
def test_gaps_that_touch_are_one(gaps: list[Span], found: tuple[Span, ...]) -> None:
    assert merged(gaps) == found


def test_of_too_many_gaps_the_nearest_become_one() -> None:
    gaps = [Span(100 * n, 100 * n + 10) for n in range(MAX_GAPS)]
    found = merged([*gaps, Span(315, 320)])
    assert len(found) == MAX_GAPS
    assert Span(300, 320) in found


@pytest.mark.parametrize(
    ("done", "left"),
    [
        (Span(0, 10), (Span(10, 20), Span(30, 40))),
        (Span(0, 15), (Span(15, 20), Span(30, 40))),
        (Span(12, 15), (Span(10, 12), Span(15, 20), Span(30, 40))),
        (Span(15, 35), (Span(10, 15), Span(35, 40))),
        (Span(0, 50), ()),
    ],
)
def test_what_was_read_is_missed_no_more(done: Span, left: tuple[Span, ...]) -> None:
    assert without((Span(10, 20), Span(30, 40)), done) == left


def test_windows_begin_with_the_oldest_and_are_no_larger_than_they_may() -> None:
    state = State(gaps=(HALF, Span(DAY + DAY_MS, DAY + 2 * DAY_MS)))
    assert next_window(state, DAY + 9 * DAY_MS, HOUR_MS) == Window(Span(DAY, DAY + HOUR_MS))
    assert next_window(state, DAY + 9 * DAY_MS, MAX_WINDOW_MS) == Window(HALF)


def test_the_newest_rows_have_time_to_settle() -> None:
    state = State(gaps=(HALF,))
    assert next_window(state, HALF.end, MAX_WINDOW_MS) is None
    assert next_window(state, HALF.end + SETTLE_MS, MAX_WINDOW_MS) == Window(HALF)
    assert next_window(state, HALF.end, HOUR_MS) == Window(Span(DAY, DAY + HOUR_MS))


def test_what_is_left_out_keeps_nothing_else_from_its_turn() -> None:
    bad = Span(DAY + HOUR_MS, DAY + 2 * HOUR_MS)
    state = State(gaps=put_off((HALF,), bad))
    assert state.gaps == (Span(DAY, bad.begin), bad, Span(bad.end, HALF.end))
    after = advanced(state, Window(Span(DAY, bad.begin)), Span(DAY, bad.begin), 4)
    now = DAY + 9 * DAY_MS
    assert next_window(after, now, HOUR_MS, {bad}.__contains__) == Window(Span(bad.end, bad.end + HOUR_MS))


def test_what_people_ask_for_comes_first_and_is_missed_no_more() -> None:
    order = Order("id", HALF, HALF)
    state = State(gaps=(HALF,), orders=(order,))
    window = next_window(state, HALF.end, HOUR_MS)
    assert window == Window(Span(DAY, DAY + HOUR_MS), "id")
    after = advanced(state, window, window.span, 4, 1)
    assert after.gaps == (Span(DAY + HOUR_MS, HALF.end),)
    assert after.orders == (replace(order, left=after.gaps[0], rows=4, windows=1, skipped=1),)
    assert after.pending_ms == 22 * HOUR_MS


def test_the_future_is_not_asked_for() -> None:
    state = State(orders=(Order("id", HALF, HALF),))
    assert bounded(state, DAY + HOUR_MS).orders[0].left == Span(DAY, DAY + HOUR_MS)
    assert bounded(state, DAY - HOUR_MS).orders[0].is_done
    assert bounded(state, HALF.end) is state


def test_an_order_goes_on_without_a_window_and_counts_it() -> None:
    state = given_up(State(orders=(Order("id", HALF, HALF),)), Window(Span(DAY, DAY + HOUR_MS), "id"))
    assert state.orders[0].left.begin == DAY + HOUR_MS
    assert state.orders[0].left_out == HOUR_MS


STAMPS = (DAY + 10, DAY + 20, DAY + 30)
PLANNED = State(gaps=(HALF,), intent=Intent(EPOCH, 7, STAMPS, Span(DAY, DAY + 40)))


@pytest.mark.parametrize(
    ("last", "begin"),
    [
        (None, DAY),
        (0, DAY),
        (6, DAY),
        (7, DAY + 10),
        (8, DAY + 20),
        (9, DAY + 40),
        (500, DAY + 40),
    ],
)
def test_a_crash_between_two_rows_costs_none_and_brings_none_twice(last: int | None, begin: int) -> None:
    state = resumed(PLANNED, lambda _: last)
    assert state.gaps == (Span(begin, HALF.end),)
    assert state.intent is None


def test_a_crash_without_an_intent_changes_nothing() -> None:
    state = State(gaps=(HALF,))
    assert resumed(state, lambda _: None) is state


@pytest.mark.parametrize(
    ("cost", "room", "size", "expected"),
    [
        (0.1, 1.0, 2 * FIRST_WINDOW_MS, 0.2),
        (0.8, 1.0, FIRST_WINDOW_MS, 0.8),
        (1.5, 1.0, FIRST_WINDOW_MS // 2, 0.75),
        (0.1, float("inf"), 2 * FIRST_WINDOW_MS, 0.2),
    ],
)
def test_a_window_grows_into_the_room_and_shrinks_out_of_it(
    cost: float, room: float, size: int, expected: float
) -> None:
    assert Pace().after(FIRST_WINDOW_MS, cost, room, 2.0) == Pace(size, expected)


@pytest.mark.parametrize(
    ("cost", "size", "expected"),
    [(0.6, 2 * LEAST_WINDOW_MS, 1.2), (1.5, LEAST_WINDOW_MS, 1.5), (3.0, LEAST_WINDOW_MS, 1.5)],
)
def test_where_not_even_the_smallest_fits_a_seldom_window_may_cost_more(
    cost: float, size: int, expected: float
) -> None:
    pace = Pace(LEAST_WINDOW_MS).after(LEAST_WINDOW_MS, cost, 0.5, 2.0)
    assert pace == Pace(size, expected, starved=True)
    assert not pace.after(size, 0.4, 0.5, 2.0).starved


def test_windows_have_a_least_and_a_most() -> None:
    pace = Pace()
    for _ in range(20):
        pace = pace.after(pace.size, 0.0, 1.0, 2.0)
    assert pace.size == MAX_WINDOW_MS
    for _ in range(20):
        pace = pace.after(pace.size, 9.0, 1.0, 2.0).smaller()
    assert pace.size == LEAST_WINDOW_MS
