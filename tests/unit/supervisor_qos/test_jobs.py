"""Scans and cancelled jobs: who is told what and when, and what ends without an answer. Against a real store."""

import pytest

from common.command import BACKFILL, CANCEL, CANCELLED, OWNED, SCAN, SYSTEM_UID, Command, CommandResult
from common.envelope import decode
from common.settings import ScanSettings
from common.store.engine import Store
from common.store.model import CommandRow, CommandState, Meter
from supervisor_qos.jobs import Jobs
from supervisor_qos.orders import Orders
from tests.support.installation import StillClock, wish

OURS: list[object] = ["10.0.0.1", 3333]


class Wire:
    """The way to scanner and workers: keeps what was sent; connected or not."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[tuple[bytes, Command]] = []

    def send(self, uid: bytes, octets: bytes) -> bool:
        if self.connected:
            self.sent.append((uid, Command.from_body(decode(octets).body)))
        return self.connected

    def said(self, verb: str) -> list[Command]:
        return [command for _, command in self.sent if command.verb == verb]


class Bench:
    """Orders over a store, a wire and a list of what is owned."""

    def __init__(self, store: Store, clock: StillClock) -> None:
        self.store, self.clock, self.wire = store, clock, Wire()
        self.owned: list[list[object]] = [OURS]
        self.meter: Meter = store.meters.add(wish(), "test")
        settings = ScanSettings(allow="10.0.0.0/24", per_second=7)
        self.jobs = Jobs(store, clock, self.wire.send, settings, lambda: list(self.owned))
        self.orders = Orders(store, clock, self.wire.send, lambda _: True, self.jobs)

    def scan(self, *ranges: str, timeout_s: float = 3600.0) -> str:
        arguments = {"ranges": list(ranges or ("10.0.0.0/30",)), "ports": [4059]}
        return self.store.commands.insert(SYSTEM_UID, SCAN, arguments=arguments, actor="test", timeout_s=timeout_s)

    def turn(self, seconds: float = 0.25) -> None:
        self.clock.sleep(seconds)
        self.orders.dispatch({self.meter.uid}, {})

    def row(self, number: str) -> CommandRow:
        return self.store.commands.get(number)


@pytest.fixture
def bench(store: Store, clock: StillClock) -> Bench:
    return Bench(store, clock)


def test_a_scan_is_handed_over_once_with_what_is_owned(bench: Bench) -> None:
    number = bench.scan()
    bench.turn()
    bench.turn()
    ((uid, command),) = bench.wire.sent
    assert (uid, command.id, command.verb) == (SYSTEM_UID, number, SCAN)
    assert command.arguments == {
        "spans": [["10.0.0.1", "10.0.0.2"]],
        "ports": [4059],
        "per_second": 7,
        "owned": [OURS],
    }
    assert bench.row(number).state is CommandState.DISPATCHED
    assert bench.jobs.wanted


def test_the_scanner_is_wanted_as_long_as_a_scan_is_unfinished(bench: Bench) -> None:
    bench.turn()
    wanted = [bench.jobs.wanted]
    number, bench.wire.connected = bench.scan(), False
    bench.turn()
    wanted.append(bench.jobs.wanted)
    assert bench.row(number).state is CommandState.PENDING
    bench.wire.connected = True
    bench.turn(5)
    bench.orders.finish([(number, CommandResult(True, {"found": []}))])
    bench.turn()
    wanted.append(bench.jobs.wanted)
    assert wanted == [False, True, False]
    assert bench.row(number).state is CommandState.DONE


def test_every_change_of_what_is_owned_is_told_at_once(bench: Bench) -> None:
    bench.scan()
    bench.turn()
    bench.owned.append(["10.0.0.2", 4059])
    bench.wire.connected = False
    bench.turn()
    bench.wire.connected = True
    bench.turn()
    bench.turn()
    assert [command.arguments for command in bench.wire.said(OWNED)] == [{"owned": [OURS, ["10.0.0.2", 4059]]}]


def test_scans_go_one_after_the_other(bench: Bench) -> None:
    first = bench.scan()
    bench.turn()
    second = bench.scan()
    bench.turn()
    assert bench.row(second).state is CommandState.PENDING
    bench.orders.finish([(first, CommandResult(True))])
    bench.turn()
    assert [command.id for command in bench.wire.said(SCAN)] == [first, second]


def test_what_our_own_settings_do_not_allow_is_not_handed_over(bench: Bench) -> None:
    number = bench.scan("10.0.1.0/24")
    bench.turn()
    assert (bench.row(number).error_kind, bench.wire.sent) == ("scan_not_allowed", [])


def test_a_scanner_that_says_nothing_fails_its_scan(bench: Bench) -> None:
    number = bench.scan()
    for _ in range(40):
        bench.turn(1.0)
        bench.orders.finish([(number, CommandResult(True, progress="1/2 asked"))])
    assert bench.row(number).state is CommandState.DISPATCHED
    bench.turn(11.0)
    assert bench.row(number).error_kind == "scanner_silent"
    assert len(bench.wire.said(SCAN)) == 1


def test_a_scanner_that_never_comes_fails_its_scan(bench: Bench) -> None:
    number, bench.wire.connected = bench.scan(), False
    bench.turn()
    bench.turn(29.0)
    assert bench.row(number).state is CommandState.PENDING
    bench.turn(2.0)
    assert bench.row(number).error_kind == "scanner_silent"


def test_a_cancelled_job_is_told_until_it_is_answered(bench: Bench) -> None:
    number = bench.store.commands.insert(bench.meter.uid, BACKFILL, actor="test", timeout_s=100.0)
    bench.turn()
    bench.store.commands.cancel(number, "anna")
    for _ in range(6):
        bench.turn()
    assert [command.arguments for command in bench.wire.said(CANCEL)] == [{"id": number}] * 2
    bench.orders.finish([(number, CommandResult(False, {"rows": 2}, CANCELLED, "x"))])
    bench.turn(2.0)
    row = bench.row(number)
    assert (row.state, row.result, len(bench.wire.said(CANCEL))) == (CommandState.CANCELLED, {"rows": 2}, 2)


def test_a_cancelled_job_of_a_worker_that_is_away_ends_and_it_is_told_later(bench: Bench) -> None:
    number = bench.store.commands.insert(bench.meter.uid, BACKFILL, actor="test", timeout_s=100.0)
    bench.turn()
    bench.store.commands.cancel(number, "anna")
    bench.wire.connected = False
    for _ in range(6):
        bench.turn(1.0)
    assert bench.row(number).state is CommandState.CANCELLED
    bench.wire.connected = True
    bench.orders.finish([
        (number, CommandResult(True, progress="3/4 rows")),
        ("nobody's", CommandResult(True, progress="1/2")),
    ])
    assert [command.arguments for command in bench.wire.said(CANCEL)] == [{"id": number}]
    assert bench.row(number).progress == ""


def test_a_cancelled_job_of_a_meter_without_a_worker_ends_at_once(bench: Bench) -> None:
    number = bench.store.commands.insert(bench.meter.uid, BACKFILL, actor="test", timeout_s=100.0)
    bench.turn()
    bench.store.commands.cancel(number, "anna")
    bench.orders.dispatch(set(), {})
    assert bench.row(number).state is CommandState.CANCELLED


def test_many_commands_that_wait_do_not_hide_a_scan(bench: Bench) -> None:
    for number in range(120):
        bench.store.commands.insert(number.to_bytes(16, "big", signed=False)[::-1], "read", actor="test")
    bench.clock.sleep(1.0)
    bench.scan()
    bench.turn()
    assert len(bench.wire.said(SCAN)) == 1
