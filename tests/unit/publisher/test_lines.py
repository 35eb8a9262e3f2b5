"""Whose turn it is: live before backlog, meters in turn, one packet per line."""

from publisher.lines import Line, Lines, Phase
from publisher.outbox import Lane

A, B = b"A" * 16, b"B" * 16
BOTH = (Lane.LIVE, Lane.BACKLOG)


def served(lines: Lines, target: str = "t") -> list[tuple[bytes, Lane]]:
    """Take every line that waits, in the order of their turns."""
    order = []
    while line := lines.next(target):
        order.append((line.uid, line.lane))
    return order


def one(lines: Lines, target: str = "t") -> Line:
    line = lines.next(target)
    assert line is not None
    return line


def test_live_goes_before_backlog_and_meters_take_turns() -> None:
    lines = Lines()
    lines.wake(A, BOTH, "t")
    lines.wake(B, BOTH, "t")
    assert served(lines) == [(A, Lane.LIVE), (B, Lane.LIVE), (A, Lane.BACKLOG), (B, Lane.BACKLOG)]


def test_strict_order_is_the_present_too() -> None:
    lines = Lines()
    lines.wake(A, (Lane.BACKLOG,), "t")
    lines.wake(B, (Lane.STRICT,), "t")
    assert served(lines) == [(B, Lane.STRICT), (A, Lane.BACKLOG)]


def test_a_line_that_waits_or_flies_is_not_queued_again() -> None:
    lines = Lines()
    lines.wake(A, (Lane.LIVE,), "t")
    lines.wake(A, (Lane.LIVE,), "t")
    line = one(lines)
    assert not lines.waits("t")
    lines.fly(line, (7, 8))
    lines.wake(A, (Lane.LIVE,), "t")
    assert lines.next("t") is None
    assert lines.flying(A) == {7, 8}
    assert lines.flying(B) == set()


def test_a_line_that_rests_comes_back_at_its_time() -> None:
    lines = Lines()
    lines.wake(A, (Lane.LIVE,), "t")
    line = one(lines)
    lines.rest(line, 5.0)
    assert lines.rested(4.9) == 5.0
    assert lines.next("t") is None
    lines.rested(5.0)
    assert one(lines) is line


def test_an_idle_line_is_queued_by_the_next_wake() -> None:
    lines = Lines()
    lines.wake(A, (Lane.LIVE,), "t")
    line = one(lines)
    lines.idle(line)
    lines.wake(A, (Lane.LIVE,), "other")
    assert lines.next("t") is None
    assert one(lines, "other") is line


def test_what_is_queued_for_a_target_that_is_no_more_can_be_woken_for_another() -> None:
    lines = Lines()
    lines.wake(A, (Lane.LIVE,), "gone")
    lines.keep({"t"})
    assert lines.next("gone") is None
    lines.wake(A, (Lane.LIVE,), "t")
    assert one(lines).phase is Phase.QUEUED


def test_the_front_of_the_queue_is_for_those_who_were_interrupted() -> None:
    lines = Lines()
    lines.wake(A, (Lane.LIVE,), "t")
    line = one(lines)
    lines.wake(B, (Lane.LIVE,), "t")
    lines.queue(line, "t", front=True)
    assert served(lines) == [(A, Lane.LIVE), (B, Lane.LIVE)]


def test_only_a_resting_line_with_rejections_counts_as_refused() -> None:
    lines = Lines()
    lines.wake(A, BOTH, "t")
    first, second = one(lines), one(lines)
    first.rejections = 2
    lines.rest(first, 5.0)
    lines.rest(second, 5.0)
    assert lines.rejecting() == [first]
