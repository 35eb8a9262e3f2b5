"""Commands: to whom, when, and what becomes of those that nobody answers. Against a real store."""

from pathlib import Path

import pytest

from common.command import OUTBOX_DROP, Command, CommandResult
from common.envelope import Kind, decode
from common.process_state import Process, ProcessState
from common.settings import ScanSettings
from common.store.engine import Store
from common.store.errors import StoreUnavailable
from common.store.model import CommandState, Meter
from supervisor_qos.jobs import Jobs
from supervisor_qos.orders import Orders
from supervisor_qos.wishes import program_name
from tests.support.installation import StillClock, wish


class Wire:
    """The way to the workers: keeps what was sent; connected or not."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[tuple[bytes, Command]] = []
        self.told: list[tuple[bytes, str]] = []

    def send(self, uid: bytes, octets: bytes) -> bool:
        if self.connected:
            envelope = decode(octets)
            assert envelope.kind is Kind.COMMAND
            self.sent.append((uid, Command.from_body(envelope.body)))
        return self.connected

    def send_to_publisher(self, octets: bytes) -> bool:
        if self.connected:
            envelope = decode(octets)
            self.told.append((envelope.uid, Command.from_body(envelope.body).verb))
        return self.connected


@pytest.fixture
def meter(store: Store) -> Meter:
    return store.meters.add(wish(), "test")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def orders(store: Store, clock: StillClock, wire: Wire) -> Orders:
    jobs = Jobs(store, clock, wire.send, ScanSettings(), list)
    return Orders(store, clock, wire.send, wire.send_to_publisher, jobs)


def insert(store: Store, meter: Meter, verb: str, timeout_s: float = 10.0) -> str:
    return store.commands.insert(meter.uid, verb, actor="test", timeout_s=timeout_s)


def test_a_command_goes_to_its_worker_once_with_its_deadline(
    store: Store, meter: Meter, orders: Orders, wire: Wire
) -> None:
    number = insert(store, meter, "read")
    assert orders.dispatch({meter.uid}, {}) == []
    assert orders.dispatch({meter.uid}, {}) == []
    assert wire.sent == [(meter.uid, Command(number, "read", {}, 1_010_000))]
    assert store.commands.get(number).state is CommandState.DISPATCHED


def test_a_worker_that_is_not_connected_yet_gets_it_when_it_is(
    store: Store, meter: Meter, orders: Orders, wire: Wire
) -> None:
    number, wire.connected = insert(store, meter, "read"), False
    orders.dispatch({meter.uid}, {})
    assert store.commands.get(number).state is CommandState.PENDING
    wire.connected = True
    orders.dispatch({meter.uid}, {})
    assert store.commands.get(number).state is CommandState.DISPATCHED


def test_a_meter_without_a_worker_refuses_at_once(store: Store, meter: Meter, orders: Orders, wire: Wire) -> None:
    number = insert(store, meter, "read")
    orders.dispatch(set(), {})
    row = store.commands.get(number)
    assert (row.state, row.error_kind, wire.sent) == (CommandState.FAILED, "no_worker", [])


def test_an_answer_ends_the_command(store: Store, meter: Meter, orders: Orders) -> None:
    good, bad = insert(store, meter, "read"), insert(store, meter, "test")
    orders.dispatch({meter.uid}, {})
    failed = CommandResult(ok=False, error_kind="no_route", error_detail="10.0.0.1")
    orders.finish([(good, CommandResult(ok=True, result={"values": 3})), (bad, failed), ("nobody's", failed)])
    assert store.commands.get(good).result == {"values": 3}
    row = store.commands.get(bad)
    assert (row.state, row.error_kind) == (CommandState.FAILED, "no_route")


def test_an_answer_with_progress_is_not_the_end(store: Store, meter: Meter, orders: Orders) -> None:
    number = insert(store, meter, "backfill")
    orders.dispatch({meter.uid}, {})
    orders.finish([(number, CommandResult(ok=True, progress="40 %, 12 rows"))])
    row = store.commands.get(number)
    assert (row.state, row.progress, row.finished_ms) == (CommandState.DISPATCHED, "40 %, 12 rows", None)


def test_an_answer_waits_for_a_store_that_is_away(store: Store, meter: Meter, orders: Orders, tmp_path: Path) -> None:
    number = insert(store, meter, "read")
    orders.dispatch({meter.uid}, {})
    answers = [(number, CommandResult(ok=True, result={"values": 3}))]
    file = tmp_path / "store" / "store.db"
    away = file.rename(file.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        orders.finish(answers)
    away.rename(file)
    orders.finish(answers)
    assert store.commands.get(number).result == {"values": 3}
    assert answers == []


def test_what_nobody_answers_expires(store: Store, meter: Meter, orders: Orders, clock: StillClock) -> None:
    number = insert(store, meter, "read")
    orders.dispatch({meter.uid}, {})
    clock.sleep(10.1)
    orders.look({})
    assert store.commands.get(number).state is CommandState.EXPIRED


def test_a_restart_is_done_when_another_process_runs(store: Store, meter: Meter, orders: Orders) -> None:
    number, name = insert(store, meter, "restart"), program_name(meter.uid)
    before = {name: Process(name, ProcessState.RUNNING, pid=10)}
    assert orders.dispatch({meter.uid}, before) == [name]
    orders.look(before)
    orders.look({name: Process(name, ProcessState.STOPPED)})
    assert store.commands.get(number).state is CommandState.DISPATCHED
    orders.look({name: Process(name, ProcessState.STARTING, pid=11)})
    row = store.commands.get(number)
    assert (row.state, row.result) == (CommandState.DONE, {"old_pid": 10, "pid": 11})
    assert orders.restarts == {}


def test_a_restart_that_comes_to_nothing_is_given_up(
    store: Store, meter: Meter, orders: Orders, clock: StillClock
) -> None:
    number, name = insert(store, meter, "restart"), program_name(meter.uid)
    orders.dispatch({meter.uid}, {})
    clock.sleep(10.1)
    orders.look({name: Process(name, ProcessState.FATAL)})
    assert orders.restarts == {}
    assert store.commands.get(number).state is CommandState.EXPIRED


def test_what_is_set_aside_is_the_publishers_business_also_of_a_meter_that_is_no_more(
    store: Store, meter: Meter, orders: Orders, wire: Wire
) -> None:
    number = insert(store, meter, OUTBOX_DROP)
    wire.connected = False
    orders.dispatch(set(), {})
    assert store.commands.get(number).state is CommandState.PENDING
    wire.connected = True
    orders.dispatch(set(), {})
    orders.dispatch(set(), {})
    assert (wire.told, wire.sent) == ([(meter.uid, OUTBOX_DROP)], [])
    orders.finish([(number, CommandResult(True, {"rows": 2}))])
    assert store.commands.get(number).result == {"rows": 2}


def test_what_changes_a_meter_is_marked_before_it_is_sent_and_never_sent_twice(
    store: Store, meter: Meter, orders: Orders, wire: Wire, clock: StillClock
) -> None:
    number = insert(store, meter, "relay")
    marked = []

    def send(uid: bytes, octets: bytes) -> bool:
        marked.append(store.commands.get(number).state)
        return True

    orders.send = send
    orders.dispatch({meter.uid}, {})
    assert marked == [CommandState.DISPATCHED]
    after_a_crash = Orders(store, clock, wire.send, wire.send_to_publisher, orders.jobs)
    after_a_crash.dispatch({meter.uid}, {})
    assert wire.sent == []


def test_what_changes_a_meter_does_not_wait_for_its_worker(
    store: Store, meter: Meter, orders: Orders, wire: Wire
) -> None:
    wire.connected = False
    number = insert(store, meter, "set")
    orders.dispatch({meter.uid}, {})
    row = store.commands.get(number)
    assert (row.state, row.error_kind) == (CommandState.FAILED, "no_worker")


def test_what_changes_a_meter_stands_in_the_audit_before_and_after(
    store: Store, meter: Meter, clock: StillClock
) -> None:
    target = {"class": 8, "obis": "0-0:1.0.0", "attribute": 3, "value": "int16:60", "password": "never"}
    done = store.commands.insert(meter.uid, "set", arguments=target, actor="ann")
    store.commands.finish(done, ok=True, result={"result": "success"})
    store.commands.finish(done, ok=True)
    lost = store.commands.insert(meter.uid, "relay", arguments={"operation": "disconnect"}, actor="bob")
    clock.sleep(31)
    assert store.commands.expire(clock.wall_ms()) == [lost]
    store.commands.insert(meter.uid, "read", actor="ann")
    rows = [row for row in reversed(store.audit.list()) if row.action.startswith("command.")]
    assert [(row.actor, row.action) for row in rows] == [
        ("ann", "command.set"),
        ("ann", "command.set.done"),
        ("bob", "command.relay"),
        ("bob", "command.relay.failed"),
    ]
    assert rows[0].details == {"command": done, **target, "password": "********"}
    assert rows[3].details == {"command": lost, "state": "expired", "error": "command_expired"}
    assert {row.subject for row in rows} == {f"{meter.uid.hex()} {meter.wish.name}"}
