"""Which packet goes next, and what its end means: with a real outbox, and a connection that only remembers."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from common.envelope import Envelope, Kind, encode
from common.reading import Failure, Quantity, Reading, Source
from common.routes import Mode, Route, Target
from publisher.connection import Flight, Outcome, Result, Work
from publisher.delivery import MAX_REJECTIONS, STRIKES, SUSPECT_AFTER, Death, rejection_delay_s
from publisher.lines import Lines
from publisher.outbox import Arrival, Lane, Outbox
from publisher.sender import MAX_GENERIC, SILENT_S, Sender
from publisher.telemetry import Message
from tests.support.crashing import Fuse, FusedConnection
from tests.support.still_clock import StepClock

BOOT = b"boot----"
EPOCH = b"epoch---"
A, B = b"A" * 16, b"B" * 16


class Outlet:
    """A connection with a window, on which nothing happens but what the test says."""

    def __init__(self, name: str = "t", window: int = 100) -> None:
        self.target = Target(name, "127.0.0.1", 1883)
        self.devices: set[str] = set()
        self.announced: dict[bytes, object] = {}
        self.acknowledged = 0
        self.flights: dict[int, Flight] = {}
        self.messages: list[Message] = []
        self.mature = False
        self.limit = 0
        self._window = window

    def room(self, _now: float) -> int:
        return self._window - len(self.flights)

    def may_testify(self, _now: float) -> bool:
        return self.mature

    def max_packet(self) -> int:
        return self.limit

    def send(self, message: Message, flight: Flight) -> None:
        self.messages.append(message)
        self.flights[len(self.messages)] = flight

    def end(self, result: Result, code: int = 0, death: Death | None = None) -> list[Outcome]:
        """Return the outcomes of all flights, all alike."""
        outcomes = [Outcome(result, flight, code, "because", death=death) for flight in self.flights.values()]
        self.flights.clear()
        return outcomes


class Bench:
    """A sender with its outbox; readings are taken for meters A and B."""

    def __init__(self, directory: Path) -> None:
        self.clock = StepClock()
        self.outbox = Outbox.open(directory, self.clock, BOOT, max_age_s=3600.0, max_octets=1 << 30)
        self.lines = Lines()
        self.sender = Sender(self.outbox, self.lines)
        self.outlet = Outlet()
        self.sender.targets = {"t"}
        self.routes(generic(A), generic(B))
        self._seq = {A: 0, B: 0}
        for uid in (A, B):
            self.outbox.begin(uid, EPOCH, 1)

    def routes(self, *routes: Route) -> None:
        self.sender.routes = {route.uid: route for route in routes}

    def take(self, uid: bytes, count: int = 1, reading: Reading | None = None) -> None:
        """Take readings by the present route, and wake the meter."""
        for _ in range(count):
            self._seq[uid] += 1
            body = (reading or Reading((Quantity("voltage_l1", "1-1:32.7.0", 2300, -1, 35),))).to_body()
            boot_ms = self.clock.boottime_ms()
            envelope = Envelope(Kind.READING, uid, EPOCH, self._seq[uid], 1000 + self._seq[uid], boot_ms, BOOT, body)
            self.outbox.take([Arrival(envelope, encode(envelope), self.sender.routes[uid])])
        self.wake(uid)

    def wake(self, uid: bytes) -> None:
        self.lines.wake(uid, self.sender.lanes(uid), self.sender.target_of(uid))

    def fill(self) -> list[Message]:
        """Send what has its turn; return the telemetry that went out by it."""
        before = len(self.outlet.messages)
        self.sender.fill(self.outlet, self.clock.monotonic())
        return [message for message in self.outlet.messages[before:] if not message.topic.endswith("status")]

    def settle(self, result: Result = Result.DELIVERED, code: int = 0, death: Death | None = None) -> None:
        outcomes = self.outlet.end(result, code, death)
        self.sender.landed(self.outlet, outcomes, self.clock.monotonic())

    def waiting(self) -> int:
        self.outbox.trim()  # what was acknowledged leaves with it
        return self.outbox.stats().total.waiting


def generic(uid: bytes, **changes: object) -> Route:
    name = uid[:1].decode()
    route = Route(uid, name, Mode.GENERIC, "t", topic=f"meters/{name}/telemetry")
    return replace(route, **changes)  # type: ignore[arg-type]  # the test names fields


def gateway(uid: bytes, **changes: object) -> Route:
    return replace(generic(uid, **changes), mode=Mode.TB_GATEWAY, topic="", device=f"M-{uid[:1].decode()}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.outbox.close()


def seq(message: Message) -> int:
    return int(json.loads(message.payload)["seq"])


def test_one_packet_per_meter_and_lane_is_on_its_way(bench: Bench) -> None:
    bench.take(A, 3)
    bench.take(B, 3)
    assert [seq(message) for message in bench.fill()] == [1, 1]
    assert bench.fill() == []
    bench.settle()
    assert [seq(message) for message in bench.fill()] == [2, 2]


def test_a_row_leaves_the_outbox_only_when_it_was_delivered(bench: Bench) -> None:
    bench.take(A, 2)
    bench.fill()
    bench.settle(Result.RETURNED)
    assert bench.waiting() == 2
    assert [seq(message) for message in bench.fill()] == [1]
    bench.settle(Result.REJECTED, 0x87)
    assert bench.waiting() == 2
    bench.clock.sleep(16.0)
    bench.lines.rested(bench.clock.monotonic())
    assert [seq(message) for message in bench.fill()] == [1]
    bench.settle()
    assert bench.waiting() == 1


def test_live_goes_first_and_both_lanes_keep_their_order(bench: Bench) -> None:
    bench.take(A, 2)
    bench.clock.sleep(61.0)
    bench.take(A, 2)
    sent = []
    for _ in range(3):
        sent += [(message.lane, seq(message)) for message in bench.fill()]
        bench.settle()
        bench.wake(A)
    assert sent == [("live", 3), ("backlog", 1), ("live", 4), ("backlog", 2)]


def test_a_row_on_its_way_as_live_is_not_sent_again_as_backlog(bench: Bench) -> None:
    bench.take(A, 1)
    assert [message.lane for message in bench.fill()] == ["live"]
    bench.clock.sleep(61.0)
    bench.wake(A)
    assert bench.fill() == []
    bench.settle()
    bench.wake(A)
    assert bench.fill() == []


def test_strict_order_lets_the_present_wait_for_the_past(bench: Bench) -> None:
    bench.routes(generic(A, strict_order=True))
    bench.take(A, 1)
    bench.clock.sleep(61.0)
    bench.take(A, 1)
    first = bench.fill()
    bench.settle()
    assert [(message.lane, seq(message)) for message in first + bench.fill()] == [("strict", 1), ("strict", 2)]


def test_the_window_bounds_what_is_on_its_way(bench: Bench) -> None:
    bench.outlet = Outlet(window=1)
    bench.take(A)
    bench.take(B)
    assert len(bench.fill()) == 1
    bench.settle()
    assert len(bench.fill()) == 1


def test_a_gateways_device_is_made_known_and_acknowledged_before_its_telemetry(bench: Bench) -> None:
    bench.routes(gateway(A, attributes={"model": "m"}))
    bench.take(A, 3)
    assert [message.topic for message in bench.fill()] == ["v1/gateway/connect"]
    assert bench.fill() == []
    bench.settle()
    topics = [message.topic for message in bench.fill()]
    assert topics == ["v1/gateway/telemetry", "v1/gateway/attributes"]
    assert len(json.loads(bench.outlet.messages[1].payload)["M-A"]) == 3
    bench.settle()
    bench.take(A)
    assert [message.topic for message in bench.fill()] == ["v1/gateway/telemetry"]


def test_changed_attributes_are_said_again_with_the_next_reading(bench: Bench) -> None:
    bench.routes(gateway(A, attributes={"model": "m"}))
    bench.outlet.devices.add("M-A")
    bench.take(A)
    assert [message.topic for message in bench.fill()] == ["v1/gateway/telemetry", "v1/gateway/attributes"]
    bench.settle()
    bench.routes(gateway(A, attributes={"model": "m", "serial_number": "12"}))
    bench.take(A)
    sent = bench.fill()
    assert json.loads(sent[1].payload) == {"M-A": {"model": "m", "serial_number": "SN-12"}}


def test_a_reading_without_values_is_settled_without_being_sent(bench: Bench) -> None:
    bench.routes(gateway(A))
    bench.outlet.devices.add("M-A")
    bench.take(A, 1, Reading((), (Failure("voltage_l1", "timeout"),)))
    assert bench.fill() == []
    assert bench.sender.counters["empty"] == 1
    assert bench.waiting() == 0


def test_a_row_that_cannot_become_a_message_is_set_aside_and_the_next_one_goes(bench: Bench) -> None:
    bench.take(A, 1, Reading((Quantity("k" * 1000, "x", "v" * 1000),) * 256))
    bench.take(A)
    bench.outlet.limit = 400
    assert [seq(message) for message in bench.fill()] == [2]
    assert bench.outbox.stats().total.set_aside == 1
    assert bench.sender.counters["set_aside_oversize"] == 1
    assert MAX_GENERIC > 2 * 256 * 100


def test_a_row_that_a_full_disk_does_not_set_aside_is_looked_at_again_after_a_second(bench: Bench) -> None:
    disk = FusedConnection(bench.outbox._file._db, Fuse())
    bench.outbox._file._db = cast("sqlite3.Connection", disk)
    bench.outlet.limit = 150
    bench.take(A)
    disk.full = True
    assert bench.fill() == []
    assert bench.waiting() == 1
    disk.full = False
    bench.clock.now += 1.0
    bench.lines.rested(bench.clock.monotonic())
    assert bench.fill() == []
    assert bench.outbox.tally(A).set_aside == 1
    assert sum(value for name, value in bench.sender.counters.items() if name.startswith("set_aside")) == 1


def test_a_rename_affects_later_readings_only(bench: Bench) -> None:
    bench.take(A)
    bench.routes(generic(A, meter="new", topic="meters/new/telemetry"))
    bench.take(A)
    first = bench.fill()
    bench.settle()
    topics = [message.topic for message in first + bench.fill()]
    assert topics == ["meters/A/telemetry", "meters/new/telemetry"]


def test_rows_whose_connection_is_gone_follow_their_meter(bench: Bench) -> None:
    bench.routes(generic(A, target="old"))
    bench.take(A)
    bench.routes(generic(A, topic="meters/other/telemetry"))
    bench.lines.keep({"t"})
    bench.wake(A)
    assert [message.topic for message in bench.fill()] == ["meters/A/telemetry"]


def test_rows_follow_their_meter_into_another_mode(bench: Bench) -> None:
    bench.routes(generic(A, target="old"))
    bench.take(A)
    bench.routes(gateway(A))
    bench.outlet.devices.add("M-A")
    bench.lines.keep({"t"})
    bench.wake(A)
    assert [message.topic for message in bench.fill()] == ["v1/gateway/telemetry"]


def test_rows_that_lead_nowhere_wait_and_are_counted(bench: Bench) -> None:
    bench.routes(generic(A, target="old"))
    bench.take(A)
    bench.routes()
    bench.sender.fallback = "t"
    bench.lines.keep({"t"})
    bench.wake(A)
    assert bench.fill() == []
    assert {line.uid for line in bench.sender.stranded} == {A}
    bench.routes(generic(A))
    bench.clock.sleep(6.0)
    bench.lines.rested(bench.clock.monotonic())
    assert len(bench.fill()) == 1
    assert not bench.sender.stranded


def test_a_permanent_refusal_sets_the_row_aside_after_its_tries(bench: Bench) -> None:
    bench.take(A, 2)
    for count in range(1, MAX_REJECTIONS + 1):
        assert [seq(message) for message in bench.fill()] == [1]
        bench.settle(Result.REJECTED, 0x99)
        bench.clock.sleep(rejection_delay_s(count))
        bench.lines.rested(bench.clock.monotonic())
    assert [seq(message) for message in bench.fill()] == [2]
    assert bench.outbox.stats().total.set_aside == 1
    assert bench.sender.counters["set_aside_rejected"] == 1


def test_a_refused_batch_is_halved_until_the_row_is_found(bench: Bench) -> None:
    bench.routes(gateway(A))
    bench.outlet.devices.add("M-A")
    bench.take(A, 8)
    sizes = []
    for _ in range(20):
        for message in bench.fill():
            if message.topic == "v1/gateway/telemetry":
                entries = json.loads(message.payload)["M-A"]
                sizes.append(len(entries))
        refused = any(entry["ts"] == 1003 for entry in entries)
        bench.settle(Result.REJECTED if refused else Result.DELIVERED, 0x99 if refused else 0)
        bench.clock.sleep(1.0)
        bench.lines.rested(bench.clock.monotonic() + 61.0)
        bench.wake(A)
        if bench.waiting() == 0:
            break
    assert bench.outbox.stats().total.set_aside == 1
    assert bench.outbox.stats().total.delivered == 7


def test_a_row_that_saw_sessions_die_waits_for_one_that_can_testify_and_goes_alone(bench: Bench) -> None:
    early = Death(alone=False, session_age_s=1.0, acknowledged_others=0, since_sent_s=0.1)
    bench.take(A)
    for _ in range(SUSPECT_AFTER):
        assert len(bench.fill()) == 1
        bench.settle(Result.RETURNED, death=early)
    bench.take(B)
    assert [message.topic for message in bench.fill()] == ["meters/B/telemetry"]
    bench.outlet.mature = True
    bench.clock.sleep(1.5)
    bench.lines.rested(bench.clock.monotonic())
    assert bench.fill() == []  # something else is on its way
    bench.settle()
    assert [message.topic for message in bench.fill()] == ["meters/A/telemetry"]
    assert [flight.alone for flight in bench.outlet.flights.values() if flight.work is Work.ROWS] == [True]


def test_three_strikes_set_a_row_aside(bench: Bench) -> None:
    proof = Death(alone=True, session_age_s=11.0, acknowledged_others=1, since_sent_s=0.1)
    bench.outlet.mature = True
    bench.take(A)
    for _ in range(STRIKES):
        assert len(bench.fill()) == 1
        bench.settle(Result.RETURNED, death=proof)
    assert bench.fill() == []
    assert bench.sender.counters["set_aside_poison"] == 1


def test_a_meter_is_online_once_and_silent_after_a_minute(bench: Bench) -> None:
    bench.take(A, 2)
    bench.fill()
    bench.settle()
    bench.fill()
    bench.settle()
    bench.clock.sleep(SILENT_S + 1.0)
    for _ in range(2):
        bench.sender.tell_silent(bench.outlet, bench.clock.monotonic())
    states = [item for item in bench.outlet.messages if item.topic == "meters/A/status"]
    assert [json.loads(item.payload)["status"] for item in states] == ["online", "silent"]
    assert all(item.retain for item in states)


def test_a_meters_past_does_not_make_it_online(bench: Bench) -> None:
    bench.routes(generic(A, strict_order=True), generic(B))
    voltage = Quantity("voltage_l1", "1-1:32.7.0", 2300, -1, 35)
    bench.take(A, 1, Reading((voltage,), source=Source.PROFILE))
    assert len(bench.fill()) == 1
    assert [item.topic for item in bench.outlet.messages] == ["meters/A/telemetry"]
    bench.settle()
    bench.take(A)
    bench.fill()
    assert bench.outlet.messages[-1].topic == "meters/A/status"


def test_lanes_are_named_by_the_present_route(bench: Bench) -> None:
    assert bench.sender.lanes(A) == (Lane.LIVE, Lane.BACKLOG)
    bench.routes(generic(A, strict_order=True))
    assert bench.sender.lanes(A) == (Lane.STRICT,)
