"""Any course of a condition against a model of what people were promised: one row, its end, its count."""

from hypothesis import given
from hypothesis import strategies as st

from common.store.model import Change, Severity
from supervisor_qos.alarms import Alarm
from supervisor_qos.episodes import Episodes, Patience, View

HOLD_S, GONE_S = 5, 20
PATIENCE = {"connection": Patience(HOLD_S, GONE_S)}
ALARMS = [Alarm("connection", "away", Severity.ERROR, bytes([number]) * 16) for number in range(2)]
COURSES = st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.booleans()), max_size=60)


class Rows:
    """The store, of which nothing is known but what it was told; it fails when told to."""

    def __init__(self) -> None:
        self.lasting: dict[str, int] = {}

    def take(self, change: Change, key: str, count: int) -> None:
        assert (change is Change.RAISED) == (key not in self.lasting)
        if change is Change.CLEARED:
            del self.lasting[key]
        else:
            assert count >= self.lasting.get(key, 0)
            self.lasting[key] = count


class Course:
    """How long a condition has held or has been gone, and how often it came since it was last over."""

    def __init__(self) -> None:
        self.on, self.since, self.rises, self.raised = False, 0, 0, False

    def see(self, on: bool, now: int, *, written: bool) -> None:
        """``written``: the store takes what is told now; an end that it does not take is none if it comes back."""
        if on and not self.on:
            self.rises = self.rises + 1 if self.raised else 1
        if on != self.on:
            self.on, self.since = on, now
        if self.on and now - self.since >= HOLD_S:
            self.raised = True
        if not self.on and now - self.since >= GONE_S and written:
            self.raised = False


@given(COURSES, COURSES)
def test_an_episode_is_raised_after_its_hold_cleared_after_its_gone_and_counts_its_rises(
    first: list[tuple[bool, int, bool]], second: list[tuple[bool, int, bool]]
) -> None:
    episodes, rows, courses = Episodes(PATIENCE), Rows(), {alarm.key: Course() for alarm in ALARMS}
    now = 1000
    for number in range(max(len(first), len(second))):
        turns = [plan[number] if number < len(plan) else (False, 1, False) for plan in (first, second)]
        now += turns[0][1]
        holding = {alarm.key: alarm for alarm, (on, _, _) in zip(ALARMS, turns, strict=True) if on}
        steps = episodes.look(View(now * 1000, holding))
        store_fails = turns[0][2]
        if not store_fails:
            for step in steps:
                rows.take(step.change, step.dedup_key, step.count)
            episodes.done(steps, now * 1000)
        for key, course in courses.items():
            before = course.raised
            course.see(key in holding, now, written=not store_fails)
            if not store_fails:
                assert (key in rows.lasting) == course.raised, (key, before)
    now += 1
    episodes.done(episodes.look(View(now * 1000, {})), now * 1000)
    ends = episodes.look(View((now + GONE_S) * 1000, {}))
    assert {step.dedup_key for step in ends if step.change is Change.CLEARED} == set(episodes.known)
    for step in ends:
        assert step.count == courses[step.dedup_key].rises
