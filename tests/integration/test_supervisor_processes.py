"""Whatever speaks to supervisord, against a real one whose programs are lines of Python."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.clock import SystemClock, boot_id
from common.meter_state import DesiredState
from common.paths import Paths
from common.process_state import ProcessState
from common.settings import Settings
from common.store.engine import Store
from common.store.model import Meter
from common.supervisord import SOCKET_NAME, NotListening, Refused, Supervisord
from common.worker_file import WorkerFile
from supervisor_qos import wishes
from supervisor_qos.ledger import Ledger
from supervisor_qos.policy import Act, Budget, Decision
from supervisor_qos.processes import carry_out
from supervisor_qos.reconcile import Reconciler
from tests.support.installation import StillClock, opened, wish
from tests.support.supervisord import SLEEPER, RealSupervisord
from tests.support.waiting import wait_until

RUNNING = ProcessState.RUNNING
CANT_REREAD = 92
DUMPER = "import faulthandler, signal, sys; faulthandler.register(signal.SIGUSR1, file=sys.stderr); signal.pause()"


@pytest.fixture
def supervisord(tmp_path: Path) -> Iterator[RealSupervisord]:
    with RealSupervisord(tmp_path, {"one": SLEEPER, "two": SLEEPER}) as real:
        real.wait_for("one", RUNNING)
        real.wait_for("two", RUNNING)
        yield real


def do(real: RealSupervisord, act: Act, name: str) -> Ledger:
    ledger = Ledger(Budget())
    carry_out([Decision(name, act, "test")], real.client, ledger, 1.0)
    return ledger


def test_nobody_listening_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(NotListening, match="No such file"):
        Supervisord(tmp_path / SOCKET_NAME).processes()


def test_a_killed_program_is_started_again_by_supervisord_and_no_other(supervisord: RealSupervisord) -> None:
    before = supervisord.client.processes()
    do(supervisord, Act.KILL, "one")
    wait_until(lambda: supervisord.look("one").pid not in {0, before["one"].pid}, 5.0, "another process")
    assert supervisord.look("two") == before["two"]


def test_a_program_that_was_stopped_is_started(supervisord: RealSupervisord) -> None:
    do(supervisord, Act.STOP, "one")
    supervisord.wait_for("one", ProcessState.STOPPED)
    do(supervisord, Act.STOP, "one")  # what is so already is not an error
    do(supervisord, Act.START, "one")
    supervisord.wait_for("one", RUNNING)
    do(supervisord, Act.START, "one")


def test_a_silent_program_writes_its_stacks(supervisord: RealSupervisord) -> None:
    supervisord.write("dumper", DUMPER)
    assert supervisord.client.reload().added == ["dumper"]
    supervisord.client.add("dumper")
    supervisord.wait_for("dumper", RUNNING)
    do(supervisord, Act.DUMP, "dumper")
    wait_until(lambda: "<module>" in supervisord.client.last_words("dumper"), 5.0, "the stacks in the log")


def test_a_program_that_cannot_run_ends_fatal_with_its_last_words(supervisord: RealSupervisord) -> None:
    supervisord.write("broken", "import sys; sys.exit('bad_file: host is missing')")
    supervisord.client.reload()
    supervisord.client.add("broken")
    process = supervisord.wait_for("broken", ProcessState.FATAL)
    assert "Exited too quickly" in process.error
    assert supervisord.client.last_words("broken") == "bad_file: host is missing"
    assert supervisord.client.last_words("nobody") == ""


def test_a_start_that_supervisord_refuses_is_counted(supervisord: RealSupervisord) -> None:
    ledger = do(supervisord, Act.START, "nobody")
    assert ledger.history("nobody").counted == 1


# wishes made true


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path, StillClock()) as found:
        yield found


@pytest.fixture
def reconciler(tmp_path: Path, store: Store) -> Iterator[Reconciler]:
    """A reconciler whose workers are a script that sleeps; its supervisord has one program of somebody else."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    worker = scripts / "dlms-poller"
    worker.write_text("#!/bin/sh\nexec sleep 1000\n", encoding="ascii")
    worker.chmod(0o755)
    settings = Settings(Paths(tmp_path / "state"))
    settings.paths.make()
    with RealSupervisord(tmp_path, {"foreign": SLEEPER}) as real:
        shutil.rmtree(real.programs)
        real.programs.symlink_to(settings.paths.programs)
        real.wait_for("foreign", RUNNING)
        yield Reconciler(store, settings, real.client, scripts, SystemClock(), boot_id())


def settle(reconciler: Reconciler) -> dict[str, int]:
    """Take the turns that the loop takes, until nothing changes any more; return the pids of what runs."""
    wanted = {wishes.program_name(uid) for uid in (reconciler.read_wishes(), reconciler.wanted())[1]}
    reconciler.write_files(clock_synchronised=True, facts={})

    def settled() -> bool:
        table = reconciler.supervisord.processes()
        reconciler.sync(table)
        ours = {name: process for name, process in table.items() if wishes.uid_of(name)}
        return set(ours) == wanted and all(process.state is RUNNING for process in ours.values())

    wait_until(settled, 15.0, f"the programs {wanted}")
    return {name: process.pid for name, process in reconciler.supervisord.processes().items()}


def meters(store: Store, *names: str) -> list[Meter]:
    return [store.meters.add(wish(name, f"10.0.0.{place + 1}"), "test") for place, name in enumerate(names)]


def test_meters_come_and_go_without_touching_another_process(reconciler: Reconciler, store: Store) -> None:
    first, second = meters(store, "a", "b")
    pids = settle(reconciler)
    assert set(pids) == {"foreign", wishes.program_name(first.uid), wishes.program_name(second.uid)}
    third = store.meters.add(wish("c", "10.0.0.9"), "test")
    more = settle(reconciler)
    assert {name: pid for name, pid in more.items() if name != wishes.program_name(third.uid)} == pids
    store.meters.remove(first.id, "test")
    less = settle(reconciler)
    assert less == {name: pid for name, pid in more.items() if name != wishes.program_name(first.uid)}
    assert not wishes.worker_path(reconciler.settings.paths, first.uid).exists()
    assert not wishes.program_path(reconciler.settings.paths, first.uid).exists()


def test_a_paused_or_edited_meter_keeps_its_process_and_gets_a_new_file(reconciler: Reconciler, store: Store) -> None:
    (meter,) = meters(store, "a")
    pids = settle(reconciler)
    path = wishes.worker_path(reconciler.settings.paths, meter.uid)
    store.meters.set_desired(meter.id, DesiredState.PAUSED, "test")
    assert settle(reconciler) == pids
    assert WorkerFile.load(path).desired_state is DesiredState.PAUSED
    store.meters.edit(meter.id, lambda old: replace(old, interval_s=5.0), "test")
    assert settle(reconciler) == pids
    assert WorkerFile.load(path).interval_s == 5.0


def test_a_stopped_meter_has_no_process_and_comes_back(reconciler: Reconciler, store: Store) -> None:
    (meter,) = meters(store, "a")
    settle(reconciler)
    store.meters.set_desired(meter.id, DesiredState.STOPPED, "test")
    assert set(settle(reconciler)) == {"foreign"}
    store.meters.set_desired(meter.id, DesiredState.RUNNING, "test")
    assert wishes.program_name(meter.uid) in settle(reconciler)


def test_nothing_is_written_or_reloaded_when_nothing_changed(reconciler: Reconciler, store: Store) -> None:
    (meter,) = meters(store, "a")
    settle(reconciler)
    paths = reconciler.settings.paths
    files = [wishes.worker_path(paths, meter.uid), wishes.program_path(paths, meter.uid), paths.routes]
    before = [path.stat().st_mtime_ns for path in files]
    assert reconciler.read_wishes() == set()
    reconciler.write_files(clock_synchronised=True, facts={})
    assert [path.stat().st_mtime_ns for path in files] == before


def test_run_files_are_for_our_eyes_only(reconciler: Reconciler, store: Store) -> None:
    (meter,) = meters(store, "a")
    settle(reconciler)
    for path in (wishes.worker_path(reconciler.settings.paths, meter.uid), reconciler.settings.paths.routes):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["stray", "ours"])
def test_a_bad_program_file_is_a_typed_refusal_and_mended_by_the_next_turn(
    reconciler: Reconciler, store: Store, name: str
) -> None:
    (meter,) = meters(store, "a")
    before = settle(reconciler)
    ours = wishes.program_path(reconciler.settings.paths, meter.uid)
    path = ours if name == "ours" else ours.with_name("stray.conf")
    store.meters.add(wish("b", "10.0.0.9"), "test")
    reconciler.read_wishes()
    reconciler.write_files(clock_synchronised=True, facts={})
    path.write_text("[program:x]\nnonsense\n", encoding="ascii")
    with pytest.raises(Refused) as refused:
        reconciler.sync({})
    assert refused.value.code == CANT_REREAD
    after = settle(reconciler)
    assert {program: after[program] for program in before} == before
    assert len(after) == len(before) + 1


def test_a_tombstone_ends_when_nothing_of_it_waits(reconciler: Reconciler, store: Store) -> None:
    (meter,) = meters(store, "a")
    settle(reconciler)
    (reconciler.settings.paths.journal / meter.uid.hex()).mkdir()
    store.meters.remove(meter.id, "test")
    settle(reconciler)
    table = reconciler.supervisord.processes()
    assert reconciler.bury(table, {meter.uid: 3}) == []
    assert reconciler.bury(table, {}) == [meter.uid]
    assert store.meters.list(include_deleted=True) == []
    assert not (reconciler.settings.paths.journal / meter.uid.hex()).exists()
