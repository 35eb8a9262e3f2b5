"""C: what lies on the disk is damaged: journals, the outbox, the store, a program's file."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from common.errors import BridgeError
from tests.chaos.plant import Plant, now
from tests.chaos.row import FORGETFUL, POLL_S, Listed, Moment, Rounds, Row, Touched, touched
from tests.support.waiting import wait_until

RESTART_S: Final = 2.0
TAKEN_IN_S: Final = 12.0
RESTORED_S: Final = 20.0
QUIET_S: Final = 0.3  # after a reading has arrived: it is acknowledged everywhere
ENDED_S: Final = 5.0
GARBAGE: Final = b"\x5a" * 8192
STRAY: Final = "stray.conf"
Damage = Callable[[Path, Random], None]


def cut(path: Path, chance: Random) -> None:
    """Take octets off the end."""
    size = path.stat().st_size
    os.truncate(path, max(0, size - chance.randint(1, 64)))


def flip(path: Path, chance: Random) -> None:
    """Change one octet."""
    content = bytearray(path.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)


def behead(path: Path, _chance: Random) -> None:
    """Write zeros over the first 64 octets."""
    with path.open("r+b") as stream:
        stream.write(bytes(64))


def replace_all(path: Path, chance: Random) -> None:
    """Leave nothing but noise."""
    path.write_bytes(chance.randbytes(4096))


def remove(path: Path, _chance: Random) -> None:
    """The file is gone."""
    path.unlink()


def halve(path: Path, _chance: Random) -> None:
    """Leave the first half."""
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: Final[tuple[Damage, ...]] = (cut, flip, behead, replace_all, remove, halve)


class DamagedJournal(Row):
    """C1: the worker dies, its journal is damaged before it is back. All in it is acknowledged by then."""

    id = "C1"
    fault = "a worker's journal is damaged while it is down"
    rounds = Rounds(3, 30)
    may_raise = frozenset({"process", "outbox", "disk"})

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], programs=plant.workers(meter), kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (program,) = hit.programs
        since = now()
        wait_until(lambda: plant.record.all_fresh(hit.unread, since), 10 * plant.interval_s, "a reading")
        time.sleep(QUIET_S)
        pid = plant.system.pid_of(program)
        with nobody_restarts(plant):
            end(pid)
            directory = plant.system.paths.journal / program.removeprefix("meter-")
            files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != "lock")
            plant.chance.choice(DAMAGES)(plant.chance.choice(files), plant.chance)

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        return {"set aside": float(len(list(plant.system.paths.journal.glob("*/*.bad*"))))}


class DamagedOutbox(Row):
    """C1 again, for the outbox; nothing waits in it at that moment: what is destroyed there can be lost by anybody."""

    id = "C1O"
    fault = "the outbox is damaged while the publisher is down"
    rounds = Rounds(2, 12)
    may_raise = frozenset({"process", "outbox", "disk", "publish"})

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + TAKEN_IN_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters, programs=["publisher"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        path = plant.system.paths.outbox / "outbox.db"
        pid = plant.system.pid_of("publisher")
        with nobody_restarts(plant):
            wait_until(lambda: _stopped_while_empty(pid, path), ENDED_S, "an empty outbox")
            end(pid)
            files = [each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()]
            plant.chance.choice(DAMAGES)(plant.chance.choice(files), plant.chance)

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        return {"set aside": float(len(list(plant.system.paths.outbox.glob("outbox.db.bad-*"))))}


class DamagedStore(Row):
    """C2: overwritten and deleted in turn, under everybody's hands."""

    id = "C2"
    fault = "the store is overwritten, or deleted, while all run"
    rounds = Rounds(2, 6)
    stage = FORGETFUL
    may_raise = frozenset({"disk", "process"})
    must_raise = frozenset({"disk"})

    def __init__(self) -> None:
        self._round = 0

    def bound_s(self, plant: Plant) -> float:
        return RESTORED_S

    def touch(self, plant: Plant) -> Touched:
        return touched(programs=["supervisor_qos"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        path = plant.system.paths.store_file
        self._round += 1
        if self._round % 2:
            with path.open("r+b") as stream:
                stream.write(GARBAGE)
        else:
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        try:
            told = {alarm.category for alarm in plant.alarms(since.wall_ms)}
        except BridgeError:
            return False
        return "disk" in told and is_healthy(plant)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        listed = plant.system.cli("list", code=None).stdout
        lost = [meter for meter in plant.meters if meter not in listed]
        return [f"the wishes of {len(lost)} meters are gone: {lost[0]}"] if lost else []


class BrokenProgramFile(Row):
    """C3: another meter's program has to be taken in by supervisord while files of the directory are broken."""

    id = "C3"
    fault = "the program file of a meter is broken, and a stray one lies beside it"
    rounds = Rounds(1, 5)
    may_raise = frozenset({"process", "connection"})

    def bound_s(self, plant: Plant) -> float:
        return RESTART_S + POLL_S + plant.interval_s + len(plant.meters) / 50

    def touch(self, plant: Plant) -> Touched:
        meter = plant.chance.choice(plant.meters)
        return touched([meter], programs=plant.workers(meter), kills=1, note=meter)

    def inject(self, plant: Plant, hit: Touched) -> None:
        (meter,) = hit.unread
        other = plant.chance.choice([name for name in plant.meters if name != meter])
        programs = plant.system.paths.programs
        (programs / f"{plant.system.worker(other)}.conf").write_text("[program:\n\x00", encoding="utf-8")
        (programs / STRAY).write_text("no section", encoding="utf-8")
        plant.system.cli("stop", meter)
        worker = plant.system.worker(meter)
        wait_until(lambda: worker not in plant.system.processes(), TAKEN_IN_S, f"{meter} to be stopped")
        plant.system.cli("start", meter)

    def clear(self, plant: Plant, hit: Touched) -> None:
        (plant.system.paths.programs / STRAY).unlink(missing_ok=True)


@contextmanager
def nobody_restarts(plant: Plant) -> Iterator[None]:
    """Hold supervisord for the moment that it takes to damage what a dead process left."""
    pid = plant.supervisord()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def end(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _is_gone(pid), ENDED_S, f"the end of {pid}")


def is_healthy(plant: Plant) -> bool:
    """Return whether /health says so."""
    try:
        with urlopen(f"http://127.0.0.1:{plant.system.api_port}/health", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _stopped_while_empty(pid: int, path: Path) -> bool:
    """Stop the publisher; let it go on when something waits in its outbox, to be stopped at another moment."""
    os.kill(pid, signal.SIGSTOP)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
        (waiting,) = database.execute("SELECT count(*) FROM rows").fetchone()
    if waiting:
        os.kill(pid, signal.SIGCONT)
    return not waiting


ROWS: Final[tuple[Listed, ...]] = (DamagedJournal(), DamagedOutbox(), DamagedStore(), BrokenProgramFile())
