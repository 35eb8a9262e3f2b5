"""supervisord is started again when it ended or hangs, within a budget; systemd hears READY, WATCHDOG and a status."""

import os
import socket
from pathlib import Path

import pytest

from admin_api.cli.keeper import BUSY_S, DELAYS_S, HUNG_S, RESTARTS, UNREADY_S, WINDOW_S, Keeper, Spent
from admin_api.cli.notify import ALIVE, READY, VARIABLE, Notifier
from admin_api.cli.product import DidNotStart
from common.process_state import ProcessState
from tests.support.installation import StillClock

LOCK = 7
STEP_S = 0.5


class Told(Notifier):
    """What systemd would hear."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def tell(self, *assignments: str) -> None:
        self.heard += assignments


class Desk:
    """A product in which supervisord is two truths: whether it lives and whether it answers."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.answers = True
        self.works = False
        self.worked = 0.0
        self.starts: list[float] = []
        self.sweeps = 0
        self.refuses: Exception | None = None
        self.table = {"publisher": ProcessState.RUNNING, "api": ProcessState.RUNNING}
        self.clock = StillClock()
        self.told = Told()
        self.said: list[str] = []
        self.keeper = Keeper(self, self.clock, LOCK, self.told, self.said.append)

    def ended(self) -> int | None:
        return self.code

    def is_heard(self) -> bool:
        return self.answers

    def worked_s(self) -> float:
        self.worked += self.works
        return self.worked

    def states(self) -> dict[str, ProcessState]:
        return self.table

    def kill(self) -> None:
        self.code = -9

    def sweep(self) -> int:
        self.sweeps += 1
        return 0

    def start(self, lock: int) -> None:
        assert lock == LOCK
        assert self.sweeps > len(self.starts), "started before what was left over was swept up"
        if self.refuses is not None:
            raise self.refuses
        self.starts.append(self.clock.monotonic())
        self.code, self.answers = None, True

    def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.keeper.look()
            self.clock.sleep(STEP_S)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_systemd_hears_that_all_is_ready_once_and_that_supervisord_answers_again_and_again(desk: Desk) -> None:
    desk.go_on(20.0)
    assert desk.told.heard.count(READY) == 1
    assert desk.told.heard.count(ALIVE) == 10
    assert "STATUS=2 of 2 programs run" in desk.told.heard


def test_ready_waits_for_the_programs_but_not_for_ever(desk: Desk) -> None:
    desk.table["api"] = ProcessState.FATAL
    desk.go_on(UNREADY_S - 1)
    assert READY not in desk.told.heard
    assert "STATUS=1 of 2 programs run; not: api" in desk.told.heard
    desk.go_on(3.0)
    assert READY in desk.told.heard


def test_a_supervisord_that_ended_is_started_again_at_once_after_sweeping(desk: Desk) -> None:
    desk.go_on(5.0)
    desk.code = -9
    before = desk.clock.monotonic()
    desk.go_on(2.0)
    assert desk.starts == [before + STEP_S]
    assert desk.said == [
        "supervisord ended with code -9; 0 processes had to be ended; it is started again in 0 s",
    ]


def test_one_that_does_not_answer_is_killed_after_fifteen_seconds_and_systemd_hears_nothing_meanwhile(
    desk: Desk,
) -> None:
    desk.go_on(5.0)
    desk.answers = False
    desk.told.heard.clear()
    desk.go_on(HUNG_S - 1)
    assert not desk.starts
    assert not desk.told.heard
    desk.go_on(8.0)
    assert len(desk.starts) == 1
    assert ALIVE in desk.told.heard


def test_one_that_is_only_busy_has_a_minute(desk: Desk) -> None:
    desk.answers, desk.works = False, True
    desk.go_on(BUSY_S - 5.0)
    assert not desk.starts
    desk.go_on(10.0)
    assert len(desk.starts) == 1


def test_time_in_which_we_did_not_run_counts_against_nobody(desk: Desk) -> None:
    desk.answers = False
    desk.go_on(3.0)
    desk.clock.sleep(1000.0)
    desk.keeper.look()
    desk.answers = True
    desk.go_on(10.0)
    assert not desk.starts


def test_starts_have_growing_delays_and_a_budget(desk: Desk) -> None:
    for delay in DELAYS_S:
        desk.code = 1
        before = desk.clock.monotonic()
        desk.go_on(delay + 2.0)
        assert desk.starts[-1] - before in {delay, delay + STEP_S}
    desk.code = 1
    with pytest.raises(Spent, match="for the 6th time in 10 minutes"):
        desk.keeper.look()
    assert len(desk.starts) == RESTARTS


def test_old_deaths_are_forgotten(desk: Desk) -> None:
    for _ in range(3 * RESTARTS):
        desk.code = 1
        desk.go_on(2.0)
        desk.clock.sleep(WINDOW_S)
    assert len(desk.starts) == 3 * RESTARTS


@pytest.mark.parametrize("refusal", [DidNotStart("no room"), OSError("no room")])
def test_a_start_that_fails_counts_like_a_death(desk: Desk, refusal: Exception) -> None:
    desk.code, desk.refuses = 1, refusal
    with pytest.raises(Spent, match="could not be started again: no room"):
        desk.go_on(60.0)
    assert not desk.starts


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_told_arrives_at_systemds_socket_as_one_datagram(tmp_path: Path, abstract: bool) -> None:
    name = f"@dlms-bridge-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    environment = {VARIABLE: name, "HOME": "/"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name[1:]}" if abstract else name)
        systemd.settimeout(5)
        notifier = Notifier.taken_from(environment)
        notifier.tell(READY, ALIVE)
        assert systemd.recv(1000) == b"READY=1\nWATCHDOG=1"
        notifier.status("3 of 3 programs run")
        assert systemd.recv(1000) == b"STATUS=3 of 3 programs run"
    assert environment == {"HOME": "/"}, "our programs shall not speak for us"
    notifier.tell(ALIVE)  # nobody listens any more
    Notifier().tell(ALIVE)  # nobody ever did
