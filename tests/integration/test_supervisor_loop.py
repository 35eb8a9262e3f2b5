"""The supervisor's loop over a real store, bus and supervisord, whose workers are scripts that keep house or do not.

The loop is driven turn by turn; what a worker does follows from its meter's name.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from common.meter_state import DesiredState, MeterState
from common.paths import Paths
from common.settings import ClockSettings, Settings, SupervisionSettings
from common.store.engine import open_store
from common.store.model import CommandState, Meter, MeterStateRow, Severity
from common.supervisord import SOCKET_NAME
from common.vault import Vault
from supervisor_qos.loop import Loop
from supervisor_qos.main import wire
from supervisor_qos.wishes import program_name
from tests.support.installation import wish
from tests.support.supervisord import SLEEPER, RealSupervisord
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

QUICK: Final = SupervisionSettings(silent_s=6.0, starts=2, starts_window_s=60.0, blocked_retry_s=3.0)
WORKER: Final = """#!{python} -P
import faulthandler, os, signal, sys, time
from pathlib import Path
from common.bus import HEARTBEATS, WorkerBus
from common.command import Command, CommandResult
from common.envelope import Envelope, Kind, decode, encode
from common.heartbeat import WorkerBeat
from common.meter_state import MeterState
from common.worker_file import WorkerFile

faulthandler.register(signal.SIGUSR1)
path = Path(sys.argv[2])
file = WorkerFile.load(path)
if file.name == "crash":
    sys.exit("no_luck: born to fail")
bus = WorkerBus(Path(file.bus_dir), file.uid)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
silent = file.name == "mute"
while True:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000
    state = MeterState.UNREACHABLE if file.name == "away" else MeterState.ACTIVE
    beat = WorkerBeat(pid=os.getpid(), revision=file.revision, state=state, last_read_boot_ms=now)
    if not silent:
        bus.publish(HEARTBEATS, encode(Envelope(Kind.HEARTBEAT, file.uid, body=beat.to_body())))
    for inbound in bus.wait(0.2):
        command = Command.from_body(decode(inbound.octets).body)
        body = CommandResult(ok=True, result={{"verb": command.verb}}).to_body(command.id)
        bus.to_supervisor(encode(Envelope(Kind.RESULT, file.uid, body=body)))
    file = WorkerFile.load(path)
"""


class Scene:
    """A loop, its supervisord, and meters that are named for what their workers do."""

    def __init__(self, settings: Settings, real: RealSupervisord, scripts: Path) -> None:
        self.real = real
        self.parts = wire(settings)
        self.parts.reconciler.scripts = scripts
        self.store = self.parts.store
        self.loop = Loop(self.parts)
        self.loop.last_turn_ms = self.parts.clock.boottime_ms()

    def renew(self) -> None:
        """Another supervisor takes over."""
        self.parts.bus.close()
        self.parts = wire(self.parts.settings)
        self.parts.reconciler.scripts = self.loop.parts.reconciler.scripts
        self.loop = Loop(self.parts)
        self.loop.last_turn_ms = self.parts.clock.boottime_ms()

    def add(self, name: str, host: str) -> Meter:
        return self.store.meters.add(wish(name, host), "test")

    def until(self, holds: Callable[[], object], timeout: float, what: str) -> None:
        """Turn the loop until something holds."""

        def turned() -> object:
            self.loop.turn()
            return holds()

        wait_until(turned, timeout, what)

    def state(self, meter: Meter) -> MeterStateRow:
        return self.store.states.get(meter.uid)

    def until_state(self, meter: Meter, state: MeterState, timeout: float = 20.0) -> None:
        self.until(lambda: self.state(meter).status is state, timeout, f"{meter.wish.name} to be {state}")

    def pid(self, meter: Meter) -> int:
        return self.real.look(program_name(meter.uid)).pid

    def alarms(self) -> dict[str, Severity]:
        return {alarm.dedup_key: alarm.severity for alarm in self.store.alarms.active()}


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("loop")
    settings = Settings(Paths(root / "state"), supervision=QUICK, clock=ClockSettings(trusted=True))
    settings.paths.make()
    open_store(settings.store_url, Vault.create(settings.paths.master_key)).upgrade()
    worker = root / "dlms-poller"
    worker.write_text(WORKER.format(python=sys.executable), encoding="ascii")
    worker.chmod(0o755)
    with RealSupervisord(settings.paths.run, {"foreign": SLEEPER}, settings.paths.sockets / SOCKET_NAME) as real:
        found = Scene(settings, real, root)
        yield found
        found.parts.bus.close()
        found.store.close()


def test_a_meter_is_read_within_two_seconds_of_its_wish_and_its_commands_are_answered(scene: Scene) -> None:
    scene.until(lambda: scene.loop.table, 5.0, "the first look")
    meter = scene.add("good", "10.0.0.1")
    scene.until(lambda: scene.pid(meter), 2.0, "its process")
    scene.until_state(meter, MeterState.ACTIVE)
    number = scene.store.commands.insert(meter.uid, "ping", actor="test")
    scene.until(lambda: scene.store.commands.get(number).state is CommandState.DONE, 5.0, "the answer")
    assert scene.store.commands.get(number).result == {"verb": "ping"}


def test_a_restart_that_was_asked_for_is_one_and_does_not_count(scene: Scene) -> None:
    meter, other = scene.add("good", "10.0.0.1"), scene.add("other", "10.0.0.2")
    scene.until_state(meter, MeterState.ACTIVE)
    scene.until_state(other, MeterState.ACTIVE)
    before, beside = scene.pid(meter), scene.pid(other)
    number = scene.store.commands.insert(meter.uid, "restart", actor="test")
    scene.until(lambda: scene.store.commands.get(number).state is CommandState.DONE, 15.0, "the restart")
    result = scene.store.commands.get(number).result
    assert (result["old_pid"], result["pid"]) == (before, scene.pid(meter))
    assert scene.pid(other) == beside
    scene.until_state(meter, MeterState.ACTIVE)
    assert scene.store.starts.since(meter.uid, 0) == 0
    assert scene.alarms() == {}


def test_a_worker_that_dies_again_and_again_is_blocked_and_forgiven_when_its_wish_changes(scene: Scene) -> None:
    bad, good = scene.add("crash", "10.0.0.1"), scene.add("good", "10.0.0.2")
    scene.until_state(good, MeterState.ACTIVE)
    pid = scene.pid(good)
    scene.until_state(bad, MeterState.BLOCKED, 30.0)
    assert scene.alarms() == {f"process:{bad.uid.hex()}": Severity.CRITICAL}
    (alarm,) = scene.store.alarms.active()
    assert alarm.message.endswith("no_luck: born to fail")
    assert scene.store.starts.since(bad.uid, 0) >= QUICK.starts
    scene.until(lambda: scene.loop.counters["decided_start"], 10.0, "a trial")
    scene.store.meters.edit(bad.id, lambda old: replace(old, name="mended"), "test")
    scene.until_state(bad, MeterState.ACTIVE)
    scene.until(lambda: not scene.alarms(), 10.0, "the end of the alarm")
    assert scene.pid(good) == pid


def test_a_silent_worker_is_replaced_after_its_stacks_were_asked_for_and_no_other(scene: Scene) -> None:
    mute, good = scene.add("mute", "10.0.0.1"), scene.add("good", "10.0.0.2")
    scene.until_state(good, MeterState.ACTIVE)
    pid, beside = scene.pid(mute), scene.pid(good)
    scene.until(lambda: scene.pid(mute) not in {0, pid}, 20.0, "another process")
    assert scene.pid(good) == beside
    log = scene.parts.settings.paths.log / f"{program_name(mute.uid)}.log"
    assert "Current thread" in log.read_text(encoding="utf-8")
    assert scene.loop.counters["decided_dump"] == scene.loop.counters["decided_kill"] == 1


def test_an_honest_worker_is_left_alone_and_its_meter_has_an_alarm(scene: Scene) -> None:
    away = scene.add("away", "10.0.0.1")
    scene.until_state(away, MeterState.UNREACHABLE)
    pid = scene.pid(away)
    scene.until(lambda: scene.alarms() == {f"connection:{away.uid.hex()}": Severity.ERROR}, 10.0, "the alarm")
    started = scene.loop.last_turn_ms
    scene.until(lambda: scene.loop.last_turn_ms - started > 9_000, 20.0, "some time to pass")
    assert scene.pid(away) == pid


def test_stop_takes_the_process_and_start_brings_it_back(scene: Scene) -> None:
    meter = scene.add("good", "10.0.0.1")
    scene.until_state(meter, MeterState.ACTIVE)
    scene.store.meters.set_desired(meter.id, DesiredState.STOPPED, "test")
    scene.until(lambda: program_name(meter.uid) not in scene.loop.table, 10.0, "the end of the program")
    scene.until_state(meter, MeterState.INACTIVE)
    scene.store.meters.set_desired(meter.id, DesiredState.RUNNING, "test")
    scene.until_state(meter, MeterState.ACTIVE)
    assert scene.store.starts.since(meter.uid, 0) == 0


def test_a_supervisor_that_did_not_run_judges_nobody_by_it(scene: Scene) -> None:
    mute = scene.add("mute", "10.0.0.1")
    scene.until(lambda: scene.pid(mute), 5.0, "its process")
    scene.loop.last_turn_ms -= 60_000
    scene.loop.turn()
    assert scene.loop.counters["own_gaps"] == 1
    started = scene.loop.last_turn_ms
    scene.until(lambda: scene.loop.last_turn_ms - started > 8_000, 20.0, "more than the time of silence")
    assert scene.loop.counters["decided_dump"] == 0


def test_a_store_that_takes_nothing_blinds_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.store.database.BUSY_TIMEOUT_MS", 10)
    scene.store.close()  # its next connections have no patience
    meter = scene.add("good", "10.0.0.1")
    scene.until_state(meter, MeterState.ACTIVE)
    number = scene.store.commands.insert(meter.uid, "ping", actor="test", timeout_s=0.0)
    assert scene.store.commands.dispatched(number)
    scene.loop.judged = []
    with closing(sqlite3.connect(scene.parts.settings.paths.root / "store.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        scene.until(lambda: scene.loop.judged, 5.0, "a judgement")
        assert {"supervisor:orders", "supervisor:record"} <= scene.loop.troubles.keys()
    scene.until(lambda: scene.store.commands.get(number).state is CommandState.EXPIRED, 5.0, "the end of the command")


def test_starts_that_a_wrong_clock_dated_do_not_count(scene: Scene) -> None:
    meter = scene.add("good", "10.0.0.1")
    scene.until_state(meter, MeterState.ACTIVE)
    now_ms = scene.parts.clock.wall_ms()
    for at_ms in (now_ms - 1000, now_ms + 3_600_000):
        scene.store.starts.record(meter.uid, 1, at_ms, "unplanned")
    scene.renew()
    scene.until(lambda: scene.loop.judged, 5.0, "a judgement")
    assert len(scene.parts.ledger.history(program_name(meter.uid)).starts) == 1


def test_a_new_supervisor_finds_everything_as_it_is(scene: Scene) -> None:
    meter = scene.add("good", "10.0.0.1")
    scene.until_state(meter, MeterState.ACTIVE)
    before = {name: process.pid for name, process in scene.real.client.processes().items()}
    scene.renew()
    scene.until(lambda: scene.loop.judged and scene.loop.judged[0].worker.heard_ms, 10.0, "the worker to be heard")
    assert {name: process.pid for name, process in scene.real.client.processes().items()} == before
    assert scene.loop.counters["unplanned_starts"] == 0
