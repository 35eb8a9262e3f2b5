"""The loop, with a bus in memory and a clock that moves by itself while the loop waits; no broker is there."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from common.bus import Turn
from common.envelope import Envelope, Kind, decode, encode
from common.heartbeat import EpochSpan, PublisherBeat, WorkerBeat
from common.reading import Quantity, Reading
from common.routes import Mode, Route, Routes, Target
from publisher.adoption import Adoption
from publisher.connection import Limits
from publisher.dialler import Dialler
from publisher.intake import Intake
from publisher.mqtt import Session
from publisher.outbox import Lane, Outbox
from publisher.pump import ROUTES_S, Parts, Pump
from publisher.route_file import RouteFile
from tests.support.still_clock import StepClock

BOOT = b"boot----"
EPOCH = b"epoch---"
UID = b"A" * 16
NOBODY = Target("default", "127.0.0.1", 1883)
OTHER = Target("other", "127.0.0.1", 1883)


class Engaged(Dialler):
    """All lines are busy: no connection is ever tried."""

    def dial(self, _session: Session) -> bool:
        return False


class Bus:
    """Messages go in by hand; what was sent is kept. Waiting takes as long as it was told."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock
        self.inbound: list[bytes] = []
        self.back: list[Envelope] = []
        self.beats: list[PublisherBeat] = []
        self.waits: list[float] = []

    def wait(self, timeout_s: float, readable: Iterable[int] = (), writable: Iterable[int] = ()) -> Turn:
        messages, self.inbound = self.inbound, []
        self.waits.append(timeout_s)
        self.clock.sleep(0.001 if messages else max(timeout_s, 0.001))
        return Turn(messages)

    def publish_heartbeat(self, octets: bytes) -> None:
        self.beats.append(PublisherBeat.from_body(decode(octets).body))

    def to_worker(self, _uid: bytes, octets: bytes) -> bool:
        self.back.append(decode(octets))
        return True


class Bench:
    """A pump on its parts."""

    def __init__(self, directory: Path) -> None:
        self.clock = StepClock()
        self.bus = Bus(self.clock)
        self.outbox = Outbox.open(directory, self.clock, BOOT, max_age_s=3600.0, max_octets=1 << 30)
        intake = Intake(self.outbox, self.bus, self.clock, b"instance")
        self.routes = directory / "routes.json"
        adoption = Adoption(directory / "journal", self.outbox, intake, self.clock, BOOT)
        limits = Limits(80, 30.0)
        parts = Parts(
            self.bus,
            self.outbox,
            intake,
            adoption,
            RouteFile(self.routes),
            Engaged(),
            limits,
            self.clock,
            b"instance",
            lambda: 0.5,
        )
        self.pump = Pump(parts)

    def turns_for(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.pump.turn()

    def arrive(self, *seqs: int) -> None:
        """Put a heartbeat and readings on the bus."""
        beat = WorkerBeat(spans=(EpochSpan(EPOCH, 1, max(seqs)),))
        self.bus.inbound.append(self._envelope(Kind.HEARTBEAT, 0, beat.to_body()))
        body = Reading((Quantity("voltage_l1", "1-1:32.7.0", 2300, -1, 35),)).to_body()
        self.bus.inbound += [self._envelope(Kind.READING, seq, body) for seq in seqs]

    def _envelope(self, kind: Kind, seq: int, body: object) -> bytes:
        return encode(Envelope(kind, UID, EPOCH, seq, 1000 + seq, self.clock.boottime_ms(), BOOT, body))

    def lead(self, *targets: Target, meters: bool = True, purged: bool = False) -> None:
        """Write the routes file."""
        route = Route(UID, "A", Mode.GENERIC, targets[0].name, topic="meters/A/telemetry", purged=purged)
        Routes({target.name: target for target in targets}, {UID: route} if meters else {}).dump(self.routes)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.pump.close(0.0)
    made.outbox.close()


def test_what_arrives_is_on_disk_and_acknowledged_in_the_same_turn(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.arrive(1, 2, 3)
    bench.pump.turn()
    acknowledged = [(item.epoch, item.seq) for item in bench.bus.back if item.kind is Kind.ACK]
    assert acknowledged == [(EPOCH, 3)]
    assert bench.outbox.stats().total.waiting == 3


def test_a_heartbeat_leaves_each_second_and_names_meters_once(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.arrive(1, 2)
    bench.turns_for(5.0)
    assert 5 <= len(bench.bus.beats) <= 6
    told = [beat.meters[UID] for beat in bench.bus.beats if UID in beat.meters]
    assert [(delivery.taken, delivery.waiting) for delivery in told] == [(2, 2)]
    last = bench.bus.beats[-1]
    assert (last.counters["taken"], last.counters["delivered"], last.counters["waiting"]) == (2, 0, 2)
    assert last.instance == b"instance"
    assert last.gauges["oldest_age_s"] > 3.0


def test_the_loop_never_waits_longer_than_a_look_at_the_routes(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.turns_for(10.0)
    assert max(bench.bus.waits) <= ROUTES_S
    assert len(bench.bus.waits) < 400  # and does not spin either


def test_targets_follow_the_routes_file(bench: Bench) -> None:
    bench.lead(NOBODY, OTHER)
    bench.turns_for(1.1)
    assert set(bench.bus.beats[-1].targets) == {"default", "other"}
    bench.lead(OTHER)
    bench.turns_for(2.1)
    assert set(bench.bus.beats[-1].targets) == {"other"}


def test_a_missing_routes_file_is_a_condition_and_readings_are_taken_all_the_same(bench: Bench) -> None:
    bench.arrive(1)
    bench.turns_for(1.1)
    assert "publish" not in bench.bus.beats[-1].conditions  # they may not be written yet
    bench.turns_for(10.1)
    assert "routes file" in bench.bus.beats[-1].conditions["publish"]
    assert bench.outbox.stats().unrouted == 1
    bench.lead(NOBODY)
    bench.turns_for(1.1)
    assert "publish" not in bench.bus.beats[-1].conditions
    assert bench.outbox.stats().unrouted == 0


def test_rows_without_a_route_are_an_alarm_after_a_minute(bench: Bench) -> None:
    bench.lead(NOBODY, meters=False)
    bench.arrive(1)
    bench.turns_for(50.0)
    assert "publish" not in bench.bus.beats[-1].conditions
    bench.turns_for(20.0)
    assert bench.bus.beats[-1].conditions["publish"] == "readings of 1 meters without a route"


def test_what_waits_of_a_purged_meter_is_dropped_and_counted(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.arrive(1, 2, 3)
    bench.turns_for(1.1)
    bench.lead(NOBODY, purged=True)
    bench.turns_for(2.1)
    last = bench.bus.beats[-1].counters
    assert (last["taken"], last["waiting"], last["dropped_purged"]) == (3, 0, 3)
    bench.arrive(4)
    bench.turns_for(1.1)
    assert bench.bus.beats[-1].counters["dropped_purged"] == 4


def test_what_is_set_aside_is_an_alarm(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.arrive(1)
    bench.turns_for(1.1)
    assert "outbox" not in bench.bus.beats[-1].conditions
    (row,) = bench.outbox.next_rows(UID, Lane.LIVE, after_id=0, limit=1, octets=1 << 20)
    bench.outbox.set_aside(row.id, "rejected")
    bench.turns_for(1.1)
    assert bench.bus.beats[-1].conditions["outbox"].startswith("1 readings are set aside")


def test_an_outbox_at_its_bound_is_an_alarm_for_a_minute(bench: Bench) -> None:
    bench.lead(NOBODY)
    bench.arrive(1, 2, 3)
    bench.turns_for(3590.0)
    assert "outbox" not in bench.bus.beats[-1].conditions
    bench.turns_for(20.0)  # max_age_s has passed
    assert "3 so far" in bench.bus.beats[-1].conditions["outbox"]
    bench.turns_for(70.0)
    assert "outbox" not in bench.bus.beats[-1].conditions
