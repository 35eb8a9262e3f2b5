"""One worker, wired from its file and run until it is told to stop.

In: the path of a worker file. Out: an exit code: 0 stopped, or the parent is gone; 75 the journal or the line is held
by another process; 78 the worker file cannot be used. Any other error is a defect of ours, and ``main``'s business.
"""

import logging
import os
from pathlib import Path
from typing import Final

from common import logs
from common.bus import WorkerBus
from common.clock import SystemClock, boot_id
from common.errors import BridgeError, Hopeless
from common.journal import Journal, JournalLimits, LockHeld
from common.process import Exit, StopFlag, settle, tidy
from poller.backfill_file import BackfillFile
from poller.errors import LineHeld
from poller.feed import Feed
from poller.line import LineLock
from poller.link import Parts
from poller.loop import Loop
from poller.refusal import RefusalRecord
from poller.resolver import Resolver
from poller.transport import TcpWire
from poller.turnstile import Turnstile
from poller.vitals import Vitals
from poller.watch import Watch

CLOSE_S: Final = 4.0  # to collect acknowledgements; with DISC and the bus's linger a stop stays under ten seconds
SUBSCRIPTION_S: Final = 1.0  # a courtesy to the first reading; the journal keeps it in any case

log = logging.getLogger(__name__)


def work(config: Path) -> Exit:
    """Run a worker to its end; return its exit code."""
    logs.start()
    try:
        return _run(config)
    except (Hopeless, LineHeld, LockHeld) as error:
        return _give_up(error)


def _run(config: Path) -> Exit:
    """Wire a worker from its file and run it until it is told to stop."""
    stop, clock, boot = StopFlag(), SystemClock(), boot_id()
    stop.install()
    watch = Watch(config, clock)
    file = watch.current
    directory = Path(file.journal_dir)
    limits = JournalLimits(file.limits.journal_max_age_s, file.limits.journal_max_octets)
    journal = Journal.open(directory, file.uid, clock, boot, limits)
    bus = WorkerBus(Path(file.bus_dir), file.uid)
    feed = Feed(file.uid, journal, bus, clock, boot)
    log.info("started meter=%s uid=%s revision=%d", file.name, file.uid.hex(), file.revision)
    missed = BackfillFile(directory)
    loop = Loop(watch, feed, stop, clock, missed)
    parts = Parts(
        TcpWire(clock, loop.pulse),
        Resolver(clock, loop.pulse),
        LineLock(Path(file.lock_dir)),
        RefusalRecord(directory, clock, boot),
        clock,
        Vitals(clock),
        _draw,
        Turnstile(Path(file.lock_dir), clock),
        tidy,
    )
    try:
        settle()
        bus.wait_for_subscription(SUBSCRIPTION_S)
        loop.run(parts)
    finally:
        feed.close(0.0 if stop.orphaned() else CLOSE_S)  # alone, nobody acknowledges: the journal keeps it
    missed.close()
    log.info("stopped meter=%s everything_delivered=%s", file.name, feed.drained())
    return Exit.OK


def _give_up(error: BridgeError) -> Exit:
    """Return the exit code of what no restart will mend by itself."""
    log.critical("%s: %s", error.kind, error.detail)
    return Exit.LOCK_HELD if isinstance(error, LockHeld | LineHeld) else Exit.BAD_CONFIGURATION


def _draw() -> float:
    """Return a random number from 0 up to 1."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
