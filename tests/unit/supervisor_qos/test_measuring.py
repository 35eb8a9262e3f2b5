"""Measuring: nothing twice, nothing negative, nothing that is not ours; lengths by one clock, periods by the other."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.heartbeat import Delivery, EpochSpan, PublisherBeat, WorkerBeat
from common.meter_state import DesiredState, MeterState
from common.process_state import Process, ProcessState
from common.store.engine import Store
from common.store.errors import StoreUnavailable
from common.store.model import PERIOD_MS, Meter
from supervisor_qos.health import Health
from supervisor_qos.judged import Judged
from supervisor_qos.measuring import BATCH, FORGET_MS, GAP_MS, MAX_PERIODS, Look, Measuring
from supervisor_qos.observer import Worker
from supervisor_qos.policy import History
from tests.support.installation import wish

UID = bytes(16)
BOOT_MS = 50_000
NOON_MS = PERIOD_MS * 1000
STALE_S = 20.0


@dataclass
class Scene:
    """One meter, its worker, and a clock that goes on a second at each look."""

    measuring: Measuring = field(default_factory=Measuring)
    now_ms: int = BOOT_MS
    wall_ms: int = NOON_MS
    life: tuple[int, int] = (7, BOOT_MS + 1)
    counters: Mapping[str, int] = field(default_factory=dict)
    spans: tuple[EpochSpan, ...] = ()
    delivery: Delivery = field(default_factory=Delivery)
    publisher: PublisherBeat = field(default_factory=PublisherBeat)
    read_ms: int = 0
    desired: DesiredState = DesiredState.RUNNING
    starts: int = 0
    unplanned: int = 0

    def judged(self) -> Judged:
        meter = Meter(1, UID, 1, 0, 0, None, False, replace(wish(), desired_state=self.desired))
        pid, started = self.life
        beat = WorkerBeat(pid, started, state=MeterState.ACTIVE, counters=self.counters, spans=self.spans)
        worker = Worker(beat=beat, read_ms=self.read_ms, delivery=self.delivery)
        history = History(counted=self.starts)
        return Judged(meter, worker, Process("meter-00", ProcessState.RUNNING, pid), history, Health.FINE, STALE_S)

    def look(self, *, after_ms: int = 1000, grace: bool = False, silent: bool = False) -> None:
        self.now_ms += after_ms
        self.wall_ms += after_ms
        look = Look(self.now_ms, self.wall_ms, grace, self.unplanned, silent)
        self.measuring.look([self.judged()], self.publisher, look)

    def read(self, **counters: int) -> None:
        """The worker tells these counters; it has just read."""
        self.read_ms = self.now_ms
        self.counters = {**self.counters, **counters}
        self.look()

    @property
    def sums(self) -> Counter[str]:
        return sum(self.measuring.meters.values(), Counter())

    @property
    def system(self) -> Counter[str]:
        return sum(self.measuring.system.values(), Counter())


def test_counters_of_a_worker_that_started_after_us_count_from_nothing() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_ok=5, cycles_ok=1, cycle_ms_total=120)
    scene.read(reads_ok=15, cycles_ok=2, cycles_partial=1, cycle_ms_total=400, bad_frames=1, out_of_sequence=1)
    assert scene.sums["reads_ok"] == 15
    assert (scene.sums["cycles"], scene.sums["cycle_ms"], scene.sums["hdlc_errors"]) == (3, 400, 2)


def test_how_long_cycles_took_only_ever_grows_whoever_lives() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    assert scene.measuring.took["took_50_ms"] == 0
    scene.read(took_50_ms=4, cycle_ms_total=120)
    scene.life = (8, scene.now_ms + 1)
    scene.counters = {}
    scene.read(took_50_ms=1, took_longer=1, cycle_ms_total=40_010)
    scene.measuring.written()
    scene.read(took_50_ms=2, cycle_ms_total=40_030)
    took = scene.measuring.took
    assert (took["took_50_ms"], took["took_longer"], took["cycle_ms_total"]) == (6, 1, 40_150)


def test_what_passes_the_network_is_counted_both_ways() -> None:
    scene = Scene(publisher=PublisherBeat(9, started_boot_ms=BOOT_MS + 1, counters={"mqtt_messages": 3}))
    scene.look(after_ms=0)
    scene.publisher = replace(scene.publisher, counters={"mqtt_messages": 5, "mqtt_octets": 900})
    scene.read(frames_sent=2, frames_received=3, octets_sent=40, octets_received=70)
    sums = scene.sums
    assert (sums["frames_sent"], sums["frames_received"], sums["octets_sent"], sums["octets_received"]) == (
        2,
        3,
        40,
        70,
    )
    assert (scene.system["mqtt_messages"], scene.system["mqtt_octets"]) == (5, 900)


def test_what_a_worker_counted_before_we_looked_is_not_ours() -> None:
    scene = Scene(life=(7, 1), counters={"reads_ok": 1000})
    scene.look()
    scene.read(reads_ok=1007)
    assert scene.sums["reads_ok"] == 7


def test_another_life_begins_at_nothing_and_is_counted_whole() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_ok=100)
    scene.life = (8, scene.now_ms)
    scene.read(reads_ok=3)
    scene.life = (8, scene.now_ms + 1)
    scene.read(reads_ok=4)
    assert scene.sums["reads_ok"] == 107, "the same process id, another start: another life"


def test_a_heartbeat_that_is_seen_twice_counts_once() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_ok=100)
    for _ in range(5):
        scene.look()
    assert scene.sums["reads_ok"] == 100


def test_a_counter_that_falls_takes_nothing_away() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_ok=100)
    scene.read(reads_ok=90)
    scene.read(reads_ok=95)
    assert scene.sums["reads_ok"] == 105


def test_time_is_measured_while_a_meter_is_wished_running_and_up_while_it_is_read() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    for _ in range(10):
        scene.read()
    for _ in range(30):
        scene.look()
    assert scene.sums["measured_ms"] == 40_000
    assert scene.sums["up_ms"] == 10_000 + round(STALE_S * 1000) - 1000, "the last reading was a second before the look"


def test_a_meter_that_is_not_to_be_read_is_not_measured_and_begins_anew() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.desired = DesiredState.PAUSED
    for _ in range(60):
        scene.look()
    assert scene.sums == Counter()
    scene.desired = DesiredState.RUNNING
    for _ in range(5):
        scene.look()
    assert scene.sums["measured_ms"] == scene.sums["up_ms"] == 5000, "it has its limit to be read in"


def test_time_in_which_we_did_not_run_is_measured_for_nobody() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_failed=1)
    scene.look(after_ms=GAP_MS + 1)
    assert scene.sums["measured_ms"] == 1000
    assert scene.system["measured_ms"] == 1000
    scene.counters = {"reads_failed": 500}
    scene.delivery = Delivery(taken=70, delivered=60)
    scene.look(after_ms=FORGET_MS + 1)
    assert (scene.sums["reads_failed"], scene.sums["taken"]) == (1, 0), "and what was counted in a long gap neither"
    scene.counters = {"reads_failed": 501}
    scene.delivery = Delivery(taken=71, delivered=71)
    scene.look()
    assert (scene.sums["reads_failed"], scene.sums["taken"], scene.sums["delivered"]) == (2, 1, 11)


def test_in_grace_a_meter_that_is_read_is_well_and_of_others_nothing_is_known() -> None:
    scene = Scene(measuring=Measuring(seen={UID}))
    for _ in range(5):
        scene.look(grace=True)
    assert scene.sums["measured_ms"] == 0
    scene.read_ms = scene.now_ms
    scene.look(grace=True)
    assert scene.sums["measured_ms"] == scene.sums["up_ms"] == 1000


def test_deliveries_of_a_new_meter_count_from_nothing_and_of_an_old_one_from_the_first_word() -> None:
    for seen, taken in ((set[bytes](), 10), ({UID}, 4)):
        scene = Scene(measuring=Measuring(seen=seen))
        scene.look(after_ms=0)
        scene.delivery = Delivery(taken=6, delivered=5)
        scene.look()
        scene.delivery = Delivery(taken=10, delivered=10)
        scene.look()
        assert scene.sums["taken"] == taken
        assert scene.sums["delivered"] == (10 if taken == 10 else 5)


def test_overdue_is_what_waits_and_was_not_taken_within_the_last_minute() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.delivery = Delivery(taken=30, delivered=0, waiting=30)
    scene.read(taken=30)
    scene.measuring.settle()
    assert scene.sums["overdue"] == 0, "all of them were taken just now"
    scene.look()
    scene.measuring.settle()
    assert scene.sums["overdue"] == 0, "a store that did not take it makes nothing overdue"
    scene.measuring.written()
    scene.delivery = Delivery(taken=60, delivered=0, waiting=60)
    scene.spans = (EpochSpan(bytes(8), 61, 70),)
    scene.read(taken=70)
    scene.measuring.settle()
    assert scene.sums["overdue"] == 30, "the outbox has 60, the journal 10, and 40 are of the last minute"
    scene.measuring.written()
    scene.delivery = Delivery(taken=70, delivered=70)
    scene.spans = (EpochSpan(bytes(8), 71, 70),)
    scene.look()
    scene.measuring.settle()
    assert scene.measuring.meters[scene.measuring._at_ms, UID]["overdue"] == 0


def test_a_clock_that_is_set_changes_the_period_and_no_length() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.read(reads_ok=1)
    scene.wall_ms -= 3 * PERIOD_MS
    scene.read(reads_ok=2)
    scene.wall_ms += 7 * PERIOD_MS
    scene.read(reads_ok=3)
    assert [counts["reads_ok"] for counts in scene.measuring.meters.values()] == [1, 1, 1]
    assert scene.sums["measured_ms"] == 3000


def test_the_system_is_measured_too() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    scene.publisher = PublisherBeat(9, b"", scene.now_ms, counters={"mqtt_sessions": 1, "mqtt_disconnects": 0})
    scene.look()
    scene.publisher = replace(scene.publisher, counters={"mqtt_sessions": 2, "mqtt_disconnects": 1})
    scene.unplanned, scene.starts = 3, 2
    scene.look(silent=True)
    assert scene.system == Counter(
        measured_ms=2000, mqtt_sessions=2, mqtt_disconnects=1, unplanned_starts=3, publisher_silent_ms=1000
    )
    assert scene.sums["starts"] == 2


def test_a_meter_that_is_gone_is_forgotten() -> None:
    scene = Scene()
    scene.look()
    scene.measuring.look([], PublisherBeat(), Look(scene.now_ms + 1000, scene.wall_ms))
    assert scene.measuring._known == {}


def test_what_the_store_does_not_take_is_kept_within_bounds() -> None:
    scene = Scene()
    scene.look(after_ms=0)
    for number in range(2 * MAX_PERIODS):
        scene.wall_ms += PERIOD_MS
        scene.read(reads_ok=number)
        scene.measuring.settle()
        scene.measuring.bound()
    assert len(scene.measuring.system) == len(scene.measuring.meters) == MAX_PERIODS
    assert scene.measuring.forgotten == MAX_PERIODS + 1


def test_many_meters_are_written_a_batch_at_a_time_and_each_count_once_whatever_fails_and_comes_between() -> None:
    measuring, got, system = Measuring(), Counter[str](), Counter[str]()
    uids = [number.to_bytes(16, "big") for number in range(2 * BATCH + 1)]
    largest = 0

    def take(meters: Mapping[tuple[int, bytes], Mapping[str, int]], of_system: Mapping[int, Mapping[str, int]]) -> None:
        nonlocal largest
        largest = max(largest, len(meters))
        for counts in meters.values():
            got.update(counts)
        for counts in of_system.values():
            system.update(counts)

    def refuse(*_counts: object) -> None:
        raise StoreUnavailable("away")

    def measured() -> None:
        for uid in uids:
            measuring.meters.setdefault((NOON_MS, uid), Counter()).update({"reads_ok": 1})
        measuring.system.setdefault(NOON_MS, Counter()).update({"measured_ms": 1})

    measured()
    assert measuring.write(take)
    assert (got["reads_ok"], system["measured_ms"]) == (BATCH, 1)
    measured()
    with pytest.raises(StoreUnavailable):
        measuring.write(refuse)
    measuring.finish(take)
    assert (got["reads_ok"], system["measured_ms"], largest) == (2 * len(uids), 2, BATCH)
    assert (measuring.meters, measuring.system) == ({}, {})


def test_a_new_supervisor_adds_to_what_the_old_one_wrote_and_counts_nothing_twice(store: Store) -> None:
    old = Scene()
    old.look(after_ms=0)
    old.delivery = Delivery(taken=20, delivered=20)
    old.read(reads_ok=100)
    store.periods.add(old.measuring.meters, old.measuring.system)
    new = Scene(Measuring(seen={UID}), now_ms=old.now_ms + 3000, wall_ms=old.wall_ms + 3000)
    new.counters, new.delivery = {"reads_ok": 107}, Delivery(taken=21, delivered=21)
    new.look(after_ms=0, grace=True)
    new.delivery = Delivery(taken=22, delivered=22)
    new.read(reads_ok=110)
    store.periods.add(new.measuring.meters, new.measuring.system)
    sums = store.periods.meters(0)[UID]
    assert (sums.reads_ok, sums.delivered) == (103, 21), "what came while nobody looked is nobody's"
    assert sums.measured_ms == sums.up_ms == 2000
    assert store.periods.system(0).measured_ms == 2000


Steps = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "restart", "look", "clock", "write"]), st.integers(0, 50), st.integers(-9, 9)
    ),
    max_size=60,
)


@given(Steps)
def test_the_sum_over_periods_is_the_sum_of_what_the_lives_counted(steps: list[tuple[str, int, int]]) -> None:
    scene, expected, passed_ms = Scene(), 0, 0
    written: Counter[str] = Counter()
    scene.look(after_ms=0)
    for what, number, periods in steps:
        if what == "restart":
            scene.life, scene.counters = (scene.life[0] + 1, scene.now_ms + 1), {}
        elif what == "clock":
            scene.wall_ms += periods * PERIOD_MS
        elif what == "write":
            written += scene.sums
            scene.measuring.written()
            continue
        if what == "read":
            expected += number
            scene.read(reads_ok=scene.counters.get("reads_ok", 0) + number)
        else:
            scene.look()
        passed_ms += 1000
    total = written + scene.sums
    assert total["reads_ok"] == expected
    assert total["measured_ms"] == passed_ms
    assert all(count >= 0 for count in total.values())
