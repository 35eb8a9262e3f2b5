"""Two programs for the hand-over between real processes: a worker without a meter, a publisher without a broker.

    python -m tests.support.handover_programs worker|publisher|keeper|careless DIRECTORY NUMBER [LOGS] [BOOT]

Each notes in a file of its own (below LOGS, else DIRECTORY), with one write per line, what it did: the worker each
reading that it was told is taken, and how far the publisher acknowledged; the publisher each row that its broker would
have got, before it deletes the row. A keeper is a publisher without a broker, a careless one asks for no fsync. BOOT
stands for the kernel's boot id.
"""

import os
import sys
from pathlib import Path
from typing import Final

from common.bus import PublisherBus, WorkerBus
from common.clock import SystemClock, boot_id
from common.envelope import decode
from common.heartbeat import WorkerBeat
from common.journal import Journal
from common.process import StopFlag
from common.reading import Quantity, Reading
from common.routes import Mode, Route
from poller.feed import Feed
from publisher.adoption import Adoption
from publisher.intake import Intake
from publisher.outbox import Lane, Outbox

PERIOD_S: Final = 0.01
BEAT_S: Final = 0.3
WORKERS: Final = 4


def uid_of(number: int) -> bytes:
    """Return the uid of a worker."""
    return number.to_bytes(16, "big")


def last_number(log: Path) -> int:
    """Return the last number that was attempted by an earlier life."""
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return max((int(line.split()[1]) for line in lines), default=0)


def _note(handle: int, text: str) -> None:
    os.write(handle, f"{text}\n".encode())


def _opened(log: Path) -> int:
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def work(root: Path, number: int, logs: Path, boot: bytes) -> None:
    """Take a reading each PERIOD_S until SIGTERM, then collect acknowledgements."""
    clock, uid, stop = SystemClock(), uid_of(number), StopFlag()
    stop.install()
    log = logs / f"worker-{number}.log"
    count, handle = last_number(log), _opened(log)
    journal = Journal.open(root / "journal" / uid.hex(), uid, clock, boot)
    bus = WorkerBus(logs, uid)
    feed = Feed(uid, journal, bus, clock, boot)
    told: dict[bytes, int] = {}
    next_beat = clock.monotonic()
    while not stop.is_set:
        if clock.monotonic() >= next_beat:
            next_beat += BEAT_S
            feed.beat(WorkerBeat(pid=os.getpid()))
        count += 1
        _note(handle, f"attempted {count}")
        if feed.publish(Reading((Quantity("active_energy", "1-0:1.8.0*255", count, 0, 30),))):
            _note(handle, f"taken {count}")
        feed.pump(PERIOD_S)
        _note_acknowledged(handle, journal, told)
    feed.close()
    _note(handle, f"drained {int(journal.drained())}")


def _note_acknowledged(handle: int, journal: Journal, told: dict[bytes, int]) -> None:
    for span in journal.spans():
        if span.first_unacknowledged - 1 > told.get(span.epoch, 0):
            told[span.epoch] = span.first_unacknowledged - 1
            whose = "own" if span.epoch == journal.epoch else "old"
            _note(handle, f"acknowledged {told[span.epoch]} {span.epoch.hex()} {whose}")


def keep(root: Path, logs: Path, boot: bytes, *, careless: bool) -> None:
    """Take everything in and keep it, until the end."""
    clock, stop = SystemClock(), StopFlag()
    stop.install()
    bus = PublisherBus(logs)
    outbox = Outbox.open(root / "outbox", clock, boot, max_age_s=1e6, max_octets=1 << 30)
    if careless:
        outbox._file._db.execute("PRAGMA synchronous=OFF")
    intake = Intake(outbox, bus, clock, os.urandom(8))
    while not stop.is_set:
        intake.handle(bus.wait(0.05).messages)
        outbox.flush()
    outbox.close()
    bus.close()


def publish(root: Path) -> None:
    """Take everything in, let the broker take a part of it each turn."""
    clock, stop = SystemClock(), StopFlag()
    stop.install()
    handle = _opened(root / "broker.log")
    bus = PublisherBus(root)
    outbox = Outbox.open(root / "outbox", clock, boot_id(), max_age_s=1e6, max_octets=1 << 30)
    intake = Intake(outbox, bus, clock, os.urandom(8))
    adoption = Adoption(root / "journal", outbox, intake, clock, boot_id())
    routes = (Route(uid_of(number), f"m{number}", Mode.GENERIC, "broker") for number in range(1, WORKERS + 1))
    intake.set_routes({route.uid: route for route in routes})
    while not stop.is_set:
        intake.handle(bus.wait(0.05).messages)
        adoption.turn()
        for uid in outbox.waiting_uids():
            rows = outbox.next_rows(uid, Lane.STRICT, after_id=0, limit=50, octets=1 << 20)
            for row in rows:
                value = Reading.from_body(decode(row.envelope).body).quantities[0].raw
                _note(handle, f"{row.uid.hex()} {row.epoch.hex()} {row.seq} {value}")
            outbox.acknowledge([row.id for row in rows])
        outbox.flush()
    outbox.close()
    bus.close()


if __name__ == "__main__":
    directory, *further = (Path(sys.argv[2]), *sys.argv[4:])
    logs, boot = Path(further[0]) if further else directory, bytes.fromhex(further[1]) if further[1:] else boot_id()
    if sys.argv[1] == "worker":
        work(directory, int(sys.argv[3]), logs, boot)
    elif sys.argv[1] == "publisher":
        publish(directory)
    else:
        keep(directory, logs, boot, careless=sys.argv[1] == "careless")
