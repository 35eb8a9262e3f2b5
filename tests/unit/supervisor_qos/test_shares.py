"""Shares of what should arrive: reads that succeed, readings delivered in time; and how both recover."""

from dataclasses import replace

import pytest

from common.heartbeat import Delivery, EpochSpan, WorkerBeat
from common.process_state import Process, ProcessState
from common.store.model import Meter, MeterWish
from supervisor_qos.health import Health
from supervisor_qos.judged import Judged
from supervisor_qos.observer import Worker
from supervisor_qos.policy import History
from supervisor_qos.shares import Figures, Shares

UID = bytes(range(16))
METER = Meter(1, UID, 1, 0, 0, None, False, MeterWish("sim-1", "10.0.0.1"))
START_MS = 10_000_000


class Scene:
    """One meter that is read every two seconds and heard every five; a broker that takes what it is given, or not."""

    def __init__(self) -> None:
        self.shares = Shares()
        self.now_ms = START_MS
        self.counters = {"reads_ok": 5000, "reads_failed": 0, "taken": 1000}
        self.pid = 7
        self.waiting = self.journaled = 0
        self.entered = 1000
        self.health = Health.FINE
        self.delivering = True

    def second(self, failed: int = 0) -> Figures:
        """Play one second: ten reads, half a reading."""
        self.now_ms += 1000
        if self.now_ms % 2000 == 0:
            self.counters["taken"] += 1
            self.entered += 1
            self.waiting = 0 if self.delivering else self.waiting + 1
        self.counters["reads_ok"] += 10 - failed
        self.counters["reads_failed"] += failed
        return self.look()

    def look(self) -> Figures:
        spans = (EpochSpan(b"epoch-01", 1, self.journaled),)
        heard_ms = self.now_ms - self.now_ms % 5000
        beat = WorkerBeat(pid=self.pid, counters=dict(self.counters), spans=spans)
        worker = Worker(beat=beat, heard_ms=heard_ms, delivery=Delivery(waiting=self.waiting, taken=self.entered))
        process = Process("meter-00", ProcessState.RUNNING, pid=self.pid)
        judged = Judged(METER, worker, process, History(), self.health, 20.0)
        return self.shares.look([judged], self.now_ms)[UID]

    def play(self, seconds: int, failed: int = 0) -> list[Figures]:
        return [self.second(failed) for _ in range(seconds)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_meter_that_is_delivered_has_nothing_overdue(scene: Scene) -> None:
    assert {figures.delivered for figures in scene.play(600)} == {1.0}
    assert scene.shares.delivered == 1.0


def test_a_broker_that_is_away_lowers_the_share_and_its_return_restores_it(scene: Scene) -> None:
    scene.play(300)
    scene.delivering = False
    shares = [figures.delivered for figures in scene.play(120)]
    below_80, below_50 = (next(at for at, share in enumerate(shares) if share < limit) for limit in (0.8, 0.5))
    assert 25 <= below_80 <= 40
    assert 45 <= below_50 <= 60
    assert shares[-1] == scene.shares.delivered == 0.0
    scene.delivering = True
    scene.play(2)
    assert scene.look().delivered == 1.0


def test_what_waits_in_the_journal_waits_as_well_while_its_worker_is_heard(scene: Scene) -> None:
    scene.play(300)
    scene.journaled = 100
    assert scene.look().delivered < 0.5
    scene.health = Health.DOWN
    assert scene.look().delivered == 1.0


def test_a_new_process_has_yet_to_hear_what_of_its_journal_was_taken(scene: Scene) -> None:
    scene.play(304)  # a heartbeat is due
    scene.pid, scene.journaled, scene.counters = 8, 100, dict.fromkeys(scene.counters, 0)
    assert {figures.delivered for figures in scene.play(19)} == {1.0}
    assert scene.play(10)[-1].delivered < 0.5


def test_a_burst_out_of_a_load_profile_is_not_overdue_whoever_tells_of_it_first(scene: Scene) -> None:
    scene.play(300)
    scene.entered += 96
    scene.waiting = 96
    assert scene.look().delivered == 1.0
    scene.counters["taken"] += 96
    scene.journaled = 96
    scene.now_ms += 5000
    assert scene.look().delivered == 1.0


def test_a_supervisor_that_has_just_begun_judges_no_backlog(scene: Scene) -> None:
    scene.delivering, scene.waiting = False, 1000
    shares = [figures.delivered for figures in scene.play(30)]
    assert set(shares[:20]) == {1.0}
    assert shares[-1] == 0.0


def test_reads_below_98_per_cent_are_said_until_the_last_minutes_are_good(scene: Scene) -> None:
    scene.play(1800)
    assert scene.look().reads == ""
    low = scene.play(600, failed=1)
    assert low[0].reads == ""
    assert low[-1].reads.endswith("% of the last hour's reads succeeded")
    well = scene.play(900)
    assert well[0].reads
    assert any(not figures.reads for figures in well[:600])
    assert well[-1].reads == ""


def test_a_short_burst_in_an_hour_and_few_reads_are_nothing(scene: Scene) -> None:
    assert {figures.reads for figures in scene.play(9, failed=10)} == {""}
    scene = Scene()
    scene.play(3000)
    assert {figures.reads for figures in scene.play(30, failed=10)} == {""}


def test_a_meter_that_is_not_read_any_more_is_not_said_to_be_read_badly(scene: Scene) -> None:
    scene.play(600)
    assert scene.play(600, failed=1)[-1].reads
    for _ in range(700):
        scene.now_ms += 1000
        figures = scene.look()
    assert figures.reads == ""


def test_a_new_process_counts_from_nothing(scene: Scene) -> None:
    scene.play(600)
    scene.pid, scene.counters = 8, {"reads_ok": 0, "reads_failed": 0, "taken": 0}
    assert {(figures.delivered, figures.reads) for figures in scene.play(600)} == {(1.0, "")}


def test_a_meter_that_is_gone_is_forgotten(scene: Scene) -> None:
    scene.play(10)
    scene.shares.look([], scene.now_ms)
    assert scene.shares.meters == {}


def test_a_meter_that_was_never_heard_has_nothing_to_say() -> None:
    judged = Judged(METER, Worker(), Process("meter-00"), History(), Health.DOWN, 20.0)
    assert Shares().look([judged], START_MS)[UID] == replace(Figures(), now_s=START_MS / 1000)
