"""dlms-supervisor-qos --state DIR: wires the parts of the supervisor and runs its loop.

Exit codes: 0 told to stop, 70 a bug, 75 another supervisor holds this state directory, 78 settings, master key, store
or installation are not usable.
"""

import fcntl
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from common import logs
from common import settings as configuration
from common.bus import SupervisorBus
from common.clock import SystemClock, boot_id
from common.errors import BridgeError, Hopeless
from common.process import Exit, StopFlag, settle, tidy
from common.routes import Mode
from common.settings import Settings
from common.store.engine import open_from_settings
from common.supervisord import SOCKET_NAME, Supervisord
from supervisor_qos.alarm_notes import AlarmNotes
from supervisor_qos.jobs import Jobs
from supervisor_qos.keeping import Keeping
from supervisor_qos.kernel_clock import is_synchronised
from supervisor_qos.ledger import Ledger
from supervisor_qos.loop import Loop, Parts
from supervisor_qos.observer import Observer
from supervisor_qos.orders import Orders
from supervisor_qos.policy import Budget
from supervisor_qos.reconcile import Reconciler
from supervisor_qos.recorder import Recorder
from supervisor_qos.watch import Watch

PACKAGES: Final = ("common", "poller", "publisher", "supervisor_qos", "admin_api")
LOCK_NAME: Final = "supervisor_qos.lock"
USAGE: Final = "usage: dlms-supervisor-qos [--state DIR]"
_log = logging.getLogger(__name__)


class BadUsage(Hopeless):
    """The command line is not ``--state DIR``."""


class LockHeld(Hopeless):
    """Another supervisor works on this state directory."""


class ForeignPackage(Hopeless):
    """One of our plain package names is somebody else's here."""


def check_packages() -> None:
    """Raise ForeignPackage unless all our packages lie in one place: their plain names may be taken by others."""
    places = {}
    for name in PACKAGES:
        spec = find_spec(name)
        places[name] = Path(spec.origin).parent.parent if spec and spec.origin else None
    if len(set(places.values())) != 1:
        raise ForeignPackage(f"packages of dlms-bridge lie in different places: {places}")


def _state(argv: Sequence[str]) -> str | None:
    match list(argv):
        case []:
            return None
        case ["--state", state]:
            return state
        case _:
            raise BadUsage(USAGE)


def _lock(settings: Settings) -> int:
    handle = os.open(settings.paths.locks / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockHeld(f"{settings.paths.root}: another supervisor works here") from None
    return handle


def wire(settings: Settings) -> Parts:
    """Make all parts; raise BadKey, BusUnavailable, UnsafeDirectory."""
    clock, store = SystemClock(), open_from_settings(settings)
    supervision = settings.supervision
    supervisord = Supervisord(settings.paths.sockets / SOCKET_NAME)
    bus = SupervisorBus(settings.paths.sockets)
    budget = Budget(
        supervision.starts, supervision.starts_window_s, supervision.blocked_retry_s, supervision.restarts_per_minute
    )
    observer, ledger = Observer(), Ledger(budget)
    scripts = Path(sys.executable).parent
    reconciler = Reconciler(store, settings, supervisord, scripts, clock, boot_id())
    jobs = Jobs(store, clock, bus.to_worker, settings.scan, reconciler.owned)
    return Parts(
        settings=settings,
        clock=clock,
        bus=bus,
        store=store,
        supervisord=supervisord,
        observer=observer,
        ledger=ledger,
        watch=Watch(observer, ledger, supervision),
        reconciler=reconciler,
        recorder=Recorder(store, clock),
        orders=Orders(store, clock, bus.to_worker, bus.to_publisher, jobs),
        synchronised=is_synchronised,
        notes=AlarmNotes(store, clock, _named_at_broker(settings), bus.to_publisher),
        keeping=Keeping(store.history, observer.folding),
    )


def _restored(settings: Settings) -> str:
    """Make a damaged store anew; return what was done. Nobody else does it while we hold the lock."""
    with closing(open_from_settings(settings)) as store:
        restored = store.restore()
    if restored:
        _log.error("the store was %s; states, alarms and figures begin anew", restored)
    return restored


def _named_at_broker(settings: Settings) -> str:
    """Return the client id below which notes are said; empty where only ThingsBoard listens."""
    return settings.mqtt.client_id if settings.mqtt.mode == Mode.GENERIC else ""


def run(argv: Sequence[str]) -> int:
    """Run until told to stop; raise what keeps it from it."""
    check_packages()
    settings = configuration.load(_state(argv))
    logs.hide(settings.secrets)
    settings.paths.make()
    lock = _lock(settings)
    stop = StopFlag()
    stop.install()
    restored = _restored(settings)
    parts = wire(settings)
    settle()
    _log.info("started pid=%d state=%s", os.getpid(), settings.paths.root)
    Loop(parts, restored=restored, tidy=tidy).run(stop)
    parts.bus.close()
    parts.store.close()
    os.close(lock)
    _log.info("stopped")
    return Exit.OK


def main() -> int:
    """Serve the console script."""
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.stdout.write(f"{USAGE}\n")
        return Exit.OK
    logs.start()
    try:
        return run(sys.argv[1:])
    except LockHeld as error:
        _log.error("%s: %s", error.kind, error.detail)
        return Exit.LOCK_HELD
    except BridgeError as error:
        _log.error("%s: %s", error.kind, error.detail)
        return Exit.BAD_CONFIGURATION
    except Exception:
        _log.exception("a bug ended the supervisor")
        return Exit.BUG
