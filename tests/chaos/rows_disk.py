"""D: the disk is full, fails, or is read-only, under one part of the state directory at a time."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar, Final

from common.settings import load as load_settings
from common.store.engine import open_from_settings
from common.store.errors import StoreUnavailable
from common.store.model import Role
from tests.chaos.mounts import MIB, all_tmpfs, fill, free, is_writable, loop_disk, make_read_only, repair
from tests.chaos.plant import Plant
from tests.chaos.row import POLL_S, Listed, Moment, Rounds, Row, Stage, Touched, touched
from tests.support.system import Sections, System

JOURNALS, OUTBOX, LOGS, STORE = ("journal", "outbox", "log", "base")
SIZES: Final = {JOURNALS: 48 * MIB, OUTBOX: 64 * MIB, LOGS: 16 * MIB, STORE: 64 * MIB}
IMAGE: Final = "outbox.img"
IMAGE_OCTETS: Final = 64 * MIB
FULL_S: Final = 30.0
FULL_SHORT_S: Final = 20.0
AGAIN_S: Final = 0.5
"""What is removed while a disk is full makes room: it is filled again so often."""
BEAT_S: Final = 7.5  # heartbeats come each 5 s, the page /metrics is at most 2 s old
TRIED_AGAIN_S: Final = 12.0
"""Two heartbeats, at which what was refused is asked for again, and their replay."""
DISK: Final = frozenset({"disk", "outbox"})
LATE: Final = frozenset({"disk", "outbox", "publish", "connection", "process"})
LIBRARIES: Final = "/usr/lib/fiu/fiu_run_preload.so:/usr/lib/fiu/fiu_posix_preload.so"
FIFO: Final = "/tmp/dlms-chaos-fiu"  # a prefix of named pipes that libfiu makes, one pair per process
SYNC: Final = "posix/io/sync/*"
DROPPED: Final = "dlms_meter_readings_dropped_total"


class SmallDisks(Stage):
    """The store lies in a directory of its own, so that its disk can be full while others are not."""

    def system(self, directory: Path, meters: int, interval_s: float, settings: Sections) -> System:
        url = f"sqlite:///{(directory / 'state' / STORE / 'store.db').absolute()}"
        return super().system(directory, meters, interval_s, {**settings, "store": {"url": url}})


def _disks(directory: Path) -> AbstractContextManager[None]:
    return all_tmpfs({directory / "state" / name: octets for name, octets in SIZES.items()})


@contextmanager
def _image(directory: Path) -> Iterator[None]:
    with loop_disk(directory / "state" / OUTBOX, directory / IMAGE, IMAGE_OCTETS):
        yield


KEYS: Final = (
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"),
    *("frequency", "active_power", "reactive_power", "active_energy"),
)
"""Readings of some size: a journal that has begun a page fills it before it needs another."""
SMALL: Final = SmallDisks(
    "small disks", around=_disks, words=tuple(word for key in KEYS for word in ("--measure", key))
)
LOOP: Final = Stage("outbox on a disk of its own", around=_image)
INJECTED: Final = Stage("libfiu", environment={"LD_PRELOAD": LIBRARIES, "FIU_CTRL_FIFO": FIFO})


class FullDisk(Row):
    """D1: one of the parts; while it is full nothing may crash, afterwards it goes on alone."""

    rounds = Rounds(1, 3)
    needs_root = True
    stage = SMALL
    part: ClassVar[str]
    may_raise = DISK

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def bound_s(self, plant: Plant) -> float:
        return TRIED_AGAIN_S + POLL_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        return FULL_SHORT_S if plant.short else FULL_S

    def inject(self, plant: Plant, hit: Touched) -> None:
        path = plant.system.state / self.part
        self._ended = threading.Event()
        fill(path)
        self._thread = threading.Thread(target=self._keep_full, args=(path,), daemon=True)
        self._thread.start()

    def _keep_full(self, path: Path) -> None:
        while not self._ended.wait(AGAIN_S):
            fill(path)

    def clear(self, plant: Plant, hit: Touched) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        free(plant.system.state / self.part)


class FullJournals(FullDisk):
    """The only place where readings may be refused: they are counted, and no worker ends."""

    id = "D1J"
    fault = "the disk of the journals is full"
    part = JOURNALS
    may_raise = LATE

    def touch(self, plant: Plant) -> Touched:
        cycles = int(self.holds_s(plant) / plant.interval_s) + 2
        return touched(plant.meters, kills=cycles * len(plant.meters), note="what the disk refuses was not taken")

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        """What was refused is told by the next heartbeat, and as an alarm."""
        time.sleep(BEAT_S)
        if not plant.metric(DROPPED):
            return ()
        began_ms = since.wall_ms - round(1000 * FULL_S)  # an episode that an earlier round began may last into this one
        told = {alarm.category for alarm in plant.alarms() if (alarm.cleared_at or since.wall_ms) >= began_ms}
        return () if "disk" in told else ("readings were refused, and no alarm disk says so",)

    def figures(self, plant: Plant) -> Mapping[str, float | str]:
        return {"refused and counted": plant.metric(DROPPED)}


class FullOutbox(FullDisk):
    """Nothing is acknowledged to the workers; the journals keep it."""

    id = "D1O"
    fault = "the disk of the outbox is full"
    part = OUTBOX
    may_raise = LATE

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters)


class FullLogs(FullDisk):
    """Nobody waits for a log."""

    id = "D1L"
    fault = "the disk of the logs is full"
    part = LOGS

    def touch(self, plant: Plant) -> Touched:
        return touched()


class FullStore(FullDisk):
    """Wishes are refused, readings go on; a wish works again when there is room."""

    id = "D1S"
    fault = "the disk of the store is full"
    part = STORE
    may_raise = DISK | {"process"}

    def touch(self, plant: Plant) -> Touched:
        return touched()

    def is_back(self, plant: Plant, hit: Touched, since: Moment) -> bool:
        return wish(plant)


class FailingOutbox(Row):
    """D2: fsync fails once with EIO. Not tried again: the file is opened anew, nothing was acknowledged."""

    id = "D2"
    fault = "fsync of the outbox fails (EIO)"
    rounds = Rounds(1, 5)
    stage = INJECTED
    may_raise = LATE

    def why_not(self) -> str:
        return "" if shutil.which("fiu-ctrl") else "fiu-ctrl is not installed (Debian: fiu-utils)"

    def bound_s(self, plant: Plant) -> float:
        return TRIED_AGAIN_S + POLL_S + plant.interval_s

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters, programs=["publisher"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        fail(plant.system.pid_of("publisher"), SYNC)

    def clear(self, plant: Plant, hit: Touched) -> None:
        """A process that was started anew has no faults; one that lives is mended."""
        mend(plant.system.pid_of("publisher"), SYNC)


class ReadOnlyOutbox(Row):
    """D3: the file system has met an error and is read-only, until a person checks and mounts it."""

    id = "D3"
    fault = "the disk of the outbox becomes read-only, is checked and mounted again"
    rounds = Rounds(1, 3)
    needs_root = True
    stage = LOOP
    may_raise = LATE | {"process"}

    def bound_s(self, plant: Plant) -> float:
        return 2 * TRIED_AGAIN_S + POLL_S + plant.interval_s

    def holds_s(self, plant: Plant) -> float:
        return FULL_SHORT_S if plant.short else FULL_S

    def touch(self, plant: Plant) -> Touched:
        return touched(undelivered=plant.meters, programs=["publisher"])

    def inject(self, plant: Plant, hit: Touched) -> None:
        make_read_only(plant.system.state / OUTBOX)

    def clear(self, plant: Plant, hit: Touched) -> None:
        path = plant.system.state / OUTBOX
        if not is_writable(path):
            repair(path, plant.system.state.parent / IMAGE)

    def check(self, plant: Plant, hit: Touched, since: Moment) -> Sequence[str]:
        """The publisher ends, and is started again and again until it can write: that is what is told."""
        if not is_writable(plant.system.state / OUTBOX):
            return ("the disk is read-only still",)
        told = any(alarm.category in {"process", "disk"} for alarm in plant.alarms())
        return () if told else ("nothing was said of the disk or of the publisher",)


def wish(plant: Plant) -> bool:
    """Return whether the store takes a wish just now."""
    store = open_from_settings(load_settings(str(plant.system.state), {}))
    try:
        number, _ = store.tokens.create(Role.VIEWER, "chaos")
        store.tokens.revoke(number)
    except StoreUnavailable:
        return False
    finally:
        store.close()
    return True


def fail(pid: int, name: str) -> None:
    """Let calls of a process that was started under libfiu fail with EIO."""
    _fiu(pid, f"enable name={name},failnum=1,failinfo=5")


def mend(pid: int, name: str) -> None:
    """Let them succeed again."""
    _fiu(pid, f"disable name={name}")


def _fiu(pid: int, command: str) -> None:
    subprocess.run(
        ["fiu-ctrl", "-f", FIFO, "-c", command, str(pid)], check=True, capture_output=True, timeout=10, text=True
    )


ROWS: Final[tuple[Listed, ...]] = (
    FullJournals(),
    FullOutbox(),
    FullLogs(),
    FullStore(),
    FailingOutbox(),
    ReadOnlyOutbox(),
)
