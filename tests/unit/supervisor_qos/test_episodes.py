"""Episodes of alarms: how long a condition holds before it is raised, is gone before it is cleared; what is written."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from common.store.model import AlarmStep, Severity
from supervisor_qos.alarms import SEVERITIES, Alarm
from supervisor_qos.episodes import PATIENCE, TOLD_AGAIN_MS, Episodes, Patience, View

UID = bytes(range(16))
AWAY = Alarm("connection", "away", Severity.ERROR, UID)
KEY = AWAY.key
START_MS = 1_000_000
SHORT: Mapping[str, Patience] = {"connection": Patience(hold_s=5.0, gone_s=30.0)}


class Scene:
    """Episodes with a clock, and a store that takes what it is given."""

    def __init__(self) -> None:
        self.episodes = Episodes(SHORT)
        self.now_ms = START_MS
        self.store_is_there = True

    def look(
        self, alarm: Alarm | None, after_s: float = 1.0, *, unheard: bool = False, gone: bool = False
    ) -> list[str]:
        self.now_ms += round(after_s * 1000)
        holding = {} if alarm is None else {alarm.key: alarm}
        steps = self.episodes.look(View(self.now_ms, holding, unheard=unheard, is_gone=lambda _uid: gone))
        if self.store_is_there:
            self.episodes.done(steps, self.now_ms)
        return [_said(step) for step in steps]


def _said(step: AlarmStep) -> str:
    return f"{step.change} {step.severity} {step.count} {step.message}"


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def raised(scene: Scene) -> Scene:
    """One that lasts."""
    scene.look(AWAY)
    assert scene.look(AWAY, 5.0) == ["raised error 1 away"]
    return scene


def test_every_category_has_its_patience() -> None:
    assert set(PATIENCE) == set(SEVERITIES)
    assert all(0 <= patience.hold_s <= 10 and 5 <= patience.gone_s <= 120 for patience in PATIENCE.values())


def test_what_does_not_hold_for_long_is_never_raised(scene: Scene) -> None:
    assert [scene.look(AWAY), scene.look(AWAY, 4.0), scene.look(None), scene.look(AWAY), scene.look(AWAY, 4.9)] == [
        []
    ] * 5
    assert scene.look(AWAY, 0.1) == ["raised error 1 away"]


def test_it_is_cleared_when_it_has_been_gone_for_long_enough(raised: Scene) -> None:
    assert raised.look(None) == []
    assert raised.look(None, 29.9) == []
    assert raised.look(None, 0.1) == ["cleared error 1 away"]
    assert raised.look(None) == []
    assert raised.episodes.known == {}


def test_one_that_flaps_is_one_episode_whose_count_rises(raised: Scene) -> None:
    written = [raised.look(alarm, 2.0) for _ in range(25) for alarm in (None, AWAY)]
    assert [steps for steps in written if steps] == [["updated error 16 away"]]
    raised.look(None)
    assert raised.look(None, 30.0) == ["cleared error 26 away"]


def test_a_text_that_changes_is_written_once_a_minute(raised: Scene) -> None:
    seconds = TOLD_AGAIN_MS // 1000 * 3
    written = [raised.look(replace(AWAY, message=f"away for {number} s")) for number in range(seconds)]
    assert [steps for steps in written if steps] == [
        ["updated error 1 away for 59 s"],
        ["updated error 1 away for 119 s"],
        ["updated error 1 away for 179 s"],
    ]


def test_what_gets_worse_is_written_at_once_and_stays_as_bad(raised: Scene) -> None:
    assert raised.look(replace(AWAY, severity=Severity.CRITICAL)) == ["updated critical 1 away"]
    assert raised.look(AWAY) == raised.look(AWAY, 100.0) == []
    raised.look(None)
    assert raised.look(None, 30.0) == ["cleared critical 1 away"]
    raised.look(AWAY)
    assert raised.look(AWAY, 5.0) == ["raised error 1 away"]


def test_of_a_meter_nobody_can_speak_for_it_is_cleared_at_once(raised: Scene) -> None:
    assert raised.look(AWAY, gone=True) == []
    assert raised.look(None, gone=True) == ["cleared error 1 away"]


def test_a_supervisor_that_has_not_heard_yet_clears_nothing(raised: Scene) -> None:
    assert [raised.look(None, 10.0, unheard=True) for _ in range(10)] == [[]] * 10
    assert raised.look(None, 1.0) == []
    assert raised.look(None, 29.0) == []
    assert raised.look(None, 1.0) == ["cleared error 1 away"]


def test_what_was_only_not_heard_of_has_not_come_again(raised: Scene) -> None:
    raised.look(None, 15.0, unheard=True)
    assert [raised.look(AWAY, TOLD_AGAIN_MS / 1000) for _ in range(3)] == [[]] * 3


def test_a_meter_deleted_while_it_had_not_heard_is_cleared(raised: Scene) -> None:
    assert raised.look(None, unheard=True, gone=True) == ["cleared error 1 away"]


def test_what_an_earlier_supervisor_raised_is_neither_raised_nor_counted_anew(scene: Scene) -> None:
    scene.episodes.resume(KEY, AWAY, 7, scene.now_ms)
    assert scene.episodes.raised == {KEY}
    assert scene.look(AWAY) == []
    scene.look(None)
    assert scene.look(AWAY) == []
    assert scene.look(AWAY, 60.0) == ["updated error 8 away"]


def test_what_the_store_did_not_take_is_said_again(scene: Scene) -> None:
    scene.store_is_there = False
    scene.look(AWAY)
    assert scene.look(AWAY, 5.0) == scene.look(AWAY) == ["raised error 1 away"]
    scene.look(None)
    assert scene.look(None, 30.0) == ["raised error 1 away", "cleared error 1 away"]
    scene.store_is_there = True
    assert scene.look(None) == ["raised error 1 away", "cleared error 1 away"]
    assert scene.look(None) == []


def test_one_that_comes_back_before_its_end_was_written_is_the_same(raised: Scene) -> None:
    raised.look(None)
    raised.store_is_there = False
    assert raised.look(None, 30.0) == ["cleared error 1 away"]
    raised.store_is_there = True
    assert raised.look(AWAY, 30.0) == ["updated error 2 away"]
